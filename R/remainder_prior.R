#' Priors of the remainder that can be given by name
#'
#' @return A named list of constructors that need no arguments.
#' @noRd
prior_b_constructors <- function() {
  list(
    exponential = prior_exponential, point_exponential = prior_point_exponential,
    mixture = function() prior_mixture("exponential"), none = prior_none
  )
}

#' Convert a prior of the remainder to an object
#'
#' @param prior_b An object of class `nmu_prior`, or the name of a family.
#' @return An object of class `nmu_prior`, of a family that the remainder may have.
#' @noRd
as_prior_b <- function(prior_b, arg = "prior_b", call = caller_env()) {
  expected <- paste(
    "prior_exponential(), prior_point_exponential(), prior_mixture(\"exponential\"),",
    "prior_none(), or one of the names %s"
  )
  if (!inherits(prior_b, "nmu_prior")) {
    return(by_name(prior_b, prior_b_constructors(), expected, arg = arg, call = call))
  }
  family <- prior_b$family
  valid <- family %in% c("exponential", "point_exponential", "none") ||
    (family == "mixture" && prior_b$shape == "exponential")
  if (!valid) {
    expected <- sprintf(expected, quoted_names(prior_b_constructors()))
    abort_input(arg, expected, format(prior_b)[1], call = call)
  }
  prior_b
}

#' Check the prior of the remainder
#'
#' @inheritParams as_prior_b
#' @param noise The estimator of lambda and sigma.
#' @return An object of class `nmu_prior`, a mixture with the `scales` that the fit uses.
#' @noRd
check_prior_b <- function(prior_b, noise, call = caller_env()) {
  prior <- as_prior_b(prior_b, call = call)
  family <- prior$family
  if (!is.null(prior$rate)) {
    expected <- "a prior without a rate, which follows from lambda (to give it, see noise_fixed())"
    abort_input("prior_b", expected, sprintf("a rate of %s", signif_text(prior$rate)), call = call)
  }
  if (isTRUE(prior$weight == 0)) {
    abort_input("prior_b", "a prior with a positive weight", "a weight of 0", call = call)
  }
  if (family != "exponential" && !(noise$rule %in% c("mle", "fixed"))) {
    expected <- sprintf("prior_exponential() with noise_%s()", noise$rule)
    abort_input("prior_b", expected, format(prior)[1], call = call)
  }
  if (noise$rule == "fixed" && (family == "none") != is.infinite(noise$lambda)) {
    found <- sprintf("%s with a lambda of %s", format(prior)[1], signif_text(noise$lambda))
    expected <- "prior_none() exactly if noise_fixed() has lambda = Inf"
    abort_input("prior_b", expected, found, call = call)
  }
  if (family == "mixture") check_mixture_b(prior, call = call) else prior
}

#' Choose the prior of the remainder that is not given
#'
#' Where most entries are exactly zero, the likelihood with a remainder has no maximum: it increases
#' without limit as sigma decreases, and the remainder explains all other entries.
#'
#' @param prior_b The value given, or `NULL`.
#' @param noise The estimator of lambda and sigma.
#' @param scan Value of `scan_matrix()`.
#' @param entries Number of entries of the matrix.
#' @param underapprox Is the fit a certified underapproximation?
#' @return `prior_b`, or the prior that takes the place of `NULL`.
#' @noRd
choose_prior_b <- function(prior_b, noise, scan, entries, underapprox = FALSE) {
  if (!is.null(prior_b)) {
    return(prior_b)
  }
  if (noise$rule == "fixed") {
    return(if (is.infinite(noise$lambda)) prior_none() else prior_exponential())
  }
  none <- noise$rule == "mle" && !underapprox && is_mostly_zero(scan, entries)
  if (none) prior_none() else prior_exponential()
}

#' Check that the scales of a mixture allow mean 1
#'
#' @param prior A mixture of exponentials.
#' @inheritParams check_prior_b
#' @return `prior`, with default scales if it has none.
#' @noRd
check_mixture_b <- function(prior, call = caller_env()) {
  prior$scales <- prior$scales %||% c(0, 3^(-2:3))
  scales <- prior$scales
  if (sum(scales > 0) > 12) {
    expected <- "a mixture of at most 12 exponentials"
    abort_input("prior_b", expected, sprintf("%d scales above 0", sum(scales > 0)), call = call)
  }
  if (is.null(prior$weights)) {
    if (!(min(scales) < 1 && max(scales) > 1)) {
      expected <- "a mixture with scales below and above 1, which is the mean of b"
      found <- sprintf("scales from %s to %s", signif_text(min(scales)), signif_text(max(scales)))
      abort_input("prior_b", expected, found, call = call)
    }
  } else if (sum(prior$weights * scales) <= 0) {
    abort_input("prior_b", "a mixture with a positive mean", "all weight at 0", call = call)
  }
  # with a smaller one, the likelihood of noise would lose all digits
  weights <- prior$weights %||% rep(1, length(scales))
  mean <- if (is.null(prior$weights)) 1 else sum(weights * scales) / sum(weights)
  least <- min(scales[scales > 0 & weights > 0]) / mean
  if (least < least_scale) {
    expected <- sprintf("a mixture of scales that are 0 or at least %g of its mean", least_scale)
    abort_input("prior_b", expected, sprintf("one of %s", signif_text(least)), call = call)
  }
  prior
}

#' Smallest scale of an exponential in the prior of the remainder, as a share of its mean
#' @noRd
least_scale <- 1e-4

#' Convert the prior of b to the form that the core expects
#'
#' @param prior Value of `check_prior_b()`.
#' @return A list of `means`, in arbitrary units, and `weights`, `NULL` if they are to be estimated;
#'   and `point_exponential`: is it a point mass and one exponential with estimated weight?
#' @noRd
core_b_prior <- function(prior) {
  switch(prior$family,
    exponential = list(means = 1, weights = 1, point_exponential = FALSE),
    none = list(means = 0, weights = 1, point_exponential = FALSE),
    point_exponential = list(
      means = c(0, 1), weights = if (!is.null(prior$weight)) c(1 - prior$weight, prior$weight),
      point_exponential = is.null(prior$weight)
    ),
    mixture = list(means = prior$scales, weights = prior$weights, point_exponential = FALSE)
  )
}

#' Fitted prior of b
#'
#' @param fit A fit.
#' @return A data frame with a row for each component: `weight`, and `mean` in units of `A`, 0 for a
#'   point mass and otherwise that of an exponential.
#' @noRd
fitted_b_prior <- function(fit) {
  fit$prior_b_fitted %||% data.frame(weight = 1, mean = 1 / fit$lambda)
}

#' Is a fitted prior of b a single exponential?
#' @param b_prior A data frame as in `prior_b_fitted` of a fit.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_exponential <- function(b_prior) {
  nrow(b_prior) == 1 && !identical(b_prior$mean, 0)
}

#' Is there no remainder in a fit?
#' @param fit A fit, or its summary.
#' @return `TRUE` or `FALSE`.
#' @noRd
has_no_remainder <- function(fit) {
  identical(fitted_b_prior(fit)$mean, 0)
}

#' Fitted prior of b as the core expects it
#' @param fit A fit.
#' @return A list.
#' @noRd
known_b_prior <- function(fit) {
  b_prior <- fitted_b_prior(fit)
  list(means = b_prior$mean, weights = b_prior$weight, point_exponential = FALSE)
}

#' Number of estimated parameters of the prior of b, without its mean
#' @param fit A fit.
#' @return A whole number.
#' @noRd
b_prior_parameters <- function(fit) {
  b_prior <- core_b_prior(fit$prior_b %||% prior_exponential())
  if (!is.null(b_prior$weights)) {
    return(0)
  }
  # the sum and the mean of the weights are given
  if (b_prior$point_exponential) 1 else max(nrow(fitted_b_prior(fit)) - 2, 0)
}

#' Weighted log-densities of residuals under the components of a fit
#'
#' @param x Residuals.
#' @param fit A fit.
#' @param sigma The standard deviation of the noise: one number, or one for each residual.
#' @return A matrix with a row for each residual and a column for each component of the prior of b:
#'   log weight plus log-density.
#' @noRd
log_terms <- function(x, fit, sigma = fit$sigma) {
  b_prior <- fitted_b_prior(fit)
  term <- function(weight, mean) {
    log(weight) + if (mean == 0) {
      stats::dnorm(x, sd = sigma, log = TRUE)
    } else {
      demg(x, 1 / mean, sigma, log = TRUE)
    }
  }
  matrix(unlist(Map(term, b_prior$weight, b_prior$mean)), length(x))
}

#' Density of residuals under a fit
#' @inheritParams log_terms
#' @return Numbers.
#' @noRd
residual_density <- function(x, fit) {
  rowSums(exp(log_terms(x, fit)))
}

#' Draw remainders
#'
#' @param count Number of draws.
#' @param b_prior A data frame as in `prior_b_fitted` of a fit.
#' @return Numbers.
#' @noRd
draw_remainder <- function(count, b_prior) {
  component <- sample.int(nrow(b_prior), count, replace = TRUE, prob = b_prior$weight)
  b_prior$mean[component] * stats::rexp(count)
}

#' Draw sums of remainder and noise
#'
#' @param count Number of draws.
#' @param fit A fit.
#' @param sigma The standard deviation of the noise: one number, or one for each draw.
#' @return Numbers.
#' @noRd
draw_residuals <- function(count, fit, sigma) {
  b_prior <- fitted_b_prior(fit)
  if (is_exponential(b_prior)) {
    return(remg(count, fit$lambda, sigma))
  }
  draw_remainder(count, b_prior) + stats::rnorm(count, sd = sigma)
}

#' Format the fitted prior of b
#' @param fit A fit, or its summary.
#' @return One string, or `NULL` for a single exponential.
#' @noRd
b_prior_text <- function(fit) {
  b_prior <- fitted_b_prior(fit)
  if (is_exponential(b_prior)) {
    return(NULL)
  }
  if (has_no_remainder(fit)) {
    return("b: none (prior_b = \"none\")")
  }
  shown <- b_prior[b_prior$weight >= 5e-4, ]
  component <- function(weight, mean) {
    sprintf(if (mean == "0") "%s at %s" else "%s of mean %s", weight, mean)
  }
  parts <- mapply(component, signif_text(signif(shown$weight, 3)), signif_text(shown$mean))
  paste("b:", paste(parts, collapse = ", "))
}
