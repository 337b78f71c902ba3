set.seed(71)
data <- seen_loadings(40)
solve_with <- function(prior) normal_means(data$x, data$s, prior)

test_that("a prior written in R is the same as in the core", {
  found <- solve_with(exponential_in_r())
  expected <- solve_with("exponential")
  expect_equal(found$posterior, expected$posterior, tolerance = 1e-12)
  expect_equal(found$loglik, expected$loglik, tolerance = 1e-12)
  expect_identical(found$prior$g, list(rate = expected$prior$rate))
  expect_equal(solve_with(found$prior)$posterior, found$posterior, tolerance = 1e-15)
  given <- solve_with(exponential_in_r(g = list(rate = 0.3)))
  expect_equal(given$posterior, solve_with(prior_exponential(0.3))$posterior, tolerance = 1e-12)
})

test_that("g may be any object, and the posterior in any of its forms", {
  flat <- truncnorm_moments(data$x, data$s)
  expected <- solve_with("flat")$posterior
  forms <- list(
    list(var = flat$var), list(sd = sqrt(flat$var)), list(second_moment = flat$var + flat$mean^2)
  )
  for (form in forms) {
    found <- solve_with(prior_custom(
      function(x, s) quote(anything),
      function(x, s, g) {
        stopifnot(identical(g, quote(anything)))
        c(list(mean = flat$mean, log_marginal = flat$log_mass), form)
      }
    ))
    expect_equal(found$posterior, expected, tolerance = 1e-10)
    expect_identical(found$prior$g, quote(anything))
  }
  expect_identical(nmu:::hyperparameters_of(list(a = 1:2, b = "x", 3)), list(a = c(1, 2)))
  expect_identical(nmu:::hyperparameters_of(c(rate = 2)), list(rate = 2))
  expect_length(nmu:::hyperparameters_of(mean), 0)
})

# Expects a classed error with the call and the original message.
expect_failed <- function(message, estimate = NULL, posterior = NULL) {
  prior <- exponential_in_r(name = "mine {x} 100%s")
  if (!is.null(estimate)) prior$estimate <- estimate
  if (!is.null(posterior)) {
    right <- prior$posterior
    prior$posterior <- function(x, s, g) posterior(right(x, s, g))
  }
  error <- expect_error(solve_with(prior), class = "nmu_error_prior")
  expect_s3_class(error, "nmu_error")
  expect_match(conditionMessage(error), "mine {x} 100%s", fixed = TRUE)
  expect_match(conditionMessage(error), message, fixed = TRUE)
  expect_identical(conditionCall(error)[[1]], quote(normal_means))
  # later calls are not affected
  expect_true(is.finite(solve_with("exponential")$loglik))
  invisible(error)
}

test_that("errors of a user's functions end in a classed error", {
  error <- expect_failed("100% %s {wrong}", function(x, s) stop("100% %s {wrong}"))
  expect_identical(conditionMessage(error$parent), "100% %s {wrong}")
  classed <- structure(class = c("mine", "error", "condition"), list(message = "odd", call = NULL))
  expect_s3_class(expect_failed("odd", function(x, s) stop(classed))$parent, "mine")
  expect_failed("later", posterior = function(answer) stop("later"))
  expect_failed("NULL", function(x, s) NULL)
  expect_failed("did not return", function(x, s) invokeRestart("abort"))
  expect_failed("nested too deeply", function(x, s) {
    deeper <- function() deeper()
    deeper()
  })
  expect_failed("caf", function(x, s) stop(iconv("caf\u00e9", "UTF-8", "latin1")))
  expect_error(
    solve_with(prior_custom(
      function(x, s) stop(structure(class = c("interrupt", "condition"), list())), identity
    )),
    class = "nmu_error_interrupted"
  )
})

test_that("invalid return values end in a classed error", {
  change <- function(column, value) {
    function(answer) {
      answer[[column]] <- value
      answer
    }
  }
  one <- function(column, value) {
    function(answer) change(column, replace(answer[[column]], 3, value))(answer)
  }
  expect_failed("a data frame or a list, not 3", posterior = function(answer) 3)
  expect_failed("a data frame or a list, not NULL", posterior = function(answer) NULL)
  expect_failed("40 numbers in \"mean\"", posterior = function(answer) answer[1:3, ])
  expect_failed("40 numbers in \"mean\"", posterior = function(answer) answer[-1])
  expect_failed("40 numbers in \"var\"", posterior = change("var", "a"))
  expect_failed("one of \"var\", \"sd\"", posterior = change("var", NULL))
  expect_failed("40 numbers in \"log_marginal\"", posterior = change("log_marginal", NULL))
  expect_failed("that are finite, at least 0; number 3 is NaN", posterior = one("mean", NaN))
  expect_failed("number 3 is -1", posterior = one("mean", -1))
  expect_failed("number 3 is -0.1", posterior = one("var", -0.1))
  expect_failed("number 3 is Inf", posterior = one("log_marginal", Inf))
  expect_failed("number 3 is NA", posterior = one("log_marginal", NA))
  expect_failed("at most 1; number 1 is 1.1", posterior = change("lfsr", rep(1.1, 40)))
  expect_failed("at least mean^2", posterior = function(answer) {
    list(
      mean = answer$mean, second_moment = 0.9 * answer$mean^2, log_marginal = answer$log_marginal
    )
  })
})

test_that("each warning of a user's functions is signalled once", {
  prior <- exponential_in_r()
  right <- prior$posterior
  prior$posterior <- function(x, s, g) {
    warning("first {x} %s")
    warning("first {x} %s")
    warning("second")
    right(x, s, g)
  }
  warnings <- character()
  found <- withCallingHandlers(solve_with(prior), warning = function(condition) {
    warnings <<- c(warnings, conditionMessage(condition))
    invokeRestart("muffleWarning")
  })
  expect_identical(warnings, c("first {x} %s", "second"))
  expect_equal(found$posterior, solve_with("exponential")$posterior, tolerance = 1e-12)
})

test_that("after a failure, the functions are not called again", {
  calls <- 0
  prior <- exponential_in_r()
  prior$estimate <- function(x, s) {
    calls <<- calls + 1
    stop("no")
  }
  prior$posterior <- function(x, s, g) calls <<- calls + 1
  expect_error(solve_with(prior), class = "nmu_error_prior")
  expect_identical(calls, 1)
})

test_that("invalid arguments are refused", {
  expect_refused(prior_custom(1, mean), "estimate")
  expect_refused(prior_custom(mean, NULL), "posterior")
  expect_refused(prior_custom(mean, mean, density = 2), "density")
  expect_refused(prior_custom(mean, mean, name = 2), "name")
})

test_that("priors keep their units if the core works in others", {
  priors <- list(
    prior_flat(), prior_exponential(0.3), prior_point_exponential(0.2, 0.7), prior_binary(0.3, 5),
    prior_mixture(scales = c(0, 2), weights = c(1, 1)), prior_point_exponential(), prior_binary(),
    prior_mixture("exponential"), exponential_in_r(), exponential_in_r(g = list(rate = 0.3))
  )
  unit <- sqrt(2) * 1e-3
  for (prior in priors) {
    options <- list(prior = nmu:::core_priors(list(prior), new.env()), unit = unit)
    found <- nmu:::core_normal_means(unit * data$x, unit * data$s, options)$ok
    expected <- solve_with(prior)
    expect_equal(found$mean / unit, expected$posterior$mean, tolerance = 1e-9)
    expect_equal(found$second_moment / unit^2, expected$posterior$second_moment, tolerance = 1e-9)
    expect_equal(sqrt(found$var) / unit, expected$posterior$sd, tolerance = 1e-9)
    expect_equal(found$lfsr, expected$posterior$lfsr, tolerance = 1e-9)
    unit_of_density <- if (prior$family == "flat") 1 else unit
    expect_equal(
      found$log_marginal + log(unit_of_density), expected$posterior$log_marginal,
      tolerance = 1e-9
    )
    known <- nmu:::prior_settings(expected$prior)
    for (name in names(found$hyperparameters)) {
      expect_equal(found$hyperparameters[[name]], known[[name]], tolerance = 1e-7)
    }
    expect_setequal(names(found$hyperparameters), setdiff(names(known), "shape"))
  }
})

test_that("an interrupt within a prior interrupts the fit, also if the prior calls nmu()", {
  A <- random_matrix(6, 5)
  interrupted <- list(
    function(x, s, g) rlang::interrupt(),
    function(x, s, g) rlang::abort("within", class = c("nmu_error_interrupted", "nmu_error"))
  )
  for (posterior in interrupted) {
    prior <- prior_custom(estimate = function(x, s) list(), posterior = posterior)
    expect_error(suppressMessages(nmu(A, prior = prior)), class = "nmu_error_interrupted")
  }
})
