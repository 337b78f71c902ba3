# Times fits of large sparse matrices and compares the costs with their targets.
#
#   R_LIBS=.lib Rscript bench/sparse.R [--quick] [--article]
#
# Run from the root of the package, with nmu installed. Ratios are computed within this one run.
# --quick uses small matrices, as a test of this script. The seconds of the first row are the only
# absolute figure; the processor time is reported as well, since it shows the load of the machine.
# --article writes the table to where vignettes/performance.Rmd reads it.

if (!file.exists(file.path("bench", "sparse.R"))) stop("run this from the root of the package")
library(nmu)
bench_dir <- "bench"
parts <- c(
  "compare/clock.R", "compare/peers.R", "compare/machine.R", "compare/report.R",
  "sparse/planted.R", "sparse/passes.R"
)
for (part in parts) source(file.path(bench_dir, part))
arguments <- commandArgs(trailingOnly = TRUE)
quick <- "--quick" %in% arguments
article <- "--article" %in% arguments
if (article) {
  if (quick) stop("--article needs a complete run, without --quick")
  measure_path <- build_program("measure")
  machine <- describe_machine()
}
threads <- 2
large <- if (quick) 1e5 else 1e6
medium <- if (quick) 2000 else 20000

reported <- NULL
report <- function(what, goal, figure, met) {
  row <- data.frame(what, goal, figure, met = if (met) "yes" else "no")
  reported <<- rbind(reported, row)
  cat(sprintf("%-62s | %-14s | %-28s | %s\n", what, goal, figure, if (met) "met" else "NOT MET"))
}

fit_large <- function() {
  script <- file.path(bench_dir, "sparse", "large.R")
  lines <- system2(file.path(R.home("bin"), "Rscript"), c(script, large, threads), stdout = TRUE)
  result <- read.csv(text = lines)
  what <- sprintf(
    "n = %.0e, %.1f million stored: one factor, %s", large, result$stored / 1e6, result$status
  )
  report(what, "60 s", sprintf("%.1f s (processor %.1f s)", result$seconds, result$processor),
    result$seconds < 60)
  memory <- 1 + result$beyond / result$size
  report("  its memory, A included", "2.5 x A", sprintf("%.2f x A", memory), memory < 2.5)
  figure <- sprintf("%.4f (d = %.1f)", result$cosine, result$d)
  report("  not null: cosine with a group", "0.9", figure, result$d > 0 && result$cosine > 0.9)
}

pass_against_product <- function() {
  set.seed(1)
  A <- planted_groups(large)
  passes <- time_passes(A, threads)
  for (row in seq_len(nrow(passes))) {
    what <- sprintf("a pass, %s, %s, against A %%*%% x", passes$work[row], passes$loadings[row])
    report(what, "5 times", sprintf("%.2f times", passes$ratio[row]), passes$ratio[row] <= 5)
  }
}

sparse_against_dense <- function() {
  set.seed(2)
  A <- planted_groups(medium, degree = 0.001 * medium)
  noise <- community_noise(A)
  control <- nmu_control(threads = threads)
  fit <- function(A) nmu(A, noise = noise, refine = FALSE, control = control)
  invisible(fit(A))
  sparse_seconds <- seconds(sparse_fit <- fit(A))
  dense <- as.matrix(A)
  dense_seconds <- seconds(dense_fit <- fit(dense))
  stopifnot(all.equal(sparse_fit$d, dense_fit$d, tolerance = 1e-7))
  filled <- 100 * length(A@x) / medium^2
  what <- sprintf("n = %d, %.2f %% filled: first factor, against dense", medium, filled)
  figure <- sprintf("%.0f x faster (%.2f s)", dense_seconds / sparse_seconds, sparse_seconds)
  report(what, "100 x faster", figure, dense_seconds > 100 * sparse_seconds)
}

fit_large()
pass_against_product()
sparse_against_dense()

if (article) write_table(reported, machine, file.path("vignettes", "performance", "sparse.csv"))
