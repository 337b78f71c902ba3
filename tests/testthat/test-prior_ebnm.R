# Priors in the form of the ebnm package, tested with a stand-in that keeps its contract.

set.seed(74)
data <- seen_loadings(40)

test_that("a fit is that under the built-in prior", {
  A <- sim_blocks(n = 8)
  general <- random_matrix(12, 9)
  for (matrix in list(A, general)) {
    found <- nmu(matrix, K = 2, prior = prior_ebnm(ebnm_in_r()))
    expected <- nmu(matrix, K = 2, prior = "point_exponential")
    expect_equal(found$u, expected$u, tolerance = 1e-6)
    expect_equal(found$elbo, expected$elbo, tolerance = 1e-8)
    expect_equal(fitted(found), fitted(expected), tolerance = 1e-6)
  }
})

test_that("the marginal densities are computed one by one", {
  prior <- prior_ebnm(ebnm_in_r(), mode = 0)
  expect_output(print(prior), "ebnm_in_r()", fixed = TRUE)
  found <- normal_means(data$x, data$s, prior)
  expected <- normal_means(data$x, data$s, "point_exponential")
  expect_equal(found$posterior, expected$posterior, tolerance = 1e-10)
  expect_equal(found$loglik, expected$loglik, tolerance = 1e-10)
  held <- prior_ebnm(ebnm_in_r(), g = prior_point_exponential(0.3, 0.5), name = "held")
  expect_equal(
    normal_means(data$x, data$s, held)$loglik,
    normal_means(data$x, data$s, prior_point_exponential(0.3, 0.5))$loglik
  )
})

test_that("each search starts at the last prior of the same side of the same factor", {
  starts <- list()
  family <- ebnm_in_r()
  recorded <- function(x, s, g_init, fix_g, output) {
    if (!fix_g) starts[[length(starts) + 1]] <<- list(length = length(x), g_init = g_init)
    answer <- family(x, s, g_init = g_init, fix_g = fix_g)
    # the prior remembers for how many observations it was estimated
    if (!fix_g) attr(answer$fitted_g, "count") <- length(x)
    answer
  }
  set.seed(3)
  fit <- nmu(random_matrix(12, 9), K = 1, prior = prior_ebnm(recorded))
  given <- vapply(starts, function(start) !is.null(start$g_init), NA)
  expect_false(any(given[1:2]))
  expect_true(mean(given) > 0.5)
  same <- vapply(starts[given], function(start) attr(start$g_init, "count") == start$length, NA)
  expect_true(all(same))
  # a schedule does not hand on a prior of another family
  other <- prior_ebnm(function(x, s, g_init, fix_g, output) {
    stopifnot(fix_g || is.null(g_init) || g_init$family == "exponential")
    ebnm_in_r("exponential")(x, s, g_init = g_init, fix_g = fix_g)
  })
  expect_no_error(nmu(random_matrix(12, 9), K = 1, prior = list(prior_ebnm(recorded), other)))
})

test_that("priors on all numbers are refused, and wrong values are explained", {
  expect_failed <- function(ebnm_fn, message) {
    error <- expect_error(
      normal_means(data$x, data$s, prior_ebnm(ebnm_fn)), class = "nmu_error_prior"
    )
    expect_match(conditionMessage(error), message)
  }
  # the conjugate normal prior
  normal <- function(x, s, g_init, fix_g, output) {
    g <- if (fix_g) g_init else max(var(x) - mean(s^2), 0.1)
    shrunk <- g / (g + s^2)
    list(
      posterior = data.frame(mean = x * shrunk, sd = sqrt(s^2 * shrunk)), fitted_g = g,
      log_likelihood = sum(dnorm(x, 0, sqrt(g + s^2), log = TRUE))
    )
  }
  expect_failed(normal, "loadings may be negative")
  change <- function(element, value) {
    function(x, s, g_init, fix_g, output) {
      answer <- ebnm_in_r()(x, s, g_init = g_init, fix_g = fix_g)
      answer[element] <- list(value)
      answer
    }
  }
  expect_failed(change("log_likelihood", c(1, 2)), "one finite number in .log_likelihood.")
  expect_failed(change("log_likelihood", NA_real_), "one finite number in .log_likelihood.")
  expect_failed(change("posterior", 3), "data frame of .* rows")
  expect_failed(change("posterior", data.frame(mean = 1:3)), "data frame of .* rows")
  expect_failed(function(x, s, g_init, fix_g, output) list(posterior = 1), "fitted_g")
  expect_failed(function(x, s, g_init, fix_g, output) 3, "must return a list")
})

test_that("invalid arguments are refused", {
  expect_refused(prior_ebnm("ebnm_point_exponential"), "ebnm_fn")
  expect_refused(prior_ebnm(function(x, s) 1), "ebnm_fn")
  expect_refused(prior_ebnm(ebnm_in_r(), 2), "...")
  expect_refused(prior_ebnm(ebnm_in_r(), x = 2), "...")
  expect_refused(prior_ebnm(ebnm_in_r(), name = 2), "name")
})

test_that("the checks of a prior hold", {
  checks <- silently(check_prior(prior_ebnm(ebnm_in_r("exponential")), data$x[1:10], data$s[1:10]))
  expect_true(all(checks$passed))
})
