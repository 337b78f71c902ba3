#' Density of the exponentially modified Gaussian distribution
#'
#' The distribution of \eqn{b + e} with \eqn{b \sim \mathrm{Exp}(\lambda)}{b ~ Exp(lambda)} and
#' \eqn{e \sim N(0, \sigma^2)}{e ~ N(0, sigma^2)} independent: what the model expects of a
#' residual once the factors are taken out. Its mean is \eqn{1/\lambda}, its variance
#' \eqn{1/\lambda^2 + \sigma^2}, and its density is
#' \deqn{\lambda \exp(\lambda^2 \sigma^2 / 2 - \lambda x) \Phi(x / \sigma - \lambda \sigma),}{
#'   lambda exp(lambda^2 sigma^2 / 2 - lambda x) Phi(x / sigma - lambda sigma),}
#' which is computed without overflow and without loss of digits in either tail.
#'
#' @param x Numeric vector of quantiles.
#' @param lambda Numeric vector: rates of the exponential part, positive.
#' @param sigma Numeric vector: standard deviations of the Gaussian part, positive.
#' @param log `TRUE` or `FALSE`: return the log density?
#'
#'   `x`, `lambda` and `sigma` are recycled to the longest, as in [stats::dnorm()].
#'
#' @return Numeric vector of densities, or log densities, with the attributes of `x` (names,
#'   dimensions) where `x` is the longest. `NA` where an argument is `NA`; `NaN`, with a
#'   warning of class `nmu_warning_nan`, where `lambda` or `sigma` is not positive and finite.
#'
#' @section Errors: Class `nmu_error_input` where an argument is not of the type described.
#'
#' @source E. Grushka (1972), Characterization of exponentially modified Gaussian peaks in
#'   chromatography, *Analytical Chemistry* 44, 1733-1738.
#'
#' @examples
#' demg(c(-1, 0, 1), lambda = 2, sigma = 0.5)
#' demg(-1e5, log = TRUE)
#' @export
demg <- function(x, lambda = 1, sigma = 1, log = FALSE) {
  call <- match.call()
  quantiles <- check_numeric_vector(x, "x", call)
  lambda <- check_numeric_vector(lambda, "lambda", call)
  sigma <- check_numeric_vector(sigma, "sigma", call)
  log <- check_flag(log, "log", call)
  size <- recycled_length(quantiles, lambda, sigma)
  quantiles <- rep_len(quantiles, size)
  lambda <- rep_len(lambda, size)
  sigma <- rep_len(sigma, size)
  # NA + 1 is NA and NaN + 1 is NaN; infinite parts of opposite sign must not make a NaN
  density <- ifelse(is.na(quantiles), quantiles, lambda + sigma)
  known <- !is.na(density)
  legal <- known & lambda > 0 & sigma > 0 & is.finite(lambda) & is.finite(sigma)
  if (any(known & !legal)) {
    density[known & !legal] <- NaN
    warn_nan(call)
  }
  far <- legal & is.infinite(quantiles)
  density[far] <- if (log) -Inf else 0
  legal <- legal & !far
  density[legal] <- core_demg(quantiles[legal], lambda[legal], sigma[legal], log)
  if (size == length(x)) {
    attributes(density) <- attributes(x)
  }
  density
}

#' Warn that parameters out of range gave NaN
#'
#' @param call The user's call.
#' @noRd
warn_nan <- function(call) {
  cli::cli_warn(
    "NaN produced: {.arg lambda} and {.arg sigma} must be positive and finite.",
    class = c("nmu_warning_nan", "nmu_warning"),
    call = call
  )
}
