# Time and memory of fits of gram(X), compared with those of the matrix A = X X' / p that is formed.
#
#   R_LIBS=.lib Rscript bench/gram.R [--quick] [--n=2000,10000] [--p=50] [--largest=50000]
#     [--sparse]
#
# For each n: the time to form A, the time of a pass over both, from the difference of two numbers
# of iterations of nmu_em(), and the peak memory of the process beyond that before the fit.
# `largest` is the size of a matrix of which one pass over gram(X) is timed and A is not formed; 0
# for none.
# --sparse compares the factors of sparse, centred features (10,000 x 2,000, 5 % filled) with those
# of the matrix formed from dense features. Peak memory is VmHWM of the process, which Linux reports
# and allows to be reset.

suppressPackageStartupMessages(library(nmu))
arguments <- commandArgs(trailingOnly = TRUE)
argument <- function(name, default) {
  matches <- grep(sprintf("^--%s=", name), arguments, value = TRUE)
  value <- if (length(matches) > 0) sub("^[^=]*=", "", matches[1]) else default
  as.integer(strsplit(value, ",")[[1]])
}
quick <- "--quick" %in% arguments
sizes <- argument("n", if (quick) "500,1000" else "2000,10000")
p <- argument("p", "50")
largest <- argument("largest", if (quick) "2000" else "50000")
iterations <- if (quick) 3L else 11L

memory <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
# The time of an expression and the peak memory beyond that before, in MB.
measured <- function(expression) {
  invisible(gc())
  writeLines("5", "/proc/self/clear_refs")
  before <- memory("VmRSS")
  seconds <- system.time(expression)[["elapsed"]]
  c(seconds = seconds, MB = memory("VmHWM") - before)
}

features <- function(n, p) {
  groups <- matrix(stats::rbinom(n * 5, 1, 0.3), n)
  groups %*% matrix(stats::rnorm(5 * p), 5) + stats::rnorm(n * p, sd = 0.7)
}
iterate <- function(A, maxiter) {
  start <- rep(1, nrow(A))
  control <- nmu_control(verbose = FALSE)
  nmu_em(A, 5, 0.5, maxiter,
    symmetric = TRUE, keep_b = FALSE, init = start, trace = FALSE, control = control
  )
}
# A pass: the shortest of three, as the machine may be busy.
pass <- function(A) {
  time <- function(maxiter) min(replicate(3, system.time(iterate(A, maxiter))[["elapsed"]]))
  (time(iterations) - time(1L)) / (iterations - 1)
}

set.seed(1)
for (n in sizes) {
  X <- features(n, p)
  computed <- gram(X)
  fit_memory <- measured(iterate(computed, 3L))[["MB"]]
  few <- nmu_control(verbose = FALSE, maxiter = 3)
  joint <- suppressWarnings(measured(nmu(computed, K = 3, control = few)))
  of_gram <- pass(computed)
  forming <- measured(A <- tcrossprod(X) / p)
  of_formed <- pass(A)
  cat(sprintf(
    paste0(
      "n = %d, p = %d: X %.0f MB, A %.0f MB\n",
      "  forming A: %.1f s, %.0f MB\n",
      "  a pass: %.3f s over gram(X), %.3f s over A, ratio %.2f\n",
      "  memory beyond X: one factor %.0f MB, three factors %.0f MB\n"
    ),
    n, p, 8 * n * p / 2^20, 8 * n^2 / 2^20, forming[["seconds"]], forming[["MB"]],
    of_gram, of_formed, of_gram / of_formed, fit_memory, joint[["MB"]]
  ))
  rm(A)
}
if (largest > 0) {
  computed <- gram(features(largest, p))
  two <- measured(iterate(computed, 2L))
  one <- measured(iterate(computed, 1L))
  cat(sprintf(
    "n = %d: A would be %.1f GB; gram(X): a pass %.1f s, %.0f MB beyond X\n", largest,
    8 * largest^2 / 2^30, two[["seconds"]] - one[["seconds"]], two[["MB"]]
  ))
}

if ("--sparse" %in% arguments) {
  size <- if (quick) c(500, 200) else c(10000, 2000)
  groups <- matrix(stats::rbinom(size[1] * 3, 1, 0.3), size[1])
  rates <- groups %*% matrix(stats::rexp(3 * size[2], 16), 3)
  X <- Matrix::Matrix(matrix(stats::rpois(length(rates), rates), size[1]), sparse = TRUE)
  control <- nmu_control(verbose = FALSE, threads = 2)
  sparse <- measured(fit <- nmu(gram(X, center = TRUE), 2, ignore_diag = TRUE, control = control))
  dense <- scale(as.matrix(X), TRUE, FALSE)
  A <- tcrossprod(dense) / size[2]
  formed <- measured(expected <- nmu(A, 2, ignore_diag = TRUE, control = control))
  cat(sprintf(
    paste0(
      "sparse X of %d x %d, %.1f %% filled, centred: %.0f s and %.0f MB beyond X;",
      " over the formed A %.0f s\n",
      "  largest difference of u %.1e, of log-likelihoods %.1e\n"
    ),
    size[1], size[2], 100 * length(X@x) / length(X), sparse[["seconds"]], sparse[["MB"]],
    formed[["seconds"]], max(abs(fit$u - expected$u)), abs(fit$loglik - expected$loglik)
  ))
}
