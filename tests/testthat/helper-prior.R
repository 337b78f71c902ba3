# Priors and their normal-means problem in plain R, written from the densities.

# Density above zero, probability of zero, and points at which the density changes.
reference_prior <- function(prior) {
  exponential <- function(rate) function(w) dexp(w, rate)
  normal <- function(location, sd) function(w) dnorm(w, location, sd) / pnorm(location / sd)
  switch(prior$family,
    flat = list(density = function(w) rep(1, length(w)), zero = 0, marks = 1),
    exponential = list(density = exponential(prior$rate), zero = 0, marks = 1 / prior$rate),
    point_exponential = list(
      density = function(w) prior$weight * exponential(prior$rate)(w),
      zero = 1 - prior$weight, marks = 1 / prior$rate
    ),
    binary = {
      sd <- prior$ratio * prior$location
      slab <- normal(prior$location, sd)
      list(
        density = function(w) prior$weight * slab(w), zero = 1 - prior$weight,
        marks = pmax(prior$location + sd * -20:20, 0)
      )
    },
    mixture = {
      parts <- lapply(prior$scales, function(scale) {
        if (prior$shape == "half_normal") normal(0, scale) else exponential(1 / scale)
      })
      slabs <- which(prior$scales > 0)
      list(
        density = function(w) {
          Reduce(`+`, lapply(slabs, function(k) prior$weights[k] * parts[[k]](w)))
        },
        zero = sum(prior$weights[prior$scales == 0]), marks = prior$scales
      )
    }
  )
}

# The posterior of one observation, integrated by pieces.
reference_posterior <- function(x, s, prior) {
  prior <- reference_prior(prior)
  breaks <- c(0, prior$marks, pmax(x + s * -10:10, 0), s * 2^(-12:5))
  breaks <- sort(unique(c(breaks, max(breaks) + 30 * s)))
  log_joint <- function(w) dnorm(x, w, s, log = TRUE) + log(prior$density(w))
  log_zero <- dnorm(x, 0, s, log = TRUE) + log(prior$zero)
  inside <- unlist(mapply(seq, breaks[-length(breaks)], breaks[-1], length.out = 20))
  top <- max(log_joint(inside[inside > 0]), log_zero)
  moment <- function(of) {
    pieces <- mapply(function(from, to) {
      along <- function(w) of(w) * exp(log_joint(w) - top)
      integrate(along, from, to, rel.tol = 1e-12, stop.on.error = FALSE)$value
    }, breaks[-length(breaks)], breaks[-1])
    sum(pieces)
  }
  at_zero <- exp(log_zero - top)
  total <- moment(function(w) 1) + at_zero
  mean <- moment(identity) / total
  data.frame(
    mean = mean,
    sd = sqrt((moment(function(w) (w - mean)^2) + at_zero * mean^2) / total),
    second_moment = moment(function(w) w^2) / total,
    lfsr = at_zero / total,
    log_marginal = log(total) + top
  )
}

# Log marginal likelihood in closed form, from textbook convolutions.
reference_marginal <- function(x, s, prior) {
  zero <- dnorm(x, 0, s)
  exponential <- function(rate) {
    exp(log(rate) + (rate * s)^2 / 2 - rate * x + pnorm(x / s - rate * s, log.p = TRUE))
  }
  normal <- function(location, sd) {
    wide <- sqrt(s^2 + sd^2)
    inside <- pnorm((x * sd^2 + location * s^2) / (s * sd * wide))
    dnorm(x, location, wide) * inside / pnorm(location / sd)
  }
  sum(log(switch(prior$family,
    exponential = exponential(prior$rate),
    point_exponential = (1 - prior$weight) * zero + prior$weight * exponential(prior$rate),
    binary = (1 - prior$weight) * zero +
      prior$weight * normal(prior$location, prior$ratio * prior$location),
    mixture = {
      parts <- vapply(prior$scales, function(scale) {
        if (scale == 0) {
          zero
        } else if (prior$shape == "half_normal") {
          normal(0, scale)
        } else {
          exponential(1 / scale)
        }
      }, x)
      parts %*% prior$weights
    }
  )))
}

# The exponential prior in R code.
exponential_in_r <- function(...) {
  prior_custom(
    estimate = function(x, s) list(rate = normal_means(x, s, "exponential")$prior$rate),
    posterior = function(x, s, g) {
      moments <- truncnorm_moments(x - g$rate * s^2, s)
      data.frame(
        mean = moments$mean, var = moments$var,
        log_marginal = demg(x, g$rate, s, log = TRUE)
      )
    },
    ...
  )
}

# A function in the form of those of the ebnm package, with the point-exponential prior of this one.
ebnm_in_r <- function(prior = "point_exponential") {
  function(x, s = 1, mode = 0, g_init = NULL, fix_g = FALSE, output = NULL) {
    found <- normal_means(x, s, if (fix_g) g_init else prior)
    structure(class = c("ebnm", "list"), list(
      posterior = found$posterior[c("mean", "sd", "second_moment", "lfsr")],
      fitted_g = found$prior, log_likelihood = found$loglik
    ))
  }
}

# Loadings of which two fifths are not zero, observed with noise.
seen_loadings <- function(count = 60) {
  w <- rbinom(count, 1, 0.4) * rexp(count, 1 / 4)
  s <- sample(c(0.5, 1, 2), count, replace = TRUE)
  list(w = w, x = rnorm(count, w, s), s = s)
}
