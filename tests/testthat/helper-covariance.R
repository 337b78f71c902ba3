# Covariance of normal features with the given loadings, a column for each factor, and unit noise
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

# Three structures that a fit should find, each with a lower bound on the mean cosine
planted_structures <- function(tree, groups, apart) {
  list(
    tree = list(truth = balanced_tree(40), sd = 2, least = tree),
    groups = list(truth = matrix(rbinom(1000, 1, 0.1), 100), sd = 1, least = groups),
    apart = list(truth = indicator(rep(1:4, each = 40)), sd = 2, least = apart)
  )
}

# Mean cosine and number of factors
found <- function(fit, truth) c(mean(match_factors(fit, truth)$cosine), fit$K)
