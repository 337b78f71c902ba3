# Conversion of the results of the core, from deflation or certified underapproximation, to the
# elements of a fit.

#' Convert the result of deflation
#'
#' @param result Result of `core_deflate()`.
#' @param initial Value of `check_initial_factors()`.
#' @param chosen Was the number of factors chosen by the core?
#' @return A list of the elements of a fit that the core provides, and the `labels` of the factors.
#' @noRd
deflated_model <- function(result, initial, chosen) {
  known <- length(initial$fixed$d) + length(initial$kept$d)
  path <- data.frame(result$path)
  if (length(initial$kept$d) > 0) {
    # the ELBO needs the posteriors of the kept factors, which are not known to the core
    path$elbo <- rep(NaN, nrow(path))
  }
  fixed <- path[rep(NA_integer_, length(initial$fixed$d)), ]
  fixed$d <- result$fixed$d
  fixed$status <- rep("fixed", nrow(fixed))
  fixed$iterations <- rep(0L, nrow(fixed))
  fixed$bound <- rep("none", nrow(fixed))
  path <- rbind(fixed, initial$earlier$path[names(path)], path)
  new <- bind_factors(result$fixed, initial$kept, result$new)
  labels <- make.unique(c(
    colnames(initial$fixed$u) %||% sprintf("f%d", seq_along(initial$fixed$d)),
    initial$earlier$labels, new_labels(length(result$new$d), initial)
  ), sep = "_")
  unknown <- vector("list", nrow(fixed))
  b_priors <- lapply(result$b_priors, data.frame)
  path_b_priors <- c(unknown, initial$earlier$path_b_priors, b_priors)
  path_noise_scales <- c(unknown, initial$earlier$path_noise_scales, result$noise_sd)
  # if no factor was added or refitted, the model is the earlier one
  refit <- result$refit %||% if (length(result$new$d) == 0) initial$earlier$refit
  factors <- refit$factors %||% new
  size <- c(nrow(factors$u), nrow(factors$v))
  count <- length(result$new$d)
  posterior <- if (!is.null(refit$posteriors)) {
    fixed_count <- length(result$fixed$d)
    posterior_model(refit$posteriors, known + count - fixed_count, fixed_count, size)
  } else {
    # a refit without priors invalidates earlier posteriors
    earlier <- if (is.null(result$refit) || !is.null(result$posteriors)) initial$earlier$posterior
    posterior_model(result$posteriors, count, known, size, earlier)
  }
  factor <- result$trace$factor
  iteration <- stats::ave(factor, factor, FUN = seq_along)
  trace <- data.frame(factor = factor + known, iteration = iteration, result$trace$trace)
  list(
    d = factors$d, u = factors$u, v = factors$v,
    labels = labels,
    path = data.frame(factor = seq_len(nrow(path)), path, row.names = NULL),
    trace = rbind(initial$earlier$trace[names(trace)], trace),
    path_noise_scales = path_noise_scales,
    noise_scales = if (!is.null(result$refit)) {
      result$refit$noise_sd
    } else {
      path_noise_scales[[length(path_noise_scales)]]
    },
    path_b_priors = path_b_priors,
    prior_b_fitted = if (!is.null(result$refit)) {
      data.frame(result$refit$b_prior)
    } else if (length(result$new$d) > 0) {
      path_b_priors[[length(path_b_priors)]]
    } else {
      initial$earlier$prior_b_fitted
    },
    refit = refit[setdiff(names(refit), c("factors", "posteriors", "b_prior", "noise_sd"))],
    posterior = posterior,
    candidates = if (chosen) {
      candidates_table(result$candidates, known)
    },
    nobs = max(result$nobs, initial$earlier$nobs, na.rm = TRUE), interrupted = result$interrupted
  )
}

#' Convert the result of a certified underapproximation
#'
#' @param result Result of `core_underapproximate()`.
#' @return A list in the form of that of `deflated_model()`.
#' @noRd
certified_model <- function(result) {
  factors <- result$factors
  K <- length(factors$d)
  model <- result$model %||% unknown_refit()
  unknown <- rep(NA_real_, K)
  path <- data.frame(
    factor = seq_len(K), d = factors$d, lambda = unknown, sigma = unknown, loglik = unknown,
    iterations = result$iterations, status = result$status, bound = rep("none", K),
    ratio_floor = unknown, elbo = unknown, se_log_lambda = unknown, se_log_sigma = unknown,
    error = result$error
  )
  list(
    d = factors$d, u = factors$u, v = factors$v,
    labels = factor_names(K), path = path,
    trace = data.frame(factor = integer(), iteration = integer(), lapply(model$trace, `[`, 0)),
    path_b_priors = vector("list", K), prior_b_fitted = data.frame(model$b_prior),
    path_noise_scales = vector("list", K), noise_scales = model$noise_sd,
    refit = model[setdiff(names(model), c("factors", "posteriors", "b_prior", "noise_sd"))],
    candidates = NULL, nobs = result$nobs, interrupted = result$interrupted
  )
}

#' Placeholder for lambda and sigma if the user interrupted the core before they were estimated
#'
#' @return A list in the form of a refit in the results of the core.
#' @noRd
unknown_refit <- function() {
  unknown <- list(loglik = NA_real_, elbo = NA_real_, lambda = NA_real_, sigma = NA_real_)
  trace <- data.frame(stage = integer(), lapply(unknown, `[`, 0))
  c(unknown, list(
    b_prior = list(weight = 1, mean = NA_real_), bound = "none", status = "interrupted",
    se_log_lambda = NA_real_, se_log_sigma = NA_real_, trace = trace
  ))
}

#' Convert the fits that were compared to the table `candidates` of a fit
#'
#' @param candidates Candidates of the core.
#' @param known Number of factors that were known before.
#' @return A data frame.
#' @noRd
candidates_table <- function(candidates, known) {
  table <- data.frame(candidates)
  table$K <- known + table$K
  table$criterion[is.nan(table$criterion)] <- NA
  table
}

#' Labels of new factors: those of their starting loadings, otherwise their numbers
#'
#' @param count Number of new factors.
#' @param initial Value of `check_initial_factors()`.
#' @return Strings.
#' @noRd
new_labels <- function(count, initial) {
  labels <- factor_names(length(initial$kept$d) + count)[length(initial$kept$d) + seq_len(count)]
  own <- colnames(initial$init$u)[seq_len(min(count, length(initial$init$d)))]
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
