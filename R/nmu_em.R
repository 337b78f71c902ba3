#' One nonnegative factor by EM
#'
#' Fits \eqn{A = d u v^T + b + e} with \eqn{u, v \ge 0} of unit norm,
#' \eqn{b_{ij} \sim \mathrm{Exp}(\lambda)}{b_ij ~ Exp(lambda)} and
#' \eqn{e_{ij} \sim N(0, \sigma^2)}{e_ij ~ N(0, sigma^2)}, by the iteration of the notebook
#' cited below. Where `A` is symmetric, \eqn{v = u}.
#'
#' The start is the leading singular pair of `A`, cut at zero; of its two signs the one
#' with the larger \eqn{u^T A v} is taken. With \eqn{b = 0} at first, an iteration sets
#' \eqn{u} to the positive part of \eqn{(A - b) v}, normalised (and \eqn{v} likewise to that
#' of \eqn{(A - b)^T u}), \eqn{d = u^T (A - b) v}, and \eqn{b} to its posterior mean, that of
#' \eqn{N(x - \lambda \sigma^2, \sigma^2)} truncated to the nonnegative numbers, where
#' \eqn{x = A - d u v^T} is the residual. After the last iteration \eqn{d} is set once more.
#'
#' `nmu_em()` holds \eqn{\lambda} and \eqn{\sigma} fixed. `nmu_em_estlambda()` runs 5 rounds
#' of `maxiter` iterations, with \eqn{b} carried over, and after each sets \eqn{\lambda} to
#' 1/mean and \eqn{\sigma} to the standard deviation of the residual.
#'
#' A result with all of `u` zero and `d = 0` is legal: everything has been absorbed into `b`,
#' which happens when `lambda` is small. Negative entries in `A` are legal, too; no
#' underapproximation exists then, and the factor stays below the data only up to noise of standard
#' deviation \eqn{\sigma}. `A` is never rescaled, so that `lambda` and `sigma` are in its
#' units.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers, with at
#'   least one row and one column and finite entries of at most 1e150 in size, the largest at least
#'   1e-150 if not zero. Dense matrices of the Matrix package are converted; its sparse ones are
#'   fitted as they are stored. A `DelayedMatrix` is read block by block, as in [nmu()].
#' @param lambda One positive number from 1e-150 to 1e150, in units of 1/`A`: the rate of the
#'   exponential distribution of `b`; its starting value in `nmu_em_estlambda()`.
#' @param sigma One positive number from 1e-150 to 1e150, in units of `A`: the standard
#'   deviation of the noise; its starting value in `nmu_em_estlambda()`.
#' @param maxiter One positive whole number: iterations; of each round in
#'   `nmu_em_estlambda()`.
#' @param ... Named extras; others are refused.
#'
#'   * `tol = 0`: one finite number, zero or larger. Stop once the change of an iteration is
#'     at most `tol`: the largest of the moves of `u`, `v` and `d`, relative to their sizes. Zero
#'     runs all iterations, as the notebook does.
#'   * `init = NULL`: where to start instead of at the singular pair. For a symmetric `A` a
#'     vector with an entry for each row, or `list(u = )`; otherwise `list(u = , v = )`; or an
#'     earlier fit. Entries must be finite and nonnegative, and not all zero.
#'   * `symmetric = NULL`: `TRUE` or `FALSE` to say how to treat `A`. By default it is
#'     symmetric where no entry differs from its mirror image by more than 100 times the
#'     machine precision, relative to the largest entry.
#'   * `keep_b`: return `b`? By default `TRUE` for dense matrices and `FALSE` for others; `TRUE` is
#'     refused for a `DelayedMatrix`.
#'   * `trace = TRUE`: return the log-likelihood of each iteration? `FALSE` saves its cost.
#'   * `control = nmu_control()`: threads, and whether to keep `A`; `tol` and `maxiter` in it
#'     are not used here.
#'
#' @return An object of class `nmu_em`, a list with
#'
#'   * `u`: numeric vector of unit norm (or zero), an entry for each row of `A`, with its row
#'     names;
#'   * `d`: one number; below zero only where negative entries of `A` mislead the iteration;
#'   * `b`: matrix of the size of `A`, with its dimnames: the posterior mean of the remainder
#'     (`NULL` with `keep_b = FALSE`);
#'   * `v`: numeric vector, an entry for each column of `A`, with its column names; only where
#'     `A` is not treated as symmetric;
#'   * `lambda`, `sigma`: as given, or as last estimated;
#'   * `loglik`: the log-likelihood of all entries of `A` at each iteration (length zero with
#'     `trace = FALSE`);
#'   * `iterations`: how many were run, in all rounds;
#'   * `status`: `"converged"` where the last iteration moved by at most `tol` (1e-8 where that is
#'     zero), `"maxiter"` where it still moved more, `"lambda"` where no positive \eqn{\lambda}
#'     and \eqn{\sigma} could be estimated, `"interrupted"` where the user interrupted the fit (it
#'     is then in the condition); `converged`: `TRUE` or `FALSE`;
#'   * `symmetric`, `estimated` (were `lambda` and `sigma`?), `nobs`, `control`, `call`, and
#'     `A` unless `control` says not to keep it.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` where an argument is not
#'   as described, `nmu_error_core` where the core cannot go on, and `nmu_error_interrupted`
#'   where the user interrupted the fit (the field `fit` of the condition has it so far, or is
#'   `NULL`), and `nmu_error_blocks` where a matrix on disk cannot be read or a worker fails. Where
#'   1/mean or the standard deviation of the residual is not positive, `nmu_em_estlambda()`
#'   warns with class `nmu_warning_lambda` and returns the fit so far, with the last
#'   \eqn{\lambda} and \eqn{\sigma} that were.
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025.
#'
#' @seealso [nmu()] for several factors, [nmu_methods] for what can be done with a fit.
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

#' Check the arguments, run the iteration in the core, make the fit
#'
#' @inheritParams nmu_em
#' @param rounds Rounds of re-estimation; 0 holds lambda and sigma fixed.
#' @param extras `list(...)` of the function called.
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
  extras <- check_extras(extras, defaults, call = call)
  control <- check_control(extras$control, call = call)
  tol <- check_nonnegative(extras$tol, arg = "tol", call = call)
  keep_b <- check_flag(extras$keep_b, arg = "keep_b", call = call)
  trace <- check_flag(extras$trace, arg = "trace", call = call)
  if (keep_b && is_delayed(A)) {
    abort_input("keep_b", "FALSE where A is not in memory", "TRUE", call = call)
  }
  check_place(A, control, call = call)
  scan <- scan_matrix(A, extras$symmetric, call = call)
  check_entries(scan, call = call)
  signal_data(scan, is.null(extras$symmetric), control)
  symmetric <- check_symmetric(extras$symmetric, scan, A, call = call)
  start <- check_init(extras$init, A, symmetric, call = call)

  options <- core_options(
    matrix_options(control, symmetric), lambda = lambda, sigma = sigma, rounds = rounds,
    u = start$u, v = start$v, maxiter = maxiter, tol = tol, keep_b = keep_b, trace = trace
  )
  blocks <- local_blocks(A, control, options, call = call)
  local_progress(1, control, times = if (symmetric) 2 else 1)
  core <- core_value(core_em(blocks$core, options), call = call)
  signal_failure(blocks$failure, call = call)
  control$tol <- tol
  control$maxiter <- maxiter
  fit <- new_nmu_em(core, A, symmetric, rounds > 0, control, matched_call)
  signal_status(fit, call = call)
  fit
}
