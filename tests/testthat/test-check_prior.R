quiet <- function(...) {
  capture.output(checks <- check_prior(...))
  checks
}
# names of the failed checks
failed <- function(...) {
  checks <- quiet(...)
  checks$check[!checks$passed]
}
# the exponential prior in R, with its density and one changed column
changed <- function(column = NULL, change = identity, ...) {
  prior <- exponential_in_r(density = function(w, g) ifelse(w == 0, 0, dexp(w, g$rate)), ...)
  right <- prior$posterior
  prior$posterior <- function(x, s, g) {
    answer <- right(x, s, g)
    if (!is.null(column)) answer[[column]] <- change(answer[[column]])
    answer
  }
  prior
}

test_that("every prior of the package passes, far below the limit", {
  priors <- list(
    "flat", "exponential", "point_exponential", "binary", "mixture", prior_mixture("exponential"),
    prior_binary(ratio = NULL), prior_binary(0.3, 5, 0.001), prior_mixture(scales = c(0, 1, 10)),
    prior_exponential(2), prior_point_exponential(weight = 0.3)
  )
  for (prior in priors) {
    checks <- quiet(prior)
    expect_true(all(checks$passed))
    local <- checks$check %in% c("range", "moments", "mean", "variance", "quadrature")
    expect_lt(max(checks$worst[local]), 1e-12)
  }
  expect_true(all(quiet("binary", x = c(-1, 0, 5, 5.2, 4.9), s = 0.3)$passed))
})

test_that("the checks depend on what is given", {
  all_checks <- c("range", "moments", "mean", "variance", "quadrature", "estimate", "units")
  expect_identical(quiet("point_exponential")$check, all_checks)
  expect_identical(quiet("flat")$check, setdiff(all_checks, "estimate"))
  expect_identical(quiet(prior_exponential(1))$check, all_checks[1:5])
  expect_identical(quiet(changed())$check, all_checks)
  expect_identical(quiet(exponential_in_r())$check, setdiff(all_checks, "quadrature"))
  expect_identical(quiet(changed(g = list(rate = 1)))$check, all_checks[1:5])
})

test_that("each wrong prior fails the checks for what is wrong", {
  expect_identical(failed(changed()), character())
  expect_identical(failed(changed("var", function(var) 1.0001 * var)), c("variance", "quadrature"))
  expect_identical(
    failed(changed("mean", function(mean) 1.0001 * mean)), c("mean", "variance", "quadrature")
  )
  expect_identical(
    failed(changed("log_marginal", function(value) value + 1e-6)), "quadrature"
  )
  expect_identical(
    failed(changed("log_marginal", function(value) 1.0001 * value)),
    c("mean", "quadrature", "units")
  )
  expect_identical(failed(changed("lfsr", function(lfsr) 0.1)), "quadrature")
})

test_that("estimates that are not optimal or do not scale fail", {
  prior <- changed()
  prior$estimate <- function(x, s) list(rate = 1.1 * normal_means(x, s, "exponential")$prior$rate)
  expect_identical(failed(prior), "estimate")
  prior$estimate <- function(x, s) list(rate = 0.5)
  expect_true("units" %in% failed(prior))
})

test_that("a function that fails or returns invalid values fails a check", {
  prior <- changed()
  prior$estimate <- function(x, s) stop("no estimate")
  checks <- quiet(prior)
  expect_identical(checks$check, "estimated")
  expect_match(checks$note, "no estimate")
  far <- changed()
  right <- far$posterior
  far$posterior <- function(x, s, g) {
    answer <- right(x, s, g)
    answer$mean[abs(x / s) > 500] <- NaN
    answer
  }
  checks <- quiet(far)
  expect_identical(checks$check[!checks$passed], "range")
  expect_match(checks$note[1], "NaN")
  moments <- changed()
  moments$posterior <- function(x, s, g) cbind(right(x, s, g), second_moment = 1)
  expect_true("moments" %in% failed(moments))
  density <- changed()
  density$density <- function(w, g) stop("no density")
  expect_identical(failed(density), "quadrature")
})

test_that("failed checks are an error on request", {
  broken <- changed("var", function(var) 2 * var)
  error <- expect_error(check_prior(broken, error = TRUE), class = "nmu_error_prior")
  expect_s3_class(error$checks, "nmu_prior_check")
  expect_match(conditionMessage(error), "variance")
  expect_identical(conditionCall(error)[[1]], quote(check_prior))
  expect_true(all(quiet("exponential", error = TRUE)$passed))
  expect_refused(check_prior("exponential", tolerance = 0), "tolerance")
  expect_refused(check_prior("exponential", x = NA), "x")
  expect_refused(check_prior(c("flat", "binary")), "prior")
})

test_that("checks print", {
  local_reproducible_output()
  expect_snapshot(
    check_prior("point_exponential"),
    transform = function(lines) sub("worst error .*", "worst error <number>", lines)
  )
  expect_snapshot(
    check_prior(changed("var", function(var) "a")),
    transform = function(lines) sub("worst error .*", "worst error <number>", lines)
  )
})
