# Conversion of the results of the core, from deflation or certified underapproximation, to the
# elements of a fit.

#' Convert the result of deflation
#'
#' @param found Result of `core_deflate()`.
#' @param given Value of `check_given()`.
#' @param chosen Was the number of factors chosen by the core?
#' @return A list of the elements of a fit that the core provides, and the `labels` of the factors.
#' @noRd
deflated_model <- function(found, given, chosen) {
  known <- length(given$fixed$d) + length(given$kept$d)
  path <- data.frame(found$path)
  if (length(given$kept$d) > 0) {
    # the ELBO needs the posteriors of the kept factors, which are not known to the core
    path$elbo <- rep(NaN, nrow(path))
  }
  fixed <- path[rep(NA_integer_, length(given$fixed$d)), ]
  fixed$d <- found$fixed$d
  fixed$status <- rep("fixed", nrow(fixed))
  fixed$iterations <- rep(0L, nrow(fixed))
  fixed$bound <- rep("none", nrow(fixed))
  path <- rbind(fixed, given$earlier$path[names(path)], path)
  new <- bind_factors(found$fixed, given$kept, found$new)
  labels <- make.unique(c(
    colnames(given$fixed$u) %||% sprintf("f%d", seq_along(given$fixed$d)),
    given$earlier$labels, new_labels(length(found$new$d), given)
  ), sep = "_")
  laws <- c(vector("list", nrow(fixed)), given$earlier$laws, lapply(found$laws, data.frame))
  scatter <- c(vector("list", nrow(fixed)), given$earlier$scatter, found$deviations)
  # if no factor was added or refitted, the model is the earlier one
  refit <- found$refit %||% if (length(found$new$d) == 0) given$earlier$refit
  factors <- refit$factors %||% new
  size <- c(nrow(factors$u), nrow(factors$v))
  count <- length(found$new$d)
  posterior <- if (!is.null(refit$beliefs)) {
    fixed_count <- length(found$fixed$d)
    posterior_model(refit$beliefs, known + count - fixed_count, fixed_count, size)
  } else {
    # a refit without priors invalidates earlier posteriors
    earlier <- if (is.null(found$refit) || !is.null(found$beliefs)) given$earlier$posterior
    posterior_model(found$beliefs, count, known, size, earlier)
  }
  factor <- found$trace$factor
  iteration <- stats::ave(factor, factor, FUN = seq_along)
  trace <- data.frame(factor = factor + known, iteration = iteration, found$trace$trace)
  list(
    d = factors$d, u = factors$u, v = factors$v,
    labels = labels,
    path = data.frame(factor = seq_len(nrow(path)), path, row.names = NULL),
    trace = rbind(given$earlier$trace[names(trace)], trace),
    scatter = scatter,
    deviations = if (!is.null(found$refit)) {
      found$refit$deviations
    } else {
      scatter[[length(scatter)]]
    },
    laws = laws,
    law = if (!is.null(found$refit)) {
      data.frame(found$refit$law)
    } else if (length(found$new$d) > 0) {
      laws[[length(laws)]]
    } else {
      given$earlier$law
    },
    refit = refit[setdiff(names(refit), c("factors", "beliefs", "law", "deviations"))],
    posterior = posterior,
    candidates = if (chosen) {
      data.frame(K = known + seq_along(found$candidates$path), found$candidates)
    },
    nobs = max(found$nobs, given$earlier$nobs, na.rm = TRUE), interrupted = found$interrupted
  )
}

#' Convert the result of a certified underapproximation
#'
#' @param found Result of `core_underapproximate()`.
#' @return A list in the form of that of `deflated_model()`.
#' @noRd
certified_model <- function(found) {
  factors <- found$factors
  K <- length(factors$d)
  model <- found$model %||% unknown_noise()
  # only lambda and sigma were fitted by likelihood
  model$settled <- NA
  unknown <- rep(NA_real_, K)
  path <- data.frame(
    factor = seq_len(K), d = factors$d, lambda = unknown, sigma = unknown, loglik = unknown,
    iterations = found$iterations, status = found$status, bound = rep("none", K), rung = unknown,
    elbo = unknown, se_log_lambda = unknown, se_log_sigma = unknown, error = found$error
  )
  list(
    d = factors$d, u = factors$u, v = factors$v,
    labels = factor_names(K), path = path,
    trace = data.frame(factor = integer(), iteration = integer(), lapply(model$trace, `[`, 0)),
    laws = vector("list", K), law = data.frame(model$law), scatter = vector("list", K),
    deviations = model$deviations,
    refit = model[setdiff(names(model), c("factors", "beliefs", "law", "deviations"))],
    candidates = NULL, nobs = found$nobs, interrupted = found$interrupted
  )
}

#' Placeholder for lambda and sigma if the user interrupted the core before they were estimated
#'
#' @return A list in the form of a refit in the results of the core.
#' @noRd
unknown_noise <- function() {
  unknown <- list(loglik = NA_real_, elbo = NA_real_, lambda = NA_real_, sigma = NA_real_)
  trace <- data.frame(stage = integer(), lapply(unknown, `[`, 0))
  c(unknown, list(
    law = list(weight = 1, mean = NA_real_), bound = "none", status = "interrupted",
    se_log_lambda = NA_real_, se_log_sigma = NA_real_, trace = trace
  ))
}

#' Labels of new factors: those of their starting loadings, otherwise their numbers
#'
#' @param count Number of new factors.
#' @param given Value of `check_given()`.
#' @return Strings.
#' @noRd
new_labels <- function(count, given) {
  labels <- factor_names(length(given$kept$d) + count)[length(given$kept$d) + seq_len(count)]
  own <- colnames(given$starts$u)[seq_len(min(count, length(given$starts$d)))]
  labels[seq_along(own)] <- own
  labels
}

#' Combine lists of factors
#'
#' @param ... Lists of `d`, `u` and `v`, or `NULL`.
#' @return One such list.
#' @noRd
bind_factors <- function(...) {
  parts <- Filter(function(part) length(part$d) > 0, list(...))
  side <- function(name) do.call(cbind, lapply(parts, `[[`, name))
  list(d = unlist(lapply(parts, `[[`, "d")), u = side("u"), v = side("v"))
}
