# The EM of the model in plain R, written from the equations and independent of the package.

# Mean of N(mean, sd^2) truncated to [0, Inf). Below z = -5, z + h(z) cancels, and Laplace's
# continued fraction for the Mills ratio takes its place.
reference_mean <- function(mean, sd) {
  z <- mean / sd
  scaled <- z + exp(dnorm(z, log = TRUE) - pnorm(z, log.p = TRUE))
  a <- -z[z < -5]
  fraction <- a
  for (k in 100:2) fraction <- a + k / fraction
  scaled[z < -5] <- 1 / fraction
  sd * scaled
}

# Log-likelihood of the residual x, summed over all its entries.
reference_loglik <- function(x, lambda, sigma) {
  log_mass <- pnorm(x / sigma - lambda * sigma, log.p = TRUE)
  sum(log(lambda) + (lambda * sigma)^2 / 2 - lambda * x + log_mass)
}

# rounds = 0 holds lambda and sigma; otherwise they are re-estimated after each round.
reference_em <- function(A, lambda, sigma, maxiter, rounds = 0, symmetric = NULL) {
  A <- unname(A)
  if (is.null(symmetric)) symmetric <- isSymmetric(A)
  unit <- function(x) {
    x <- pmax(drop(x), 0)
    if (any(x > 0)) x / sqrt(sum(x^2)) else x
  }
  pair <- svd(A, nu = 1, nv = 1)
  if (symmetric) pair$v <- pair$u
  starts <- list(
    list(u = unit(pair$u), v = unit(pair$v)), list(u = unit(-pair$u), v = unit(-pair$v))
  )
  value <- vapply(starts, function(start) sum(start$u * (A %*% start$v)), 0)
  u <- starts[[if (value[1] > value[2]) 1 else 2]]$u
  v <- starts[[if (value[1] > value[2]) 1 else 2]]$v
  b <- matrix(0, nrow(A), ncol(A))
  loglik <- numeric(0)
  for (round in seq_len(max(rounds, 1))) {
    for (iteration in seq_len(maxiter)) {
      u <- unit((A - b) %*% v)
      v <- if (symmetric) u else unit(crossprod(A - b, u))
      d <- sum(u * ((A - b) %*% v))
      x <- A - d * outer(u, v)
      b <- reference_mean(x - lambda * sigma^2, sigma)
      loglik <- c(loglik, reference_loglik(x, lambda, sigma))
    }
    if (rounds > 0) {
      lambda <- 1 / mean(x)
      sigma <- sd(x)
    }
  }
  d <- sum(u * ((A - b) %*% v))
  list(u = u, v = v, d = d, b = b, lambda = lambda, sigma = sigma, loglik = loglik)
}
