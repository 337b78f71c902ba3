#' Check the arguments init and fixed
#'
#' @param init `NULL`, a vector, a matrix, a list of `u` and `v`, or an earlier fit.
#' @param fixed `NULL`, a vector, a matrix, or a list of `u` and `v`.
#' @param A The matrix.
#' @param symmetric Is it treated as symmetric?
#' @param noise The estimator of lambda and sigma.
#' @return A list of `fixed`, `kept` and `init`, each `NULL` or a list of `d`, `u` and `v`, and of
#'   `earlier`, the elements of an earlier fit for the factors that are kept, or `NULL`.
#' @noRd
check_initial_factors <- function(init, fixed, A, symmetric, noise, call = caller_env()) {
  if (!is.null(fixed)) {
    if (noise$rule == "notebook") {
      abort_input("fixed", "NULL with noise_notebook()", describe(fixed), call = call)
    }
    if (inherits(init, "nmu")) {
      expected <- "NULL where init is a fit, which has its own"
      abort_input("fixed", expected, describe(fixed), call = call)
    }
    fixed <- check_loadings(fixed, A, symmetric, call = call)
  }
  if (!inherits(init, "nmu")) {
    init <- if (!is.null(init)) check_loadings(init, A, symmetric, call = call)
    return(list(fixed = fixed, kept = NULL, init = init, earlier = NULL))
  }
  initial_factors_of_fit(init, A, symmetric, call = call)
}

#' Extract the factors of an earlier fit
#'
#' @param init The earlier fit, of class `nmu`.
#' @inheritParams check_initial_factors
#' @return A list like that of `check_initial_factors()`.
#' @noRd
initial_factors_of_fit <- function(init, A, symmetric, call = caller_env()) {
  if (nrow(init$u) != nrow(A) || nrow(init$v) != ncol(A) || init$symmetric != symmetric) {
    expected <- sprintf("a fit of a %d x %d matrix like A", nrow(A), ncol(A))
    abort_input("init", expected, fit_title(init), call = call)
  }
  # the factor that was interrupted is restarted from its last state
  cut <- identical(init$path$status[init$K], "interrupted") && is.null(init$refit)
  whole <- seq_len(init$K - cut)
  stay <- init$path$status[whole] == "fixed"
  factors <- function(i) {
    v <- if (!symmetric) init$v[, i, drop = FALSE]
    if (length(i) > 0) list(d = init$d[i], u = init$u[, i, drop = FALSE], v = v)
  }
  fixed <- factors(whole[stay])
  kept <- factors(whole[!stay])
  started <- cut && init$d[init$K] > 0
  list(
    fixed = fixed,
    kept = if (!is.null(kept)) c(kept, noise_after(init, max(whole))),
    init = if (started) factors(init$K),
    earlier = if (length(whole) > 0) earlier_model(init, whole[stay], whole[!stay], symmetric)
  )
}

#' Extract the elements of an earlier fit for the factors that are kept
#'
#' @param fit An object of class `nmu`.
#' @param fixed,kept Numbers of its factors that are fixed, and of others that are kept.
#' @param symmetric Is the matrix treated as symmetric?
#' @return A list: `path`, `labels`, `path_b_priors` and `path_noise_scales` of the kept ones;
#'   `trace`, in which factors have their new numbers, the fixed ones first; and elements that
#'   refer to the whole fit.
#' @noRd
earlier_model <- function(fit, fixed, kept, symmetric) {
  trace <- fit$trace
  trace$factor <- match(trace$factor, fit$path$factor[c(fixed, kept)])
  list(
    path = fit$path[kept, ], trace = trace[!is.na(trace$factor), ],
    labels = colnames(fit$u)[kept], nobs = fit$nobs, refit = fit$refit,
    posterior = subset_posterior(fit$posterior, c(fixed, kept), symmetric),
    path_b_priors = fit$path_b_priors[kept], prior_b_fitted = fit$prior_b_fitted,
    path_noise_scales = fit$path_noise_scales[kept]
  )
}

#' Estimates of lambda and sigma after some factors of a fit
#'
#' @param fit An object of class `nmu`.
#' @param count Number of factors: all of them if they were refitted.
#' @return A list of `lambda` and `sigma`.
#' @noRd
noise_after <- function(fit, count) {
  if (!is.null(fit$refit)) {
    return(list(lambda = fit$lambda, sigma = fit$sigma))
  }
  as.list(fit$path[count, c("lambda", "sigma")])
}

#' Convert loadings given by the user to matrices with a column for each factor
#'
#' @param x A vector or matrix (symmetric only), a list of `u` and `v`, or an `nmu_em` fit.
#' @param arg Name of the argument.
#' @param A The matrix.
#' @param symmetric Is it treated as symmetric?
#' @return A list of `d`, zeros, and `u` and `v`, matrices with columns of unit norm; `v` is `NULL`
#'   if symmetric.
#' @noRd
check_loadings <- function(x, A, symmetric, arg = caller_arg(x), call = caller_env()) {
  force(arg)
  if (inherits(x, "nmu_em")) {
    x <- if (x$symmetric) list(u = x$u) else list(u = x$u, v = x$v)
  } else if (symmetric && is.numeric(x)) {
    x <- list(u = x)
  }
  choices <- c(
    "NULL, a vector, a matrix with a column for each factor, or list(u = )",
    "NULL or list(u = , v = )"
  )
  check_loading_list(x, symmetric, choices, arg = arg, call = call)
  u <- check_loading_matrix(x$u, nrow(A), arg = paste0(arg, "$u"), call = call)
  v <- if (!symmetric) check_loading_matrix(x$v, ncol(A), arg = paste0(arg, "$v"), call = call)
  if (!is.null(v) && ncol(v) != ncol(u)) {
    expected <- sprintf("loadings of %d factors, as %s$u has", ncol(u), arg)
    abort_input(paste0(arg, "$v"), expected, sprintf("those of %d", ncol(v)), call = call)
  }
  list(d = rep(0, ncol(u)), u = u, v = v)
}

#' Check that an argument is a list of the sides of a matrix
#'
#' @inheritParams check_loadings
#' @param choices The accepted values if A is symmetric, and if it is not.
#' @return `NULL`, invisibly.
#' @noRd
check_loading_list <- function(x, symmetric, choices, arg = caller_arg(x), call = caller_env()) {
  needed <- if (symmetric) "u" else c("u", "v")
  if (is.list(x) && length(x) == length(needed) && setequal(names(x), needed)) {
    return(invisible())
  }
  expected <- if (symmetric) {
    paste0(choices[1], ", since A is symmetric")
  } else {
    paste0(choices[2], ", since A is not symmetric")
  }
  found <- if (is.list(x) && !is.object(x)) {
    sprintf("a list with names %s", quote_text(paste(names(x), collapse = ", ")))
  } else {
    describe(x)
  }
  abort_input(arg, expected, found, call = call)
}

#' Check the loadings of one side
#'
#' @inheritParams check_loadings
#' @param size The required number of rows.
#' @return A double matrix whose columns have unit norm.
#' @noRd
check_loading_matrix <- function(x, size, arg = caller_arg(x), call = caller_env()) {
  if (!is.numeric(x) || is.object(x) || NROW(x) != size || length(dim(x)) > 2 || length(x) == 0) {
    expected <- sprintf("a vector of length %d or a matrix of so many rows", size)
    abort_input(arg, expected, describe(x), call = call)
  }
  columns <- lapply(seq_len(NCOL(x)), function(k) {
    column <- check_loading_vector(as.matrix(x)[, k], size, arg = arg, call = call)
    column / sqrt(sum(column^2))
  })
  matrix(unlist(columns), size, dimnames = list(NULL, if (is.matrix(x)) colnames(x)))
}

#' Check the starting loadings of nmu_em()
#'
#' @param init `NULL`, a vector (symmetric only), a list of vectors, or an earlier fit.
#' @param A The matrix.
#' @param symmetric Is it treated as symmetric?
#' @return A list of `u` and `v`, each a double vector or `NULL`, scaled to maximum 1.
#' @noRd
check_em_init <- function(init, A, symmetric, call = caller_env()) {
  if (is.null(init)) {
    return(list(u = NULL, v = NULL))
  }
  if (inherits(init, "nmu_fit")) {
    init <- list(u = init$u, v = init$v %||% init$u)[if (symmetric) "u" else c("u", "v")]
  } else if (symmetric && is.numeric(init)) {
    init <- list(u = init)
  }
  choices <- c(
    "NULL, a vector, list(u = ) or an earlier fit", "NULL, list(u = , v = ) or an earlier fit"
  )
  check_loading_list(init, symmetric, choices, arg = "init", call = call)
  list(
    u = check_loading_vector(init$u, nrow(A), call = call),
    v = if (!symmetric) check_loading_vector(init$v, ncol(A), call = call)
  )
}

#' Check one starting vector
#'
#' @inheritParams checks
#' @param size The required length.
#' @return `x` as a double vector, divided by its maximum.
#' @noRd
check_loading_vector <- function(x, size, arg = caller_arg(x), call = caller_env()) {
  if (!is.numeric(x) || is.object(x) || length(x) != size) {
    abort_input(arg, sprintf("a numeric vector of length %d", size), describe(x), call = call)
  }
  if (!all(is.finite(x)) || any(x < 0)) {
    found <- sprintf("%d negative or not finite", sum(!is.finite(x) | x < 0))
    abort_input(arg, "finite and nonnegative in every entry", found, call = call)
  }
  if (max(x) <= 0) {
    abort_input(arg, "positive in at least one entry", "zeros only", call = call)
  }
  as.double(x) / max(x)
}
