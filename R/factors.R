#' Select factors of a fit
#'
#' `fit[i]` keeps some factors of a fit made by [nmu()]: their `d`, `u` and `v`, and their rows of
#' the path and of the trace. Factors keep their names, and their numbers in the path.
#'
#' Without a joint fit (`refine = FALSE`) the path contains \eqn{\lambda}, \eqn{\sigma} and the
#' log-likelihood of the model with the first k factors, for each k. A fit of the first factors,
#' such as `fit[1:3]`, has these values, unless the last of them is a `fixed` one. Null factors may
#' be left out, `fit[fit$d > 0]`, and the order may change. Any other choice of factors is a model
#' that was not fitted. It keeps \eqn{\lambda} and \eqn{\sigma} of the original fit, and its
#' `loglik`, `logLik()`, [stats::AIC()] and [stats::BIC()] are `NA`.
#'
#' A fit of [nmu_em()] or [nmu_em_estlambda()] has one factor, which is the only choice.
#'
#' @param x A fit.
#' @param i The factors: whole numbers, negative to leave factors out; or names, such as
#'   `"k2"`; or `TRUE` or `FALSE` for each factor. At least one factor is selected, none twice.
#'
#' @return A fit of the same class, see [nmu_object], whose `refit` and `candidates` are
#'   `NULL`. The `certificate` is recomputed for the selected factors, by one pass over `A`,
#'   which reads a matrix on disk once; it is `NULL` if the fit does not contain its data. `fit[]`,
#'   and any `i` that selects all factors in order, returns `fit` unchanged.
#'
#' @section Errors: Class `nmu_error_input` if `i` is not as described, `nmu_error_blocks` if
#'   a matrix on disk cannot be read, `nmu_error_interrupted` if the user interrupts.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' fit[1:2]
#' fit["k2"]
#' range(residuals(fit[-1]))
#' @name nmu_subset
#' @aliases [.nmu [.nmu_em
#' @export
`[.nmu` <- function(x, i) {
  if (missing(i)) {
    return(x)
  }
  kept <- check_selection(i, "factor", length(x$d), colnames(x$u))
  if (identical(kept, seq_len(x$K))) {
    return(x)
  }
  number <- x$path$factor
  last <- which(number == max(number[kept]))
  left_out <- setdiff(which(number < number[last]), kept)
  # the path has no lambda and sigma after a fixed factor
  known <- !is.na(x$loglik) && !is.na(x$path$loglik[last])
  fitted_so <- is.null(x$refit) && known && all(x$d[left_out] == 0)
  x[c("lambda", "sigma", "loglik")] <- if (fitted_so) {
    x$path[last, c("lambda", "sigma", "loglik")]
  } else {
    list(x$lambda, x$sigma, NA_real_)
  }
  if (fitted_so) {
    x$prior_b_fitted <- x$path_b_priors[[last]]
    labels <- list(u = rownames(x$u), v = rownames(x$v))
    noise_sd <- named_noise_sd(x$path_noise_scales[[last]], x$sigma, x$noise$by, labels)
    x["noise_sd"] <- list(noise_sd)
  }
  x$path_b_priors <- x$path_b_priors[kept]
  bound <- if (fitted_so) x$path$elbo[last]
  x["elbo"] <- list(if (!is.null(bound) && !is.na(bound)) bound)
  x["posterior"] <- list(subset_posterior(x$posterior, kept, symmetric = FALSE))
  x$path_noise_scales <- x$path_noise_scales[kept]
  x$d <- x$d[kept]
  x$u <- x$u[, kept, drop = FALSE]
  x$v <- x$v[, kept, drop = FALSE]
  x$path <- x$path[kept, ]
  x$trace <- x$trace[x$trace$factor %in% x$path$factor, ]
  rownames(x$path) <- rownames(x$trace) <- NULL
  x$K <- length(kept)
  x["refit"] <- list(NULL)
  x["candidates"] <- list(NULL)
  x["certificate"] <- list(subset_certificate(x))
  x$status <- if (is.na(x$lambda)) "interrupted" else path_status(x$path)
  x$converged <- x$status == "converged"
  validate_fit(x)
}

#' @rdname nmu_subset
#' @export
`[.nmu_em` <- function(x, i) {
  if (!missing(i)) {
    check_selection(i, "factor", 1, "k1")
  }
  x
}

#' Compute the certificate of a subset of factors
#'
#' @param fit The fit with those factors.
#' @return The certificate, or `NULL` if the fit does not contain its data.
#' @noRd
subset_certificate <- function(fit, call = caller_env()) {
  if (is.null(fit$A)) {
    return(NULL)
  }
  certificate <- certificate_of(fit, fit$A, has_missing(fit$A), call = call)
  # the best approximation of a lower rank is known from the whole fit
  certificate$best <- fit$certificate$best[seq_along(fit$d)]
  certificate
}

#' Features with the largest loadings of each factor
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()]; or the result of
#'   [feature_scores()], for the features with the largest z-scores.
#' @param k The factors, selected as in `fit[k]`, see [nmu_subset]; `NULL` means all.
#' @param n One positive whole number: the largest number of features per factor.
#' @param side `"u"` for rows of `A` as features, `"v"` for columns. Case-sensitive. Not used for
#'   feature scores.
#' @param scale `"weighted"` or `"unit"`, see [coef()][nmu_methods]. Not used for feature scores.
#'
#' @return A data frame with a row for each feature, ordered by factor and decreasing loading:
#'   `factor` (its name), `feature` (a name, or a number if `A` has no names), `loading`
#'   (by default \eqn{\sqrt{d_k} u_k}{sqrt(d_k) u_k} as in [coef()][nmu_methods]) and `rank`.
#'   Features with a loading of zero are omitted, so that a null factor has no row. For feature
#'   scores `effect` and `z` take the place of `loading`, and only positive z-scores are listed.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' top_features(fit, n = 4)
#' top_features(fit, "k2", n = 2)
#' @export
top_features <- function(fit, k = NULL, n = 10, side = "u", scale = c("weighted", "unit")) {
  scored <- inherits(fit, "nmu_feature_scores")
  if (!scored) {
    check_fit(fit)
  }
  side <- check_choice(side, c("u", "v"))
  n <- check_count(n)
  scale <- check_choice(scale, loading_scales)
  values <- if (scored) fit$z else scaled_loadings(fit_factors(fit), side, scale)
  k <- if (is.null(k)) {
    seq_len(ncol(values))
  } else {
    check_selection(k, "factor", ncol(values), colnames(values))
  }
  labels <- rownames(values) %||% seq_len(nrow(values))
  tables <- lapply(k, function(factor) {
    value <- unname(values[, factor])
    top <- order(value, decreasing = TRUE)[seq_len(min(n, sum(value > 0, na.rm = TRUE)))]
    data.frame(
      factor = rep(colnames(values)[factor], length(top)),
      feature = labels[top],
      if (scored) {
        list(effect = unname(fit$effect[top, factor]), z = value[top])
      } else {
        list(loading = value[top])
      },
      rank = seq_along(top)
    )
  })
  do.call(rbind, tables)
}
