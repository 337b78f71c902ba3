#' Density of a prior
#'
#' An implementation that is independent of the core, to check the core with.
#'
#' @param prior An object of class `nmu_prior`, all of whose hyperparameters are known.
#' @return `NULL` if the density is not known, or a list of
#'   * `at`, a function of `w` that returns the density at each `w` above zero, and the probability
#'     of zero if `w` is zero;
#'   * `marks`, the widths and locations of features of the density.
#' @noRd
prior_density <- function(prior) {
  point <- function(weight, density) {
    function(w) ifelse(w == 0, 1 - weight, weight * density(w))
  }
  around <- function(location, sd) location + sd * seq(-10, 10)
  switch(prior$family,
    flat = list(at = function(w) as.double(w > 0), marks = double()),
    exponential = list(
      at = point(1, function(w) stats::dexp(w, prior$rate)), marks = 1 / prior$rate
    ),
    point_exponential = list(
      at = point(prior$weight, function(w) stats::dexp(w, prior$rate)), marks = 1 / prior$rate
    ),
    binary = {
      sd <- prior$ratio * prior$location
      above <- stats::pnorm(1 / prior$ratio)
      list(
        at = point(prior$weight, function(w) stats::dnorm(w, prior$location, sd) / above),
        marks = around(prior$location, sd)
      )
    },
    mixture = list(at = mixture_density(prior), marks = prior$scales),
    custom = if (!is.null(prior$density)) {
      list(at = function(w) prior$density(w, prior$g), marks = double())
    }
  )
}

#' Density of a mixture
#' @param prior An object of class `nmu_prior_mixture`.
#' @return A function of `w`.
#' @noRd
mixture_density <- function(prior) {
  zero <- prior$scales == 0
  weights <- prior$weights[!zero]
  scales <- prior$scales[!zero]
  unit <- switch(prior$shape,
    half_normal = function(w) 2 * stats::dnorm(w),
    exponential = stats::dexp
  )
  function(w) {
    parts <- unit(outer(w, scales, "/")) %*% (weights / scales)
    ifelse(w == 0, sum(prior$weights[zero]), as.vector(parts))
  }
}

#' Compute a posterior by quadrature
#'
#' Gauss-Legendre rules on intervals of a half line that resolve the noise, the claimed posterior
#' and the prior.
#'
#' @param x,s One observation and its standard deviation.
#' @param mean,sd The claimed moments of its posterior.
#' @param density Value of `prior_density()`.
#' @return A numeric vector: `mean`, `var`, `lfsr`, `log_marginal`.
#' @noRd
quadrature_posterior <- function(x, s, mean, sd, density) {
  steps <- seq(-10, 10, by = 0.5)
  marks <- c(x + s * steps, mean + sd * steps, density$marks, s * 2^seq(-40, 10))
  last <- max(x, 0, density$marks) + 40 * s
  breaks <- sort(unique(c(0, marks[marks > 0 & marks < last], last)))
  rule <- gauss_legendre(20)
  half <- diff(breaks) / 2
  w <- as.vector(outer(rule$nodes + 1, half) + rep(breaks[-length(breaks)], each = 20))
  measure <- c(1, as.vector(outer(rule$weights, half)))
  w <- c(0, w)
  logs <- stats::dnorm(x, w, s, log = TRUE) + log(density$at(w))
  top <- max(logs)
  shares <- measure * exp(logs - top)
  total <- sum(shares)
  shares <- shares / total
  mean <- sum(shares * w)
  c(
    mean = mean, var = sum(shares * (w - mean)^2), lfsr = shares[1],
    log_marginal = top + log(total)
  )
}

#' Gauss-Legendre rule, from the eigenvalues of its Jacobi matrix
#' @param count Number of nodes.
#' @return A list of `nodes` between -1 and 1, and `weights`.
#' @source G. H. Golub and J. H. Welsch (1969), Calculation of Gauss quadrature rules, *Mathematics
#'   of Computation* 23, 221-230.
#' @noRd
gauss_legendre <- function(count) {
  index <- seq_len(count - 1)
  jacobi <- matrix(0, count, count)
  jacobi[cbind(index, index + 1)] <- index / sqrt(4 * index^2 - 1)
  decomposition <- eigen(jacobi + t(jacobi), symmetric = TRUE)
  list(nodes = decomposition$values, weights = 2 * decomposition$vectors[1, ]^2)
}

#' Integrate by adaptive quadrature
#'
#' @param along The function.
#' @param from,to The limits.
#' @return The integral, to the accuracy that is attainable.
#' @noRd
adaptive_integral <- function(along, from, to) {
  stats::integrate(
    along, from, to, subdivisions = 500, rel.tol = 1e-11, stop.on.error = FALSE
  )$value
}
