#' Names of the factors
#' @param K Their number.
#' @return `"k1"`, `"k2"` ...
#' @noRd
factor_names <- function(K) {
  paste0("k", seq_len(K))
}

#' Names of the rows, and of the columns, as the factors carry them
#'
#' A symmetric matrix that names only its columns names its rows by that.
#'
#' @param A The matrix.
#' @param symmetric Is it treated as symmetric?
#' @return A list of `u` and `v`.
#' @noRd
loading_names <- function(A, symmetric) {
  rows <- rownames(A) %||% if (symmetric) colnames(A)
  list(u = rows, v = if (symmetric) rows else colnames(A))
}

#' Make a fit of class nmu_em
#'
#' @param core What `core_em()` found.
#' @param A The matrix.
#' @param symmetric Was it treated as symmetric?
#' @param estimated Were lambda and sigma re-estimated?
#' @param control The settings used.
#' @param call The user's call.
#' @return An object of class `nmu_em`.
#' @noRd
new_nmu_em <- function(core, A, symmetric, estimated, control, call) {
  labels <- loading_names(A, symmetric)
  names(core$u) <- labels$u
  if (!is.null(core$b) && !is.null(dimnames(A))) {
    dimnames(core$b) <- dimnames(A)
  }
  fit <- list(u = core$u, d = core$d, b = core$b)
  if (!symmetric) {
    names(core$v) <- labels$v
    fit$v <- core$v
  }
  fit <- c(fit, list(
    lambda = core$lambda,
    sigma = core$sigma,
    # the core counts each pair of a symmetric matrix once, the notebook every entry
    loglik = if (symmetric) 2 * core$loglik else core$loglik,
    iterations = core$iterations,
    converged = core$converged,
    status = core$status,
    symmetric = symmetric,
    estimated = estimated,
    nobs = length(A),
    control = control,
    call = call
  ))
  if (control$keep_data) {
    fit$A <- A
  }
  validate_fit(structure(fit, class = c("nmu_em", "nmu_fit")))
}

#' Make a fit of class nmu
#'
#' @param core What `core_deflate()` found.
#' @param noise The estimator of lambda and sigma.
#' @inheritParams new_nmu_em
#' @return An object of class `nmu`.
#' @noRd
new_nmu <- function(core, A, symmetric, noise, control, call) {
  K <- length(core$path$d)
  labels <- loading_names(A, symmetric)
  dimnames(core$u) <- list(labels$u, factor_names(K))
  if (!symmetric) {
    dimnames(core$v) <- list(labels$v, factor_names(K))
  }
  path <- data.frame(factor = seq_len(K), core$path)
  for (column in c("rung", "se_log_lambda", "se_log_sigma")) {
    path[[column]][is.nan(path[[column]])] <- NA
  }
  last <- path[K, ]
  status <- path_status(path)
  fit <- list(
    d = path$d,
    u = core$u,
    v = if (symmetric) core$u else core$v,
    lambda = last$lambda,
    sigma = last$sigma,
    loglik = last$loglik,
    path = path,
    trace = as.data.frame(core$trace),
    status = status,
    converged = status == "converged",
    nobs = core$nobs,
    symmetric = symmetric,
    K = K,
    noise = noise,
    control = control,
    call = call
  )
  if (control$keep_data) {
    fit$A <- A
  }
  validate_fit(structure(fit, class = c("nmu", "nmu_fit")))
}

#' The status of a fit, from those of its factors
#'
#' @param path The path.
#' @return One string.
#' @noRd
path_status <- function(path) {
  done <- path$status %in% c("converged", "null")
  if (all(done)) "converged" else utils::tail(path$status[!done], 1)
}

#' Check what every fit promises
#'
#' A failure here is an error of the package, not of the user.
#'
#' @param fit An object of class `nmu_fit`.
#' @return `fit`.
#' @noRd
validate_fit <- function(fit) {
  factors <- fit_factors(fit)
  stopifnot(
    "d must be finite" = all(is.finite(factors$d)),
    "u must be finite and nonnegative" = all(is.finite(factors$u)) && all(factors$u >= 0),
    "v must be finite and nonnegative" = all(is.finite(factors$v)) && all(factors$v >= 0),
    "u and v must have a column for each d" =
      ncol(factors$u) == length(factors$d) && ncol(factors$v) == length(factors$d),
    "lambda and sigma must not be missing" = !anyNA(c(fit$lambda, fit$sigma))
  )
  fit
}

#' The factors of a fit, whatever its class
#'
#' @param fit An object of class `nmu_fit`.
#' @return A list of `d` (length K) and the matrices `u` and `v` with K named columns.
#' @noRd
fit_factors <- function(fit) {
  as_columns <- function(x) {
    if (is.matrix(x)) x else matrix(x, dimnames = list(names(x), "k1"))
  }
  u <- as_columns(fit$u)
  list(d = fit$d, u = u, v = if (fit$symmetric) u else as_columns(fit$v))
}

#' The data of a fit
#'
#' @param fit An object of class `nmu_fit`.
#' @param A The data, where the fit has not kept them, or `NULL`.
#' @param call The user's call.
#' @return A double matrix.
#' @noRd
fit_data <- function(fit, A, call) {
  factors <- fit_factors(fit)
  size <- c(nrow(factors$u), nrow(factors$v))
  if (is.null(A)) {
    if (is.null(fit$A)) {
      abort_input("A", "given, since the fit has not kept its data", "NULL", call)
    }
    return(fit$A)
  }
  A <- as_storage(A, call)
  if (!identical(dim(A), size)) {
    abort_input("A", sprintf("the %d x %d matrix that was fitted", size[1], size[2]),
      describe(A), call
    )
  }
  A
}
