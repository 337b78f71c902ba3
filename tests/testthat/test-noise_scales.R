# a factor, an exponential remainder, and noise with the given standard deviations
heteroscedastic_matrix <- function(noise_sd, rows, columns) {
  u <- rexp(rows)
  v <- rexp(columns)
  count <- rows * columns
  structure(
    outer(u, v) + matrix(rexp(count) + rnorm(count, sd = noise_sd), rows),
    u = u / sqrt(sum(u^2))
  )
}

# log-likelihood of residuals, each with its standard deviation
heteroscedastic_loglik <- function(x, lambda, sigma) {
  log_mass <- pnorm(x / sigma - lambda * sigma, log.p = TRUE)
  sum(log(lambda) + (lambda * sigma)^2 / 2 - lambda * x + log_mass)
}

test_that("noise that differs by row or column is estimated", {
  set.seed(1)
  noise_sd <- 0.3 * 10^seq(0, 1, length.out = 30)
  A <- heteroscedastic_matrix(noise_sd, 30, 400)
  attr(A, "u") <- NULL
  dimnames(A) <- list(paste0("r", 1:30), NULL)
  A[5, 7] <- NA
  even <- nmu(A)
  fit <- nmu(A, noise = noise_mle(by = "row"))
  # except in a Heywood case: a row that is fitted exactly by the loadings of the columns
  expect_lte(sum(abs(log(fit$noise_sd / noise_sd)) > 0.2), 2)
  expect_named(fit$noise_sd, rownames(A))
  expect_gt(fit$loglik, even$loglik + 100)
  x <- residuals(fit)
  seen <- !is.na(x)
  sigma <- matrix(fit$noise_sd, 30, 400)
  expect_close(fit$loglik, heteroscedastic_loglik(x[seen], fit$lambda, sigma[seen]), 1e-9)
  expect_rising(fit$trace, fit$loglik)
  expect_rising(fit$refit$trace, fit$loglik)
  # columns of the transpose
  turned <- nmu(t(A), noise = noise_mle(by = "column"))
  expect_close(turned$noise_sd, fit$noise_sd, 1e-3)
  expect_close(turned$loglik, fit$loglik, 1e-6)
  # scale and number of threads have no effect
  scaled <- nmu(1024 * A, noise = noise_mle(by = "row"), control = nmu_control(threads = 2))
  expect_identical(scaled$u, fit$u)
  expect_close(scaled$noise_sd, 1024 * fit$noise_sd, 1e-12)
  # no other standard deviation of a row has a higher log-likelihood
  for (i in c(1, 30)) {
    for (change in c(0.97, 1.03)) {
      other <- sigma
      other[i, ] <- change * other[i, ]
      expect_lt(heteroscedastic_loglik(x[seen], fit$lambda, other[seen]), fit$loglik)
    }
  }
})

test_that("known standard errors improve the fit if they differ", {
  set.seed(2)
  noise_sd <- rep(c(0.3, 3), 20)
  A <- heteroscedastic_matrix(noise_sd, 40, 100)
  cosine <- function(fit) sum(fit$u * attr(A, "u"))
  even <- nmu(A)
  known <- nmu(A, noise = noise_mle(se = 7 * noise_sd))
  expect_lt(1 - cosine(known), 0.5 * (1 - cosine(even)))
  expect_gt(known$loglik, even$loglik + 100)
  expect_close(known$sigma / sqrt(mean(noise_sd^2)), 1, 0.1)
  sigma <- known$sigma * matrix(noise_sd / sqrt(mean(noise_sd^2)), 40, 100)
  expect_close(known$loglik, heteroscedastic_loglik(residuals(known), known$lambda, sigma), 1e-9)
  # the same, as a matrix
  full <- nmu(A, noise = noise_mle(se = matrix(noise_sd, 40, 100)))
  expect_close(full$u, known$u, 1e-8)
  expect_close(full$loglik, known$loglik, 1e-9)
})

test_that("equal standard errors give the fit with constant noise", {
  set.seed(3)
  A <- random_matrix(20, 15)
  fit <- nmu(A, K = 2)
  for (se in list(rep(3, 20), matrix(2, 20, 15))) {
    same <- nmu(A, K = 2, noise = noise_mle(se = se))
    expect_close(same$u, fit$u, 1e-6)
    expect_close(same$d, fit$d, 1e-6)
    expect_close(same$sigma, fit$sigma, 1e-6)
    expect_close(same$loglik, fit$loglik, 1e-9)
  }
})

test_that("the noise of a symmetric matrix stays symmetric", {
  set.seed(4)
  n <- 60
  s <- 0.2 * 10^runif(n, 0, 1)
  E <- matrix(rnorm(n^2), n) * sqrt(outer(s, s))
  B <- matrix(rexp(n^2), n)
  u <- rexp(n)
  A <- outer(u, u) + (B + E) * upper.tri(B, diag = TRUE)
  A[lower.tri(A)] <- t(A)[lower.tri(A)]
  fit <- nmu(A, noise = noise_mle(by = "row"))
  expect_true(fit$symmetric)
  expect_gt(cor(log(fit$noise_sd), log(s)), 0.8)
  sigma <- sqrt(outer(fit$noise_sd, fit$noise_sd))
  terms <- 0.5 * heteroscedastic_loglik(residuals(fit), fit$lambda, sigma)
  expect_close(fit$loglik, terms, 1e-9)
  expect_identical(nmu(A, noise = noise_mle(by = "column"))$noise_sd, fit$noise_sd)
  expect_rising(fit$trace, fit$loglik)
  known <- nmu(A, noise = noise_mle(se = s))
  expect_close(known$loglik, 0.5 * heteroscedastic_loglik(
    residuals(known), known$lambda, known$sigma * sqrt(outer(s, s)) / mean(s)
  ), 1e-9)
  refused <- matrix(runif(n^2, 1, 2), n)
  expect_refused(nmu(A, noise = noise_mle(se = refused)), "noise")
})

test_that("methods use the noise of the fit", {
  set.seed(5)
  noise_sd <- 0.2 * 5^seq(0, 1, length.out = 15)
  A <- heteroscedastic_matrix(noise_sd, 15, 40)
  fit <- nmu(A, noise = noise_mle(by = "row"))
  x <- residuals(fit)
  posterior <- posterior_b(fit, rows = c(15, 2), cols = 3:1, draws = 3)
  sigma <- fit$noise_sd[c(15, 2)]
  expected <- reference_mean(x[c(15, 2), 3:1] - fit$lambda * sigma^2, sigma)
  expect_close(posterior$mean, expected, 1e-9)
  value <- function(d) {
    residual <- A - d * outer(drop(fit$u), drop(fit$v))
    heteroscedastic_loglik(residual, fit$lambda, matrix(fit$noise_sd, 15, 40))
  }
  step <- 1e-4 * fit$d
  curvature <- (2 * value(fit$d) - value(fit$d + step) - value(fit$d - step)) / step^2
  expect_close(standard_errors(fit)$d * sqrt(curvature), 1, 1e-3)
  drawn <- vapply(simulate(fit, 1000, seed = 1), function(drawn) {
    apply(drawn - fitted(fit), 1, var)
  }, numeric(15))
  expect_close(rowMeans(drawn) / (1 / fit$lambda^2 + fit$noise_sd^2), rep(1, 15), 0.06)
  expect_output(print(fit), "sigma = [0-9.]+ \\(from")
  expect_output(print(fit$noise), "by = row")
  grDevices::pdf(NULL)
  expect_identical(plot(fit, type = "residuals"), fit)
  grDevices::dev.off()
  expect_refused(predict(fit, A[1:2, ]), "newdata")
  path <- nmu(A, K = 2, noise = noise_mle(by = "row"), refine = FALSE)
  expect_close(path[1]$loglik, heteroscedastic_loglik(
    residuals(path[1]), path[1]$lambda, matrix(path[1]$noise_sd, 15, 40)
  ), 1e-9)
  # together with another prior of the remainder
  both <- nmu(A, noise = noise_mle(by = "row"), prior_b = "point_exponential")
  expect_gte(both$loglik, fit$loglik - 1)
  expect_rising(both$trace, both$loglik)
})

test_that("the posterior of b and simulations use the noise of every entry", {
  set.seed(6)
  A <- random_matrix(8, 6)
  S <- random_matrix(8, symmetric = TRUE)
  s <- runif(8, 0.5, 2)
  entries <- matrix(runif(48, 0.5, 2), 8)
  even <- function(x) x / sqrt(mean(x^2))
  fit <- function(A, ...) suppressMessages(nmu(A, noise = noise_mle(...)))
  # the standard deviation of each entry, from the elements of a fit
  cases <- list(
    list(fit = fit(A, by = "column"), sigma = function(f) rep(f$noise_sd, each = 8)),
    list(fit = fit(A, by = "row"), sigma = function(f) rep(f$noise_sd, 6)),
    list(fit = fit(S, by = "row"), sigma = function(f) sqrt(outer(f$noise_sd, f$noise_sd))),
    list(fit = fit(A, se = s), sigma = function(f) rep(f$sigma * even(s), 6)),
    list(fit = fit(A, se = entries), sigma = function(f) f$sigma * even(entries)),
    list(fit = fit(S, se = s), sigma = function(f) f$sigma * sqrt(outer(s, s)) / mean(s))
  )
  for (case in cases) {
    sigma <- unname(as.vector(case$sigma(case$fit)))
    x <- as.vector(residuals(case$fit))
    expected <- reference_mean(x - case$fit$lambda * sigma^2, sigma)
    expect_close(as.vector(posterior_b(case$fit)$mean), expected, 1e-9)
    drawn <- simulate(case$fit, 400, seed = 1)
    spread <- apply(vapply(drawn, as.vector, x), 1, var)
    expected <- 1 / case$fit$lambda^2 + sigma^2
    # a symmetric matrix has each draw twice
    expect_lt(abs(mean(spread / expected) - 1), 0.05)
    expect_gt(cor(spread, expected), if (max(expected) > 1.2 * min(expected)) 0.3 else -1)
  }
})

test_that("by and se are checked", {
  A <- random_matrix(4, 5)
  expect_refused(noise_mle(by = "entry"), "by")
  expect_refused(noise_mle(se = "a"), "se")
  expect_refused(noise_mle(se = c(1, 0)), "se")
  expect_refused(noise_mle(se = c(1, NaN)), "se")
  expect_refused(noise_mle(se = c(NA_real_, NA)), "se")
  expect_refused(noise_mle(by = "row", se = 1:4), "se")
  expect_refused(nmu(A, noise = noise_mle(se = 1:5)), "noise")
  expect_refused(nmu(A, noise = noise_mle(se = matrix(1, 5, 4))), "noise")
})

test_that("se may be NA where A is, and has no influence there", {
  set.seed(12)
  se <- matrix(runif(48, 1, 2), 8)
  gaps <- c(3, 20, 21)
  fit <- function(A, se) suppressMessages(nmu(A, noise = noise_mle(se = se)))
  for (A in list(random_matrix(8, 6), methods::as(random_matrix(8, 6), "CsparseMatrix"))) {
    A[gaps] <- NA
    known <- fit(A, replace(se, gaps, sqrt(mean(se[-gaps]^2))))
    expect_equal(fit(A, replace(se, gaps, NA))$u, known$u, tolerance = 1e-8)
    error <- expect_refused(fit(A, replace(se, c(gaps, 2), NA)), "noise")
    expect_match(conditionMessage(error), "row 2, column 1", fixed = TRUE)
  }
  A <- random_matrix(8, 6)
  A[2, ] <- NA
  by_row <- fit(A, replace(1:8 / 4, 2, NA))
  expect_true(all(is.finite(by_row$u)))
  expect_true(all(is.finite(simulate(by_row)[[1]])))
  expect_refused(fit(A, replace(1:8 / 4, 3, NA)), "noise")
  S <- random_matrix(5, symmetric = TRUE)
  S[2, ] <- S[, 2] <- NA
  expect_equal(fit(S, c(1, NA, 1, 1, 1))$u, suppressMessages(nmu(S))$u, tolerance = 1e-6)
})
