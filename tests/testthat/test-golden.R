test_that("fits give the golden numbers", {
  expected <- utils::read.csv(test_path("fixtures", "golden.csv"))
  found <- golden_values(suppressMessages(golden_fits()))
  expect_identical(found[c("fit", "what")], expected[c("fit", "what")])
  # rounding on other processors may change where the optimizer stops
  off <- abs(found$value - expected$value) > 1e-6 * pmax(abs(expected$value), 1)
  expect_identical(paste(found$fit, found$what)[off], character())
})
