#' Standard errors of weights and loadings
#'
#' Standard errors of the factors of a fit, from the curvature of the likelihood. The standard error
#' of a weight or of a loading is \eqn{1/\sqrt{c}}{1/sqrt(c)}, with \eqn{c} minus the second
#' derivative of the log-likelihood in this parameter, while all others, \eqn{\lambda} and
#' \eqn{\sigma} are held fixed.
#'
#' With \eqn{z = x/\sigma - \lambda\sigma}{z = x/sigma - lambda sigma} of the residual \eqn{x},
#' \eqn{h = \phi(z)/\Phi(z)}{h = phi(z)/Phi(z)} and \eqn{m = h (z + h)}, an entry has the
#' information weight \eqn{m_{ij}}{m_ij}, from 0 (the remainder \eqn{b} absorbs the residual) to 1
#' (as in least squares):
#' \deqn{\mathrm{se}(u_{ik}) = \sigma / \sqrt{d_k^2 \sum_j m_{ij} v_{jk}^2}, \quad
#'   \mathrm{se}(d_k) = \sigma / \sqrt{\sum_{ij} m_{ij} u_{ik}^2 v_{jk}^2},}{
#'   se(u_ik) = sigma / sqrt(d_k^2 sum_j m_ij v_jk^2),
#'   se(d_k) = sigma / sqrt(sum_ij m_ij u_ik^2 v_jk^2),}
#' and for \eqn{v} as for \eqn{u}. Entries that are missing, or on an ignored diagonal,
#' do not count. If `A` is symmetric, each pair counts once and the diagonal half, for all classes
#' of fits; as the diagonal of the low-rank part is quadratic in \eqn{u}, \eqn{m_{ii} v_{ik}^2}{
#' m_ii v_ik^2} is replaced by \eqn{2 m_{ii} u_{ik}^2 - s_{ii} \sigma^2 / d_k}{
#' 2 m_ii u_ik^2 - s_ii sigma^2 / d_k} with the slope \eqn{s = \lambda - h/\sigma}{
#' s = lambda - h/sigma}.
#'
#' Under a `prior_b` other than the exponential, with \eqn{\bar b}{b-bar} and
#' \eqn{\mathrm{Var}[b]}{Var[b]} of [posterior_b()], \eqn{m = 1 - \mathrm{Var}[b]/\sigma^2}{
#' m = 1 - Var[b]/sigma^2}, which may be negative, and \eqn{s = (x - \bar b)/\sigma^2}{
#' s = (x - b-bar)/sigma^2}.
#'
#' These standard errors are conditional, and therefore too small: if the other parameters were
#' re-optimised, the likelihood would decrease less. The more factors overlap, the smaller they are
#' compared with unconditional ones. They do not indicate whether a loading is zero, since a loading
#' cannot be negative.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param A The data, if the fit does not contain them (`keep_data = FALSE`).
#'
#' @return A list with `d`, a number for each factor in the units of `A`, and the matrices `u` and
#'   `v`, dimensionless, of the size and with the names of `u` and `v` of an [nmu()] fit, for
#'   [nmu_em()] fits with one column; if `A` is symmetric, `v` equals `u`. `NA` if a
#'   loading is zero, at its bound; if the likelihood has no negative curvature; and for
#'   a factor with a weight of zero or less.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described, and if the
#'   data are required and neither kept nor given, or given with another size; class
#'   `nmu_error_blocks` if a matrix on disk cannot be read or a worker fails;
#'   `nmu_error_interrupted` if the user interrupts.
#'
#' @source Y. Pawitan (2001), *In All Likelihood*, section 2.5: the observed information.
#'
#' @seealso [posterior_b()] for the remainder; the `path` of an [nmu()] fit has standard errors of
#'   \eqn{\log\lambda}{log lambda} and \eqn{\log\sigma}{log sigma}.
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
  core_errors <- evaluate_fit(core_standard_errors, fit, fit_data(fit, A))
  errors <- lapply(core_errors, function(values) {
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
