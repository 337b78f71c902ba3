# Time and peak memory of the fit of a matrix on disk that is larger than the memory used. Writes an
# HDF5 file of n x n doubles block by block, a symmetric matrix with known groups, then fits one
# factor and reports the peak memory of the process beyond that before the fit.
#
#   R_LIBS=.lib Rscript bench/disk.R [--quick] [--n=20000] [--file=A.h5]
#
# n = 20,000 takes 3.2 GB. An existing file is used as it is, and kept. --quick replaces the maximum
# likelihood fit of some hundred passes by the notebook's five rounds of two iterations, started
# from constant loadings; each pass reads the same blocks. Peak memory is VmHWM of the process,
# which Linux reports and allows to be reset.

suppressPackageStartupMessages({
  library(nmu)
  library(HDF5Array)
})
arguments <- commandArgs(trailingOnly = TRUE)
argument <- function(name, default) {
  matches <- grep(sprintf("^--%s=", name), arguments, value = TRUE)
  if (length(matches) > 0) sub("^[^=]*=", "", matches[1]) else default
}
quick <- "--quick" %in% arguments
n <- as.integer(argument("n", "20000"))
file <- argument("file", tempfile(fileext = ".h5"))

# Entries of some columns: groups, and a remainder that depends on the pair of indices alone, so
# that the matrix is symmetric without being held in memory.
set.seed(1)
groups <- matrix(rbinom(3 * n, 1, 0.3), n)
entries_of <- function(columns) {
  rows <- seq_len(n)
  pair <- outer(rows, columns, "+") * 0.754877666 + outer(rows, columns, "*") * 0.569840291
  tcrossprod(groups, groups[columns, , drop = FALSE]) - 0.5 * log1p(-(pair %% 1))
}

write_matrix <- function(file, width = 250L) {
  sink <- HDF5RealizationSink(c(n, n), type = "double", filepath = file, name = "A", level = 0,
    chunkdim = c(min(n, 1000L), min(n, 1000L))
  )
  for (first in seq(1L, n, by = width)) {
    columns <- first:min(first + width - 1L, n)
    ranges <- IRanges::IRanges(c(1L, first), width = c(n, length(columns)))
    viewport <- ArrayViewport(c(n, n), ranges)
    sink <- write_block(sink, viewport, entries_of(columns))
  }
  close(sink)
  as(sink, "HDF5Array")
}

memory <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
reset_peak <- function() {
  invisible(gc())
  writeLines("5", "/proc/self/clear_refs")
}

if (!file.exists(file)) {
  cat(sprintf("written in %.0f s\n", system.time(write_matrix(file))[["elapsed"]]))
}
A <- HDF5Array(file, "A")
read <- system.time(for (columns in split(seq_len(n), (seq_len(n) - 1) %/% 500)) {
  extract_array(A, list(NULL, columns))
})[["elapsed"]]
reset_peak()
before <- memory("VmRSS")
fitting <- system.time(fit <- if (quick) {
  nmu(A,
    noise = noise_notebook(), symmetric = TRUE, init = rep(1, n), control = nmu_control(maxiter = 2)
  )
} else {
  nmu(A, refine = FALSE)
})[["elapsed"]]
peak <- memory("VmHWM")
cat(sprintf(
  paste(
    "n = %d: %.2f GB, read once in %.0f s\n",
    "one factor in %.0f s (%.1f times the reading), %d iterations, %s\n",
    "memory before the fit %.0f MB, at its peak %.0f MB: %.0f MB beyond\n",
    sep = ""
  ),
  n, 8 * n^2 / 1e9, read, fitting, fitting / read, sum(fit$path$iterations), fit$status,
  before, peak, peak - before
))
