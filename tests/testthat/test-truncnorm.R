test_that("moments agree with 50-digit values", {
  known <- read.csv(test_path("fixtures", "truncnorm_moments.csv"))
  ours <- truncnorm_moments(known$mean, known$sd)
  relative <- function(value, expected) max(abs(value / expected - 1))
  expect_lt(relative(ours$mean, known$trunc_mean), 1e-14)
  expect_lt(relative(ours$var, known$trunc_var), 1e-12)
  error <- abs(ours$log_mass - known$log_mass)
  expect_true(all(error <= 1e-14 * pmax(1, abs(known$log_mass))))
})

test_that("moments agree with the reference formula, and have its symmetries", {
  mean <- seq(-40, 40, length.out = 201)
  expect_lt(max(abs(truncnorm_moments(mean, 2)$mean / reference_mean(mean, 2) - 1)), 1e-12)
  half <- truncnorm_moments(0, 3)
  expect_equal(half$mean, 3 * sqrt(2 / pi), tolerance = 1e-15)
  expect_equal(half$var, 9 * (1 - 2 / pi), tolerance = 1e-14)
  expect_equal(half$log_mass, -log(2), tolerance = 1e-15)
  # scaling by a power of two is exact
  one <- truncnorm_moments(mean, 2)
  scaled <- truncnorm_moments(mean * 2^100, 2^101)
  expect_identical(scaled$mean, one$mean * 2^100)
  expect_identical(scaled$var, one$var * 2^200)
  expect_identical(scaled$log_mass, one$log_mass)
})

test_that("moments are recycled as R recycles", {
  moments <- truncnorm_moments(c(-1, 0, 1, 2), c(1, 2))
  expect_s3_class(moments, "data.frame")
  expect_named(moments, c("mean", "var", "log_mass"))
  expect_identical(moments, truncnorm_moments(c(-1, 0, 1, 2), c(1, 2, 1, 2)))
  expect_identical(nrow(truncnorm_moments(1:5, 2)), 5L)
  expect_identical(nrow(truncnorm_moments(numeric(0), 1)), 0L)
  expect_identical(nrow(truncnorm_moments(1, numeric(0))), 0L)
  expect_identical(nrow(truncnorm_moments()), 1L)
})

test_that("missing values stay missing", {
  moments <- truncnorm_moments(c(NA, NaN, 0, 0), c(1, 1, NA, 1))
  for (column in moments) {
    expect_identical(is.na(column), c(TRUE, TRUE, TRUE, FALSE))
    expect_identical(is.nan(column), c(FALSE, TRUE, FALSE, FALSE))
  }
})

test_that("arguments out of range are refused", {
  expect_refused(truncnorm_moments("a"), "mean")
  expect_refused(truncnorm_moments(c(1, Inf)), "mean")
  expect_refused(truncnorm_moments(1, 0), "sd")
  expect_refused(truncnorm_moments(1, c(1, -2)), "sd")
  expect_refused(truncnorm_moments(1, Inf), "sd")
  expect_refused(truncnorm_moments(1, list(1)), "sd")
})
