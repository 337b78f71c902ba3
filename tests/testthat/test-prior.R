given <- list(
  prior_flat(), prior_exponential(0.3), prior_point_exponential(0.2, 0.7),
  prior_binary(0.3, 5), prior_binary(0.6, 2, 0.5), prior_binary(0.4, 3, 0.001),
  prior_binary(0.5, 0.004, 1000),
  prior_mixture("half_normal", c(0, 0.5, 8), c(2, 1, 1)),
  prior_mixture("exponential", c(0.1, 3), c(0.5, 0.5))
)
estimated <- list(
  prior_exponential(), prior_point_exponential(), prior_point_exponential(weight = 0.5),
  prior_point_exponential(rate = 0.5), prior_binary(), prior_binary(location = 4),
  prior_binary(ratio = NULL), prior_mixture("half_normal", c(0, 1, 5)),
  prior_mixture("exponential", c(0, 1, 5))
)

test_that("posteriors are those of quadrature", {
  x <- c(-12, -3, -0.5, 0, 0.4, 1.5, 4, 9, 25)
  for (prior in given) {
    for (s in c(0.3, 1, 2.5)) {
      found <- normal_means(x, s, prior)$posterior
      expected <- do.call(rbind, lapply(x, reference_posterior, s = s, prior = prior))
      for (column in c("mean", "sd", "second_moment")) {
        expect_lt(max(abs(found[[column]] / expected[[column]] - 1)), 1e-10)
      }
      expect_lt(max(abs(found$lfsr - expected$lfsr)), 1e-10)
      # also with the flat prior: log Phi(x / s) is the integral of the density of x over w
      size <- pmax(abs(expected$log_marginal), 1)
      expect_lt(max(abs(found$log_marginal - expected$log_marginal) / size), 1e-10)
    }
  }
})

test_that("the log-likelihood is that of textbook convolutions", {
  set.seed(61)
  data <- seen_loadings()
  for (prior in c(given[-1], estimated)) {
    found <- normal_means(data$x, data$s, prior)
    expect_equal(found$loglik, reference_marginal(data$x, data$s, found$prior), tolerance = 1e-12)
    expect_identical(found$loglik, sum(found$posterior$log_marginal))
  }
})

test_that("estimated hyperparameters maximise the likelihood", {
  # transformations to unbounded parameters
  scales <- list(
    rate = c(log, exp), location = c(log, exp), weight = c(qlogis, plogis),
    ratio = c(
      function(ratio) qlogis(pmin(pmax((log(ratio) - log(1e-3)) / log(1e6), 1e-9), 1 - 1e-9)),
      function(free) exp(log(1e-3) + log(1e6) * plogis(free))
    )
  )
  for (seed in 62:64) {
    set.seed(seed)
    data <- seen_loadings()
    for (prior in estimated[1:7]) {
      names <- intersect(names(prior)[lengths(prior) == 0], names(scales))
      at <- function(free) {
        for (k in seq_along(names)) prior[[names[k]]] <- scales[[names[k]]][[2]](free[k])
        prior
      }
      loss <- function(free) -reference_marginal(data$x, data$s, at(free))
      starts <- expand.grid(lapply(names, function(name) {
        values <- switch(name,
          rate = c(0.1, 0.5, 2), location = c(0.01, 0.5, 2, 4, 8, 12), ratio = c(0.1, 0.5, 100),
          c(0.1, 0.5)
        )
        vapply(values, scales[[name]][[1]], 0)
      }))
      best <- -min(apply(starts, 1, function(start) nlminb(start, loss)$objective))
      found <- normal_means(data$x, data$s, prior)
      expect_gte(found$loglik, best - 1e-8 * 60)
      # the search finds the same maximum, so that the comparison is meaningful
      if (is.null(prior$location) && prior$family != "binary") {
        expect_lte(found$loglik, best + 1e-5)
      }
    }
  }
})

test_that("weights of a mixture are at the maximum of a concave problem", {
  set.seed(65)
  data <- seen_loadings()
  for (shape in c("half_normal", "exponential")) {
    found <- normal_means(data$x, data$s, prior_mixture(shape))
    parts <- vapply(seq_along(found$prior$scales), function(k) {
      alone <- prior_mixture(shape, found$prior$scales[k], 1)
      normal_means(data$x, data$s, alone)$posterior$log_marginal
    }, data$x)
    # the gradient towards each component is at most that of the current weights
    slopes <- colMeans(exp(parts - found$posterior$log_marginal))
    expect_lt(max(slopes), 1 + 1e-9)
    expect_equal(sum(found$prior$weights), 1)
  }
})

test_that("planted hyperparameters are found, and shrinkage reduces the error", {
  set.seed(66)
  count <- 20000
  member <- rbinom(count, 1, 0.3)
  w <- member * rexp(count, 1 / 4)
  x <- rnorm(count, w)
  found <- normal_means(x, 1, "point_exponential")
  expect_lt(abs(found$prior$weight - 0.3), 0.03)
  expect_lt(abs(found$prior$rate - 0.25), 0.02)
  error <- function(estimate) mean((estimate - w)^2)
  expect_lt(error(found$posterior$mean), 0.7 * error(pmax(x, 0)))
  # lfsr is calibrated
  expect_lt(abs(mean(found$posterior$lfsr) - mean(w == 0)), 0.03)

  x <- rnorm(count, member * rnorm(count, 5, 0.5))
  found <- normal_means(x, 1, prior_binary(ratio = NULL))$prior
  expect_lt(abs(found$weight - 0.3), 0.02)
  expect_lt(abs(found$location - 5), 0.1)
  expect_lt(abs(found$ratio - 0.1), 0.05)
})

test_that("an estimated ratio is that of the loadings, between equal and half-normal", {
  set.seed(68)
  member <- rbinom(2000, 1, 0.4)
  estimate <- function(w, prior) normal_means(rnorm(2000, member * w, 0.1), 0.1, prior)
  w <- abs(rnorm(2000))
  half_normal <- estimate(w, prior_binary(ratio = NULL))
  expect_gt(half_normal$prior$ratio, 2)
  expect_close(half_normal$prior$weight, 0.4, 0.04)
  # the mixture of a point mass and the half-normal that was simulated
  given <- prior_mixture("half_normal", c(0, 1), c(0.6, 0.4))
  expect_gt(half_normal$loglik, normal_means(half_normal$x, 0.1, given)$loglik)
  equal <- estimate(2, prior_binary(ratio = NULL))
  expect_lt(equal$prior$ratio, 0.02)
  expect_close(equal$prior$location, 2, 0.01)
  # the largest ratio is half-normal in effect
  given <- prior_mixture("half_normal", c(0, 1))
  limit <- normal_means(half_normal$x, 0.1, prior_binary(location = 1e-3, ratio = 1000))
  expect_close(limit$loglik, normal_means(half_normal$x, 0.1, given)$loglik, 1e-3)
})

test_that("the result has the documented form, and its prior reproduces it", {
  set.seed(67)
  data <- seen_loadings(9)
  x <- setNames(data$x, letters[1:9])
  for (prior in estimated) {
    found <- normal_means(x, data$s, prior)
    expect_s3_class(found, "nmu_normal_means")
    expect_named(found, c("prior", "posterior", "loglik", "x", "s"))
    expect_named(found$posterior, c("mean", "sd", "second_moment", "lfsr", "log_marginal"))
    expect_identical(rownames(found$posterior), letters[1:9])
    expect_identical(class(found$prior), class(prior))
    expect_false(any(vapply(found$prior, is.null, TRUE)))
    again <- normal_means(x, data$s, found$prior)
    expect_equal(again$posterior, found$posterior, tolerance = 1e-12)
  }
  expect_identical(
    normal_means(1:3, 1, "flat"), normal_means(c(1, 2, 3), c(1, 1, 1), prior_flat())
  )
  # a single observation; pure noise
  expect_true(is.finite(normal_means(2, 1, "binary")$loglik))
  expect_equal(normal_means(-1:-5, 1, "point_exponential")$posterior$lfsr, rep(1, 5))
})

test_that("priors are given as objects, names and schedules", {
  expect_s3_class(prior_binary(), c("nmu_prior_binary", "nmu_prior"), exact = TRUE)
  expect_identical(prior_mixture(scales = 1:2, weights = c(1, 3))$weights, c(0.25, 0.75))
  schedule <- nmu:::check_priors(list("flat", prior_binary()), "prior", quote(f()))
  expect_identical(schedule, list(prior_flat(), prior_binary()))
  expect_identical(nmu:::check_priors(c("flat", "binary"), "prior", quote(f())), schedule)
  expect_identical(nmu:::check_priors("mixture", "prior", quote(f())), list(prior_mixture()))
  for (wrong in list(list(), character(), NULL, "flate", 1, mean, list("flat", 1), list(list()))) {
    error <- expect_refused(nmu:::check_priors(wrong, "prior", quote(f())), "prior")
    expect_identical(conditionCall(error), quote(f()))
  }
})

test_that("arguments out of range are refused", {
  expect_refused(prior_exponential(0), "rate")
  expect_refused(prior_exponential("a"), "rate")
  expect_refused(prior_point_exponential(weight = 1.1), "weight")
  expect_refused(prior_point_exponential(rate = c(1, 2)), "rate")
  expect_refused(prior_binary(weight = -0.1), "weight")
  expect_refused(prior_binary(location = -1), "location")
  expect_refused(prior_binary(ratio = 0), "ratio")
  expect_refused(prior_mixture("normal"), "shape")
  expect_refused(prior_mixture(scales = c(1, -1)), "scales")
  expect_refused(prior_mixture(scales = c(1, 1)), "scales")
  expect_refused(prior_mixture(scales = numeric()), "scales")
  expect_refused(prior_mixture(weights = 1), "weights")
  expect_refused(prior_mixture(scales = 1:2, weights = 1), "weights")
  expect_refused(prior_mixture(scales = 1:2, weights = c(0, 0)), "weights")
  expect_refused(prior_mixture(scales = 1:2, weights = c(NA, 1)), "weights")
  expect_refused(normal_means(c(1, NA), 1, "flat"), "x")
  expect_refused(normal_means(numeric(), 1, "flat"), "x")
  expect_refused(normal_means("a", 1, "flat"), "x")
  expect_refused(normal_means(1:3, c(1, 2), "flat"), "s")
  expect_refused(normal_means(1:3, 0, "flat"), "s")
  error <- expect_refused(normal_means(1:3, 1, c("flat", "binary")), "prior")
  expect_identical(conditionCall(error)[[1]], quote(normal_means))
})

test_that("priors and results print", {
  expect_snapshot({
    prior_flat()
    prior_exponential()
    prior_point_exponential(weight = 0.25)
    prior_binary()
    prior_mixture("exponential", scales = c(0, 1, 10), weights = c(2, 1, 1))
    prior_mixture(scales = 0:9)
    exponential_in_r(name = "mine")
    exponential_in_r(g = list(rate = 2))
    normal_means(c(0.5, 2, 4), 1, prior_exponential(rate = 0.5))
  })
})
