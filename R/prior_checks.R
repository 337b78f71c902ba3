#' Checks of a prior
#'
#' Each returns its largest error.
#'
#' @param posterior Function of `x` and `s` that returns the posterior under the estimated prior.
#' @param data A list of `x` and `s`, from which the prior was estimated.
#' @param prior The prior as given.
#' @param known The estimated prior.
#' @param solution Value of `solve_normal_means()`.
#' @param solve Function of `x`, `s` and a prior that solves a normal-means problem.
#' @param density Value of `prior_density()`.
#' @return One number.
#' @name prior_checks
#' @noRd
check_range <- function(posterior, data) {
  far <- c(1e-3, 1, 10, 30, 100, 1000)
  z <- c(-rev(far), 0, far)
  broken <- vapply(range(data$s), function(s) {
    answer <- posterior(s * z, rep(s, length(z)))
    valid <- Reduce(`&`, lapply(answer, is.finite)) & answer$mean >= 0 & answer$sd >= 0 &
      answer$lfsr >= 0 & answer$lfsr <= 1
    sum(!valid)
  }, 0)
  as.double(sum(broken))
}

#' @rdname prior_checks
#' @noRd
check_moments <- function(known, solution) {
  answer <- if (known$family == "custom") {
    known$posterior(as.double(solution$x), solution$s, known$g)
  } else {
    solution$posterior
  }
  # For a prior written in R, the moments that it returned; others are derived from these.
  sd <- answer[["sd"]]
  second <- answer[["second_moment"]]
  var <- answer[["var"]] %||% if (!is.null(sd)) sd^2
  if (is.null(var) || is.null(second)) {
    return(0)
  }
  both <- c(
    relative_error(answer[["mean"]]^2 + var, second, solution$s^2),
    if (!is.null(sd)) relative_error(sd^2, var, solution$s^2)
  )
  max(both)
}

#' @rdname prior_checks
#' @noRd
check_mean <- function(posterior, data) {
  check_slope(posterior, data, "log_marginal", function(x, s, answer) (answer$mean - x) / s^2)
}

#' @rdname prior_checks
#' @noRd
check_variance <- function(posterior, data) {
  # in units of s
  check_slope(posterior, data, "mean", function(x, s, answer) answer$sd^2 / s^2, function(s) s)
}

#' Check the derivative of a column of the posterior
#'
#' @inheritParams prior_checks
#' @param column Name of a column of the posterior.
#' @param slope Its derivative in x: a function of `x`, `s` and the posterior.
#' @param unit Function of `s`: the unit of the column.
#' @return The largest difference between a change of the column and the integral of `slope`.
#' @noRd
check_slope <- function(posterior, data, column, slope, unit = function(s) 1) {
  errors <- vapply(unique(stats::quantile(data$s, c(0, 0.5, 1), type = 1)), function(s) {
    x <- grid_of(data, s, 13)
    change <- diff(posterior(x, rep(s, length(x)))[[column]])
    along <- function(x) {
      s <- rep(s, length(x))
      slope(x, s, posterior(x, s))
    }
    integral <- mapply(function(from, to) adaptive_integral(along, from, to), x[-13], x[-1])
    max(abs(change - integral) / pmax(abs(change), unit(s)))
  }, 0)
  max(errors)
}

#' Grid of x on which a posterior is evaluated
#'
#' @inheritParams prior_checks
#' @param s A standard deviation.
#' @param count Number of points.
#' @return Values of x that span the observations.
#' @noRd
grid_of <- function(data, s, count) {
  seq(min(data$x, 0) - 4 * s, max(data$x, 0) + 4 * s, length.out = count)
}

#' @rdname prior_checks
#' @noRd
check_quadrature <- function(posterior, data, density) {
  errors <- vapply(unique(stats::quantile(data$s, c(0, 0.5, 1), type = 1)), function(s) {
    x <- grid_of(data, s, 25)
    answer <- posterior(x, rep(s, length(x)))
    expected <- as.data.frame(t(mapply(
      quadrature_posterior, x, s, answer$mean, answer$sd, MoreArgs = list(density = density)
    )))
    max(
      abs(answer$log_marginal - expected$log_marginal) / pmax(abs(expected$log_marginal), 1),
      relative_error(answer$mean, expected$mean, s),
      relative_error(answer$sd^2, expected$var, s^2),
      abs(answer$lfsr - expected$lfsr)
    )
  }, 0)
  max(errors)
}

#' @rdname prior_checks
#' @noRd
check_estimate <- function(prior, solution, solve) {
  others <- perturbed_priors(prior, solution$prior)
  if (length(others) == 0) {
    return(NULL)
  }
  gains <- vapply(others, function(other) {
    # the changed hyperparameter may be out of range
    tryCatch(
      suppressWarnings(solve(solution$x, solution$s, other)$loglik) - solution$loglik,
      nmu_error = function(condition) -Inf
    )
  }, 0)
  max(gains, 0) / length(solution$x)
}

#' @rdname prior_checks
#' @noRd
check_units <- function(prior, solution, solve) {
  errors <- vapply(c(2^-20, 1e3), function(unit) {
    rescaled <- solve(unit * solution$x, unit * solution$s, prior)
    shift <- rescaled$posterior$log_marginal - solution$posterior$log_marginal
    # a density of x is in units of 1/x; that of an improper prior need not be
    min(abs(mean(shift + log(unit))), abs(mean(shift)))
  }, 0)
  max(errors)
}

#' Is the scale of a prior estimated?
#' @param prior An object of class `nmu_prior`.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_free <- function(prior) {
  all(vapply(c("rate", "location", "scales", "g"), function(name) is.null(prior[[name]]), TRUE))
}

#' Priors in the neighbourhood of the estimated one
#'
#' @inheritParams prior_checks
#' @return A list of priors; in each, one estimated number is changed.
#' @noRd
perturbed_priors <- function(prior, known) {
  if (known$family == "custom") {
    if (!is.null(prior$g)) {
      return(list())
    }
    return(lapply(perturbed_lists(known$g), function(g) replace(known, "g", list(g))))
  }
  free <- setdiff(names(Filter(is.null, unclass(prior))), "scales")
  settings <- unclass(known)[free]
  # weights are estimated up to 1, ratios from 0.001 to 1000
  in_range <- function(settings) {
    weight <- settings[["weight"]]
    all(weight <= 1, settings$ratio <= 1000, settings$ratio >= 0.001)
  }
  lapply(Filter(in_range, perturbed_lists(settings)), function(settings) {
    if (!is.null(settings$weights)) {
      settings$weights <- settings$weights / sum(settings$weights)
    }
    known[names(settings)] <- settings
    known
  })
}

#' Copies of a list in which one number is changed
#'
#' @param values A named list or vector.
#' @return A list of lists or vectors, a few for each number: multiplied by a factor, or increased
#'   by an absolute amount if it is zero.
#' @noRd
perturbed_lists <- function(values) {
  moves <- c(0.9, 0.99, 0.999, 1.001, 1.01, 1.1)
  perturbed <- lapply(names(hyperparameters_of(values)), function(name) {
    lapply(seq_along(values[[name]]), function(index) {
      lapply(moves, function(move) {
        old <- values[[name]][index]
        values[[name]][index] <- if (old == 0) abs(move - 1) else move * old
        values
      })
    })
  })
  unlist(unlist(perturbed, recursive = FALSE), recursive = FALSE)
}

#' Largest relative error
#'
#' @param value,expected Nonnegative numbers.
#' @param unit Their unit: below 1e-6 of it, errors are relative to that.
#' @return The largest relative error.
#' @noRd
relative_error <- function(value, expected, unit) {
  max(abs(value - expected) / pmax(abs(expected), 1e-6 * unit))
}
