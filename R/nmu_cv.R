#' Cross-validation by held-out entries
#'
#' Chooses the number of factors, the prior of the loadings and the prior of the remainder of
#' [nmu()]. Single entries of `A` are held out at random: each fold in turn is set to `NA`, the
#' model is fitted to the other entries, and the held-out ones are predicted.
#'
#' Two measures are computed of the held-out entries of each fold, both per entry:
#'
#' * the *log-likelihood*: the mean log density of the residuals under the fitted `prior_b` and
#'   \eqn{\lambda}, the logarithm of [demg()] if `prior_b` is exponential. A fit with many factors
#'   underestimates the noise, so \eqn{\sigma} (the standard deviations of rows or columns by a
#'   common factor) is the one that maximises this, at or above the fitted one. It decides, since it
#'   rates the whole model;
#' * the *error*: the mean square of the differences between entries and their predictions, the sum
#'   of the factors plus the mean of the fitted prior of \eqn{b}.
#'
#' An entry of a row that is held out is predicted from the other entries of its row and of its
#' column. Held-out entries of a model with too many factors are predicted worse, so that, unlike
#' the objective of a fit, neither measure always improves with `K`.
#'
#' @section Folds: If `folds` is a count, the entries are assigned at random, under [set.seed()],
#'   one column after another in random order. The entries of a column are divided among the folds
#'   in equal numbers (up to one), and each fold takes the rows of which it has held out the fewest
#'   entries so far; ties are broken at random. So the folds are balanced within rows and columns,
#'   and each training set keeps about `1 - 1/folds` of the observed entries of each of them. Only
#'   observed entries are held out, and none of an ignored diagonal. If `A` is symmetric, the two
#'   entries of a pair are in the same fold. Where a fold would hold out all observed entries of a
#'   row or column (which has one or two), these are not held out by any fold.
#'
#'   Folds that are given as a matrix are used as they are. A row of which a training set has no
#'   entry has the loading zero in that fold.
#'
#' @param A The data, as in [nmu()], in memory. `NA` entries are missing and never held out. A
#'   sparse matrix of at most ten million entries is copied to a dense one, since entries that are
#'   zero are held out, too. A larger sparse matrix and a matrix on disk are errors:
#'   cross-validate some of the rows and columns, such as `as.matrix(A[rows, cols])`.
#' @param K Positive whole numbers, each once: the numbers of factors to compare.
#' @param prior The priors of the loadings to compare: an object such as [prior_binary()], its name,
#'   or a vector or list of these. Each is one alternative; a schedule of [nmu()] is given as an
#'   element of a list that is itself a list, as in `list("flat", list("exponential", "binary"))`.
#'   Names of the list label the alternatives.
#' @param prior_b The priors of the remainder to compare: likewise. `NULL` is the default of
#'   [nmu()], decided from all of `A`.
#' @param folds One whole number, two or larger: the number of folds, at most the number of
#'   observed entries (of pairs, if `A` is symmetric). Or a matrix of the size of `A` with the fold
#'   of each entry, a positive whole number, or `NA` if it is never held out; symmetric if `A` is.
#'   `assignment` of an earlier result repeats its folds.
#' @param ... Arguments of [nmu()], by name, for all fits: `noise`, `prior_v`, `symmetric`,
#'   `ignore_diag`, `refine`, `underapprox`, `fixed`. The default of `prior_v` is `prior`. `init` is
#'   not available: it may contain what is held out. Neither is [noise_notebook()], which accepts no
#'   missing entries.
#' @param BPPARAM `NULL`, or a backend of the package BiocParallel, such as
#'   `BiocParallel::MulticoreParam(2)`, whose workers share the fits. The result does not depend on
#'   it. Each worker has a copy of `A` and needs nmu.
#' @param control Settings of all fits, made by [nmu_control()], without `BPPARAM`. `verbose` shows
#'   a progress bar in an interactive session, which counts fits; with `BPPARAM`, the backend has
#'   its own.
#'
#' @return An object of class `nmu_cv`, a list of
#'
#'   * `summary`: a data frame with a row for each combination of `K`, `prior` and `prior_b`
#'     (labels): `error`, the mean over folds of the mean squared error, in squared units of `A`,
#'     and its standard error `error_se`; `loglik`, the mean over folds of the held-out
#'     log-likelihood per entry, in natural units (density per unit of `A`), and its standard error
#'     `loglik_se`; `failed` and `unconverged`, the numbers of folds whose fit failed or did not
#'     converge. The standard error is the standard deviation over folds divided by the square root
#'     of their number (`NA` with one fold). If a fit failed, means and standard errors are `NA`;
#'   * `folds`: a data frame with a row for each fit: `fold`, `K`, `prior`, `prior_b`, `entries`
#'     (the number of held-out entries), `error`, `loglik`, `status` (that of the fit, or
#'     `"failed"`), `problem` (text of the error and of warnings, or `NA`);
#'   * `K`: the chosen number of factors, that of the row of `summary` with the largest `loglik`
#'     (of several, the smallest number), a whole number;
#'   * `prior`, `prior_b`: those of that row, for the arguments of [nmu()];
#'   * `best`: the number of that row;
#'   * `one_se`: the choice by the rule of one standard error: with the chosen priors, the smallest
#'     number of factors whose `loglik` is at least that of the best row minus its standard error;
#'     equal to `K` if the standard error is `NA`;
#'   * `assignment`: an integer matrix of the size of `A`, the fold of each entry; `NA` if it is
#'     never held out;
#'   * `call`.
#'
#'   In `nmu(A, K = cv)`, an object `cv` of this class stands for `cv$K`. Methods are in
#'   [nmu_cv_methods].
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` if an argument is not as
#'   described, `nmu_error_cv` if no combination could be fitted in all folds, and
#'   `nmu_error_interrupted` if the user interrupts; results so far are lost then. An error of a
#'   single fit (`nmu_error_core`, `nmu_error_prior`) does not end the computation. Such errors and
#'   the warnings of fits are in the column `problem` of `folds`, and one warning of class
#'   `nmu_warning_cv` reports their number. Messages of fits are not shown.
#'
#' @source S. Wold (1978), Cross-validatory estimation of the number of components in factor and
#'   principal components models, *Technometrics* 20, 397-405,
#'   \doi{10.1080/00401706.1978.10489693}, for single entries that are held out. A. B. Owen and
#'   P. O. Perry (2009), Bi-cross-validation of the SVD and the nonnegative matrix factorization,
#'   *Annals of Applied Statistics* 3, 564-594, \doi{10.1214/08-AOAS227}, who hold out blocks and
#'   compare the two. L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone (1984),
#'   *Classification and Regression Trees*, for the rule of one standard error.
#'
#' @seealso [nmu_cv_methods]; [nmu()] with `K = NULL` for a choice without held-out entries.
#'
#' @examples
#' set.seed(1)
#' A <- tcrossprod(matrix(rexp(60), 30), matrix(rexp(24), 12)) + rexp(360, 5)
#' cv <- nmu_cv(A, K = 1:3, folds = 3)
#' cv
#' fit <- nmu(A, K = cv)
#' plot(cv)
#'
#' # is the remainder exponential?
#' nmu_cv(A, K = 2, prior_b = c("exponential", "point_exponential"), folds = 3)
#' @export
nmu_cv <- function(A, K = 1:10, prior = prior_flat(), prior_b = NULL, folds = 5, ...,
                   BPPARAM = NULL, control = nmu_control()) { # nolint: object_name_linter.
  matched_call <- match.call()
  A <- as_dense_storage(A)
  K <- check_cv_counts(K, length(A))
  control <- check_cv_control(control)
  workers <- check_backend(BPPARAM)
  settings <- check_cv_settings(list(...), A)
  scan <- scan_matrix(A, symmetric = settings$symmetric)
  prior_b <- choose_prior_b(prior_b, settings$noise, scan, length(A), settings$underapprox)
  models <- cv_models(K, prior, prior_b, settings)
  observed <- !is.na(A)
  if (settings$ignore_diag) {
    diag(observed) <- FALSE
  }
  assignment <- check_folds(folds, observed, settings$symmetric)
  jobs <- expand.grid(
    fold = sort(unique(as.vector(assignment))), model = seq_along(models$list),
    KEEP.OUT.ATTRS = FALSE
  )
  parts <- run_cv_jobs(jobs, A, assignment, models$list, settings, control, workers)
  folds <- cv_fold_table(jobs, parts, models$table)
  cv <- new_nmu_cv(folds, models, jobs$model, assignment, matched_call)
  signal_cv_problems(folds)
  cv
}

#' Convert A to a dense matrix in memory
#'
#' @param A The value given.
#' @return A double matrix.
#' @noRd
as_dense_storage <- function(A, call = caller_env()) {
  A <- as_storage(A, call = call)
  if (is.matrix(A)) {
    return(A)
  }
  small <- as.double(nrow(A)) * ncol(A) <= largest_block
  if (is_delayed(A) || !small) {
    expected <- paste(
      "a matrix in memory, if sparse or a gram() of at most ten million entries, since single",
      "entries are held out (cross-validate a part of it, such as as.matrix(A[rows, cols]))"
    )
    abort_input("A", expected, describe(A), call = call)
  }
  dense_block(A, seq_len(nrow(A)), seq_len(ncol(A)), call = call)
}

#' Check the numbers of factors to compare
#'
#' @param K The value given.
#' @param limit The number of entries.
#' @return Whole numbers.
#' @noRd
check_cv_counts <- function(K, limit, call = caller_env()) {
  expected <- "positive whole numbers, each of them once"
  if (!is.numeric(K) || is.object(K) || length(K) == 0) {
    abort_input("K", expected, describe(K), call = call)
  }
  bad <- !is.finite(K) | K < 1 | K != floor(K) | duplicated(as.vector(K))
  if (any(bad)) {
    found <- describe(as.double(K[bad][1]))
    if (anyDuplicated(as.vector(K)) && is.finite(K[bad][1])) {
      found <- paste(found, "(each number may be there once)")
    }
    abort_input("K", expected, found, call = call)
  }
  vapply(as.vector(K), check_count, 0L, limit = limit, arg = "K", call = call)
}

#' Check the settings of the fits
#'
#' @param control The value given.
#' @return The settings: fits neither report nor keep their data.
#' @noRd
check_cv_control <- function(control, call = caller_env()) {
  control <- check_control(control, call = call)
  if (!is.null(control$BPPARAM)) {
    expected <- "made without BPPARAM, which is an argument of nmu_cv() itself"
    abort_input("control", expected, "a backend in it", call = call)
  }
  control$keep_data <- FALSE
  control
}

#' Check the further arguments of nmu()
#'
#' What is decided from the data is decided from all of A, so that all fits are alike.
#'
#' @param given `list(...)` of `nmu_cv()`.
#' @param A A double matrix.
#' @return A named list of arguments of [nmu()]; `prior_v` is there only if it was given.
#' @noRd
check_cv_settings <- function(given, A, call = caller_env()) {
  if ("init" %in% names(given)) {
    expected <- "NULL, since starting loadings may contain what is held out"
    abort_input("init", expected, describe(given$init), call = call)
  }
  defaults <- list(
    noise = noise_mle(), prior_v = NULL, symmetric = NULL, ignore_diag = NULL, refine = TRUE,
    underapprox = FALSE, fixed = NULL
  )
  own <- setdiff(names(formals(nmu_cv)), "...")
  settings <- check_extras(given, defaults, own = own, slips = cv_slips(), call = call)
  noise <- settings$noise <- check_noise(settings$noise, call = call)
  if (noise$rule == "notebook") {
    expected <- "an estimator that accepts missing entries, such as noise_mle()"
    abort_input("noise", expected, "noise_notebook()", call = call)
  }
  for (name in c("refine", "underapprox", if (!is.null(settings$ignore_diag)) "ignore_diag")) {
    settings[[name]] <- check_flag(settings[[name]], arg = name, call = call)
  }
  scan <- scan_matrix(A, settings$symmetric, call = call)
  check_entries(scan, A, missing = TRUE, call = call)
  settings$symmetric <- check_symmetric(settings$symmetric, scan, A, call = call)
  settings$ignore_diag <- choose_ignore_diag(
    settings$ignore_diag, noise, scan, A, settings$symmetric, settings$underapprox
  )
  check_observed(A, scan, settings$ignore_diag, noise, call = call)
  core_noise_scales(noise, A, settings$symmetric, call = call)
  initial <- check_initial_factors(NULL, settings$fixed, A, settings$symmetric, noise, call = call)
  if (settings$underapprox) {
    check_underapprox(initial, list(choose = FALSE), noise, prior_exponential(), call = call)
  }
  if ("prior_v" %in% names(given)) {
    settings["prior_v"] <- list(check_priors(given$prior_v, arg = "prior_v", call = call))
  }
  settings
}

#' Combine the models to compare
#'
#' @param K Whole numbers.
#' @param prior,prior_b The values given.
#' @param settings Value of `check_cv_settings()`.
#' @return A list of `list`, the arguments `K`, `prior` and `prior_b` of each combination, and
#'   `table`, a data frame of their labels.
#' @noRd
cv_models <- function(K, prior, prior_b, settings, call = caller_env()) {
  priors <- lapply(cv_alternatives(prior), check_priors, arg = "prior", call = call)
  check_given(priors, prior, "prior", call = call)
  for (one in priors) {
    check_schedule(
      one, settings$prior_v %||% one, settings$noise, settings$underapprox,
      call = call
    )
  }
  priors_b <- lapply(cv_alternatives(prior_b), as_prior_b, call = call)
  check_given(priors_b, prior_b, "prior_b", call = call)
  for (prior_b in priors_b) {
    check_prior_b(prior_b, settings$noise, call = call)
  }
  index <- expand.grid(
    K = seq_along(K), prior = seq_along(priors), prior_b = seq_along(priors_b),
    KEEP.OUT.ATTRS = FALSE
  )
  list(
    list = Map(
      function(K, prior, prior_b) list(K = K, prior = prior, prior_b = prior_b),
      K[index$K], priors[index$prior], priors_b[index$prior_b]
    ),
    table = data.frame(
      K = K[index$K], prior = cv_labels(priors)[index$prior],
      prior_b = cv_labels(priors_b)[index$prior_b]
    )
  )
}

#' Split a value into alternatives
#' @param x An object, or a vector or list of alternatives.
#' @return A list.
#' @noRd
cv_alternatives <- function(x) {
  if (is.object(x) || !is.vector(x)) list(x) else as.list(x)
}

#' Check that there is at least one alternative
#' @param alternatives A list.
#' @param given The value given.
#' @param arg Name of the argument.
#' @noRd
check_given <- function(alternatives, given, arg, call = caller_env()) {
  if (length(alternatives) == 0) {
    abort_input(arg, "at least one prior", describe_schedule(given), call = call)
  }
}

#' Label alternatives: by their names, otherwise by the families
#'
#' @param alternatives A list of priors, or of lists of priors.
#' @return Distinct strings.
#' @noRd
cv_labels <- function(alternatives) {
  labels <- vapply(unname(alternatives), FUN.VALUE = "", FUN = function(one) {
    schedule <- if (inherits(one, "nmu_prior")) list(one) else one
    paste(vapply(schedule, function(prior) prior$name %||% prior$family, ""), collapse = ", then ")
  })
  own <- names(alternatives) %||% rep("", length(labels))
  labels[own != ""] <- own[own != ""]
  make.unique(labels, sep = "_")
}
