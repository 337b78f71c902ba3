#' Nonnegative factors, one after another
#'
#' Fits \eqn{A = \sum_k d_k u_k v_k^T + b + e}{A = sum_k d_k u_k v_k^T + b + e} with
#' \eqn{u, v \ge 0} of unit norm and \eqn{d \ge 0}, where
#' \eqn{b_{ij} \sim \mathrm{Exp}(\lambda)}{b_ij ~ Exp(lambda)} is a nonnegative remainder and
#' \eqn{e_{ij} \sim N(0, \sigma^2)}{e_ij ~ N(0, sigma^2)} is noise. Each factor is fitted to what
#' the earlier ones have left (deflation), with \eqn{\lambda} and \eqn{\sigma} estimated anew.
#' Where `A` is symmetric, \eqn{v = u}.
#'
#' Neither is `A` modified nor are its residuals stored: the earlier factors are taken out as
#' its entries are read. Factors stand in the order in which they were found. A factor may
#' come out null, with `d = 0` and a zero column, once nothing is left that a factor
#' explains. Deflation ends early, with fewer than `K` factors, where a residual gives no
#' positive \eqn{\lambda} and \eqn{\sigma}. Negative entries are legal; `A` is never rescaled.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers,
#'   with at least one row and one column and finite entries. Dense matrices of the Matrix
#'   package are converted; its sparse ones are refused.
#' @param K One positive whole number: how many factors. It may exceed the number of rows or
#'   columns (trees need it), but not that of entries.
#' @param noise How \eqn{\lambda} and \eqn{\sigma} are estimated: an object such as
#'   [noise_notebook()], or its name, `"notebook"` (lower case).
#' @param symmetric `NULL`, `TRUE` or `FALSE`: treat `A` as symmetric? By default it is
#'   where no entry differs from its mirror image by more than 100 times the machine
#'   precision, relative to the largest entry.
#' @param control Settings made by [nmu_control()].
#'
#' @return An object of class `nmu`, a list with
#'
#'   * `d`: numeric vector of length K; `u`: matrix with a row for each row of `A`, `v`: matrix
#'     with a row for each column (the same as `u` where symmetric); both have a column for each
#'     factor, `"k1"`, `"k2"` ..., of unit norm or zero, and carry the dimnames of `A`;
#'   * `lambda`, `sigma`, `loglik`: estimates and log-likelihood of the model with all
#'     factors. Where symmetric, the log-likelihood is half the sum over the matrix, since
#'     each pair is seen twice;
#'   * `path`: data frame with a row for each factor: `factor`, `d`, `lambda`, `sigma`,
#'     `loglik` after it was found, `iterations`, and `status`, as in [nmu_em()];
#'   * `trace`: data frame with a row for each iteration: `factor`, `iteration`, `loglik`,
#'     `lambda`, `sigma`;
#'   * `status`: `"converged"` where all factors were; else that of the last factor where
#'     deflation ended early, or `"maxiter"`; `converged`: `TRUE` or `FALSE`;
#'   * `nobs`: number of entries, halved where symmetric; `symmetric`, `K` (factors found),
#'     `noise`, `control`, `call`, and `A` unless `control` says not to keep it.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` where an argument is not
#'   as described, `nmu_error_core` where the core cannot go on, and `nmu_error_interrupted`
#'   where the user interrupted the fit (the field `fit` of the condition has it so far). Where
#'   a residual gives no positive \eqn{\lambda} and \eqn{\sigma}, a warning of class
#'   `nmu_warning_lambda` says so and the factors so far are returned.
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025, for the model and
#'   the deflation.
#'
#' @seealso [nmu_em_estlambda()] for one factor with more of its details, [nmu_methods] for
#'   what can be done with a fit.
#'
#' @examples
#' # correlations of 24 ability tests
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' fit
#' round(coef(fit), 2)
#' summary(fit)
#' @export
nmu <- function(A, K = 1, noise = noise_notebook(), symmetric = NULL, control = nmu_control()) {
  call <- match.call()
  A <- as_storage(A, call)
  K <- check_count(K, "K", call, limit = min(length(A), .Machine$integer.max))
  noise <- check_noise(noise, call)
  control <- check_control(control, call)
  scan <- core_value(core_scan(A), call)
  check_entries(scan, call)
  symmetric <- check_symmetric(symmetric, scan, A, call)
  control$tol <- control$tol %||% 0

  options <- list(
    K = K, lambda = noise$lambda, sigma = noise$sigma, maxiter = control$maxiter,
    rounds = noise$rounds, tol = control$tol, symmetric = symmetric, trace = TRUE,
    threads = control$threads
  )
  core <- core_value(core_deflate(A, options), call)
  fit <- new_nmu(core, A, symmetric, noise = noise, control = control, call = call)
  signal_status(fit, call)
  if (control$verbose) {
    rlang::inform(format(fit), class = "nmu_message")
  }
  fit
}
