# density of residuals, with weights and means of the prior of b, from the equations
reference_density <- function(x, b_prior, sigma) {
  component <- function(weight, mean) {
    if (mean == 0) {
      return(weight * dnorm(x, sd = sigma))
    }
    rate <- 1 / mean
    log_mass <- pnorm(x / sigma - rate * sigma, log.p = TRUE)
    weight * exp(log(rate) + (rate * sigma)^2 / 2 - rate * x + log_mass)
  }
  Reduce(`+`, Map(component, b_prior$weight, b_prior$mean))
}

# a factor, a remainder that is often zero, and noise
sparse_remainder <- function(rows, columns, weight = 0.3, mean = 2, sigma = 0.2) {
  count <- rows * columns
  b <- ifelse(runif(count) < weight, rexp(count, 1 / mean), 0)
  u <- rexp(rows)
  v <- rexp(columns)
  structure(
    outer(u, v) + matrix(b + rnorm(count, sd = sigma), rows),
    u = u / sqrt(sum(u^2))
  )
}

test_that("the log-likelihood under another prior of b is that of the equations", {
  set.seed(1)
  A <- sparse_remainder(25, 18)
  attr(A, "u") <- NULL
  priors <- list(
    prior_point_exponential(), prior_mixture("exponential"),
    prior_mixture("exponential", scales = c(0, 0.5, 4)),
    prior_mixture("exponential", scales = c(1, 10), weights = c(3, 1))
  )
  for (prior in priors) {
    fit <- nmu(A, K = 2, prior_b = prior)
    density <- reference_density(residuals(fit), fit$prior_b_fitted, fit$sigma)
    expect_close(fit$loglik, sum(log(density)), 1e-9)
    expect_close(sum(fit$prior_b_fitted$weight), 1, 1e-12)
    expect_close(sum(fit$prior_b_fitted$weight * fit$prior_b_fitted$mean), 1 / fit$lambda, 1e-12)
    expect_rising(fit$trace, fit$loglik)
    expect_rising(fit$refit$trace, fit$loglik)
  }
  S <- crossprod(A) / 25
  fit <- nmu(S, prior_b = "point_exponential", ignore_diag = TRUE)
  pairs <- residuals(fit)[upper.tri(S)]
  expect_close(fit$loglik, sum(log(reference_density(pairs, fit$prior_b_fitted, fit$sigma))), 1e-9)
})

test_that("every form of a single exponential gives the same fit", {
  set.seed(2)
  A <- random_matrix(20, 15)
  fit <- nmu(A, K = 2)
  others <- list(
    prior_point_exponential(weight = 1), prior_mixture("exponential", scales = 7, weights = 2),
    prior_mixture("exponential", scales = c(0, 1, 3), weights = c(0, 1, 0))
  )
  for (prior in others) {
    other <- nmu(A, K = 2, prior_b = prior)
    same <- c("d", "u", "v", "lambda", "sigma", "loglik", "prior_b_fitted", "trace", "path")
    expect_identical(unclass(other)[same], unclass(fit)[same])
  }
  expect_identical(fit$prior_b_fitted, data.frame(weight = 1, mean = 1 / fit$lambda))
})

test_that("a remainder that is often zero is found, and so is the factor", {
  set.seed(3)
  A <- sparse_remainder(100, 60)
  one <- nmu(A)
  free <- nmu(A, prior_b = "point_exponential")
  expect_close(free$prior_b_fitted$weight[2], 0.3, 0.03)
  expect_close(free$prior_b_fitted$mean[2] / 2, 1, 0.06)
  expect_close(free$sigma / 0.2, 1, 0.05)
  cosine <- function(fit) sum(fit$u * attr(A, "u"))
  expect_lt(1 - cosine(free), 0.5 * (1 - cosine(one)))
  expect_gt(free$loglik, one$loglik + 100)
  expect_identical(attr(logLik(free), "df") - attr(logLik(one), "df"),
    1 + sum(free$u > 0) - sum(one$u > 0) + sum(free$v > 0) - sum(one$v > 0)
  )
})

test_that("results with another prior of b do not depend on scale or threads", {
  set.seed(4)
  A <- sparse_remainder(30, 25)
  fit <- nmu(A, prior_b = "point_exponential")
  scaled <- nmu(1024 * A, prior_b = "point_exponential")
  expect_identical(scaled$u, fit$u)
  expect_identical(scaled$prior_b_fitted$weight, fit$prior_b_fitted$weight)
  expect_close(scaled$prior_b_fitted$mean, 1024 * fit$prior_b_fitted$mean, 1e-12)
  two <- nmu(A, prior_b = "point_exponential", control = nmu_control(threads = 2))
  same <- c("d", "u", "v", "prior_b_fitted", "loglik")
  expect_identical(unclass(two)[same], unclass(fit)[same])
})

test_that("the posterior of b under a mixture is that of quadrature, and its draws are from it", {
  set.seed(5)
  A <- sparse_remainder(12, 9)
  A[2, 3] <- NA
  fit <- nmu(A, prior_b = prior_mixture("exponential", scales = c(0, 1 / 3, 3)))
  posterior <- posterior_b(fit, draws = 4000)
  x <- residuals(fit)
  slabs <- fit$prior_b_fitted[fit$prior_b_fitted$mean > 0, ]
  density <- function(b, x) {
    parts <- Map(function(weight, mean) weight * dexp(b, 1 / mean), slabs$weight, slabs$mean)
    Reduce(`+`, parts) * dnorm(x - b, sd = fit$sigma)
  }
  zero <- sum(fit$prior_b_fitted$weight[fit$prior_b_fitted$mean == 0])
  for (entry in c(1, 7, 20, 50, which.max(x), which.min(x))) {
    upper <- max(x[entry], 0) + 12 * fit$sigma
    integral <- function(power) {
      integrate(function(b) b^power * density(b, x[entry]), 0, upper,
        rel.tol = 1e-11, subdivisions = 2000
      )$value
    }
    mass <- integral(0) + zero * dnorm(x[entry], sd = fit$sigma)
    mean <- integral(1) / mass
    expect_close(posterior$mean[entry], mean, 1e-8)
    expect_close(posterior$sd[entry], sqrt(integral(2) / mass - mean^2), 1e-7)
  }
  drawn <- apply(posterior$draws, 1:2, mean)
  expect_lt(max(abs(drawn - posterior$mean) / posterior$sd) / sqrt(1 / 4000), 5)
  expect_true(all(posterior$draws >= 0))
  # an entry that was not observed has the prior
  expect_close(posterior$mean[2, 3], 1 / fit$lambda, 1e-12)
  prior_var <- 2 * sum(fit$prior_b_fitted$weight * fit$prior_b_fitted$mean^2) - 1 / fit$lambda^2
  expect_close(posterior$sd[2, 3], sqrt(prior_var), 1e-12)
})

test_that("methods use the prior of b", {
  set.seed(6)
  A <- sparse_remainder(30, 20)
  fit <- nmu(A, prior_b = "point_exponential")
  # standard errors against differences of the log-likelihood
  errors <- standard_errors(fit)
  value <- function(d) {
    x <- A - d * outer(drop(fit$u), drop(fit$v))
    sum(log(reference_density(x, fit$prior_b_fitted, fit$sigma)))
  }
  step <- 1e-3 * fit$d
  curvature <- (2 * value(fit$d) - value(fit$d + step) - value(fit$d - step)) / step^2
  expect_close(errors$d * sqrt(curvature), 1, 1e-3)
  # a row's loadings are a maximum of its own likelihood
  loading <- predict(fit, A[3, , drop = FALSE])
  y <- coef(fit, "v")
  b_prior <- fit$prior_b_fitted
  row <- function(l) sum(log(reference_density(A[3, ] - l * drop(y), b_prior, fit$sigma)))
  best <- optimize(row, loading[1] + c(-0.02, 0.02), maximum = TRUE, tol = 1e-10)$maximum
  expect_close(loading[1], best, 1e-6)
  # draws have the moments of the model
  drawn <- unlist(lapply(simulate(fit, 50, seed = 1), function(drawn) drawn - fitted(fit)))
  expect_close(mean(drawn) * fit$lambda, 1, 0.03)
  expect_close(mean(drawn < -0.5 * fit$sigma),
    integrate(function(x) reference_density(x, fit$prior_b_fitted, fit$sigma), -10 * fit$sigma,
      -0.5 * fit$sigma
    )$value, 0.01
  )
  expect_output(print(fit), "b: [0-9.]+ at 0, [0-9.]+ of mean")
  expect_output(print(summary(fit)), "b: ")
  grDevices::pdf(NULL)
  expect_identical(plot(fit, type = "residuals"), fit)
  grDevices::dev.off()
  # subsets have the prior of b at their stage, and a fit continues another one
  path <- nmu(A, K = 2, prior_b = "point_exponential", refine = FALSE)
  first <- path[1]
  expect_identical(first$prior_b_fitted, path$path_b_priors[[1]])
  density <- reference_density(residuals(first), first$prior_b_fitted, first$sigma)
  expect_close(first$loglik, sum(log(density)), 1e-9)
  more <- nmu(A, K = 2, init = first, prior_b = "point_exponential", refine = FALSE)
  expect_length(more$path_b_priors, 2)
})

test_that("the prior of b is checked", {
  A <- random_matrix(4)
  expect_refused(nmu(A, prior_b = "nothing"), "prior_b")
  expect_refused(nmu(A, prior_b = 1), "prior_b")
  expect_refused(nmu(A, prior_b = prior_binary()), "prior_b")
  expect_refused(nmu(A, prior_b = prior_mixture()), "prior_b")
  expect_refused(nmu(A, prior_b = prior_exponential(rate = 1)), "prior_b")
  expect_refused(nmu(A, prior_b = prior_point_exponential(weight = 0)), "prior_b")
  expect_refused(nmu(A, prior_b = list("exponential", "point_exponential")), "prior_b")
  above <- prior_mixture("exponential", scales = 2:3)
  expect_refused(nmu(A, prior_b = above), "prior_b")
  expect_refused(nmu(A, prior_b = prior_mixture("exponential", scales = 0:13)), "prior_b")
  zero <- prior_mixture("exponential", scales = 0, weights = 1)
  expect_refused(nmu(A, prior_b = zero), "prior_b")
  expect_refused(nmu(A, prior_b = prior_mixture("exponential", scales = c(9e-5, 2))), "prior_b")
  tiny <- prior_mixture("exponential", scales = c(1e-6, 1, 2), weights = c(1, 0, 1))
  expect_refused(nmu(A, prior_b = tiny), "prior_b")
  fine <- prior_mixture("exponential", scales = c(1e-4, 2))
  expect_true(all(is.finite(residuals(suppressMessages(nmu(A, prior_b = fine))))))
  expect_refused(nmu(A, noise = "moments", prior_b = "point_exponential"), "prior_b")
  expect_refused(nmu(A, noise = "notebook", prior_b = "point_exponential"), "prior_b")
})

test_that("what the error of prior_b lists is accepted, and nothing else", {
  A <- as.matrix(USArrests)
  error <- expect_refused(nmu(A, prior_b = "nothing"), "prior_b")
  text <- gsub("\\s+", " ", cli::ansi_strip(conditionMessage(error)))
  names <- c("exponential", "point_exponential", "mixture", "none")
  expect_match(text, paste0("one of the names ", paste0("\"", names, "\"", collapse = ", ")))
  expect_no_match(text, "flat|binary|list")
  objects <- list(
    prior_exponential(), prior_point_exponential(), prior_mixture("exponential"), prior_none()
  )
  expect_match(
    text, "prior_exponential(), prior_point_exponential(), prior_mixture(\"exponential\")",
    fixed = TRUE
  )
  for (index in seq_along(names)) {
    by_name <- check_prior_b(names[index], noise_mle())
    expect_identical(by_name, check_prior_b(objects[[index]], noise_mle()))
  }
  error <- expect_refused(nmu(A, prior_b = prior_mixture()), "prior_b")
  text <- gsub("\\s+", " ", conditionMessage(error))
  expect_match(text, "prior_mixture(\"exponential\")", fixed = TRUE)
  cv <- silently(nmu_cv(A[1:8, ], K = 1, prior_b = c("exponential", "mixture"), folds = 2))
  expect_identical(cv$summary$prior_b, c("exponential", "mixture"))
})

test_that("lambda and sigma of an underapproximation are those of its residual", {
  set.seed(7)
  A <- random_matrix(20, 15)
  fit <- nmu(A, K = 2, underapprox = TRUE)
  expect_close(fit$loglik, reference_loglik(residuals(fit), fit$lambda, fit$sigma), 1e-9)
  # a change of 5 % decreases the log-likelihood
  for (change in list(c(1.05, 1), c(0.95, 1), c(1, 1.05))) {
    other <- reference_loglik(residuals(fit), fit$lambda * change[1], fit$sigma * change[2])
    expect_lt(other, fit$loglik)
  }
})
