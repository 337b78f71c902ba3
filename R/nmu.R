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
#' come out null, with `d = 0` and a zero column, once nothing is left that a factor
#' explains. With [noise_notebook()], deflation ends early, with fewer than `K` factors, where a
#' residual gives no positive \eqn{\lambda} and \eqn{\sigma}. Negative entries are legal.
#'
#' What degenerate data give: where no entry is above zero, or all are zero, every factor is null;
#' a constant or an exact rank-one matrix gives that very factor, with \eqn{\lambda} or
#' \eqn{\sigma} at a bound and a message that says so; a single row, column or entry is fitted
#' like any other matrix; a row of `NA` gets the loading zero.
#'
#' @section The path of a factor: With [noise_mle()], a factor starts from the leading eigenvector
#'   or singular pair of what is left, cut at zero, takes ten EM steps with a small \eqn{\sigma},
#'   as for an underapproximation, and then climbs the log-likelihood in its loadings, \eqn{\lambda}
#'   and \eqn{\sigma} together, by a quasi-Newton method that never steps down. It does so three
#'   times, each from where the last ended, with \eqn{\lambda\sigma} held at or above 0.5, 1 and 2
#'   (the `ladder` of [noise_mle()]). With a small ratio a factor keeps below the data wherever it
#'   can, at the cost of its shape; with a large one it goes through their middle. Groups that
#'   overlap want the one, nested groups, as in a tree, the other, and the likelihood does not tell
#'   which. The *flattest* of the three ends is kept: flatness is the largest squared cosine between
#'   the loadings and the indicator of any set of them (for a general matrix, the geometric mean of
#'   both sides). \eqn{\lambda} and \eqn{\sigma} of the path are then estimated without the ladder.
#'
#'   With [noise_fixed()] and [noise_moments()] there is no ladder, but 30 EM steps and a climb of
#'   the loadings, in turns with the rule. Of a symmetric matrix, no entry of a factor may be
#'   larger than 4 times the largest entry that counts: without its diagonal, one row by itself
#'   would fit the better the larger its loading. The work is done in units of a power of two near
#'   the root mean square of `A`, so that results do not depend on its scale: `nmu(2^k * A)` gives
#'   the same bits in `u`.
#'
#' @section The refit: With `refine = TRUE` all loadings, \eqn{\lambda} and \eqn{\sigma} climb
#'   together from the factors that deflation found. Where the likelihood determines them, as
#'   with groups that overlap, this settles in some tens of steps, and its end is taken if no
#'   factor was lost and, where the factors were groups (a mean flatness of 0.9 or more), that has
#'   not fallen by more than 0.01. Where it does not settle in 400 steps, as with the branches of a
#'   tree, of which there are more than their covariance has dimensions, the factors are not
#'   determined by the likelihood: then those of deflation stand or, where they were groups, the
#'   flattest that the climb came by; their weights, \eqn{\lambda} and \eqn{\sigma} are refitted.
#'   The element `refit` of the fit says which.
#'
#' @section The number of factors: With `K = NULL` deflation goes on until a factor is null or three
#'   more than the best number so far have been looked at, or `K_max` of [nmu_control()] is reached.
#'   A number of factors is rated by a Bayesian information criterion, the log-likelihood minus
#'   \eqn{\frac12 \log N}{log(N)/2} for each loading above a thousandth of the largest, along the
#'   path and, with `refine = TRUE`, after a joint refit. The two may peak at different
#'   numbers. That of the refit stands, unless the path has more factors, and these are flatter on
#'   average and groups (a mean flatness above 0.9): a refit explains a tree by fewer factors than
#'   it has branches, but by mixtures of them. Where there is nothing to find, one null factor is
#'   returned. The element `candidates` has all values.
#'
#' @section The prior of the remainder: \eqn{b = c/\lambda}{b = c/lambda}, where \eqn{c} has mean 1,
#'   so that \eqn{1/\lambda}{1/lambda} is the mean of \eqn{b} under any prior, and what is said
#'   of \eqn{\lambda} and its bounds holds. With `prior_point_exponential()` a share `1 - weight`
#'   of the entries has no remainder, and with `prior_mixture("exponential")` it is a mixture of
#'   exponentials; `scales` are there in units of the mean of \eqn{b} where weights are
#'   estimated (at most 12 above zero, some of them below 1 and some above), and by default
#'   0, 1/9, 1/3, 1, 3, 9 and 27. Rates cannot be given; weights can. The density of the residual is
#'   \eqn{\pi_0 N(0, \sigma^2) + \sum_k \pi_k f(\cdot\,; r_k, \sigma)}{
#'   pi_0 N(0, sigma^2) + sum_k pi_k f(.; r_k, sigma)}, with the density \eqn{f} of
#'   [demg()]. It need not be log-concave: then an entry far above the factors pulls less at them
#'   than one nearby, and the likelihood has more hills. Data without noise invite a misuse of
#'   remainders at or near zero: every entry that is fitted exactly gains much, and `K = NULL` then
#'   finds too many factors (19 of 20 in exponential draws without any, but one or two once a
#'   little noise was added).
#'
#'   Weights that are free climb in turns with all else, by extrapolated steps of EM that keep the
#'   mean; no step lowers the log-likelihood. They cost a pass over the matrix 2.6 times the time
#'   for a point and an exponential, and about once more for every exponential beyond it. Only
#'   [noise_mle()] and [noise_fixed()] have other priors than the exponential.
#'
#' @section Priors: With a `prior` other than [prior_flat()], each factor is first found without
#'   one, as described above. From there a variational bound of the evidence (ELBO) is climbed, in
#'   which the loadings \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u} and \eqn{\sqrt{d}\,v}{sqrt(d) v} are
#'   independent of each other given the data: given all else each is a normal-means problem
#'   ([normal_means()]). Loadings, hyperparameters, \eqn{\lambda} and \eqn{\sigma} move only where
#'   the bound rises, so that it never falls within a stage of the trace. With [noise_mle()] all
#'   ends of the ladder are starts, and the end with the highest bound is kept. While loadings
#'   move, \eqn{\lambda\sigma} is held at or above 1: were it free, \eqn{b} could take all that a
#'   factor leaves above itself, and factors would keep below the data at the cost of their shape;
#'   \eqn{\lambda} and \eqn{\sigma} are estimated freely in the end. (With [noise_moments()], which
#'   may lower the bound, they follow the rule.)
#'
#'   A list of priors is a *schedule*: each factor goes through them in turn, from where the one
#'   before has led. Flat priors at its beginning are the path itself; elsewhere in a fit, a flat
#'   prior means loadings of maximum likelihood, without a posterior. A factor that does not raise
#'   the bound is null. With `K = NULL` the bound takes the place of the criterion of the section
#'   on the number of factors. The bound is generous: it often keeps factors that there is nothing
#'   for, in simulated covariance matrices and, more so with an exponential prior, in independent
#'   noise. Choose `K` without a prior.
#'
#'   With `refine = TRUE`, all factors are refitted together under the last priors of the schedule;
#'   this is not taken if it loses a factor. Where a binary prior is right, the refit gained nothing
#'   there, and in one of twenty balanced trees it lost branches.
#'
#'   Posterior standard deviations know nothing of how loadings depend on each other, and are too
#'   small where factors overlap. [predict()][predict.nmu_fit] has no prior. Priors go neither with
#'   `underapprox = TRUE` nor with [noise_notebook()]. Which prior to take is said in [prior].
#'
#' @section Sparse matrices: A matrix of class `dgCMatrix` is read where it stands; others of the
#'   Matrix package are converted to that. A fit is that of the same dense matrix, but the work of
#'   a pass grows with the number of stored entries: the zeros are summed up by their loadings. In
#'   rows where one factor has a loading, sums over the columns are smooth functions of it, and
#'   interpolated in Chebyshev's points until their last coefficients are below 1e-13 of the
#'   largest; rows where several have one are gone over at the columns where these have loadings.
#'   Missing entries, `ignore_diag = TRUE`, another `prior_b` than the exponential, noise that
#'   differs between entries, and `underapprox = TRUE` go over all entries instead.
#'
#'   With an exponential remainder the likelihood of a matrix that is mostly zero rises as
#'   \eqn{\sigma \to 0}{sigma -> 0}, where a factor pays only where a block is nearly full, and is
#'   null otherwise. Communities of a network are found with \eqn{\sigma}{sigma} held at the root
#'   mean square of `A` and \eqn{\lambda}{lambda} at 1/mean:
#'   `noise_fixed(1 / mean(A), sqrt(mean(A^2)))`.
#'
#' @section Certified underapproximation: With `underapprox = TRUE` the strict limit
#'   \eqn{\sigma \to 0} is solved instead, as by Gillis and Glineur (2010): factors whose sum is at
#'   or below `A` wherever `A` is not negative, in whatever order it is evaluated in double
#'   precision, with the least squared error that a local search finds (exact coordinate steps on
#'   supports that grow and shrink, from several rows or columns; with `refine = TRUE` all factors
#'   are improved in rounds, by a quadratic programme for each row and column, and each is once
#'   given up for a new one). Where `A` is zero so are the factors; they are also zero where `A`
#'   is negative. \eqn{\lambda} and \eqn{\sigma} are then those of what is left. It takes working
#'   copies of `A`. Every fit, of either kind, has a `certificate`.
#'
#' @param A The data: a numeric, integer or logical matrix, or a data frame of numbers,
#'   with at least one row and one column, at most 1e150 in size in every entry, and at least 1e-150
#'   in one, if not zero. `NA` entries
#'   are missing data and left out of the likelihood ([noise_notebook()] refuses them); NaN and
#'   infinite ones are refused. Dense matrices of the Matrix package are converted; its sparse
#'   ones are fitted as they are stored, see the section Sparse matrices.
#' @param K One positive whole number: how many factors, those of an `init` that is a fit
#'   among them. It may exceed the number of rows or columns (trees need it), but not that of
#'   entries. `NULL` leaves the number to the data.
#' @param prior The prior of the loadings on the rows: an object such as [prior_binary()]; its name,
#'   `"flat"`, `"exponential"`, `"point_exponential"`, `"binary"` or `"mixture"` (lower case); or a
#'   list or character vector of these, a schedule, see the section on priors.
#' @param prior_v The same for the columns. Not used where `A` is symmetric. Where one schedule is
#'   shorter, its last prior stays.
#' @param noise How \eqn{\lambda} and \eqn{\sigma} are estimated: an object such as
#'   [noise_mle()], or its name, `"mle"`, `"moments"` or `"notebook"` (lower case).
#' @param symmetric `NULL`, `TRUE` or `FALSE`: treat `A` as symmetric? By default it is
#'   where no entry differs from its mirror image by more than 100 times the machine
#'   precision, relative to the largest entry.
#' @param ignore_diag `TRUE` or `FALSE`: leave the diagonal out of the likelihood, as is usual for
#'   covariance and kinship matrices? Square matrices only.
#' @param refine `TRUE` or `FALSE`: refit all factors together in the end? With
#'   [noise_fixed()] and [noise_moments()], \eqn{\lambda} and \eqn{\sigma} stay; [noise_notebook()]
#'   has no refit.
#' @param underapprox `TRUE` or `FALSE`: find a certified underapproximation?
#' @param init `NULL`; or the loadings that the first factors start from: a vector or a matrix with
#'   a column for each factor where `A` is symmetric, otherwise `list(u = , v = )` of such, finite,
#'   nonnegative and not all zero; or an earlier fit of the same matrix to go on from: factors of
#'   an `nmu` fit are kept as they are, and those up to `K` are added (a factor that was
#'   interrupted starts again from where it stood); an `nmu_em` fit is a start. Column names become
#'   labels.
#' @param fixed `NULL`, or loadings that stay as they are, given like those of `init`, such as a
#'   constant for an intercept. They come first, are not counted in `K`, and are labelled by their
#'   column names, or `"f1"`, `"f2"` ...; their weights `d` are estimated.
#' @param prior_b The prior of the remainder, its mean apart, or its name: [prior_exponential()],
#'   [prior_point_exponential()] or [prior_mixture()] of exponentials. See the section on it.
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
#'     without a prior;
#'   * `prior`, `prior_v`: lists of the priors, as given;
#'   * `path`: data frame with a row for each factor as deflation found it: `factor`, `d`,
#'     `lambda`, `sigma`, `loglik` after it was found, `elbo` (`NA` where not known), `iterations`,
#'     `status` (as in [nmu_em()], `"null"` where nothing was left for it, `"stalled"` where no
#'     step gained more though the slope said that one should, or `"fixed"`), `bound` (`"none"`,
#'     `"sigma"` where \eqn{\sigma} is at its least value, `"lambda"` where \eqn{\lambda\sigma} is
#'     at its largest and \eqn{b} has all but vanished; see [noise_mle()]), `rung`, the step of the
#'     ladder that was kept, and the standard errors `se_log_lambda`, `se_log_sigma` (`NA` where
#'     the likelihood does not curve, or none was asked for). Of a certified underapproximation
#'     only `d`, `iterations`, `status` and `error`, the relative error after it, are known;
#'   * `trace`: data frame with a row for each iteration: `factor`, `iteration`, `stage` (within
#'     which the log-likelihood never falls or, where it is not `NA`, the bound), `loglik`, `elbo`,
#'     `lambda`, `sigma`;
#'   * `refit`: `NULL`, or a list about the joint refit: `lambda`, `sigma`, `loglik`, `elbo`,
#'     `status`, `settled` (was its end taken? `NA` of a certified underapproximation, of which only
#'     \eqn{\lambda} and \eqn{\sigma} are fitted by likelihood), `bound`, `se_log_lambda`,
#'     `se_log_sigma`, `trace`;
#'   * `sds`: `NULL`, or with `noise_mle(by = )` the standard deviation of the noise of each row or
#'     column;
#'   * `laws`: a list with the `law` after each factor, as the path has \eqn{\lambda}; `NULL` for
#'     fixed factors and those of a certified underapproximation; `scatter`: likewise the standard
#'     deviations of the noise of rows or columns, in units of \eqn{\sigma};
#'   * `candidates`: `NULL`, or, where `K = NULL`, a data frame with a row for each `K` looked at:
#'     the criterion and the mean flatness along the path and after a joint refit (`NaN` without);
#'   * `certificate`: a list that compares the factors' sum with `A`: `largest_violation`, by how
#'     much it exceeds an entry that is not negative at most; `violated`, the number of entries that
#'     it exceeds, of the `checked` ones, and their `share`; `negative`, the number of negative
#'     entries; `error`, the relative error in the Frobenius norm;
#'   * `status`: `"converged"` where all factors were converged, null or fixed; else that of the
#'     last factor that was not; `converged`: `TRUE` or `FALSE`;
#'   * `nobs`: number of observed entries, halved where symmetric; `symmetric`, `ignore_diag`,
#'     `K` (factors found), `noise`, `prior_b`, `control`, `call`, and `A` unless `control` says
#'     not to keep it.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` where an argument is not as
#'   described, `nmu_error_core` where the core cannot go on, `nmu_error_prior` where a function of
#'   [prior_custom()] fails, and `nmu_error_interrupted` where the user interrupted the fit (the
#'   field `fit` of the condition has it so far). Where a residual gives no positive \eqn{\lambda}
#'   and \eqn{\sigma}, a warning of class `nmu_warning_lambda` says so and the factors so far are
#'   returned. Where a bound on \eqn{\lambda} or \eqn{\sigma} of the final model is active, a
#'   message of class `nmu_message_bound` says so. For those that say what was chosen, and for the
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
  call <- match.call()
  A <- as_storage(A, call)
  prior <- check_priors(prior, "prior", call)
  prior_v <- check_priors(prior_v, "prior_v", call)
  noise <- check_noise(noise, call)
  prior_b <- check_prior_b(prior_b, noise, call)
  control <- check_control(control, call)
  K <- check_number_of_factors(K, A, noise, control, call)
  ignore_diag <- check_flag(ignore_diag, "ignore_diag", call)
  refine <- check_flag(refine, "refine", call) && noise$rule != "notebook"
  underapprox <- check_flag(underapprox, "underapprox", call)
  scan <- core_value(core_scan(A), call)
  check_entries(scan, call, missing = noise$rule != "notebook")
  check_observed(A, scan, ignore_diag, noise, call)
  signal_data(scan, is.null(symmetric), control)
  symmetric <- check_symmetric(symmetric, scan, A, call)
  schedule <- check_schedule(prior, if (symmetric) prior else prior_v, noise, underapprox, call)
  given <- check_given(init, fixed, A, symmetric, noise, call)
  control$tol <- control$tol %||% if (noise$rule == "notebook") 0 else 1e-8
  control$maxiter <- control$maxiter %||% if (noise$rule == "notebook") 100L else 1000L

  options <- c(unclass(noise), K, control["threads"], list(
    maxiter = control$maxiter, tol = control$tol, symmetric = symmetric, refine = refine,
    ignore_diag = ignore_diag, missing = scan$missing > 0, rms = scan$rms, trace = TRUE,
    law = core_law(prior_b), scatter = core_scatter(noise, A, symmetric, call)
  ))
  local_progress(if (K$choose) NA else K$K, control)
  model <- if (underapprox) {
    check_underapprox(given, K, noise, call)
    certified_model(core_value(core_underapproximate(A, options), call))
  } else {
    options$K <- check_room(K, given, call)
    record <- new.env(parent = emptyenv())
    options <- c(options, given[c("fixed", "kept", "starts")], core_schedule(schedule, record))
    found <- prior_value(core_deflate(A, options), record, call)
    deflated_model(found, given, chosen = K$choose)
  }
  factors <- list(factors = model[c("d", "u", "v")])
  model$certificate <- core_value(core_certificate(A, c(options, factors)), call)
  model$prior <- prior
  model$prior_v <- if (symmetric) prior else prior_v
  fit <- new_nmu(model, A, symmetric, ignore_diag, noise, prior_b, control, call)
  signal_status(fit, call)
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
