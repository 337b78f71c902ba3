#' One nonnegative factor by EM
#'
#' Fits \eqn{A = d u v^T + b + e} with \eqn{u, v \ge 0} of unit norm,
#' \eqn{b_{ij} \sim \mathrm{Exp}(\lambda)}{b_ij ~ Exp(lambda)} and
#' \eqn{e_{ij} \sim N(0, \sigma^2)}{e_ij ~ N(0, sigma^2)}, by the iteration of the notebook
#' cited below. If `A` is symmetric, \eqn{v = u}.
#'
#' The start is the leading singular pair of `A`, cut at zero; of its two signs the one
#' with the larger \eqn{u^T A v} is used. Starting with \eqn{b = 0}, an iteration sets
#' \eqn{u} to the positive part of \eqn{(A - b) v}, normalised, and \eqn{v} likewise to that
#' of \eqn{(A - b)^T u}; \eqn{d = u^T (A - b) v}; and \eqn{b} to its posterior mean, that of
#' \eqn{N(x - \lambda \sigma^2, \sigma^2)} truncated to the nonnegative numbers, where
#' \eqn{x = A - d u v^T} is the residual. After the last iteration \eqn{d} is updated once more.
#'
#' `nmu_em()` holds \eqn{\lambda} and \eqn{\sigma} fixed. `nmu_em_estlambda()` runs 5 rounds
#' of `maxiter` iterations, in which \eqn{b} is carried over. After each round it sets \eqn{\lambda}
#' to 1/mean and \eqn{\sigma} to the standard deviation of the residual.
#'
#' A result with all of `u` zero and `d = 0` is valid: `b` has absorbed everything, which happens
#' if `lambda` is small. Negative entries in `A` are allowed. No underapproximation exists then, and
#' the factor stays below the data only up to noise of standard deviation \eqn{\sigma}. `A` is
#' never rescaled: `lambda` and `sigma` are in its units.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers, with at
#'   least one row and one column and finite entries of at most 1e150 in absolute value, the largest
#'   at least 1e-150 unless all are zero. Dense matrices of the Matrix package are converted; sparse
#'   ones are used as they are stored. A `DelayedMatrix` is read block by block, see [nmu_large].
#' @param lambda One positive number from 1e-150 to 1e150, in units of 1/`A`: the rate of the
#'   exponential distribution of `b`; its starting value in `nmu_em_estlambda()`.
#' @param sigma One positive number from 1e-150 to 1e150, in units of `A`: the standard
#'   deviation of the noise; its starting value in `nmu_em_estlambda()`.
#' @param maxiter One positive whole number: the number of iterations, in `nmu_em_estlambda()` of
#'   each round.
#' @param ... Further named arguments; any other name is an error.
#'
#'   * `tol = 0`: one finite number, zero or larger. The iteration stops once its change is
#'     at most `tol`: the largest of the changes of `u`, `v` and `d`, relative to their sizes. With
#'     zero all iterations are run, as in the notebook.
#'   * `init = NULL`: starting loadings in place of the singular pair. For a symmetric `A` a
#'     vector with an entry for each row, or `list(u = )`; otherwise `list(u = , v = )`; or an
#'     earlier fit. Entries must be finite, nonnegative and not all zero.
#'   * `symmetric = NULL`: `NULL`, `TRUE` or `FALSE`: whether to treat `A` as symmetric. `NULL`
#'     means: if no entry differs from its mirror image by more than 100 times the machine
#'     precision, relative to the largest entry, and no row name from its column name, if there
#'     are both. The notebook knows no names: for its iteration on a symmetric table whose names
#'     differ, give `unname(A)`.
#'   * `keep_b`: `TRUE` or `FALSE`: whether to return `b`. The default is `TRUE` for dense matrices
#'     and `FALSE` for others; `TRUE` is an error for a `DelayedMatrix`.
#'   * `trace = TRUE`: whether to compute the log-likelihood of each iteration. `FALSE` saves its
#'     cost.
#'   * `control = nmu_control()`: the number of threads, and whether to keep `A`. Its `tol` and
#'     `maxiter` are not used.
#'
#' @return An object of class `nmu_em`, a list with
#'
#'   * `u`: numeric vector of unit norm (or zero), with an entry for each row of `A`, and its row
#'     names;
#'   * `d`: one number; it is negative only if negative entries of `A` dominate;
#'   * `b`: matrix of the size of `A`, with its dimnames: the posterior mean of the remainder
#'     (`NULL` with `keep_b = FALSE`);
#'   * `v`: numeric vector, with an entry for each column of `A`, and its column names; only if
#'     `A` is not treated as symmetric;
#'   * `lambda`, `sigma`: as given, or the last estimates;
#'   * `loglik`: the log-likelihood of all entries of `A` at each iteration (length zero with
#'     `trace = FALSE`);
#'   * `iterations`: the number of iterations in all rounds;
#'   * `status`: `"converged"` if the change of the last iteration was at most `tol` (1e-8 if `tol`
#'     is zero), `"maxiter"` if it was larger, `"lambda"` if no positive \eqn{\lambda}
#'     and \eqn{\sigma} could be estimated, `"interrupted"` if the user interrupted the fit (which
#'     is then in the condition); `converged`: `TRUE` or `FALSE`;
#'   * `symmetric`; `estimated`: whether `lambda` and `sigma` were estimated; `nobs`, `control`,
#'     `call`; `largest`, the largest entry of `A`; and `A`, unless `keep_data = FALSE` in
#'     `control`.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` if an argument is not
#'   as described, `nmu_error_core` if the numerical core fails, `nmu_error_interrupted`
#'   if the user interrupts the fit (the field `fit` of the condition holds the fit so far, or
#'   `NULL`), and `nmu_error_blocks` if a matrix on disk cannot be read or a worker fails. If
#'   1/mean or the standard deviation of the residual is not positive, `nmu_em_estlambda()`
#'   warns with class `nmu_warning_lambda` and returns the fit so far, with the last valid
#'   \eqn{\lambda} and \eqn{\sigma}. A warning of class `nmu_warning_maxiter` is given if a positive
#'   `tol` was not reached.
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025.
#'
#' @seealso [nmu()] for several factors, [nmu_methods] for methods.
#'
#' @examples
#' set.seed(1)
#' A <- sim_blocks(n = 10)
#'
#' fit <- nmu_em(A, lambda = 1, sigma = 0.1)
#' fit
#' min(A - fit$d * fit$u %*% t(fit$u)) # positive: an underapproximation
#' image(fit$b)
#'
#' nmu_em_estlambda(A)
#'
#' # a rectangular matrix: the first ten columns
#' nmu_em(A[, 1:10], sigma = 0.1, trace = FALSE)$v
#' @export
nmu_em <- function(A, lambda = 1, sigma = 1, maxiter = 100, ...) {
  matched_call <- match.call()
  em_fit(A, lambda, sigma, maxiter, rounds = 0L, extras = list(...), matched_call)
}

#' @rdname nmu_em
#' @export
nmu_em_estlambda <- function(A, maxiter = 100, lambda = 1, sigma = 0.1, ...) {
  matched_call <- match.call()
  rounds <- noise_notebook()$rounds
  em_fit(A, lambda, sigma, maxiter, rounds, extras = list(...), matched_call)
}

#' Check the arguments, run the iteration in the core, create the fit
#'
#' @inheritParams nmu_em
#' @param rounds Number of rounds of re-estimation; 0 holds lambda and sigma fixed.
#' @param extras `list(...)` of the public function.
#' @inheritParams new_nmu_em
#' @return An object of class `nmu_em`.
#' @noRd
em_fit <- function(A, lambda, sigma, maxiter, rounds, extras, matched_call, call = caller_env()) {
  A <- as_storage(A, call = call)
  lambda <- check_positive(lambda, call = call)
  sigma <- check_positive(sigma, call = call)
  maxiter <- check_count(maxiter, call = call)
  defaults <- list(
    tol = 0, init = NULL, symmetric = NULL, keep_b = is.matrix(A), trace = TRUE,
    control = nmu_control()
  )
  own <- c("A", "lambda", "sigma", "maxiter")
  extras <- check_extras(extras, defaults, own = own, slips = em_slips(), call = call)
  control <- check_control(extras$control, call = call)
  tol <- check_nonnegative(extras$tol, arg = "tol", call = call)
  keep_b <- check_flag(extras$keep_b, arg = "keep_b", call = call)
  trace <- check_flag(extras$trace, arg = "trace", call = call)
  if (keep_b && is_delayed(A)) {
    abort_input("keep_b", "FALSE where A is not in memory", "TRUE", call = call)
  }
  check_storage_support(A, control, call = call)
  scan <- scan_matrix(A, extras$symmetric, call = call)
  check_entries(scan, A, call = call)
  symmetric <- check_symmetric(extras$symmetric, scan, A, call = call)
  signal_data(scan, if (is.null(extras$symmetric)) symmetric, control)
  start <- check_em_init(extras$init, A, symmetric, call = call)

  options <- core_options(
    matrix_options(control, symmetric), lambda = lambda, sigma = sigma, rounds = rounds,
    u = start$u, v = start$v, maxiter = maxiter, tol = tol, keep_b = keep_b, trace = trace,
    progress = local_progress(1, control, times = if (symmetric) 2 else 1)
  )
  blocks <- local_blocks(A, control, options, call = call)
  result <- core_em(blocks$core, options)
  signal_failure(blocks$failure, fitting = TRUE, call = call)
  core <- core_value(result, call = call)
  core$largest <- scan$largest
  control$tol <- tol
  control$maxiter <- maxiter
  fit <- new_nmu_em(core, A, symmetric, rounds > 0, control, matched_call)
  signal_status(fit, call = call)
  fit
}
