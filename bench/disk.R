# A matrix on disk that is larger than the memory given to its fit: an HDF5 file of n x n doubles,
# symmetric, with planted groups, written block by block; then one factor, and the most memory that
# the process held, beyond what it held before the fit.
#
#   R_LIBS=.lib Rscript bench/disk.R [--quick] [--n=20000] [--file=A.h5]
#
# 20,000 is 3.2 GB. A file that exists is used as it is, and kept. With --quick the notebook's five
# rounds of two iterations from a flat start take the place of a climb of some hundred passes; each
# reads the same blocks. Peak memory is VmHWM of the process, which Linux tells and lets be reset.

suppressPackageStartupMessages({
  library(nmu)
  library(HDF5Array)
})
arguments <- commandArgs(trailingOnly = TRUE)
argument <- function(name, default) {
  given <- grep(sprintf("^--%s=", name), arguments, value = TRUE)
  if (length(given) > 0) sub("^[^=]*=", "", given[1]) else default
}
quick <- "--quick" %in% arguments
n <- as.integer(argument("n", "20000"))
file <- argument("file", tempfile(fileext = ".h5"))

# The entries of some columns: groups, and a remainder that depends on the pair of indices alone, so
# that the matrix is symmetric without ever being held.
set.seed(1)
groups <- matrix(rbinom(3 * n, 1, 0.3), n)
strip <- function(columns) {
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
    place <- IRanges::IRanges(c(1L, first), width = c(n, length(columns)))
    viewport <- ArrayViewport(c(n, n), place)
    sink <- write_block(sink, viewport, strip(columns))
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
