#' The notebook's data sets
#'
#' Draw symmetric matrices \eqn{X \mathrm{diag}(w) X^T + E + E^T}{X diag(w) X^T + E + E^T} with
#' a known structure of zeros and ones in \eqn{X} and nonnegative noise: the entries
#' of \eqn{E} are `noise` times exponential variables of mean 1.
#'
#' `sim_blocks()` has two groups of `n` rows each. `sim_tree()` also has the two halves of each
#' group, so that the six columns of \eqn{X} are the branches below the root of a
#' balanced tree with four tips.
#'
#' @param n One positive whole number: the number of rows of a group; the matrix is 2n by 2n. Even
#'   for `sim_tree()`.
#' @param weights Six finite numbers, zero or larger: the weights \eqn{w} of the branches, the
#'   two groups first, then their halves in order.
#' @param noise One finite number, zero or larger: the mean of an entry of \eqn{E}, in the
#'   units of `A`.
#'
#' @return A symmetric numeric matrix, 2n by 2n. Its attribute `"loadings"` is \eqn{X},
#'   a matrix of zeros and ones with 2n rows and a column for each factor, `"k1"`, `"k2"` ...
#'
#'   After `set.seed(1)` the defaults give the matrices of the notebook.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described.
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025.
#'
#' @examples
#' set.seed(1)
#' A <- sim_blocks()
#' image(A)
#' attr(A, "loadings")
#'
#' image(sim_tree(n = 20, weights = c(2, 2, 1, 1, 1, 1)))
#' @export
sim_blocks <- function(n = 10, noise = 0.1) {
  n <- check_count(n)
  noise <- check_nonnegative(noise)
  add_noise(group_indicator(rep(1:2, each = n)), c(1, 1), noise)
}

#' @rdname sim_blocks
#' @export
sim_tree <- function(n = 40, weights = rep(1, 6), noise = 0.1) {
  n <- check_count(n)
  if (n %% 2 > 0) {
    abort_input("n", "even, since each group is halved", describe(n))
  }
  if (!is.numeric(weights) || length(weights) != 6) {
    abort_input("weights", "six numbers", describe(weights))
  }
  if (!all(is.finite(weights)) || any(weights < 0)) {
    found <- format(weights[!is.finite(weights) | weights < 0][1], digits = 15)
    abort_input("weights", "finite, zero or larger", found)
  }
  noise <- check_nonnegative(noise)
  loadings <- cbind(
    group_indicator(rep(1:2, each = n)),
    group_indicator(rep(1:4, each = n / 2))
  )
  add_noise(loadings, weights, noise)
}

#' Indicator matrix of a grouping
#'
#' @param group Group of each row, whole numbers from 1.
#' @return A matrix with a column for each group.
#' @noRd
group_indicator <- function(group) {
  1 * outer(group, seq_len(max(group)), "==")
}

#' Add symmetric, nonnegative noise to a weighted sum of factors
#'
#' @param loadings Matrix of factors.
#' @param weights Weight of each column.
#' @param noise Mean of a noise term.
#' @return The matrix, with the loadings as an attribute.
#' @noRd
add_noise <- function(loadings, weights, noise) {
  size <- nrow(loadings)
  half <- matrix(noise * stats::rexp(size^2), nrow = size)
  colnames(loadings) <- factor_names(ncol(loadings))
  A <- tcrossprod(loadings * rep(weights, each = size), unname(loadings)) + (half + t(half))
  dimnames(A) <- NULL
  structure(A, loadings = loadings)
}
