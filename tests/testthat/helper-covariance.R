# Covariance of normal features with the loadings given, a column a factor, and unit noise
covariance <- function(loadings, sd, features = 1000) {
  scores <- matrix(rnorm(features * ncol(loadings), sd = sd), features)
  Y <- tcrossprod(loadings, scores) + matrix(rnorm(nrow(loadings) * features), nrow(loadings))
  tcrossprod(Y) / features
}

indicator <- function(group) 1 * outer(group, unique(group), "==")

balanced_tree <- function(size) {
  quarter <- rep(1:4, each = size)
  cbind(1, indicator((quarter + 1) %/% 2), indicator(quarter))
}

# Mean cosine and number of factors
found <- function(fit, truth) c(mean(match_factors(fit, truth)$cosine), fit$K)
