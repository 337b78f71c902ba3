#' Cross-validation by held-out entries
#'
#' Chooses the number of factors, the prior of the loadings and the prior of the remainder of
#' [nmu()]. Single entries of `A` are held out at random: each fold in turn is set to `NA`, the
#' model is fitted to the other entries, and the held-out ones are predicted.
#'
#' Two measures are computed of the held-out entries of each fold, both per entry:
#'
#' * the *log-likelihood*: the mean log density of the residuals under the fitted `prior_b`,
#'   \eqn{\lambda} and \eqn{\sigma} (or standard deviations of rows and columns), the logarithm of
#'   [demg()] if `prior_b` is exponential. It decides, since it rates the whole model;
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
#' @param prior_b The priors of the remainder to compare: likewise.
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
nmu_cv <- function(A, K = 1:10, prior = prior_flat(), prior_b = prior_exponential(), folds = 5, ...,
                   BPPARAM = NULL, control = nmu_control()) { # nolint: object_name_linter.
  matched_call <- match.call()
  A <- as_dense_storage(A)
  K <- check_cv_counts(K, length(A))
  control <- check_cv_control(control)
  workers <- check_backend(BPPARAM)
  settings <- check_cv_settings(list(...), A)
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
  if (!is_sparse(A) || !small) {
    expected <- paste(
      "a matrix in memory, if sparse of at most ten million entries, since single entries are held",
      "out (cross-validate a part of it, such as as.matrix(A[rows, cols]))"
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
    noise = noise_mle(), prior_v = NULL, symmetric = NULL, ignore_diag = FALSE, refine = TRUE,
    underapprox = FALSE, fixed = NULL
  )
  settings <- check_extras(given, defaults, call = call)
  noise <- settings$noise <- check_noise(settings$noise, call = call)
  if (noise$rule == "notebook") {
    expected <- "an estimator that accepts missing entries, such as noise_mle()"
    abort_input("noise", expected, "noise_notebook()", call = call)
  }
  for (name in c("ignore_diag", "refine", "underapprox")) {
    settings[[name]] <- check_flag(settings[[name]], arg = name, call = call)
  }
  scan <- scan_matrix(A, settings$symmetric, call = call)
  check_entries(scan, A, missing = TRUE, call = call)
  check_observed(A, scan, settings$ignore_diag, noise, call = call)
  settings$symmetric <- check_symmetric(settings$symmetric, scan, A, call = call)
  core_noise_scales(noise, A, settings$symmetric, call = call)
  initial <- check_initial_factors(NULL, settings$fixed, A, settings$symmetric, noise, call = call)
  if (settings$underapprox) {
    check_underapprox(initial, list(choose = FALSE), noise, call = call)
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
  priors_b <- lapply(cv_alternatives(prior_b), check_single_prior, arg = "prior_b", call = call)
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

#' Check the folds, or assign entries to folds
#'
#' @param folds A count, or a matrix.
#' @param observed Logical matrix: the entries that may be held out.
#' @param symmetric Is the matrix treated as symmetric?
#' @return An integer matrix; `NA` marks entries that are never held out.
#' @noRd
check_folds <- function(folds, observed, symmetric, call = caller_env()) {
  if (is.matrix(folds) && length(folds) > 1) {
    return(check_fold_matrix(folds, observed, symmetric, call = call))
  }
  units <- sum(if (symmetric) observed & upper.tri(observed, diag = TRUE) else observed)
  expected <- "two or larger, or a matrix of the folds of entries"
  if (!is_number(folds) || folds < 2 || folds != floor(folds)) {
    abort_input("folds", paste("one whole number,", expected), describe(folds), call = call)
  }
  if (folds > units) {
    expected <- sprintf("at most the number of entries that can be held out, %.0f", units)
    abort_input("folds", expected, describe(folds), call = call)
  }
  assignment <- keep_margins(assign_folds(observed, folds, symmetric), observed)
  held_out <- tabulate(assignment, folds)
  if (any(held_out == 0)) {
    expected <- "a number for which each row and column keeps an observed entry in each fold"
    found <- sprintf("%.0f, which leaves fold %d empty", folds, which(held_out == 0)[1])
    abort_input("folds", expected, found, call = call)
  }
  assignment
}

#' Check folds given as a matrix
#'
#' @inheritParams check_folds
#' @return An integer matrix.
#' @noRd
check_fold_matrix <- function(folds, observed, symmetric, call = caller_env()) {
  if (!identical(dim(folds), dim(observed))) {
    expected <- sprintf("a count, or a %d x %d matrix like A", nrow(observed), ncol(observed))
    abort_input("folds", expected, describe(folds), call = call)
  }
  known <- folds[!is.na(folds)]
  expected <- "a matrix of positive whole numbers, or NA for entries that are never held out"
  if (!is.numeric(folds) || is.object(folds)) {
    abort_input("folds", expected, describe(folds), call = call)
  }
  bad <- known < 1 | known != floor(known) | known > .Machine$integer.max
  if (any(bad)) {
    abort_input("folds", expected, describe(known[bad][1]), call = call)
  }
  if (symmetric && !identical(unname(folds), t(unname(folds)))) {
    abort_input("folds", "symmetric where A is symmetric", "an asymmetric matrix", call = call)
  }
  assignment <- matrix(as.integer(folds), nrow(folds))
  assignment[!observed] <- NA
  held_out <- table(factor(assignment, sort(unique(known))))
  found <- if (length(held_out) == 0) {
    "only NA"
  } else if (any(held_out == 0)) {
    sprintf("no observed entry in fold %s", names(held_out)[held_out == 0][1])
  } else if (any(held_out == sum(observed))) {
    "all observed entries in one fold"
  }
  if (!is.null(found)) {
    expected <- "a matrix whose folds each hold out some, but not all observed entries"
    abort_input("folds", expected, found, call = call)
  }
  assignment
}

#' Assign entries to folds at random, balanced within rows and columns
#'
#' @param observed Logical matrix: the entries to assign.
#' @param count Number of folds.
#' @param symmetric Do pairs go together?
#' @return An integer matrix; `NA` for the other entries.
#' @noRd
assign_folds <- function(observed, count, symmetric) {
  assignment <- matrix(NA_integer_, nrow(observed), ncol(observed))
  tallies <- matrix(0L, nrow(observed), count)
  for (column in sample.int(ncol(observed))) {
    rows <- which(observed[, column] & is.na(assignment[, column]))
    own <- if (symmetric) tallies[column, ] else integer(count)
    sizes <- fold_sizes(own, length(rows))
    chosen <- balanced_folds(tallies[rows, , drop = FALSE], sizes)
    assignment[rows, column] <- chosen
    places <- cbind(rows, chosen)
    tallies[places] <- tallies[places] + 1L
    if (symmetric) {
      assignment[column, rows] <- chosen
      tallies[column, ] <- tallies[column, ] + sizes
    }
  }
  assignment
}

#' Numbers of new entries of a column for each fold, such that its totals are as equal as possible
#'
#' @param own Numbers of its entries that are assigned already.
#' @param count The number of new ones.
#' @return Whole numbers with the sum `count`.
#' @noRd
fold_sizes <- function(own, count) {
  levels <- outer(own, seq_len(count), "+")
  fold <- row(levels)
  first <- order(levels, stats::runif(length(levels)))[seq_len(count)]
  tabulate(fold[first], length(own))
}

#' Assign entries of a column to folds that have few entries of their rows
#'
#' @param tallies A row for each entry, a column for each fold: how many entries of that row are in
#'   the fold.
#' @param sizes The number of entries for each fold.
#' @return The fold of each entry.
#' @noRd
balanced_folds <- function(tallies, sizes) {
  chosen <- rep(NA_integer_, nrow(tallies))
  for (fold in sample.int(length(sizes))) {
    free <- which(is.na(chosen))
    # rows with few entries in this fold, compared with their others
    excess <- tallies[free, fold] - rowMeans(tallies[free, , drop = FALSE])
    taken <- order(excess, stats::runif(length(free)))[seq_len(sizes[fold])]
    chosen[free[taken]] <- fold
  }
  chosen
}

#' Release the entries of rows and columns that a fold holds out altogether
#'
#' @param assignment Value of `assign_folds()`.
#' @param observed Logical matrix.
#' @return `assignment`, with more `NA`.
#' @noRd
keep_margins <- function(assignment, observed) {
  for (fold in seq_len(max(assignment, na.rm = TRUE))) {
    inside <- assignment %in% fold
    dim(inside) <- dim(assignment)
    rows <- rowSums(inside) > 0 & rowSums(inside) == rowSums(observed)
    columns <- colSums(inside) > 0 & colSums(inside) == colSums(observed)
    assignment[inside & outer(rows, columns, "|")] <- NA
  }
  assignment
}

#' Fit all models to all training sets
#'
#' @param jobs Data frame of `fold` and `model`.
#' @param A A double matrix.
#' @param assignment The folds.
#' @param models List of the arguments of each model.
#' @param settings Further arguments.
#' @param control The settings; `verbose` refers to the progress bar.
#' @param workers `NULL`, or a backend.
#' @return A list of the values of `run_cv_job()`.
#' @noRd
run_cv_jobs <- function(jobs, A, assignment, models, settings, control, workers,
                        call = caller_env()) {
  report <- local_count(nrow(jobs), control)
  control$verbose <- FALSE
  work <- lapply(seq_len(nrow(jobs)), function(index) {
    list(fold = jobs$fold[index], model = models[[jobs$model[index]]])
  })
  common <- list(A = A, assignment = assignment, settings = settings, control = control)
  if (!is.null(workers)) {
    # large models, which come last, are shared among all workers
    turn <- order(seq_along(work) %% BiocParallel::bpnworkers(workers))
    parts <- BiocParallel::bplapply(work[turn], run_cv_job, common = common, BPPARAM = workers)
    parts[turn] <- parts
  } else {
    parts <- lapply(seq_along(work), function(index) {
      report(index, sprintf("fold %d, K = %d", work[[index]]$fold, work[[index]]$model$K))
      part <- run_cv_job(work[[index]], common)
      rethrow_cv(part$stop, call = call)
      part
    })
  }
  for (part in parts) {
    rethrow_cv(part$stop, call = call)
  }
  parts
}

#' Raise an error of a fit that ends the cross-validation
#' @param condition A condition, or `NULL`.
#' @noRd
rethrow_cv <- function(condition, call = caller_env()) {
  if (inherits(condition, "nmu_error_interrupted")) {
    signal_interrupt(call = call)
  }
  if (!is.null(condition)) {
    stop(condition)
  }
}

#' Fit a model to a training set and rate it by the held-out entries
#'
#' Runs in a worker, and raises no error.
#'
#' @param job A list of `fold` and `model`.
#' @param common A list of `A`, `assignment`, `settings` and `control`.
#' @return A list of `entries`, `error`, `loglik`, `status`, `problem`, and `stop`, the condition of
#'   an interrupt or of an error that is not one of a fit, or `NULL`.
#' @noRd
run_cv_job <- function(job, common) {
  held_out <- which(common$assignment == job$fold)
  result <- list(
    entries = length(held_out), error = NA_real_, loglik = NA_real_, status = "failed"
  )
  problems <- character()
  note <- function(condition) {
    problems <<- c(problems, cli::ansi_strip(conditionMessage(condition)))
  }
  fit_and_rate <- function() {
    train <- replace(common$A, held_out, NA)
    arguments <- c(list(A = train, control = common$control), job$model, common$settings)
    # absent arguments have their defaults in nmu()
    fit <- do.call(nmu, Filter(Negate(is.null), arguments))
    c(rate_held_out(fit, common$A, held_out), status = fit$status)
  }
  stopped <- NULL
  rated <- tryCatch(
    withCallingHandlers(
      fit_and_rate(),
      warning = function(condition) {
        note(condition)
        tryInvokeRestart("muffleWarning")
      },
      nmu_message = function(condition) tryInvokeRestart("muffleMessage")
    ),
    error = function(condition) {
      single <- inherits(condition, c("nmu_error_core", "nmu_error_prior"))
      if (single) note(condition) else stopped <<- condition
      list()
    }
  )
  result[names(rated)] <- rated
  problem <- if (length(problems) > 0) paste(problems, collapse = " ") else NA_character_
  c(result, problem = problem, stop = list(stopped))
}

#' Rate a fit by entries that were held out
#'
#' @param fit A fit of class `nmu`.
#' @param A The data with the held-out entries.
#' @param held_out Numbers of these entries.
#' @return A list of `error` and `loglik`, both per entry.
#' @noRd
rate_held_out <- function(fit, A, held_out, call = caller_env()) {
  b_prior <- fitted_b_prior(fit)
  residual <- A[held_out] - low_rank(fit_factors(fit))[held_out]
  test <- matrix(NA_real_, nrow(A), ncol(A))
  test[held_out] <- A[held_out]
  loglik <- evaluate_fit(core_log_likelihood, fit, test, call = call)
  # pairs of a symmetric matrix count once, the diagonal half
  count <- length(held_out) / if (fit$symmetric) 2 else 1
  list(
    error = mean((residual - sum(b_prior$weight * b_prior$mean))^2),
    loglik = loglik / count
  )
}

#' Table of all fits
#'
#' @param jobs Data frame of `fold` and `model`.
#' @param parts Values of `run_cv_job()`.
#' @param models Data frame of the labels of each model.
#' @return A data frame as `folds` of an `nmu_cv` object.
#' @noRd
cv_fold_table <- function(jobs, parts, models) {
  column <- function(name, type) vapply(parts, `[[`, type, name)
  data.frame(
    fold = jobs$fold, models[jobs$model, ], entries = column("entries", 0L),
    error = column("error", 0), loglik = column("loglik", 0), status = column("status", ""),
    problem = column("problem", ""), row.names = NULL
  )
}

#' Create an object of class nmu_cv
#'
#' @param folds Value of `cv_fold_table()`.
#' @param models Value of `cv_models()`.
#' @param model The number of the model of each row of `folds`.
#' @param assignment The folds of entries.
#' @param matched_call The call.
#' @return An object of class `nmu_cv`.
#' @noRd
new_nmu_cv <- function(folds, models, model, assignment, matched_call, call = caller_env()) {
  mean_of <- function(x) as.vector(tapply(x, model, mean))
  se_of <- function(x) as.vector(tapply(x, model, function(x) stats::sd(x) / sqrt(length(x))))
  count_of <- function(x) as.integer(tapply(x, model, sum))
  summary <- data.frame(
    models$table,
    error = mean_of(folds$error), error_se = se_of(folds$error),
    loglik = mean_of(folds$loglik), loglik_se = se_of(folds$loglik),
    failed = count_of(folds$status == "failed"),
    unconverged = count_of(!folds$status %in% c("converged", "failed"))
  )
  best <- best_model(summary)
  if (is.na(best)) {
    reason <- folds$problem[folds$status == "failed"][1]
    abort_nmu(
      c("No combination of {.arg K}, {.arg prior} and {.arg prior_b} could be fitted in all folds.",
        x = "The first failure: {reason}"
      ),
      kind = "cv", call = call
    )
  }
  structure(
    list(
      summary = summary, folds = folds, K = summary$K[best],
      prior = unlist_one(models$list[[best]]$prior), prior_b = models$list[[best]]$prior_b,
      best = best, one_se = one_se_count(summary, best), assignment = assignment,
      call = matched_call
    ),
    class = "nmu_cv"
  )
}

#' The single element of a list, or the list if it has several
#' @param x A list.
#' @noRd
unlist_one <- function(x) {
  if (length(x) == 1) x[[1]] else x
}

#' Row with the largest held-out log-likelihood, of several the one with the fewest factors
#' @param summary Data frame of all combinations.
#' @return A row number, or `NA` if all failed.
#' @noRd
best_model <- function(summary) {
  order(-summary$loglik, summary$K, na.last = NA)[1]
}

#' Choose the number of factors by the rule of one standard error
#' @param summary Data frame of all combinations.
#' @param best The best row.
#' @return A whole number.
#' @noRd
one_se_count <- function(summary, best) {
  slack <- summary$loglik_se[best]
  alike <- summary$prior == summary$prior[best] & summary$prior_b == summary$prior_b[best]
  least <- summary$loglik[best] - if (is.na(slack)) 0 else slack
  min(summary$K[which(alike & summary$loglik >= least)])
}

#' Warn about fits with problems
#' @param folds Value of `cv_fold_table()`.
#' @noRd
signal_cv_problems <- function(folds, call = caller_env()) {
  noted <- which(!is.na(folds$problem))
  if (length(noted) == 0) {
    return(invisible())
  }
  total <- nrow(folds)
  failed <- sum(folds$status == "failed")
  first <- folds$problem[noted[1]]
  cli::cli_warn(
    c(
      "{length(noted)} of {total} fits gave a warning or failed ({failed} failed).",
      x = "The first: {first}",
      i = "The column {.field problem} of {.field folds} has all of them."
    ),
    class = c("nmu_warning_cv", "nmu_warning"), call = error_call(call)
  )
}
