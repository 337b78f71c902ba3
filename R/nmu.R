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
#' explains. With [noise_notebook()], deflation ends early, with fewer than `K` factors, where a
#' residual gives no positive \eqn{\lambda} and \eqn{\sigma}. Negative entries are legal.
#'
#' What degenerate data give: where no entry is above zero, or all are zero, every factor is null;
#' a constant or an exact rank-one matrix gives that very factor, with \eqn{\lambda} or
#' \eqn{\sigma} at a bound and a message that says so; a single row, column or entry is fitted
#' like any other matrix; a row of `NA` gets the loading zero.
#'
#' With all rules but [noise_notebook()], a factor starts from the leading singular pair of what
#' is left, cut at zero, and from a small \eqn{\sigma}, a tenth of the standard deviation of what
#' is left, as for an underapproximation. Thirty EM steps lead to the hill that EM would climb;
#' from there the log-likelihood is climbed by a quasi-Newton method that never steps down, first
#' with \eqn{\lambda} and \eqn{\sigma} held, and then, with [noise_mle()], in all of them
#' together. Of a symmetric matrix, no entry of a factor may be larger than 4 times the largest
#' entry that counts: without its diagonal, one row by itself would fit the better the larger
#' its loading. The work is done in units of a power of two near the root mean square of `A`, so
#' that results do not depend on its scale: `nmu(2^k * A)` gives the same bits in `u`.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers,
#'   with at least one row and one column, and at most 1e150 in size in every entry. `NA` entries
#'   are missing data and left out of the likelihood ([noise_notebook()] refuses them); NaN and
#'   infinite ones are refused. Dense matrices of the Matrix package are converted; its sparse
#'   ones are refused.
#' @param K One positive whole number: how many factors. It may exceed the number of rows or
#'   columns (trees need it), but not that of entries.
#' @param noise How \eqn{\lambda} and \eqn{\sigma} are estimated: an object such as
#'   [noise_mle()], or its name, `"mle"`, `"moments"` or `"notebook"` (lower case).
#' @param symmetric `NULL`, `TRUE` or `FALSE`: treat `A` as symmetric? By default it is
#'   where no entry differs from its mirror image by more than 100 times the machine
#'   precision, relative to the largest entry.
#' @param ignore_diag `TRUE` or `FALSE`: leave the diagonal out of the likelihood, as is usual for
#'   covariance and kinship matrices? Square matrices only.
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
#'     `loglik` after it was found, `iterations`, `status` (as in [nmu_em()], `"null"` where
#'     nothing was left for it, or `"stalled"` where no step gained more though the slope said
#'     that one should), `bound` (`"none"`, `"sigma"` where \eqn{\sigma} is at its least
#'     value, `"lambda"` where \eqn{\lambda\sigma} is at its largest and \eqn{b} has all but
#'     vanished; see [noise_mle()]), and the standard errors `se_log_lambda`, `se_log_sigma`
#'     (`NA` where the likelihood does not curve, or none was asked for);
#'   * `trace`: data frame with a row for each iteration: `factor`, `iteration`, `loglik`,
#'     `lambda`, `sigma`;
#'   * `status`: `"converged"` where all factors were converged or null; else that of the last
#'     factor that was not; `converged`: `TRUE` or `FALSE`;
#'   * `nobs`: number of observed entries, halved where symmetric; `symmetric`, `ignore_diag`, `K`
#'     (factors found), `noise`, `control`, `call`, and `A` unless `control` says not to keep it.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` where an argument is not
#'   as described, `nmu_error_core` where the core cannot go on, and `nmu_error_interrupted`
#'   where the user interrupted the fit (the field `fit` of the condition has it so far). Where
#'   a residual gives no positive \eqn{\lambda} and \eqn{\sigma}, a warning of class
#'   `nmu_warning_lambda` says so and the factors so far are returned. Where a bound on
#'   \eqn{\lambda} or \eqn{\sigma} is active, one message of class `nmu_message_bound` says so.
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025, for the model and
#'   the deflation.
#'
#' @seealso [nmu_em_estlambda()] for one factor with more of its details, [nmu_methods],
#'   [nmu_subset], [top_features()] and [match_factors()] for what can be done with a fit;
#'   [posterior_b()], [standard_errors()], [simulate()][simulate.nmu_fit] and
#'   [predict()][predict.nmu_fit] for what it says of `b`, of itself and of new data.
#'
#' @examples
#' # correlations of 24 ability tests
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' fit
#' round(coef(fit), 2)
#' summary(fit)
#' @export
nmu <- function(A, K = 1, noise = noise_mle(), symmetric = NULL, ignore_diag = FALSE,
                refine = TRUE, underapprox = FALSE, init = NULL, fixed = NULL,
                control = nmu_control()) {
  call <- match.call()
  A <- as_storage(A, call)
  noise <- check_noise(noise, call)
  control <- check_control(control, call)
  K <- check_number_of_factors(K, A, noise, control, call)
  ignore_diag <- check_flag(ignore_diag, "ignore_diag", call)
  refine <- check_flag(refine, "refine", call) && noise$rule != "notebook"
  underapprox <- check_flag(underapprox, "underapprox", call)
  scan <- core_value(core_scan(A), call)
  check_entries(scan, call, missing = noise$rule != "notebook")
  check_observed(A, scan, ignore_diag, noise, call)
  symmetric <- check_symmetric(symmetric, scan, A, call)
  given <- check_given(init, fixed, A, symmetric, noise, call)
  control$tol <- control$tol %||% if (noise$rule == "notebook") 0 else 1e-8
  control$maxiter <- control$maxiter %||% if (noise$rule == "notebook") 100L else 1000L

  options <- c(unclass(noise), K, control["threads"], list(
    maxiter = control$maxiter, tol = control$tol, symmetric = symmetric, refine = refine,
    ignore_diag = ignore_diag, missing = scan$missing > 0, rms = scan$rms, trace = TRUE
  ))
  model <- if (underapprox) {
    check_underapprox(given, K, noise, call)
    certified_model(core_value(core_underapproximate(A, options), call))
  } else {
    options$K <- check_room(K, given, call)
    found <- core_value(core_deflate(A, c(options, given[c("fixed", "kept", "starts")])), call)
    deflated_model(found, given, chosen = K$choose)
  }
  factors <- list(factors = model[c("d", "u", "v")])
  model$certificate <- core_value(core_certificate(A, c(options, factors)), call)
  fit <- new_nmu(model, A, symmetric, ignore_diag, noise = noise, control = control, call = call)
  signal_status(fit, call)
  signal_bounds(fit)
  if (control$verbose) {
    rlang::inform(format(fit), class = "nmu_message")
  }
  fit
}

#' Check how many factors are asked for
#'
#' @inheritParams nmu
#' @param call The user's call.
#' @return A list of `K`, a whole number, and `choose`, whether it is a limit only.
#' @noRd
check_number_of_factors <- function(K, A, noise, control, call) {
  limit <- min(length(A), .Machine$integer.max)
  if (!is.null(K)) {
    return(list(K = check_count(K, "K", call, limit = limit), choose = FALSE))
  }
  if (noise$rule == "notebook") {
    abort_input("K", "given with noise_notebook()", "NULL", call)
  }
  list(K = min(control$K_max, limit), choose = TRUE)
}

#' The factors that are left to find
#'
#' @param K What `check_number_of_factors()` returned.
#' @param given What `check_given()` returned.
#' @param call The user's call.
#' @return A whole number.
#' @noRd
check_room <- function(K, given, call) {
  known <- length(given$kept$d)
  if (K$K < known || length(given$starts$d) > K$K - known) {
    least <- known + length(given$starts$d)
    abort_input("K", sprintf("at least %d, the factors of init", least), describe(K$K), call)
  }
  K$K - known
}

#' Refuse what a certified underapproximation cannot do
#'
#' @inheritParams check_room
#' @param noise The estimator.
#' @return Nothing of use.
#' @noRd
check_underapprox <- function(given, K, noise, call) {
  reason <- if (noise$rule == "notebook") {
    "with noise_notebook()"
  } else if (K$choose) {
    "with K = NULL"
  } else if (any(lengths(given) > 0)) {
    "with init or fixed"
  }
  if (!is.null(reason)) {
    abort_input("underapprox", paste("FALSE", reason), "TRUE", call)
  }
}
