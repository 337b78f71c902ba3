# Sets what a fit of a large sparse matrix costs beside what was asked for.
#
#   R_LIBS=.lib Rscript bench/sparse.R [--quick] [--article]
#
# from the root of the package, with nmu installed. Ratios are taken within this one run; --quick
# takes small matrices: a test of this script. The seconds of the first row are the only absolute
# figure; beside them stand those of the processor, which tell how busy the machine was. --article
# puts the table where vignettes/performance.Rmd reads it.

if (!file.exists(file.path("bench", "sparse.R"))) stop("run this from the package's root")
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
  if (quick) stop("the article is made from a whole run")
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
  found <- read.csv(text = lines)
  what <- sprintf(
    "n = %.0e, %.1f million stored: one factor, %s", large, found$stored / 1e6, found$status
  )
  report(what, "60 s", sprintf("%.1f s (processor %.1f s)", found$seconds, found$processor),
    found$seconds < 60)
  report("  its memory, A included", "2.5 x A", sprintf("%.2f x A", 1 + found$beyond / found$size),
    1 + found$beyond / found$size < 2.5)
  figure <- sprintf("%.4f (d = %.1f)", found$cosine, found$d)
  report("  not null: cosine with a group", "0.9", figure, found$d > 0 && found$cosine > 0.9)
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
  sparse <- seconds(found <- fit(A))
  dense <- as.matrix(A)
  slow <- seconds(expected <- fit(dense))
  stopifnot(all.equal(found$d, expected$d, tolerance = 1e-7))
  filled <- 100 * length(A@x) / medium^2
  what <- sprintf("n = %d, %.2f %% filled: first factor, against dense", medium, filled)
  report(what, "100 x faster", sprintf("%.0f x faster (%.2f s)", slow / sparse, sparse),
    slow > 100 * sparse)
}

fit_large()
pass_against_product()
sparse_against_dense()

if (article) write_table(reported, machine, file.path("vignettes", "performance", "sparse.csv"))
