# A fit made by hand, without any algorithm: two clades, each with a subgroup, and equal loadings
# within a group.
fit_of <- function(d, groups, labels = NULL) {
  u <- groups / rep(sqrt(colSums(groups^2)), each = nrow(groups))
  dimnames(u) <- list(labels, paste0("k", seq_along(d)))
  A <- groups %*% diag(d, length(d)) %*% t(groups)
  # a remainder, the same in each run
  A <- A + outer(seq_along(A[1, ]), seq_along(A[1, ]), function(i, j) (i * j) %% 7 / 10)
  iteration <- rep(1:5, length(d))
  factor <- rep(seq_along(d), each = 5)
  structure(
    list(
      d = d * colSums(groups^2), u = u, v = u, lambda = 3, sigma = 0.1, loglik = 60,
      path = data.frame(
        factor = seq_along(d), d = d, loglik = 10 * seq_along(d), status = "converged"
      ),
      trace = data.frame(
        factor = factor, iteration = iteration, stage = (iteration > 3) + 1,
        loglik = 10 * factor - 5 / iteration
      ),
      refit = list(
        loglik = 60, status = "converged",
        trace = data.frame(stage = 1, loglik = 60 - 10 / 1:8)
      ),
      candidates = data.frame(
        K = seq_along(d), start = "path", objective = 10 * seq_along(d),
        criterion = 20 - (seq_along(d) - 3)^2, status = "converged", kept = seq_along(d) == 4
      ),
      symmetric = TRUE, ignore_diag = FALSE, K = length(d), nobs = length(A) / 2,
      control = nmu_control(), A = A, status = "converged", converged = TRUE
    ),
    class = c("nmu", "nmu_fit")
  )
}
nested_groups <- cbind(
  rep(1:0, c(4, 6)), rep(0:1, c(4, 6)), rep(c(1, 0), c(2, 8)), rep(0:1, c(7, 3))
)
nested_labels <- c("ash", "beech", "cedar", "date", "elm", "fir", "gum", "holly", "ivy", "juniper")
nested_matrix <- nested_groups %*% diag(c(3, 2, 1, 4)) %*% t(nested_groups)
dimnames(nested_matrix) <- list(nested_labels, nested_labels)
nested_fit <- fit_of(c(3, 2, 1, 4), nested_groups, nested_labels)
