#' Nonnegative factors, one after another
#'
#' Fits \eqn{A = \sum_k d_k u_k v_k^T + b + e}{A = sum_k d_k u_k v_k^T + b + e} with
#' \eqn{u, v \ge 0} of unit norm and \eqn{d \ge 0}, where
#' \eqn{b_{ij} \sim \mathrm{Exp}(\lambda)}{b_ij ~ Exp(lambda)} is a nonnegative remainder and
#' \eqn{e_{ij} \sim N(0, \sigma^2)}{e_ij ~ N(0, sigma^2)} is noise. Each factor is fitted to what
#' the earlier ones have left (deflation); in the end all are refitted together. Where `A` is
#' symmetric, \eqn{v = u}.
#'
#' Neither is `A` modified nor are its residuals stored: the earlier factors are taken out as
#' its entries are read. Factors stand in the order in which they were found. A factor may
#' come out null, with `d = 0` and a zero column, once no factor improves the fit any more;
#' with `K = NULL` null factors are dropped, unless nothing at all is found. With
#' [noise_notebook()], deflation ends early, with fewer than `K` factors, where a residual gives no
#' positive \eqn{\lambda} and \eqn{\sigma}. Negative entries are legal.
#'
#' What degenerate data give: where no entry is above zero, or all are zero, every factor is null;
#' a constant or an exact rank-one matrix gives that very factor, with \eqn{\lambda} or
#' \eqn{\sigma} at a bound and a message that says so; a single row, column or entry is fitted
#' like any other matrix; a row of `NA` gets the loading zero.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers,
#'   with at least one row and one column, at most 1e150 in size in every entry, and at least 1e-150
#'   in one, if not zero. `NA` entries
#'   are missing data and left out of the likelihood ([noise_notebook()] refuses them); NaN and
#'   infinite ones are refused. Dense matrices of the Matrix package are converted; its sparse
#'   ones are fitted as they are stored, see the section Sparse matrices; a `DelayedMatrix` is read
#'   block by block, see the section Matrices on disk.
#' @param K One positive whole number: how many factors, those of an `init` that is a fit
#'   among them. It may exceed the number of rows or columns (trees need it), but not that of
#'   entries. `NULL` leaves the number to the data, up to `K_max` of [nmu_control()]; not with
#'   [noise_notebook()] or `underapprox = TRUE`.
#' @param prior The prior of the loadings on the rows: an object such as [prior_binary()]; its name,
#'   `"flat"`, `"exponential"`, `"point_exponential"`, `"binary"` or `"mixture"` (lower case, in
#'   full); or a list or character vector of these, a schedule, see the section Priors. Only flat
#'   ones with [noise_notebook()] or `underapprox = TRUE`.
#' @param prior_v The same for the columns. Not used where `A` is symmetric. Where one schedule is
#'   shorter, its last prior stays.
#' @param noise How \eqn{\lambda} and \eqn{\sigma} are estimated: an object such as
#'   [noise_mle()], or its name, `"mle"`, `"moments"` or `"notebook"` (lower case, in full).
#' @param symmetric `NULL`, `TRUE` or `FALSE`: treat `A` as symmetric? By default it is
#'   where no entry differs from its mirror image by more than 100 times the machine
#'   precision, relative to the largest entry.
#' @param ignore_diag `TRUE` or `FALSE`: leave the diagonal out of the likelihood, as is usual for
#'   covariance and kinship matrices? Square matrices of two rows or more only, and not with
#'   [noise_notebook()].
#' @param refine `TRUE` or `FALSE`: refit all factors together in the end? With
#'   [noise_fixed()] and [noise_moments()], \eqn{\lambda} and \eqn{\sigma} stay; [noise_notebook()]
#'   has no refit.
#' @param underapprox `TRUE` or `FALSE`: find a certified underapproximation? `TRUE` is refused with
#'   `K = NULL`, `init`, `fixed`, [noise_notebook()] and a `prior` other than [prior_flat()], and of
#'   a matrix on disk.
#' @param init `NULL`; or the loadings that the first factors start from: a vector or a matrix with
#'   a column for each factor where `A` is symmetric, otherwise `list(u = , v = )` of such, finite,
#'   nonnegative and not all zero; or an earlier fit of the same matrix to go on from: factors of
#'   an `nmu` fit are kept as they are, and those up to `K` are added (a factor that was
#'   interrupted starts again from where it stood); an `nmu_em` fit is a start. Column names
#'   become the labels of factors; where both sides are given, those of `u` do. Labels that occur
#'   twice are made unique (`"a"`, `"a_1"`).
#' @param fixed `NULL`, or loadings that stay as they are, given like those of `init`, such as a
#'   constant for an intercept. They come first, are not counted in `K` here, and are labelled by
#'   the column names of `u`, or `"f1"`, `"f2"` ...; their weights `d` are estimated. Not with
#'   [noise_notebook()], nor where `init` is an `nmu` fit, which keeps the fixed factors that it
#'   has.
#' @param prior_b The prior of the remainder, its mean apart, or its name in full:
#'   [prior_exponential()], [prior_point_exponential()] or [prior_mixture()] of exponentials. See
#'   the section The prior of the remainder.
#' @param control Settings made by [nmu_control()].
#'
#' @return An object of class `nmu`, a list with
#'
#'   * `d`: numeric vector with a weight for each factor; `u`: matrix with a row for each row of
#'     `A`, `v`: matrix with a row for each column (the same as `u` where symmetric); both have a
#'     column for each factor, `"k1"`, `"k2"` ..., of unit norm or zero, and carry the dimnames of
#'     `A`;
#'   * `lambda`, `sigma`, `loglik`: estimates and log-likelihood of the model with all
#'     factors. Where symmetric, the log-likelihood is half the sum over the matrix, since
#'     each pair is seen twice; `law`: data frame with the `weight` and the `mean`, in units of
#'     `A`, of each part of the prior of \eqn{b} that was fitted, a mean of 0 being a point at zero;
#'   * `elbo`: the bound of the evidence of the whole model, `NULL` without priors and where it is
#'     not known (factors of `init` that are not refitted);
#'   * `posterior`: `NULL` without priors, or a list of `sd`, the posterior standard deviations of
#'     the loadings, and `zero`, the probabilities that they are zero (local zero rates), each a
#'     list of matrices `u` and `v` of the size of these and in their units, so that posterior
#'     means have unit norm; and `hyperparameters`, a list with an element for each factor, a list
#'     of `u` and `v`, each a list of numbers that refer to \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u} or
#'     \eqn{\sqrt{d}\,v}{sqrt(d) v} (`v` is `NULL` where symmetric). `NA` or `NULL` for factors
#'     without a prior. Where only one side has a flat prior, its loadings are taken as certain:
#'     `sd` is 0, `zero` is 1 for loadings of zero and otherwise 0, and there are no
#'     hyperparameters;
#'   * `prior`, `prior_v`: lists of the priors, as given;
#'   * `path`: data frame with a row for each factor as deflation found it: `factor`, `d`, `lambda`,
#'     `sigma`, `loglik` after it was found, `elbo` (`NA` where not known), `iterations`, `status`
#'     (`"converged"`, `"maxiter"`, `"lambda"` or `"interrupted"` as in [nmu_em()]; `"null"` where
#'     nothing was left for it; `"stalled"` where no step raised the log-likelihood although its
#'     slope was not zero; or `"fixed"`), `bound` (`"none"`, `"sigma"` where \eqn{\sigma} is at its
#'     least value, `"lambda"` where \eqn{\lambda\sigma} is at its largest and \eqn{b} has all but
#'     vanished; see [noise_mle()]), `rung`, the step of the ladder that was kept, and the standard
#'     errors `se_log_lambda`, `se_log_sigma` (`NA` where the likelihood does not curve, or none was
#'     asked for). Of a certified underapproximation only `d`, `iterations`, `status` and `error`,
#'     the relative error after it (`NaN` where it was interrupted), are known;
#'   * `trace`: data frame with a row for each iteration: `factor`, `iteration`, `stage` (within
#'     which the log-likelihood never falls or, where it is not `NA`, the bound), `loglik`, `elbo`,
#'     `lambda`, `sigma`;
#'   * `refit`: `NULL`, or a list about the joint refit: `lambda`, `sigma`, `loglik`, `elbo` (`NA`
#'     without priors), `status` (as in the path, or `"refused"` where it lost a factor or
#'     flatness), `settled` (was its end accepted? `NA` for a certified underapproximation, of which
#'     only \eqn{\lambda} and \eqn{\sigma} are fitted by likelihood), `bound`, `se_log_lambda`,
#'     `se_log_sigma`, `trace`;
#'   * `sds`: `NULL`, or with `noise_mle(by = )` the standard deviation of the noise of each row or
#'     column;
#'   * `laws`: a list with the `law` after each factor, as the path has \eqn{\lambda}; `NULL` for
#'     fixed factors and those of a certified underapproximation; `scatter`: likewise the standard
#'     deviations of the noise of rows or columns, in units of \eqn{\sigma};
#'   * `candidates`: `NULL`, or, where `K = NULL`, a data frame with a row for each number of
#'     factors that was tried: `K`, fixed ones included; `path` and `path_flatness`, the criterion
#'     and the mean flatness of the factors along the path; `joint` and `joint_flatness`, the same
#'     after a joint refit (`NaN` without one);
#'   * `certificate`: a list that compares the sum of the factors with `A`: `largest_violation`: the
#'     largest amount by which the sum of the factors exceeds a nonnegative entry of `A` (0 if
#'     none); `checked`: how many entries are nonnegative; `violated`: how many of these are
#'     exceeded; `share`: `violated / checked`; `negative`: how many entries are negative; `error`:
#'     the relative error in the Frobenius norm. `NULL` where the fit was interrupted;
#'   * `status`: `"interrupted"` where the user interrupted the fit (it is then in the condition);
#'     `"converged"` where all factors are converged, null or fixed; else the status of the last
#'     factor that is not; `converged`: `TRUE` or `FALSE`;
#'   * `nobs`: number of observed entries, halved where symmetric; `symmetric`, `ignore_diag`,
#'     `refine`, `underapprox`, `K` (number of factors, fixed ones included), `noise`, `prior_b`,
#'     `control`, `call`, and `A` unless `control` says not to keep it.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` where an argument is not as
#'   described, `nmu_error_core` where the core cannot go on, `nmu_error_prior` where a function of
#'   [prior_custom()] fails, `nmu_error_blocks` where a matrix on disk cannot be read or a worker
#'   fails (see the section Matrices on disk), and `nmu_error_interrupted` where the user
#'   interrupted the fit. The field `fit` of that condition holds the factors found so far. The
#'   factor being fitted is included if a usable state of it was at hand. `fit` is `NULL` if that
#'   was the first factor and nothing was known of it. Where a residual gives no positive
#'   \eqn{\lambda} and \eqn{\sigma}, a warning of class `nmu_warning_lambda` says so and the factors
#'   so far are returned. Where a bound on \eqn{\lambda} or \eqn{\sigma} of the final model is
#'   active, a message of class `nmu_message_bound` says so. For other messages, and for the
#'   progress bar, see `verbose` in [nmu_control()].
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025, for the model and
#'   the deflation. N. Gillis and F. Glineur (2010), Using underapproximations for sparse
#'   nonnegative matrix factorization, *Pattern Recognition* 43, 1676-1687,
#'   \doi{10.1016/j.patcog.2009.09.013}, for underapproximation. D. C. Liu and J. Nocedal (1989), On
#'   the limited memory BFGS method for large scale optimization, *Mathematical Programming* 45,
#'   503-528, for the climb. R. Varadhan and C. Roland (2008), Simple and globally convergent
#'   methods for accelerating the convergence of any EM algorithm, *Scandinavian Journal of
#'   Statistics* 35, 335-353, for the weights of `prior_b`. Ladder, flatness and refit are ours.
#'
#'   W. Wang and M. Stephens (2021), Empirical Bayes matrix factorization, *Journal of Machine
#'   Learning Research* 22, for the bound, there without \eqn{b}.
#'
#' @seealso [nmu_em_estlambda()] for one factor with more of its details, [nmu_methods] for
#'   what can be done with a fit, [nmu_subset], [match_factors()], [posterior_b()],
#'   [standard_errors()].
#'
#' @examples
#' # correlations of 24 ability tests
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' fit
#' round(coef(fit), 2)
#' summary(fit)
#'
#' # a tree, its number of branches left to the data
#' set.seed(1)
#' tree <- sim_tree(n = 20)
#' fit <- nmu(tree, K = NULL)
#' match_factors(fit, attr(tree, "loadings"))
#'
#' # half of the entries have no remainder
#' nmu(tree, K = 6, prior_b = prior_point_exponential(weight = 0.5))
#'
#' # members and others, and how sure that is
#' fit <- nmu(tree, K = 6, prior = "binary", refine = FALSE)
#' summary(fit)
#' table(round(fit$posterior$zero$u, 3))
#'
#' # factors that stay below the data, for certain
#' nmu(tree, K = 6, underapprox = TRUE)$certificate
#' @export
nmu <- function(A, K = 1, prior = prior_flat(), noise = noise_mle(), prior_v = prior,
                prior_b = prior_exponential(), symmetric = NULL, ignore_diag = FALSE,
                refine = TRUE, underapprox = FALSE, init = NULL, fixed = NULL,
                control = nmu_control()) {
  matched_call <- match.call()
  A <- as_storage(A)
  prior <- check_priors(prior)
  prior_v <- check_priors(prior_v)
  noise <- check_noise(noise)
  prior_b <- check_prior_b(prior_b, noise)
  control <- check_control(control)
  K <- check_number_of_factors(K, A, noise, control)
  ignore_diag <- check_flag(ignore_diag)
  refine <- check_flag(refine) && noise$rule != "notebook"
  underapprox <- check_flag(underapprox)
  check_place(A, control, underapprox)
  scan <- scan_matrix(A, symmetric)
  check_entries(scan, missing = noise$rule != "notebook")
  check_observed(A, scan, ignore_diag, noise)
  signal_data(scan, is.null(symmetric), control)
  symmetric <- check_symmetric(symmetric, scan, A)
  schedule <- check_schedule(prior, if (symmetric) prior else prior_v, noise, underapprox)
  given <- check_given(init, fixed, A, symmetric, noise)
  control$tol <- control$tol %||% if (noise$rule == "notebook") 0 else 1e-8
  control$maxiter <- control$maxiter %||% if (noise$rule == "notebook") 100L else 1000L

  options <- core_options(
    matrix_options(control, symmetric, ignore_diag, scan$missing > 0), rms = scan$rms,
    noise_options(noise), law = core_law(prior_b), scatter = core_scatter(noise, A, symmetric),
    K, refine = refine, maxiter = control$maxiter, tol = control$tol, trace = TRUE
  )
  blocks <- local_blocks(A, control, options)
  local_progress(if (K$choose) NA else K$K, control)
  model <- if (underapprox) {
    check_underapprox(given, K, noise)
    certified_model(core_value(core_underapproximate(blocks$core, options)))
  } else {
    options$K <- check_room(K, given, refine)
    record <- new.env(parent = emptyenv())
    options <- core_options(
      options, given[c("fixed", "kept", "starts")], core_schedule(schedule, record)
    )
    found <- prior_value(core_deflate(blocks$core, options), record)
    if (length(found$new$d) == 0 && is.null(given$kept)) {
      signal_failure(blocks$failure)
      if (found$interrupted) {
        signal_interrupt()
      }
    }
    deflated_model(found, given, chosen = K$choose)
  }
  # who has interrupted is not kept waiting for a pass over the matrix
  if (model_status(model) != "interrupted") {
    factors <- list(factors = model[c("d", "u", "v")])
    model["certificate"] <- list(open_certificate(blocks, core_options(options, factors)))
  }
  model$prior <- prior
  model$prior_v <- if (symmetric) prior else prior_v
  fit <- new_nmu(
    model, A, symmetric, ignore_diag, refine, underapprox, noise, prior_b, control, matched_call
  )
  signal_failure(blocks$failure, fit)
  signal_status(fit)
  if (is.null(fit$certificate)) {
    signal_interrupt(fit)
  }
  signal_bounds(fit)
  signal_number(fit)
  fit
}

#' Check how many factors are asked for
#'
#' @inheritParams nmu
#' @param call The user's call.
#' @return A list of `K`, a whole number, and `choose`, whether it is a limit only.
#' @noRd
check_number_of_factors <- function(K, A, noise, control, call = caller_env()) {
  limit <- min(length(A), .Machine$integer.max)
  if (!is.null(K)) {
    return(list(K = check_count(K, limit = limit, call = call), choose = FALSE))
  }
  if (noise$rule == "notebook") {
    abort_input("K", "given with noise_notebook()", "NULL", call = call)
  }
  list(K = min(control$K_max, limit), choose = TRUE)
}

#' The factors that are left to find
#'
#' @param K What `check_number_of_factors()` returned.
#' @param given What `check_given()` returned.
#' @param refine Are all factors refitted?
#' @param call The user's call.
#' @return A whole number.
#' @noRd
check_room <- function(K, given, refine, call = caller_env()) {
  known <- length(given$kept$d)
  if (K$K < known || length(given$starts$d) > K$K - known) {
    least <- known + length(given$starts$d)
    expected <- sprintf("at least %d, the factors of init", least)
    abort_input("K", expected, describe(K$K), call = call)
  }
  if (K$K == known && !refine && anyNA(given$kept[c("lambda", "sigma")])) {
    expected <- "TRUE where no factor is added and init does not tell lambda and sigma"
    abort_input("refine", expected, "FALSE", call = call)
  }
  K$K - known
}

#' Refuse what a certified underapproximation cannot do
#'
#' @inheritParams check_room
#' @param noise The estimator.
#' @return Nothing of use.
#' @noRd
check_underapprox <- function(given, K, noise, call = caller_env()) {
  reason <- if (noise$rule == "notebook") {
    "with noise_notebook()"
  } else if (K$choose) {
    "with K = NULL"
  } else if (any(lengths(given) > 0)) {
    "with init or fixed"
  }
  if (!is.null(reason)) {
    abort_input("underapprox", paste("FALSE", reason), "TRUE", call = call)
  }
}
