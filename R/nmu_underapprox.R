# Help page on certified underapproximation.

#' Certified underapproximation
#'
#' With `underapprox = TRUE`, [nmu()] solves the limit \eqn{\sigma \to 0}{sigma -> 0} of its model
#' under a hard constraint, as Gillis and Glineur (2010): nonnegative factors whose sum does not
#' exceed `A` in any nonnegative entry, with a small squared error.
#'
#' @section Guarantee: The sum of the factors is at or below `A` wherever `A` is not negative, in
#'   whatever order it is evaluated in double precision. Where `A` is zero or negative, the factors
#'   are zero. The element `certificate` of the fit confirms this by a pass over all entries. Every
#'   completed fit by [nmu()] has a certificate, with or without `underapprox`; see [nmu_object].
#'
#' @section Algorithm: The squared error is minimised by a local search: exact coordinate ascent on
#'   supports that grow and shrink, started from several rows or columns. With `refine = TRUE` all
#'   factors are then improved in rounds, by a quadratic programme for each row and column, and each
#'   factor is once replaced by a new one if that is better. The result is a local optimum.
#'
#'   \eqn{\lambda} and \eqn{\sigma} are those of the residual, fitted by likelihood with the factors
#'   held fixed. The search needs working copies of `A`.
#'
#' @section Restrictions: `underapprox = TRUE` is an error of class `nmu_error_input` with
#'   `K = NULL`, `init`, `fixed`, [noise_notebook()], a `prior` other than [prior_flat()], and a
#'   matrix on disk. All entries of a sparse matrix are evaluated, zeros included.
#'
#' @source N. Gillis and F. Glineur (2010), Using underapproximations for sparse nonnegative matrix
#'   factorization, *Pattern Recognition* 43, 1676-1687, \doi{10.1016/j.patcog.2009.09.013}.
#'
#' @seealso [nmu()], [nmu_object], `vignette("parts")`.
#'
#' @examples
#' set.seed(1)
#' tree <- sim_tree(n = 10)
#' fit <- nmu(tree, K = 6, underapprox = TRUE)
#' fit$certificate
#' min(residuals(fit))
#' @name nmu_underapprox
NULL
