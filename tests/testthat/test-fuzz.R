# NMU_FUZZ in the environment is the number of problems, NMU_FUZZ_FROM the first.

test_that("random problems are fitted or end in a classed error", {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  asked <- function(name, otherwise) as.numeric(Sys.getenv(name, otherwise))
  corpus <- utils::read.csv(test_path("fixtures", "fuzz.csv"))$problem
  count <- asked("NMU_FUZZ", if (on_cran()) 20 else 100)
  numbers <- c(corpus, asked("NMU_FUZZ_FROM", 1) - 1 + seq_len(count))
  outcomes <- vapply(numbers, fuzz_outcome, "")
  wrong <- !outcomes %in% c("fitted", "refused")
  expect_identical(paste(numbers, outcomes)[wrong], character())
  # some problems of each outcome are needed
  expect_gt(mean(outcomes == "fitted"), 0.5)
  expect_gt(sum(outcomes == "refused"), 5)
})
