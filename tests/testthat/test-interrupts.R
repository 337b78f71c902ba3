test_that("a fit can be interrupted at any moment, and later fits are correct", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("callr")
  set.seed(20)
  count <- if (extended_tests()) 200 else 8
  result <- interrupted_fits(count)
  expect_equal(sum(result$seen), count)
  expect_gt(result$seen[["core"]], 0)
  expect_equal(result$broken, 0)
  expect_true(result$same)
})

test_that("an interrupt of the certificate returns the fit", {
  A <- datasets::Harman74.cor$cov
  real <- utils::getFromNamespace("core_certificate", "nmu")
  interrupted <- function(a, options) list(ok = NULL, err = NULL)
  utils::assignInNamespace("core_certificate", interrupted, "nmu")
  on.exit(utils::assignInNamespace("core_certificate", real, "nmu"))
  error <- expect_error(nmu(A, K = 2), class = "nmu_error_interrupted")
  expect_null(error$fit$certificate)
  expect_true(error$fit$converged)
  expect_identical(error$fit$K, 2L)
  expect_error(error$fit[1], class = "nmu_error_interrupted")
})
