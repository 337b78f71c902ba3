#' Options of the numerical core
#'
#' Each function of the core takes one list of options and reads those that it needs by their
#' names. All such lists are made here, so that the names below are the contract with the core.
#'
#' * The matrix: `symmetric`, `ignore_diag`, `missing` (may entries be `NA`?), `threads`,
#'   `interpolation` (see `matrix_options()`); `rms`, a size of entries, sets the unit in which the
#'   core works, and 0 means that of the matrix.
#' * Estimation of lambda and sigma: `rule`, `floor`, `cap`, `ratio_floors`, `rounds` (see
#'   `noise_options()`), `lambda`, `sigma`.
#' * The remainder and the noise: `b_prior`, from `core_b_prior()`; `noise_scales`, from
#'   `core_noise_scales()`.
#' * The loadings: `factors`, `fixed`, `kept`, `init`, each `NULL` or a list of `d`, `u` and `v`;
#'   `u` and `v`, the first loadings of `nmu_em()`, or `v` those of the columns for `predict()`,
#'   with `largest`, the largest entry of the matrix that was fitted;
#'   `prior` and `prior_v`, from `core_priors()`, with `unit`, the unit of what they are for.
#' * The algorithm: `K`, `choose` (is `K` the largest number of factors?), `refine`, `starts`,
#'   `maxiter`, `tol`, `trace`, `keep_b`; `progress`, from `local_progress()`.
#'
#' @param ... Options by their names, or lists of these without a name.
#' @return A list. A name that is unknown, or there twice, is an error of the package.
#' @noRd
core_options <- function(...) {
  parts <- list(...)
  labels <- names(parts) %||% rep("", length(parts))
  parts[labels != ""] <- lapply(which(labels != ""), function(index) parts[index])
  options <- do.call(c, unname(parts))
  stopifnot(
    "options of the core must be known" = all(names(options) %in% core_option_names),
    "options of the core must be given once" = !anyDuplicated(names(options))
  )
  options
}

#' The names of all options of the core
#' @noRd
core_option_names <- c(
  "symmetric", "ignore_diag", "missing", "threads", "interpolation", "rms",
  "rule", "floor", "cap", "ratio_floors", "rounds", "lambda", "sigma",
  "b_prior", "noise_scales",
  "factors", "fixed", "kept", "init", "u", "v", "largest", "prior", "prior_v", "unit",
  "K", "choose", "refine", "starts", "maxiter", "tol", "trace", "keep_b",
  "progress"
)

#' How the core reads a matrix
#'
#' @param control The settings.
#' @param symmetric Is the matrix treated as symmetric?
#' @param ignore_diag Is its diagonal left out?
#' @param missing May entries be `NA`?
#' @return A list of options.
#' @noRd
matrix_options <- function(control, symmetric, ignore_diag = FALSE, missing = FALSE) {
  list(
    symmetric = symmetric, ignore_diag = ignore_diag, missing = missing,
    threads = control$threads, interpolation = control$interpolation
  )
}

#' How the core estimates lambda and sigma
#'
#' @param noise The estimator.
#' @return A list of options.
#' @noRd
noise_options <- function(noise) {
  unclass(noise)[setdiff(names(noise), c("by", "se"))]
}

#' The factors of a fit and how its matrix was read
#'
#' @param fit An object of class `nmu_fit`.
#' @param missing May entries of the matrix be `NA`?
#' @return A list of options.
#' @noRd
fit_options <- function(fit, missing) {
  factors <- fit_factors(fit)
  core_options(
    matrix_options(fit$control, fit$symmetric, isTRUE(fit$ignore_diag), missing),
    factors = list(d = factors$d, u = factors$u, v = if (!fit$symmetric) factors$v)
  )
}
