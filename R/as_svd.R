#' Convert a fit to the format of svd() or of NMF
#'
#' `as_svd()` returns the factors in the format of [svd()], `as_nmf()` in that of nonnegative matrix
#' factorisation, with the names that the packages NMF and RcppML use, so that code written for one
#' of these accepts a fit of [nmu()].
#'
#' The meaning differs: the columns of `u` and `v` are nonnegative and not orthogonal, so that
#' `d` are not singular values; and the product approximates `A` from below, not in least squares.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#'
#' @return `as_svd()`: a list of `d`, in decreasing order as in [svd()], and of the matrices `u` and
#'   `v` with a column for each, so that `u %*% diag(d, length(d)) %*% t(v)` is `fitted(fit)`.
#'
#'   `as_nmf()`: a list of `w`, rows x K, and `h`, K x columns, nonnegative, so that `w %*% h`
#'   is `fitted(fit)` (zeros for a negative `d`). The weights are split evenly:
#'   \eqn{w_k = \sqrt{d_k} u_k}{w_k = sqrt(d_k) u_k}. Factors keep their order.
#'   `NMF::nmfModel(W = x$w, H = x$h)` creates an object of the package NMF from it.
#'
#' @section Errors: Class `nmu_error_input` if `fit` is not a fit.
#'
#' @examples
#' fit <- nmu(USArrests, K = 2)
#' s <- as_svd(fit)
#' all.equal(s$u %*% diag(s$d) %*% t(s$v), fitted(fit))
#' x <- as_nmf(fit)
#' all.equal(x$w %*% x$h, fitted(fit))
#' @export
as_svd <- function(fit) {
  check_fit(fit)
  factors <- fit_factors(fit)
  falling <- order(factors$d, decreasing = TRUE)
  list(
    d = factors$d[falling],
    u = factors$u[, falling, drop = FALSE],
    v = factors$v[, falling, drop = FALSE]
  )
}

#' @rdname as_svd
#' @export
as_nmf <- function(fit) {
  check_fit(fit)
  list(w = coef(fit, side = "u"), h = t(coef(fit, side = "v")))
}
