#' Standard errors of weights and loadings
#'
#' How sharply the likelihood of a fit peaks in each of its numbers. The standard error of a weight
#' or of a loading is \eqn{1/\sqrt{c}}{1/sqrt(c)}, with \eqn{c} minus the second derivative of
#' the log-likelihood in that number, while all the others, \eqn{\lambda} and \eqn{\sigma} are held.
#'
#' With \eqn{z = x/\sigma - \lambda\sigma}{z = x/sigma - lambda sigma} of the residual \eqn{x},
#' \eqn{h = \phi(z)/\Phi(z)}{h = phi(z)/Phi(z)} and \eqn{m = h (z + h)}, an entry counts by
#' \eqn{m_{ij}}{m_ij}, from 0 (the remainder \eqn{b} takes up whatever the factor leaves) to 1 (as
#' in least squares):
#' \deqn{\mathrm{se}(u_{ik}) = \sigma / \sqrt{d_k^2 \sum_j m_{ij} v_{jk}^2}, \quad
#'   \mathrm{se}(d_k) = \sigma / \sqrt{\sum_{ij} m_{ij} u_{ik}^2 v_{jk}^2},}{
#'   se(u_ik) = sigma / sqrt(d_k^2 sum_j m_ij v_jk^2),
#'   se(d_k) = sigma / sqrt(sum_ij m_ij u_ik^2 v_jk^2),}
#' and for \eqn{v} like for \eqn{u}. Entries that are missing, or on a diagonal that was ignored,
#' do not count. Of a symmetric `A` each pair counts once and the diagonal half, for all classes of
#' fits; as the diagonal of the low-rank part is quadratic in \eqn{u}, \eqn{m_{ii} v_{ik}^2}{
#' m_ii v_ik^2} is there \eqn{2 m_{ii} u_{ik}^2 - s_{ii} \sigma^2 / d_k}{
#' 2 m_ii u_ik^2 - s_ii sigma^2 / d_k} with the slope \eqn{s = \lambda - h/\sigma}{
#' s = lambda - h/sigma}.
#'
#' Under another `prior_b` than the exponential, with \eqn{\bar b}{b-bar} and
#' \eqn{\mathrm{Var}[b]}{Var[b]} of [posterior_b()], \eqn{m = 1 - \mathrm{Var}[b]/\sigma^2}{
#' m = 1 - Var[b]/sigma^2}, which may be below zero, and \eqn{s = (x - \bar b)/\sigma^2}{
#' s = (x - b-bar)/sigma^2}.
#'
#' These errors are conditional, and so understate: were the other numbers free to follow, the
#' likelihood would fall less. The more factors overlap, the more they understate. They are no
#' guide to whether a loading is zero, since a loading cannot be negative.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param A The data, where the fit has not kept them (`keep_data = FALSE`).
#'
#' @return A list with `d`, a number for each factor in the units of `A`, and the matrices `u` and
#'   `v`, without units, of the size and with the names of `u` and `v` of an [nmu()] fit, for
#'   [nmu_em()] fits with one column; where `A` is symmetric, `v` is `u`. `NA` stands where a
#'   loading is zero, at its bound; where the likelihood does not curve downwards; and
#'   throughout a factor with a weight of zero or less.
#'
#' @section Errors: Class `nmu_error_input` where an argument is not as described, and where the
#'   data are needed and neither kept nor given, or given with another size; class
#'   `nmu_error_blocks` where a matrix on disk cannot be read or a worker fails;
#'   `nmu_error_interrupted` where the user interrupted.
#'
#' @source Y. Pawitan (2001), *In All Likelihood*, section 2.5: the observed information.
#'
#' @seealso [posterior_b()] for the remainder; the `path` of an [nmu()] fit has standard errors of
#'   \eqn{\lambda} and \eqn{\sigma}.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 2)
#' errors <- standard_errors(fit)
#' errors$d
#' head(cbind(u = fit$u[, 1], se = errors$u[, 1]))
#' @export
standard_errors <- function(fit, A = NULL) {
  check_fit(fit)
  factors <- fit_factors(fit)
  found <- ask_core(core_standard_errors, fit, fit_data(fit, A))
  errors <- lapply(found, function(values) {
    replace(values, is.nan(values), NA)
  })
  dimnames(errors$u) <- dimnames(factors$u)
  if (fit$symmetric) {
    errors$v <- errors$u
  } else {
    dimnames(errors$v) <- dimnames(factors$v)
  }
  errors
}
