# EM for the model in plain R, written from the equations, as in the notebook. A is symmetric.
# `moment(mean, sd)` is the mean of a normal truncated to [0, Inf).

# Mean of b by truncnorm, as in the notebook; it drops the dimensions.
moment_truncnorm <- function(mean, sd) {
  array(truncnorm::etruncnorm(a = 0, mean = mean, sd = sd), dim(mean))
}

unit <- function(x) {
  x <- pmax(drop(x), 0)
  if (any(x > 0)) x / sqrt(sum(x^2)) else x
}

plain_state <- function(A, u) {
  list(u = unit(u), b = matrix(0, nrow(A), ncol(A)))
}

# `A - b` is computed once, while the notebook computes it for u and again for d. This favours
# plain R.
plain_step <- function(A, state, lambda, sigma, moment) {
  rest <- A - state$b
  u <- unit(rest %*% state$u)
  d <- sum(u * (rest %*% u))
  residual <- A - d * tcrossprod(u)
  list(u = u, d = d, residual = residual, b = moment(residual - lambda * sigma^2, sigma))
}

# EM with fixed lambda and sigma
plain_em <- function(A, u, iterations, lambda, sigma, moment) {
  state <- plain_state(A, u)
  for (iteration in seq_len(iterations)) {
    state <- plain_step(A, state, lambda, sigma, moment)
  }
  state
}

# Five rounds of EM, with lambda and sigma re-estimated after each. `u` is the leading singular
# vector.
plain_estlambda <- function(A, u, iterations, lambda, sigma, moment) {
  sides <- list(unit(u), unit(-u))
  value <- vapply(sides, function(side) sum(side * (A %*% side)), 0)
  state <- plain_state(A, sides[[which.max(value)]])
  for (round in 1:5) {
    for (iteration in seq_len(iterations)) {
      state <- plain_step(A, state, lambda, sigma, moment)
    }
    lambda <- 1 / mean(state$residual)
    sigma <- sd(state$residual)
  }
  c(state, lambda = lambda, sigma = sigma)
}
