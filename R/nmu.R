#' Nonnegative matrix underapproximation with several factors
#'
#' Fits \eqn{A = \sum_k d_k u_k v_k^T + b + e}{A = sum_k d_k u_k v_k^T + b + e} with
#' \eqn{u, v \ge 0} of unit norm and \eqn{d \ge 0}, where
#' \eqn{b_{ij} \sim \mathrm{Exp}(\lambda)}{b_ij ~ Exp(lambda)} is a nonnegative remainder and
#' \eqn{e_{ij} \sim N(0, \sigma^2)}{e_ij ~ N(0, sigma^2)} is noise. If `A` is symmetric,
#' \eqn{v = u}. All factors are fitted jointly; `refine = FALSE` fits each one to the residual of
#' the earlier ones (deflation).
#'
#' With a small \eqn{\sigma} the factors stay below the data, as an underapproximation; with a large
#' \eqn{\lambda\sigma}{lambda sigma} the model is close to nonnegative matrix factorisation with
#' Gaussian noise.
#'
#' `A` is not modified, and residuals are not stored: factors are subtracted while the
#' entries are read. Factors are ordered as they were added. A factor is null (`d = 0`, zero
#' columns) if no factor improves the fit. With `K = NULL` null factors are dropped, unless no
#' factor is found at all. With [noise_notebook()] the fit stops early, with fewer than `K` factors,
#' if a residual gives no positive \eqn{\lambda} and \eqn{\sigma}. Negative entries are allowed.
#'
#' Degenerate data: without a positive entry, every factor is null. A matrix that is a sum of fewer
#' factors than it has rows and columns is recovered to about eight digits by [noise_mle()], both of
#' whose bounds are then active. A single row, column or entry is fitted like any other matrix. A
#' row of `NA` has the loading zero. A row or column with fewer observed entries than there are
#' factors has loadings that the data do not determine; a message of class
#' `nmu_message_few_observed` says which.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers, with at
#'   least one row and one column. Entries are at most 1e150 in absolute value; the largest is at
#'   least 1e-150, unless all are zero. `NA` entries are missing data and left out of the likelihood
#'   ([noise_notebook()] does not accept them). NaN and infinite entries are an error. Dense
#'   matrices of the Matrix package are converted, sparse ones are used as they are stored, a
#'   `DelayedMatrix` is read block by block, and the covariance of samples is not formed if it is
#'   given as [gram()] of their features, see [nmu_large].
#' @param K The number of factors: one positive whole number, which may exceed the numbers of rows
#'   and columns but not that of entries. Factors of an `init` that is a fit are included.
#'   `K = NULL` chooses the number from the data, up to `K_max` of [nmu_control()]; it is not
#'   available with [noise_notebook()] or `underapprox = TRUE`. A result of [nmu_cv()] stands for
#'   the number that it chose; its priors are given as `prior = cv$prior, prior_b = cv$prior_b`.
#' @param prior The prior of the row loadings: an object such as [prior_binary()]; its name,
#'   `"flat"`, `"exponential"`, `"point_exponential"`, `"binary"` or `"mixture"` (lower case, in
#'   full); or a list or character vector of these, a schedule, see [nmu_algorithm]. Must be flat
#'   with [noise_notebook()] and with `underapprox = TRUE`.
#' @param prior_v The same for the column loadings. Not used if `A` is symmetric. The shorter of two
#'   schedules is extended by its last prior.
#' @param noise The estimator of \eqn{\lambda} and \eqn{\sigma}: an object such as [noise_mle()], or
#'   its name, `"mle"`, `"moments"` or `"notebook"` (lower case, in full).
#' @param symmetric `NULL`, `TRUE` or `FALSE`: whether to treat `A` as symmetric. `NULL` means: if
#'   no entry differs from its mirror image by more than 100 times the machine precision, relative
#'   to the largest entry, and no row name from its column name, if there are both.
#' @param ignore_diag `NULL`, `TRUE` or `FALSE`: whether to leave the diagonal out of the
#'   likelihood, as is usual for covariance and kinship matrices. Requires a square matrix with at
#'   least two rows; not available with [noise_notebook()]. `NULL` means: if `A` is treated as
#'   symmetric, more
#'   than half of its entries are zero, and so is its diagonal, as in a graph without loops.
#' @param refine `TRUE` or `FALSE`: whether to fit all factors jointly. With priors and
#'   [noise_moments()] this follows the fits of single factors, and with [noise_moments()] it holds
#'   \eqn{\lambda} and \eqn{\sigma} fixed. Ignored with [noise_notebook()].
#' @param underapprox `TRUE` or `FALSE`: whether to compute a certified underapproximation, see
#'   [nmu_underapprox].
#' @param init `NULL`; starting loadings of the first factors; or an earlier fit. Starting loadings
#'   are a vector, or a matrix with a column per factor, if `A` is symmetric, and otherwise
#'   `list(u = , v = )` of these; they must be finite, nonnegative and not all zero. The factors of
#'   an earlier `nmu` fit of the same matrix are kept and factors are added up to `K`, see
#'   [nmu_algorithm]. An `nmu_em` fit is used as a start. Column names (of `u`, if both sides are
#'   given) become the labels of factors; duplicated labels are made unique (`"a"`, `"a_1"`).
#' @param fixed `NULL`, or loadings that are held fixed, in the format of `init`, such as a constant
#'   for an intercept; their weights `d` are estimated. They come first, are not counted in `K`, and
#'   are labelled by the column names of `u`, or `"f1"`, `"f2"` ... Not available with
#'   [noise_notebook()], nor with an `init` that is an `nmu` fit, which keeps its own fixed factors.
#' @param prior_b The prior of the remainder up to its mean: [prior_exponential()],
#'   [prior_point_exponential()], `prior_mixture("exponential")` or, for no remainder,
#'   [prior_none()]; or the name `"exponential"`, `"point_exponential"`, `"mixture"` or `"none"`.
#'   `NULL` means none if more than half of the observed entries are exactly zero, as in graphs and
#'   counts (not with `underapprox = TRUE` or an estimator other than [noise_mle()]), and otherwise
#'   exponential. See the section on the remainder in [prior].
#' @param control Settings made by [nmu_control()].
#' @param ... Must be empty: an unknown argument, such as `k = 3`, is an error that names the right
#'   one.
#'
#' @return An object of class `nmu`; [nmu_object] describes all elements. The main ones are
#'
#'   * `d`: weights, a numeric vector of length K;
#'   * `u`, `v`: loadings, matrices with a row for each row or column of `A` and a column for each
#'     factor, of unit norm or zero;
#'   * `lambda`, `sigma`, `loglik`, and with priors `elbo` and `posterior`;
#'   * `path`, `trace`, `refit`, `candidates`: how the fit was obtained;
#'   * `certificate`: by how much the sum of the factors exceeds entries of `A`, and the share of
#'     the squared norm that they explain, beside that of the best approximation of the same rank;
#'   * `status` and `converged`.
#'
#' @section Objective and status: With flat priors the objective is the log-likelihood of `A`; with
#'   other priors it is a variational lower bound of the evidence (ELBO). With `refine = TRUE` it is
#'   that of all factors together, and the fit returned is its best state that was found. With flat
#'   priors and [noise_mle()] it then does not decrease with `K`, also between separate calls with
#'   the same other arguments, unless the variances of rows or columns are estimated (`by`). Maxima
#'   are local: see `starts` of [nmu_control()].
#'
#'   The likelihood does not determine factors of which there are more than the matrix has
#'   dimensions, such as the branches of a tree: mixtures of them fit as well or better.
#'   `refine = FALSE` returns the greedy path, which keeps the *flattest* of several solutions for
#'   each factor, not the likeliest one, and finds branches. [noise_moments()] and
#'   [noise_notebook()] do not maximise the objective and may lower it.
#'
#'   With `K = NULL` the number of factors is chosen by a criterion, and `underapprox = TRUE` has
#'   its own objective, see [nmu_algorithm] and [nmu_underapprox].
#'
#'   `status = "converged"` means that the stopping rule (`tol` of [nmu_control()]) holds at the
#'   state returned; without a refit, for every factor that is neither null nor fixed. A fit uses no
#'   random numbers, and is identical to the bit for any number of threads or workers.
#'   [nmu_algorithm] has the details.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` if an argument is not as
#'   described, `nmu_error_core` if the numerical core fails, `nmu_error_prior` if a function of
#'   [prior_custom()] fails, `nmu_error_blocks` if a matrix on disk cannot be read or a worker
#'   fails, and `nmu_error_interrupted` if the user interrupts the fit. The field `fit` of the last
#'   two holds the factors found so far, or is `NULL` if there are none; after an interrupt it
#'   includes the unfinished factor if that is usable. A warning of class `nmu_warning_lambda` is
#'   given, and the factors so far are returned, if a residual gives no positive \eqn{\lambda} and
#'   \eqn{\sigma}. Other warnings are `nmu_warning_maxiter` (the iterations were used up before
#'   convergence), `nmu_warning_stalled` (no step increased the objective, although its gradient is
#'   not zero), `nmu_warning_K_max` (the best `K` is the limit of the search),
#'   `nmu_warning_negative` (no factor, since most entries are negative) and `nmu_warning_null` (no
#'   factor for another reason, which it gives). For messages and the
#'   progress bar see `verbose` in [nmu_control()].
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025, for the model and
#'   the deflation. N. Gillis and F. Glineur (2010), Using underapproximations for sparse
#'   nonnegative matrix factorization, *Pattern Recognition* 43, 1676-1687,
#'   \doi{10.1016/j.patcog.2009.09.013}, for underapproximation. W. Wang and M. Stephens (2021),
#'   Empirical Bayes matrix factorization, *Journal of Machine Learning Research* 22, for the ELBO,
#'   there without \eqn{b}. [nmu_algorithm] cites the numerical methods.
#'
#' @seealso [nmu_object] for the elements of a fit, [nmu_algorithm] for how it is computed,
#'   [nmu_large] for sparse matrices, matrices on disk and workers, [nmu_underapprox] for certified
#'   underapproximation; [noise] and [prior] for estimators and priors; [nmu_methods] for methods,
#'   [nmu_subset], [match_factors()], [posterior_b()], [standard_errors()]; [nmu_em_estlambda()] for
#'   one factor by the notebook's iteration.
#'
#' @examples
#' # correlations of 24 ability tests
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' fit
#' round(coef(fit), 2)
#' summary(fit)
#'
#' # a tree; the number of branches is chosen from the data (a joint fit mixes branches)
#' set.seed(1)
#' tree <- sim_tree(n = 20)
#' fit <- nmu(tree, K = NULL, refine = FALSE)
#' match_factors(fit, attr(tree, "loadings"))
#'
#' # half of the entries have no remainder
#' nmu(tree, K = 6, prior_b = prior_point_exponential(weight = 0.5), refine = FALSE)
#'
#' # group membership, and the probability that a loading is zero
#' fit <- nmu(tree, K = 6, prior = "binary", refine = FALSE)
#' summary(fit)
#' table(round(fit$posterior$lfsr$u, 3))
#'
#' # factors whose sum exceeds no entry
#' nmu(tree, K = 6, underapprox = TRUE)$certificate
#' @export
nmu <- function(A, K = 1, prior = prior_flat(), noise = noise_mle(), prior_v = prior,
                prior_b = NULL, symmetric = NULL, ignore_diag = NULL,
                refine = TRUE, underapprox = FALSE, init = NULL, fixed = NULL,
                control = nmu_control(), ...) {
  matched_call <- match.call()
  refuse_dots(..., slips = nmu_slips())
  A <- as_storage(A)
  prior <- check_priors(prior)
  prior_v <- check_priors(prior_v)
  noise <- check_noise(noise)
  if (!is.null(prior_b)) prior_b <- check_prior_b(prior_b, noise)
  control <- check_control(control)
  K <- check_number_of_factors(K, A, noise, control)
  if (!is.null(ignore_diag)) ignore_diag <- check_flag(ignore_diag)
  refine <- check_flag(refine) && noise$rule != "notebook"
  underapprox <- check_flag(underapprox)
  check_storage_support(A, control, underapprox)
  scan <- scan_matrix(A, symmetric)
  check_entries(scan, A, missing = noise$rule != "notebook")
  decide <- is.null(symmetric)
  symmetric <- check_symmetric(symmetric, scan, A)
  chosen <- list(
    prior_b = choose_prior_b(prior_b, noise, scan, length(A), underapprox),
    ignore_diag = choose_ignore_diag(ignore_diag, noise, scan, A, symmetric, underapprox)
  )
  check_observed(A, scan, chosen$ignore_diag, noise)
  signal_data(scan, if (decide) symmetric, control)
  signal_zeros(prior_b, ignore_diag, chosen, control)
  prior_b <- check_prior_b(chosen$prior_b, noise)
  ignore_diag <- chosen$ignore_diag
  schedule <- check_schedule(prior, if (symmetric) prior else prior_v, noise, underapprox)
  initial <- check_initial_factors(init, fixed, A, symmetric, noise)
  control$tol <- control$tol %||% if (noise$rule == "notebook") 0 else 1e-8
  control$maxiter <- control$maxiter %||% if (noise$rule == "notebook") 100L else 1000L

  options <- core_options(
    matrix_options(control, symmetric, ignore_diag, scan$missing > 0),
    # the notebook's lambda and sigma are in the units of A
    rms = if (noise$rule == "notebook") 0 else scan$rms,
    noise_options(noise), b_prior = core_b_prior(prior_b),
    noise_scales = core_noise_scales(noise, A, symmetric),
    K, refine = refine, starts = control$starts,
    maxiter = control$maxiter, tol = control$tol, trace = TRUE,
    progress = local_progress(if (K$choose) NA else K$K, control)
  )
  blocks <- local_blocks(A, control, options)
  model <- if (underapprox) {
    check_underapprox(initial, K, noise, prior_b)
    certified_model(core_value(core_underapproximate(blocks$core, options)))
  } else {
    options$K <- count_new_factors(K, initial, refine)
    record <- new.env(parent = emptyenv())
    options <- core_options(
      options, initial[c("fixed", "kept", "init")], core_schedule(schedule, record)
    )
    result <- prior_value(core_deflate(blocks$core, options), record)
    if (length(result$new$d) == 0 && is.null(initial$kept)) {
      signal_failure(blocks$failure, fitting = TRUE)
      if (result$interrupted) {
        signal_interrupt()
      }
    }
    deflated_model(result, initial, chosen = K$choose)
  }
  # no certificate after an interrupt: it costs a full pass
  if (model_status(model) != "interrupted") {
    factors <- list(factors = model[c("d", "u", "v")])
    certificate <- open_certificate(blocks, core_options(options, factors))
    certificate <- add_best_shares(certificate, blocks, options, scan$rms, length(model$d))
    model["certificate"] <- list(certificate)
  }
  model$largest <- scan$largest
  model$prior <- prior
  model$prior_v <- if (symmetric) prior else prior_v
  fit <- new_nmu(
    model, A, symmetric, ignore_diag, refine, underapprox, noise, prior_b, control, matched_call
  )
  signal_failure(blocks$failure, fit, fitting = TRUE)
  signal_status(fit)
  if (is.null(fit$certificate)) {
    signal_interrupt(fit)
  }
  if (!signal_negative(fit, scan, length(A))) {
    signal_null(fit, scan)
    signal_bounds(fit, scan$rms)
  }
  signal_search_limit(fit, length(A))
  signal_factor_count(fit)
  signal_few_observed(fit, A, scan$missing)
  signal_explained(fit, scan$negative)
  fit
}

#' Check the number of factors
#'
#' @inheritParams nmu
#' @return A list of `K`, a whole number, and `choose`: is `K` only an upper limit?
#' @noRd
check_number_of_factors <- function(K, A, noise, control, call = caller_env()) {
  limit <- min(length(A), .Machine$integer.max)
  if (inherits(K, "nmu_cv")) {
    K <- K$K
  }
  if (!is.null(K)) {
    return(list(K = check_count(K, limit = limit, call = call), choose = FALSE))
  }
  if (noise$rule == "notebook") {
    abort_input("K", "given with noise_notebook()", "NULL", call = call)
  }
  list(K = min(control$K_max, limit), choose = TRUE)
}

#' Compute the number of factors that remain to be found
#'
#' @param K Value of `check_number_of_factors()`.
#' @param initial Value of `check_initial_factors()`.
#' @param refine Are all factors refitted?
#' @return A whole number.
#' @noRd
count_new_factors <- function(K, initial, refine, call = caller_env()) {
  known <- length(initial$kept$d)
  if (K$K < known || length(initial$init$d) > K$K - known) {
    least <- known + length(initial$init$d)
    expected <- sprintf("at least %d, the factors of init", least)
    abort_input("K", expected, describe(K$K), call = call)
  }
  if (K$K == known && !refine && anyNA(initial$kept[c("lambda", "sigma")])) {
    expected <- "TRUE if no factor is added and init has no lambda and sigma"
    abort_input("refine", expected, "FALSE", call = call)
  }
  K$K - known
}

#' Decide whether to ignore the diagonal
#'
#' @inheritParams nmu
#' @param scan Value of `scan_matrix()`.
#' @return `ignore_diag`, or `TRUE` if it is `NULL` and the diagonal of a symmetric matrix of mostly
#'   zeros is all zero, as in the adjacency matrix of a graph without loops.
#' @noRd
choose_ignore_diag <- function(ignore_diag, noise, scan, A, symmetric, underapprox) {
  if (!is.null(ignore_diag)) {
    return(ignore_diag)
  }
  symmetric && nrow(A) > 1 && noise$rule != "notebook" && !underapprox &&
    is_mostly_zero(scan, length(A)) && all(diagonal(A) %in% 0)
}

#' Check the arguments that a certified underapproximation does not support
#'
#' @inheritParams count_new_factors
#' @param noise The estimator of lambda and sigma.
#' @param prior_b The prior of the remainder.
#' @return `NULL`, invisibly.
#' @noRd
check_underapprox <- function(initial, K, noise, prior_b, call = caller_env()) {
  reason <- if (noise$rule == "notebook") {
    "with noise_notebook()"
  } else if (prior_b$family == "none") {
    "with prior_b = \"none\", since what it leaves is the remainder"
  } else if (K$choose) {
    "with K = NULL"
  } else if (any(lengths(initial) > 0)) {
    "with init or fixed"
  }
  if (!is.null(reason)) {
    abort_input("underapprox", paste("FALSE", reason), "TRUE", call = call)
  }
}
