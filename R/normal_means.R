#' The normal-means problem, by empirical Bayes
#'
#' Given observations \eqn{x_i \sim N(w_i, s_i^2)}{x_i ~ N(w_i, s_i^2)} of quantities
#' \eqn{w_i \ge 0}{w_i >= 0} that are drawn from a prior \eqn{g}, estimates those hyperparameters of
#' \eqn{g} that are not given by maximising the marginal likelihood, and returns the posterior of
#' each \eqn{w_i}. The loadings of a factor, given all else, are such a problem, and so is the
#' remainder \eqn{b} given the factors, with an exponential prior and \eqn{s = \sigma}{s = sigma}.
#'
#' @param x Numeric vector of observations, of length one or more, at most 1e150 in absolute value.
#' @param s One number from 1e-150 to 1e150, or one for each of `x`: their standard deviations.
#' @param prior A prior such as [prior_point_exponential()], or its name in full and lower case
#'   (`"flat"`, `"exponential"`, `"point_exponential"`, `"binary"`, `"mixture"`).
#'
#' @return An object of class `nmu_normal_means`, a list with
#'   * `prior`: the prior, with estimated hyperparameters;
#'   * `posterior`: a data frame with a row for each of `x`: `mean`, `sd` and `second_moment` (mean
#'     of the square) of \eqn{w_i}; `lfsr`, the probability that \eqn{w_i = 0}, which is both the
#'     local zero rate and, since no \eqn{w_i} is negative, the local false sign rate; and
#'     `log_marginal`, the log of the density of \eqn{x_i} with \eqn{w_i} integrated out. Row names
#'     are the names of `x`;
#'   * `loglik`: the sum of `log_marginal`. With `prior_flat()`, which is not a proper density, it
#'     is the sum of \eqn{\log \Phi(x_i / s_i)}{log Phi(x_i/s_i)}, and not comparable with that of
#'     other priors;
#'   * `x` and `s`.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described, `nmu_error_prior`
#'   if a function of [prior_custom()] fails, `nmu_error_interrupted` if the user interrupts.
#'
#' @source J. Willwerscheid and M. Stephens (2021), ebnm: an R package for solving the empirical
#'   Bayes normal means problem using a variety of prior families, arXiv:2110.00152.
#'
#' @seealso [prior] for the families and their hyperparameters.
#'
#' @examples
#' set.seed(1)
#' w <- c(rep(0, 80), rexp(20, 1 / 5))
#' x <- rnorm(100, w)
#' found <- normal_means(x, 1, "point_exponential")
#' found
#'
#' # the posterior means have a smaller error than the observations
#' mean((found$posterior$mean - w)^2)
#' mean((pmax(x, 0) - w)^2)
#' @export
normal_means <- function(x, s, prior) {
  observations <- check_observations(x, s)
  prior <- check_single_prior(prior)
  solve_normal_means(observations$x, observations$s, prior)
}

#' Solve a normal-means problem with checked arguments
#'
#' @param x,s The observations, of one length.
#' @param prior An object of class `nmu_prior`.
#' @return An object of class `nmu_normal_means`.
#' @noRd
solve_normal_means <- function(x, s, prior, call = caller_env()) {
  record <- new.env(parent = emptyenv())
  options <- core_options(prior = core_priors(list(prior), record), unit = 1)
  result <- core_normal_means(as.double(x), as.double(s), options)
  result <- prior_value(result, record, call = call)
  if (isTRUE(record$total_only) && length(x) > 1) {
    known <- replace(prior, "g", list(record$g))
    each <- function(x, s) solve_normal_means(x, s, known, call = call)$loglik
    result$log_marginal <- mapply(each, as.double(x), s)
  }
  new_normal_means(result, prior, record$g, x, s)
}

#' Check the observations of a normal-means problem
#'
#' @inheritParams normal_means
#' @return A list of `x` and `s`, double vectors of the same length; `x` keeps its names.
#' @noRd
check_observations <- function(x, s, call = caller_env()) {
  values <- check_numeric_vector(x, call = call)
  s <- check_numeric_vector(s, call = call)
  if (length(values) == 0) {
    abort_input("x", "a numeric vector of length one or more", describe(x), call = call)
  }
  bad <- !is.finite(values) | abs(values) > largest_size
  if (any(bad)) {
    abort_input("x", "finite, and at most 1e+150 in size", format(values[bad][1]), call = call)
  }
  if (length(s) != length(values) && length(s) != 1) {
    expected <- sprintf("one number, or one for each of the %d in x", length(values))
    abort_input("s", expected, describe(s), call = call)
  }
  bad <- !(is.finite(s) & s >= 1 / largest_size & s <= largest_size)
  if (any(bad)) {
    abort_input("s", "positive and finite (1e-150 to 1e+150)", format(s[bad][1]), call = call)
  }
  list(x = stats::setNames(values, names(x)), s = rep_len(s, length(values)))
}

#' Create the result of a normal-means problem
#'
#' @param result Result of the core.
#' @param prior The prior as given.
#' @param g Hyperparameters that a prior written in R estimated.
#' @param x,s The observations.
#' @return An object of class `nmu_normal_means`.
#' @noRd
new_normal_means <- function(result, prior, g, x, s) {
  if (prior$family == "custom") {
    prior$g <- g
  } else {
    prior[names(result$hyperparameters)] <- result$hyperparameters
  }
  posterior <- data.frame(
    mean = result$mean, sd = sqrt(result$var), second_moment = result$second_moment,
    lfsr = result$lfsr, log_marginal = result$log_marginal, row.names = unique_names(x)
  )
  structure(
    list(prior = prior, posterior = posterior, loglik = sum(posterior$log_marginal), x = x, s = s),
    class = "nmu_normal_means"
  )
}

#' Names of a vector, if they can be row names
#' @param x A vector.
#' @return Its names if they are complete and distinct, otherwise `NULL`.
#' @noRd
unique_names <- function(x) {
  labels <- names(x)
  if (!anyNA(labels) && !anyDuplicated(labels)) labels
}

#' @rdname normal_means
#' @param ... Must be empty.
#' @method print nmu_normal_means
#' @export
print.nmu_normal_means <- function(x, ...) {
  refuse_dots(...)
  posterior <- x$posterior
  cli::cat_line(sprintf("<nmu_normal_means> %d observations", nrow(posterior)))
  cli::cat_line("prior: ", sub("^<nmu_prior> ", "", format(x$prior)[1]))
  cli::cat_line(format(x$prior)[-1])
  cli::cat_line(sprintf(
    "posterior mean %s, sd %s; %d probably zero",
    paste(signif_text(range(posterior$mean)), collapse = " to "),
    paste(signif_text(range(posterior$sd)), collapse = " to "), sum(posterior$lfsr > 0.5)
  ))
  cli::cat_line(sprintf("log-likelihood %s", signif_text(x$loglik)))
  invisible(x)
}
