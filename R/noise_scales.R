#' Convert the structure of the noise to the form that the core expects
#'
#' @param noise The estimator of lambda and sigma.
#' @param A The matrix.
#' @param symmetric Is it treated as symmetric?
#' @return A string, or a list of scales in units of their root mean square.
#' @noRd
core_noise_scales <- function(noise, A, symmetric, call = caller_env()) {
  se <- noise$se
  if (is.null(se)) {
    return(noise$by %||% "constant")
  }
  valid <- if (is.matrix(se)) identical(dim(se), dim(A)) else length(se) == nrow(A)
  if (!valid) {
    expected <- sprintf("with an se of %d numbers, or a %d x %d matrix", nrow(A), nrow(A), ncol(A))
    abort_input("noise", expected, describe(se), call = call)
  }
  check_known_se(se, A, call = call)
  if (symmetric && is.matrix(se) && !isSymmetric(unname(se))) {
    expected <- "with a symmetric se where A is symmetric"
    abort_input("noise", expected, "an asymmetric se", call = call)
  }
  known_noise_scales(se, ncol(A), symmetric)
}

#' Check that standard errors are known wherever A is observed
#'
#' @param se A vector or matrix of the size of A.
#' @param A The matrix.
#' @return `NULL`, invisibly.
#' @noRd
check_known_se <- function(se, A, call = caller_env()) {
  for (row in if (anyNA(se)) which(rowSums(is.na(as.matrix(se))) > 0)) {
    unknown <- is.na(if (is.matrix(se)) se[row, ] else rep(se[row], ncol(A)))
    observed <- !is.na(as.vector(dense_block(A, row, seq_len(ncol(A)), call = call)))
    column <- which(unknown & observed)
    if (length(column) > 0) {
      place <- entry_text(row, column[1], rownames(A)[row], colnames(A)[column[1]])
      expected <- "with an se that is NA only where A is NA"
      abort_input("noise", expected, paste("an NA in", place), call = call)
    }
  }
}

#' Convert known standard errors to units of their root mean square
#'
#' `NA`, where A is missing, becomes the root mean square (or what plays its part).
#'
#' @param se A vector or matrix.
#' @param columns Number of columns.
#' @param symmetric Is the matrix treated as symmetric?
#' @return A list of `rows` and `columns`, or of `entries`.
#' @noRd
known_noise_scales <- function(se, columns, symmetric) {
  se <- se / max(se, na.rm = TRUE)
  known <- se[!is.na(se)]
  unit <- if (symmetric && !is.matrix(se)) mean(known) else sqrt(mean(known^2))
  se <- replace(se, is.na(se), unit) / unit
  if (is.matrix(se)) {
    list(entries = as.vector(se))
  } else if (symmetric) {
    list(rows = sqrt(se), columns = sqrt(se), entries = NULL)
  } else {
    list(rows = se, columns = rep(1, columns), entries = NULL)
  }
}

#' Scales of the noise of a fit
#'
#' @param fit A fit.
#' @return `NULL` if all are 1, or a list in the form of that of `known_noise_scales()`.
#' @noRd
fitted_noise_scales <- function(fit) {
  factors <- fit_factors(fit)
  if (!is.null(fit$noise$se)) {
    return(known_noise_scales(fit$noise$se, nrow(factors$v), fit$symmetric))
  }
  if (is.null(fit$noise_sd)) {
    return(NULL)
  }
  s <- unname(fit$noise_sd) / fit$sigma
  if (fit$symmetric) {
    list(rows = sqrt(s), columns = sqrt(s), entries = NULL)
  } else if (fit$noise$by == "row") {
    list(rows = s, columns = rep(1, nrow(factors$v)), entries = NULL)
  } else {
    list(rows = rep(1, nrow(factors$u)), columns = s, entries = NULL)
  }
}

#' Standard deviation of the noise of entries
#'
#' @param fit A fit.
#' @param rows,cols The block, as numbers.
#' @return One number if it is the same for all, or a matrix of the size of the block.
#' @noRd
entry_sigma <- function(fit, rows = seq_len(NROW(fit$u)), cols = seq_len(NROW(fit$v))) {
  scales <- fitted_noise_scales(fit)
  if (is.null(scales)) {
    fit$sigma
  } else if (is.null(scales$entries)) {
    fit$sigma * outer(scales$rows[rows], scales$columns[cols])
  } else {
    fit$sigma * matrix(scales$entries, NROW(fit$u))[rows, cols, drop = FALSE]
  }
}

#' Standard deviations of the noise of rows or columns, with their names
#' @param noise_scales Standard deviations in units of sigma from the core, or `NULL`.
#' @param sigma The sigma of the fit.
#' @param by `"row"` or `"column"`.
#' @param labels Value of `loading_names()`.
#' @return A named vector, or `NULL`.
#' @noRd
named_noise_sd <- function(noise_scales, sigma, by, labels) {
  if (!is.null(noise_scales)) {
    stats::setNames(sigma * noise_scales, if (by == "row") labels$u else labels$v)
  }
}
