#' Default names of factors
#' @param K Number of factors.
#' @return `"k1"`, `"k2"` ...
#' @noRd
factor_names <- function(K) {
  paste0("k", seq_len(K))
}

#' Row names of the loadings
#'
#' A symmetric matrix with column names only uses these for its rows.
#'
#' @param A The matrix.
#' @param symmetric Is it treated as symmetric?
#' @return A list of `u` and `v`.
#' @noRd
loading_names <- function(A, symmetric) {
  rows <- rownames(A) %||% if (symmetric) colnames(A)
  list(u = rows, v = if (symmetric) rows else colnames(A))
}

#' Create a fit of class nmu_em
#'
#' @param core Result of `core_em()`.
#' @param A The matrix.
#' @param symmetric Was it treated as symmetric?
#' @param estimated Were lambda and sigma re-estimated?
#' @param control The settings used.
#' @param matched_call The call of the fitting function, as [match.call()] returns it.
#' @return An object of class `nmu_em`.
#' @noRd
new_nmu_em <- function(core, A, symmetric, estimated, control, matched_call) {
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
    largest = core$largest,
    control = control,
    call = matched_call
  ))
  fit$gram <- gram_description(A)
  if (control$keep_data) {
    fit$A <- A
  }
  validate_fit(structure(fit, class = c("nmu_em", "nmu_fit")))
}

#' Create a fit of class nmu
#'
#' @param model Value of `deflated_model()` or `certified_model()`, with a `certificate`.
#' @param noise The estimator of lambda and sigma.
#' @param prior_b The prior of the remainder.
#' @param ignore_diag,refine,underapprox As in [nmu()].
#' @inheritParams new_nmu_em
#' @return An object of class `nmu`.
#' @noRd
new_nmu <- function(model, A, symmetric, ignore_diag, refine, underapprox, noise, prior_b, control,
                    matched_call) {
  K <- length(model$d)
  labels <- loading_names(A, symmetric)
  dimnames(model$u) <- list(labels$u, model$labels)
  if (!symmetric) {
    dimnames(model$v) <- list(labels$v, model$labels)
  }
  path <- known_values(model$path, c("ratio_floor", "elbo", "se_log_lambda", "se_log_sigma"))
  final <- model$refit %||% path[K, ]
  status <- model_status(model)
  fit <- list(
    d = model$d,
    u = model$u,
    v = if (symmetric) model$u else model$v,
    lambda = final$lambda,
    sigma = final$sigma,
    noise_sd = named_noise_sd(model$noise_scales, final$sigma, noise$by, labels),
    prior_b_fitted = model$prior_b_fitted,
    loglik = final$loglik,
    elbo = if (is.finite(final$elbo)) final$elbo,
    posterior = name_posterior(model$posterior, labels, model$labels),
    path = path,
    trace = known_values(data.frame(model$trace, row.names = NULL), "elbo"),
    refit = refit_summary(model$refit),
    path_b_priors = model$path_b_priors,
    path_noise_scales = model$path_noise_scales,
    candidates = model$candidates,
    certificate = model$certificate,
    status = status,
    converged = status == "converged",
    nobs = model$nobs,
    largest = model$largest,
    symmetric = symmetric,
    ignore_diag = ignore_diag,
    refine = refine,
    underapprox = underapprox,
    K = K,
    prior = model$prior,
    prior_v = model$prior_v,
    noise = noise,
    prior_b = prior_b,
    control = control,
    call = matched_call
  )
  fit$gram <- gram_description(A)
  if (control$keep_data) {
    fit$A <- A
  }
  validate_fit(structure(fit, class = c("nmu", "nmu_fit")))
}

#' Replace NaN, by which the core marks unknown values, by NA
#'
#' @param table A data frame.
#' @param columns Names of the columns.
#' @return `table`.
#' @noRd
known_values <- function(table, columns) {
  table[columns] <- lapply(table[columns], function(value) replace(value, is.nan(value), NA))
  table
}

#' Convert the joint refit to its form in a fit
#'
#' @param refit Refit of the core, or `NULL`.
#' @return A list, or `NULL`.
#' @noRd
refit_summary <- function(refit) {
  if (is.null(refit)) {
    return(NULL)
  }
  refit$trace <- known_values(as.data.frame(refit$trace), "elbo")
  known_values(refit, "elbo")
}

#' Status of a model: that of the joint fit or, without one, of the factors
#'
#' @param model Value of `deflated_model()` or `certified_model()`.
#' @return One string.
#' @noRd
model_status <- function(model) {
  if (model$interrupted) "interrupted" else model$refit$status %||% path_status(model$path)
}

#' Status of a fit, from those of its factors
#'
#' @param path The path.
#' @return One string.
#' @noRd
path_status <- function(path) {
  done <- path$status %in% c("converged", "null", "fixed")
  if (all(done)) "converged" else utils::tail(path$status[!done], 1)
}

#' Check the invariants of a fit
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
    "lambda and sigma must be finite" =
      fit$status == "interrupted" || is.finite(fit$sigma) &&
        (is.finite(fit$lambda) || has_no_remainder(fit)),
    "b must be finite and nonnegative" =
      is.null(fit$b) || isTRUE(min(fit$b) >= 0 && max(fit$b) < Inf)
  )
  fit
}

#' Factors of a fit of any class
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

#' Compute the low-rank part
#'
#' @param factors A list of `d`, `u` and `v` as returned by `fit_factors()`, or some rows of these.
#' @return A matrix with a row for each row of `u` and a column for each row of `v`.
#' @noRd
low_rank <- function(factors) {
  tcrossprod(factors$u * rep(factors$d, each = nrow(factors$u)), factors$v)
}

#' Call a function of the core for a fit and its data
#'
#' @param core_function A function of the core with a matrix and options as arguments.
#' @param fit An object of class `nmu_fit`.
#' @param A Its data.
#' @return The value of `core_function`.
#' @noRd
evaluate_fit <- function(core_function, fit, A, call = caller_env()) {
  scan <- scan_matrix(A, symmetric = fit$symmetric, call = call)
  check_entries(scan, A, missing = TRUE, call = call)
  if (fit$symmetric && !scan$symmetric) {
    found <- describe_asymmetry(A, call = call)
    abort_input("A", "symmetric, as the matrix that was fitted", found, call = call)
  }
  options <- core_options(
    fit_options(fit, scan$missing > 0),
    lambda = fit$lambda, sigma = fit$sigma, b_prior = known_b_prior(fit),
    noise_scales = fitted_noise_scales(fit), rms = fit$sigma
  )
  blocks <- local_blocks(A, fit$control, options, call = call)
  result <- core_function(blocks$core, options)
  signal_failure(blocks$failure, call = call)
  core_value(result, call = call)
}

#' Compute the certificate of a fit
#'
#' @inheritParams fit_options
#' @param A The data.
#' @return The certificate.
#' @noRd
certificate_of <- function(fit, A, missing, call = caller_env()) {
  # a single pass, which this process makes without workers
  options <- fit_options(fit, missing)
  blocks <- local_blocks(A, list(BPPARAM = NULL), options, call = call)
  certificate <- open_certificate(blocks, options, call = call)
  signal_failure(blocks$failure, call = call)
  if (is.null(certificate)) {
    signal_interrupt(call = call)
  }
  certificate
}

#' Data of a fit
#'
#' @param fit An object of class `nmu_fit`.
#' @param A The data, or `NULL` to use those in the fit.
#' @param arg Name of the argument.
#' @return A double matrix, a `dgCMatrix`, a `DelayedMatrix` or an `nmu_gram`.
#' @noRd
fit_data <- function(fit, A, arg = caller_arg(A), call = caller_env()) {
  force(arg)
  factors <- fit_factors(fit)
  size <- c(nrow(factors$u), nrow(factors$v))
  if (is.null(A)) {
    if (is.null(fit$A)) {
      abort_input(arg, "given, since the fit has not kept its data", "NULL", call = call)
    }
    return(fit$A)
  }
  A <- as_storage(A, arg = arg, call = call)
  if (!identical(dim(A), size)) {
    expected <- sprintf("the %d x %d matrix that was fitted", size[1], size[2])
    abort_input(arg, expected, describe(A), call = call)
  }
  A
}
