#' Loadings of new rows
#'
#' Computes the loadings of rows that were not in the data, without another fit: the column
#' loadings, \eqn{\lambda} and \eqn{\sigma} are held fixed, and each new row \eqn{a} has the
#' loadings \eqn{l \ge 0}{l >= 0} that maximise
#' \deqn{\sum_j \log f(a_j - \sum_k l_k y_{jk}),}{sum_j log f(a_j - sum_k l_k y_jk),}
#' where \eqn{y} is `coef(object, "v")` and \eqn{f} is the density [demg()].
#'
#' The density is log-concave, and so is this sum: its maximum does not depend on a start. (Under
#' a `prior_b` other than the exponential it is not, and a local maximum near the least-squares
#' loadings is found.) Rows are independent of each other. Each is optimised by the
#' quasi-Newton method of [nmu()], until the gain in log-likelihood per entry and the scaled
#' projected gradient are at most 1e-8.
#'
#' The likelihood does not bound the fitted values at missing entries of a row. So no entry of a
#' factor may exceed 1.5 times the largest entry, of `A` or of the row, in a row with missing
#' entries; this bound is reduced until the fitted values at the missing entries are at most twice
#' the largest entry, as in a fit by [nmu()].
#'
#' For rows that were in the data, the result is the loadings of a joint fit with flat priors, up to
#' the accuracy of both. It differs from those of other fits: with `refine = FALSE` factors are
#' fitted one after another, with priors loadings are posterior means. If `A` was symmetric, a new
#' row contains the similarities of a new item to the rows of `A`, and \eqn{y} is held fixed, while
#' in the fit both sides move.
#'
#' @param object A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param newdata The new rows: a numeric, integer or logical matrix, a data frame of numbers, or a
#'   sparse matrix of the Matrix package or a `DelayedMatrix`, each of at most ten million entries;
#'   with a column for each column of `A`, in the same order: if both have column names, they
#'   must agree. `NA` entries are left out. `NULL` means the rows that were fitted. Must be `NULL`
#'   after a fit with `by` or `se` of [noise_mle()], since the noise of new rows is not
#'   known. After a fit of [gram()] the rows are new samples, with a column for each feature of its
#'   `X` and without `NA`; what was subtracted from `X` and divided by is applied to them.
#' @param A After a fit of [gram()] that has not kept its data: the object made by `gram()`.
#' @param type `"loadings"` or `"fitted"`. Case-sensitive; may be abbreviated.
#' @param ... Must be empty: an unknown argument is an error that names the likely one.
#'
#' @return With `type = "loadings"` a matrix with a row for each row of `newdata`, with its row
#'   names, and a column for each factor, in the scale of
#'   \eqn{\sqrt{d_k} u_k}{sqrt(d_k) u_k} as in [coef()][nmu_methods], which is
#'   returned without `newdata`. With `type = "fitted"` these loadings times the
#'   transpose of `coef(object, "v")`, in the units of `A`; without `newdata` that is
#'   [fitted()][nmu_methods]. Loadings on a null factor are zero. The loadings of a row that is `NA`
#'   throughout are `NA`.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` if an argument is not as
#'   described, and `nmu_error_interrupted` if the user interrupts. A warning of class
#'   `nmu_warning_predict` is given if the maximum of a row was not reached in 1000 steps. A message
#'   of class `nmu_message_few_observed` is given, if `verbose` was `TRUE` for the fit, where rows
#'   have missing entries and fewer observed ones than there are factors that are not null: the data
#'   do not determine their loadings.
#'
#' @examples
#' fit <- nmu(USArrests[1:40, ], K = 2)
#' predict(fit, USArrests[41:50, ])
#' predict(fit, USArrests[41:42, ], type = "fitted")
#' @export
predict.nmu_fit <- function(object, newdata = NULL, type = c("loadings", "fitted"), A = NULL, ...) {
  refuse_dots(...)
  type <- check_choice(type, c("loadings", "fitted"))
  if (is.null(object$gram) && !is.null(A)) {
    abort_input("A", "NULL, since the fit is not one of a gram()", describe(A))
  }
  if (is.null(newdata)) {
    return(if (type == "loadings") coef(object, side = "u") else fitted(object))
  }
  loadings <- new_loadings(object, check_new_rows(object, newdata, A))
  if (type == "loadings") loadings else tcrossprod(loadings, coef(object, side = "v"))
}

#' Check new rows
#'
#' @param fit A fit.
#' @param newdata The value given.
#' @return A double matrix.
#' @noRd
check_new_rows <- function(fit, newdata, A = NULL, call = caller_env()) {
  if (!is.null(fitted_noise_scales(fit))) {
    expected <- "NULL, since the noise of new rows is not known where it differs between entries"
    abort_input("newdata", expected, describe(newdata), call = call)
  }
  newdata <- as_storage(newdata, call = call)
  if (!is.matrix(newdata)) {
    newdata <- dense_block(newdata, seq_len(nrow(newdata)), seq_len(ncol(newdata)), call = call)
  }
  features <- if (!is.null(fit$gram)) check_fitted_gram(fit, A, call = call)
  columns <- if (is.null(features)) rownames(fit_factors(fit)$v) else features$feature_labels
  size <- if (is.null(features)) nrow(fit_factors(fit)$v) else features$size[2]
  check_new_columns(newdata, size, columns, call = call)
  scan <- core_value(core_scan(newdata), call = call)
  check_entries(scan, newdata, missing = is.null(features), call = call)
  if (is.null(features)) newdata else gram_rows(features, newdata)
}

#' The Gram matrix that was fitted, which holds the features that new samples are compared with
#'
#' @param fit A fit of a Gram matrix.
#' @param A The value given.
#' @return An object of class `nmu_gram`.
#' @noRd
check_fitted_gram <- function(fit, A, call = caller_env()) {
  A <- fit_data(fit, A, call = call)
  if (!is_gram(A) || A$size[2] != fit$gram$features) {
    abort_input("A", "the gram() that was fitted", describe(A), call = call)
  }
  A
}

#' A fit whose rows are new ones
#'
#' @param fit A fit.
#' @param loadings Value of `new_loadings()`.
#' @return The fit with these as its row loadings, for the methods that look at entries.
#' @noRd
fit_of_new_rows <- function(fit, loadings) {
  v <- fit_factors(fit)$v
  fit$d <- pmax(fit$d, 0)
  scale <- ifelse(fit$d > 0, sqrt(fit$d), 1)
  fit$u <- loadings / rep(scale, each = nrow(loadings))
  fit$v <- v
  fit$symmetric <- FALSE
  fit$ignore_diag <- FALSE
  fit
}

#' Check that the columns of new rows are those of the data
#'
#' @param newdata A matrix.
#' @param size The number of columns of the data.
#' @param old Their names, or `NULL`.
#' @return Nothing of use.
#' @noRd
check_new_columns <- function(newdata, size, old, call = caller_env()) {
  if (ncol(newdata) != size) {
    expected <- sprintf("a matrix with %d columns, as many as were fitted", size)
    abort_input("newdata", expected, describe(newdata), call = call)
  }
  new <- colnames(newdata)
  if (!is.null(new) && !is.null(old) && !identical(new, old)) {
    first <- which(is.na(new) | is.na(old) | new != old)[1]
    abort_input(
      "newdata", sprintf("given with the columns that were fitted, %s", first_name(old, first)),
      first_name(new, first), call = call
    )
  }
}

#' Format a column name for a message
#' @param labels Column names.
#' @param index The number of the column.
#' @return One string.
#' @noRd
first_name <- function(labels, index) {
  sprintf("%s as column %d", quote_text(labels[index]), index)
}

#' Compute the loadings of new rows
#'
#' @param fit A fit.
#' @param newdata A double matrix.
#' @param maxiter The largest number of steps.
#' @return A matrix with a row for each row of `newdata` and a column for each factor.
#' @noRd
new_loadings <- function(fit, newdata, maxiter = 1000L, call = caller_env()) {
  factors <- fit_factors(fit)
  loadings <- matrix(
    0, nrow(newdata), length(factors$d),
    dimnames = list(rownames(newdata), colnames(factors$v))
  )
  active <- factors$d > 0
  if (any(active)) {
    options <- core_options(
      v = factors$v[, active, drop = FALSE], lambda = fit$lambda, sigma = fit$sigma,
      b_prior = known_b_prior(fit), largest = fit$largest,
      rms = fit$sigma, # the unit in which the core works: not one of the other rows
      tol = 1e-8, maxiter = maxiter, progress = NULL
    )
    core <- core_value(core_predict(t(newdata), options), call = call)
    signal_prediction(core$status, call = call)
    # the core returns d u, not sqrt(d) u
    loadings[, active] <- t(core$loadings / sqrt(factors$d[active]))
  }
  observed <- rowSums(!is.na(newdata))
  loadings[observed == 0, ] <- NA
  if (fit$control$verbose) {
    few <- observed < pmin(sum(active), ncol(newdata))
    inform_few_observed(list(row = row_labels(newdata)[few]), sum(active))
  }
  loadings
}

#' Warn about rows whose loadings did not converge
#'
#' @param status The status of each row.
#' @return Nothing of use.
#' @noRd
signal_prediction <- function(status, call = caller_env()) {
  if ("interrupted" %in% status) {
    signal_interrupt(call = call)
  }
  short <- which(status != "converged")
  if (length(short) > 0) {
    first <- short[1]
    why <- status_text(status[first])
    warn_nmu(
      c(
        "The loadings of {length(short)} row{?s} may not be the most likely ones.",
        x = "Row {first}: {why}."
      ),
      "predict", call = call
    )
  }
}
