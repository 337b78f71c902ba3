# print() and summary() of fits. Their help page is in methods.R.

#' @rdname nmu_methods
#' @method summary nmu_fit
#' @export
summary.nmu_fit <- function(object, A = NULL, ...) {
  refuse_dots(...)
  structure(
    list(
      title = fit_title(object),
      factors = factor_table(object, A),
      lambda = object$lambda,
      sigma = object$sigma,
      prior_b_fitted = fitted_b_prior(object),
      noise_sd = object$noise_sd,
      bound = active_bound(object),
      loglik = if (inherits(object, "nmu") || !is.null(A) || !is.null(object$A)) {
        as.numeric(log_lik_of(object, A))
      } else {
        NA_real_
      },
      nobs = object$nobs,
      status = object$status,
      certificate = object$certificate,
      refit = object$refit["status"],
      underapprox = isTRUE(object$underapprox),
      elbo = object$elbo,
      priors = schedule_text(object),
      gram = if (!is.null(object$gram)) c(gram_text(object$gram), gram_hint(object))
    ),
    class = "summary.nmu_fit"
  )
}

#' Table of the factors
#'
#' @param fit A fit.
#' @param A The data, or `NULL` to use those in the fit, if any.
#' @return A data frame with a row for each factor.
#' @noRd
factor_table <- function(fit, A, call = caller_env()) {
  factors <- fit_factors(fit)
  share <- NA_real_
  if (!is.null(A) || !is.null(fit$A)) {
    size <- frobenius_norm(fit_data(fit, A, call = call), call = call)
    # shares of a matrix of zeros are not defined
    share <- if (size > 0) (factors$d / size)^2 else NA_real_
  }
  data.frame(
    factor = colnames(factors$u),
    d = factors$d,
    share = share,
    size_u = effective_size(factors$u),
    size_v = effective_size(factors$v)
  )
}

#' @rdname nmu_methods
#' @method print summary.nmu_fit
#' @export
print.summary.nmu_fit <- function(x, ...) {
  refuse_dots(...)
  cli::cat_line(cli::style_bold(x$title))
  shown <- x$factors
  shown$d <- signif_text(shown$d)
  shown$share <- round(shown$share, 4)
  shown[c("size_u", "size_v")] <- lapply(shown[c("size_u", "size_v")], size_text)
  print(shown, row.names = FALSE)
  cat_wrapped(c(
    x$gram, paste0(noise_text(x), bound_text(x, x$bound)), b_prior_text(x),
    sprintf("%s (%s observations)", log_lik_text(x), signif_text(x$nobs)),
    x$priors, certificate_text(x$certificate), refit_text(x$refit, x$underapprox),
    status_text(x$status)
  ))
  invisible(x)
}

#' Print lines, wrapped to the width of the console
#' @param lines Strings.
#' @noRd
cat_wrapped <- function(lines) {
  cli::cat_line(cli::ansi_strwrap(lines, width = cli::console_width() + 1, exdent = 2))
}

#' Format a certificate
#' @param certificate The certificate of a fit, or `NULL`.
#' @return Two strings, one if the matrix is zero, or `NULL`.
#' @noRd
certificate_text <- function(certificate) {
  if (is.null(certificate)) {
    return(NULL)
  }
  above <- if (certificate$violated == 0) {
    "no entry exceeded"
  } else {
    sprintf(
      "%s %% of the entries exceeded, by at most %s", signif_text(100 * certificate$share),
      signif_text(certificate$largest_violation)
    )
  }
  c(
    sprintf("relative error = %s, %s", signif_text(certificate$error), above),
    explained_text(certificate)
  )
}

#' Format the explained share of the squared norm, beside that of the best approximation
#' @param certificate The certificate of a fit.
#' @return One string, or `NULL` if the share is not known.
#' @noRd
explained_text <- function(certificate) {
  if (is.null(certificate$explained) || is.na(certificate$explained)) {
    return(NULL)
  }
  percent <- function(share) sprintf("%.1f %%", 100 * share)
  best <- best_share(certificate)
  best <- if (!is.na(best)) {
    sprintf(" (best rank %d: %s)", length(certificate$best), percent(best))
  }
  paste0("explained: ", percent(certificate$explained), " of the squared norm", best)
}

#' Format the outcome of a joint refit
#' @param refit A list with its `status`, or `NULL`.
#' @param underapprox Is it that of a certified underapproximation?
#' @return One string, or `NULL`.
#' @noRd
refit_text <- function(refit, underapprox) {
  if (is.null(refit$status)) {
    NULL
  } else if (underapprox) {
    "certified underapproximation"
  } else {
    "factors refitted together"
  }
}

#' @rdname nmu_methods
#' @method print nmu_fit
#' @export
print.nmu_fit <- function(x, ...) {
  refuse_dots(...)
  cat_wrapped(format(x))
  invisible(x)
}

#' @rdname nmu_methods
#' @method format nmu_fit
#' @export
format.nmu_fit <- function(x, ...) {
  refuse_dots(...)
  factors <- fit_factors(x)
  shown <- seq_len(min(length(factors$d), 10))
  list_text <- function(values) {
    more <- if (length(factors$d) > length(shown)) ", ..."
    paste0(paste(values[shown], collapse = ", "), more)
  }
  sizes <- vapply(if (x$symmetric) "u" else c("u", "v"), FUN.VALUE = "", FUN = function(side) {
    size <- size_text(effective_size(factors[[side]]))
    sprintf("effective size of %s = %s of %d", side, list_text(size), nrow(factors[[side]]))
  })
  c(
    cli::style_bold(fit_title(x)),
    paste("d =", list_text(signif_text(factors$d))),
    unname(sizes),
    paste0(noise_text(x), bound_text(x)),
    b_prior_text(x),
    if (inherits(x, "nmu")) log_lik_text(x),
    status_text(x$status)
  )
}

#' Format the title of a fit
#' @param fit A fit.
#' @return One string.
#' @noRd
fit_title <- function(fit) {
  factors <- fit_factors(fit)
  sprintf(
    "<%s> %d x %d %smatrix, %d factor%s",
    class(fit)[1], nrow(factors$u), nrow(factors$v), if (fit$symmetric) "symmetric " else "",
    length(factors$d), if (length(factors$d) == 1) "" else "s"
  )
}

#' Format lambda and sigma
#' @param fit A fit, or its summary.
#' @return One string.
#' @noRd
noise_text <- function(fit) {
  differs <- if (!is.null(fit$noise_sd)) {
    sprintf(" (from %s to %s)", signif_text(min(fit$noise_sd)), signif_text(max(fit$noise_sd)))
  }
  lambda <- if (!has_no_remainder(fit)) sprintf("lambda = %s, ", signif_text(fit$lambda))
  paste0(lambda, sprintf("sigma = %s", signif_text(fit$sigma)), differs)
}

#' Format the active bounds
#' @param fit A fit, or its summary.
#' @param bound Value of `active_bound()`.
#' @return One string, empty if there is none.
#' @noRd
bound_text <- function(fit, bound = active_bound(fit)) {
  if (bound == "sigma" && has_no_remainder(fit)) {
    return(" (sigma at its bound)")
  }
  sigma <- if (is_floor_large(fit, bound)) "larger than b" else "no noise beside b"
  switch(bound,
    none = "",
    lambda = " (lambda at its bound: no b)",
    sigma = sprintf(" (sigma at its bound: %s)", sigma),
    both = " (both at their bounds)"
  )
}

#' Effective number of nonzero entries of each column
#'
#' @param u A nonnegative matrix with columns of unit norm, or zero.
#' @return A vector, 0 for a zero column.
#' @noRd
effective_size <- function(u) {
  fourth <- unname(colSums(u^4))
  ifelse(fourth > 0, 1 / fourth, 0)
}

#' Format effective sizes
#' @param x Numbers.
#' @return A character vector.
#' @noRd
size_text <- function(x) {
  sprintf("%.1f", x)
}

#' Format the log-likelihood
#' @param fit A fit of class `nmu`, or a summary.
#' @return One string.
#' @noRd
log_lik_text <- function(fit) {
  value <- if (is.na(fit$loglik)) "not computed" else signif_text(fit$loglik)
  paste("log-likelihood =", value)
}

#' Format the status
#' @param status Status of a fit.
#' @return One string.
#' @noRd
status_text <- function(status) {
  meaning <- c(
    converged = "converged",
    maxiter = "maximum number of iterations reached",
    stalled = "stalled: no step increased the objective",
    lambda = "stopped: the residual gives no positive lambda and sigma",
    interrupted = "interrupted"
  )
  if (status %in% names(meaning)) meaning[[status]] else status
}

#' Format numbers with four digits
#' @param x Numbers.
#' @return A character vector.
#' @noRd
signif_text <- function(x) {
  format_one <- function(value) format(value, digits = 4, trim = TRUE)
  vapply(x, format_one, "")
}
