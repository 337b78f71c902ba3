# Runs tests/testthat on the installed package, and ends with one line of counts.
#
#   R_LIBS=<library> Rscript tools/test.R [FILTER]

suppressPackageStartupMessages({
  library(testthat)
  library(nmu)
})
message("nmu ", utils::packageVersion("nmu"), " from ", dirname(find.package("nmu")))
filter <- commandArgs(trailingOnly = TRUE)
Sys.setenv(
  # Tests that are skipped on CRAN are run as well, unless NOT_CRAN is set.
  NOT_CRAN = Sys.getenv("NOT_CRAN", "true"),
  # The whole suite uses one process per core; test files are independent of each other.
  TESTTHAT_PARALLEL = toupper(length(filter) == 0L),
  TESTTHAT_CPUS = parallel::detectCores()
)
results <- as.data.frame(test_dir(
  "tests/testthat",
  filter = if (length(filter)) filter[[1L]],
  reporter = if (interactive()) "progress" else "check",
  package = "nmu",
  load_package = "installed",
  stop_on_failure = FALSE
))
passed <- sum(results$passed)
failed <- sum(results$failed) + sum(results$error)
cat(sprintf("\n%d passed, %d failed, %d skipped\n", passed, failed, sum(results$skipped)))
if (failed > 0L || passed == 0L) quit("no", status = 1L)
