#' Loadings of new rows
#'
#' Finds the loadings of rows that were not in the data, without another fit: the loadings of the
#' columns, \eqn{\lambda} and \eqn{\sigma} are held, and each new row \eqn{a} gets the loadings
#' \eqn{l \ge 0}{l >= 0} that maximise
#' \deqn{\sum_j \log f(a_j - \sum_k l_k y_{jk}),}{sum_j log f(a_j - sum_k l_k y_jk),}
#' where \eqn{y} is `coef(object, "v")` and \eqn{f} is the density [demg()].
#'
#' The density is log-concave, and so is this sum: its maximum does not depend on a start. (Under
#' another `prior_b` than the exponential it is not, and a local maximum near the least-squares
#' loadings is found.) It is found for each row by itself, whatever the others, by the
#' quasi-Newton method of [nmu()], until the gain in log-likelihood per entry and the scaled
#' projected gradient are at most 1e-8.
#'
#' Rows that were in the data do not get the very loadings of the fit: factors are fitted one
#' after another, while these loadings are found together, and so are at least as likely. Where `A`
#' was symmetric, a new row is one of its relations to the rows of `A`.
#'
#' @param object A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param newdata The new rows: a numeric, integer or logical matrix, a data frame of numbers, or a
#'   sparse matrix of the Matrix package or a `DelayedMatrix`, each of at most ten million entries;
#'   with a column for each column of `A`, in the same order: where both have column names, they
#'   must agree. `NA` entries are left out. `NULL` means the rows that were fitted. Only `NULL` is
#'   accepted after a fit with `by` or `se` of [noise_mle()], since the noise of new rows is not
#'   known.
#' @param type `"loadings"` or `"fitted"`. Case matters, the beginning of a word is enough.
#' @param ... Not used.
#'
#' @return With `type = "loadings"` a matrix with a row for each row of `newdata`, whose names it
#'   carries, and a column for each factor, in the scale of
#'   \eqn{\sqrt{d_k} u_k}{sqrt(d_k) u_k}, which is [coef()][nmu_methods] and also what is
#'   returned without `newdata`. With `type = "fitted"` these loadings times the
#'   transpose of `coef(object, "v")`, in the units of `A`; without `newdata` that is
#'   [fitted()][nmu_methods]. Loadings on a null factor are zero. A row that is `NA` throughout
#'   says nothing, and its loadings are `NA`.
#'
#' @section Errors and warnings: Errors have class `nmu_error_input` where an argument is not as
#'   described, and `nmu_error_interrupted` where the user interrupted. A warning of class
#'   `nmu_warning_predict` says so where 1000 steps did not lead to the maximum of a row.
#'
#' @examples
#' fit <- nmu(USArrests[1:40, ], K = 2)
#' predict(fit, USArrests[41:50, ])
#' predict(fit, USArrests[41:42, ], type = "fitted")
#' @export
predict.nmu_fit <- function(object, newdata = NULL, type = c("loadings", "fitted"), ...) {
  type <- check_choice(type, c("loadings", "fitted"))
  if (is.null(newdata)) {
    return(if (type == "loadings") coef(object, side = "u") else fitted(object))
  }
  if (!is.null(fit_scales(object))) {
    expected <- "NULL, since the noise of new rows is not known where it differs between entries"
    abort_input("newdata", expected, describe(newdata))
  }
  columns <- coef(object, side = "v")
  newdata <- as_storage(newdata)
  if (!is.matrix(newdata)) {
    newdata <- dense_block(newdata, seq_len(nrow(newdata)), seq_len(ncol(newdata)))
  }
  scan <- core_value(core_scan(newdata))
  check_new_columns(newdata, columns)
  check_entries(scan, missing = TRUE, arg = "newdata")
  loadings <- new_loadings(object, newdata, scan)
  if (type == "loadings") loadings else tcrossprod(loadings, columns)
}

#' Refuse new rows whose columns are not those of the data
#'
#' @param newdata A matrix.
#' @param columns The loadings of the columns.
#' @param call The user's call.
#' @return Nothing of use.
#' @noRd
check_new_columns <- function(newdata, columns, call = caller_env()) {
  if (ncol(newdata) != nrow(columns)) {
    expected <- sprintf("a matrix with %d columns, as many as were fitted", nrow(columns))
    abort_input("newdata", expected, describe(newdata), call = call)
  }
  new <- colnames(newdata)
  old <- rownames(columns)
  if (!is.null(new) && !is.null(old) && !identical(new, old)) {
    first <- which(is.na(new) | is.na(old) | new != old)[1]
    abort_input(
      "newdata", sprintf("given with the columns that were fitted, %s", first_name(old, first)),
      first_name(new, first), call = call
    )
  }
}

#' Name a column in a message
#' @param labels Names of columns.
#' @param index Which of them.
#' @return One string.
#' @noRd
first_name <- function(labels, index) {
  sprintf("%s as column %d", quote_text(labels[index]), index)
}

#' Find the loadings of new rows
#'
#' @param fit A fit.
#' @param newdata A double matrix.
#' @param scan What `core_scan()` found in it.
#' @param call The user's call.
#' @param maxiter The most steps.
#' @return A matrix with a row for each row of `newdata` and a column for each factor.
#' @noRd
new_loadings <- function(fit, newdata, scan, maxiter = 1000L, call = caller_env()) {
  factors <- fit_factors(fit)
  loadings <- matrix(
    0, nrow(newdata), length(factors$d),
    dimnames = list(rownames(newdata), colnames(factors$v))
  )
  active <- factors$d > 0
  if (any(active)) {
    options <- core_options(
      v = factors$v[, active, drop = FALSE], lambda = fit$lambda, sigma = fit$sigma,
      law = known_law(fit),
      rms = fit$sigma, # the unit in which the core works: not one of the other rows
      tol = 1e-8, maxiter = maxiter
    )
    core <- core_value(core_project(t(newdata), options), call = call)
    signal_projection(core$status, call = call)
    # the core's are d u, not sqrt(d) u
    loadings[, active] <- t(core$loadings / sqrt(factors$d[active]))
  }
  if (scan$missing > 0) {
    loadings[rowSums(!is.na(newdata)) == 0, ] <- NA
  }
  loadings
}

#' Tell the user where the search for loadings ended before its time
#'
#' @param status The status of each row.
#' @param call The user's call.
#' @return Nothing of use.
#' @noRd
signal_projection <- function(status, call = caller_env()) {
  if ("interrupted" %in% status) {
    signal_interrupt(call = call)
  }
  short <- which(status != "converged")
  if (length(short) > 0) {
    first <- short[1]
    why <- status_text(status[first])
    cli::cli_warn(
      c(
        "The loadings of {length(short)} row{?s} may not be the most likely ones.",
        x = "Row {first}: {why}."
      ),
      class = c("nmu_warning_predict", "nmu_warning"),
      call = error_call(call)
    )
  }
}
