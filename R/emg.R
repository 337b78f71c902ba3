#' The exponentially modified Gaussian distribution
#'
#' Density, distribution function, quantiles and random draws of \eqn{x = b + e} with
#' \eqn{b \sim \mathrm{Exp}(\lambda)}{b ~ Exp(lambda)} and
#' \eqn{e \sim N(0, \sigma^2)}{e ~ N(0, sigma^2)} independent: the distribution of a residual
#' under the model. Its mean is \eqn{1/\lambda}, its variance
#' \eqn{1/\lambda^2 + \sigma^2}. With \eqn{z = x / \sigma - \lambda \sigma}{z = x / sigma -
#' lambda sigma}, its density is
#' \deqn{\lambda \exp(\lambda^2 \sigma^2 / 2 - \lambda x) \Phi(z)}{
#'   lambda exp(lambda^2 sigma^2 / 2 - lambda x) Phi(z)}
#' and its distribution function
#' \deqn{\Phi(x / \sigma) - \exp(\lambda^2 \sigma^2 / 2 - \lambda x) \Phi(z).}{
#'   Phi(x / sigma) - exp(lambda^2 sigma^2 / 2 - lambda x) Phi(z).}
#'
#' Both are computed by other formulas, without overflow or loss of digits in either
#' tail, for \eqn{\lambda \sigma}{lambda sigma} from 1e-150 to 1e150 and \eqn{|x| / \sigma}{
#' |x| / sigma} up to 1e150. Against values of 50 digits, the relative error is at most
#' 1e-15 in the log of the smaller of the two tails, and 1e-13 in the log of the larger one
#' and in the probabilities themselves, for all of 1e-300 or more; the error of the log
#' density is at most 1e-14 max(1, |log density|).
#'
#' `qemg()` solves for the log of the smaller of the two tails by Newton's method. Both tails
#' are log-concave, so that the steps from a start outside do not overshoot the solution.
#' `pemg()` of the result returns the log probability with a relative error of 1e-12.
#'
#' `remg()` draws `rexp(n) / lambda + sigma * rnorm(n)`, all of the exponential part
#' first, with R's own generator: [set.seed()] controls it.
#'
#' @param x,q Numeric vector of quantiles.
#' @param p Numeric vector of probabilities, or of their logs if `log.p = TRUE`.
#' @param n Number of draws, a whole number; a vector of several elements means its
#'   length, as in [stats::rnorm()].
#' @param lambda Numeric vector: rates of the exponential part, positive.
#' @param sigma Numeric vector: standard deviations of the Gaussian part, positive.
#'
#'   The first argument, `lambda` and `sigma` are recycled to the longest, as in
#'   [stats::dnorm()]; by `remg()`, to `n`.
#' @param log `TRUE` or `FALSE`: whether to return the log density.
#' @param lower.tail `TRUE` or `FALSE`: whether probabilities are those of \eqn{X \le x}{X <= x}
#'   or those of \eqn{X > x}.
#' @param log.p `TRUE` or `FALSE`: whether probabilities are given, or returned, as their logs.
#'
#' @return Numeric vector: densities (`demg()`), probabilities (`pemg()`), quantiles
#'   (`qemg()`; -Inf and Inf at the probabilities 0 and 1) or draws (`remg()`); the
#'   first three have the attributes (names, dimensions) of the first argument if that is
#'   the longest. `NA` if an argument is `NA`; `NaN`, with a warning of class
#'   `nmu_warning_nan`, if `lambda` or `sigma` is not positive and finite, or `p` is not a
#'   probability. `remg()` also warns of `NA`, as [stats::rnorm()] does.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not of the type described, and
#'   `nmu_error_interrupted` if the user interrupts.
#'
#' @source E. Grushka (1972), Characterization of exponentially modified Gaussian peaks in
#'   chromatography, *Analytical Chemistry* 44, 1733-1738.
#'
#' @examples
#' demg(c(-1, 0, 1), lambda = 2, sigma = 0.5)
#' demg(-1e5, log = TRUE)
#'
#' # both tails keep their digits
#' pemg(c(-40, 1, 40), log.p = TRUE)
#' pemg(c(-40, 1, 40), lower.tail = FALSE, log.p = TRUE)
#' qemg(c(0.025, 0.5, 0.975), lambda = 2, sigma = 0.5)
#'
#' set.seed(1)
#' mean(remg(1000, lambda = 2, sigma = 0.5))
#' @export
demg <- function(x, lambda = 1, sigma = 1, log = FALSE) {
  call <- current_env()
  log <- check_flag(log)
  emg_values(x, lambda, sigma, function(x, lambda, sigma) {
    # infinite parts of opposite sign must not make a NaN
    density <- rep_len(if (log) -Inf else 0, length(x))
    near <- is.finite(x)
    density[near] <- core_value(core_demg(x[near], lambda[near], sigma[near], log), call = call)
    density
  })
}

#' @rdname demg
#' @export
pemg <- function(q, lambda = 1, sigma = 1,
                 lower.tail = TRUE, log.p = FALSE) { # nolint: object_name_linter.
  lower <- check_flag(lower.tail)
  log <- check_flag(log.p)
  call <- current_env()
  emg_values(q, lambda, sigma, function(q, lambda, sigma) {
    core_value(core_pemg(q, lambda, sigma, lower, log), call = call)
  })
}

#' @rdname demg
#' @export
qemg <- function(p, lambda = 1, sigma = 1,
                 lower.tail = TRUE, log.p = FALSE) { # nolint: object_name_linter.
  lower <- check_flag(lower.tail)
  log <- check_flag(log.p)
  call <- current_env()
  in_range <- if (log) function(p) p <= 0 else function(p) p >= 0 & p <= 1
  emg_values(p, lambda, sigma, function(p, lambda, sigma) {
    core_value(core_qemg(if (log) p else log(p), lambda, sigma, lower), call = call)
  }, in_range)
}

#' @rdname demg
#' @export
remg <- function(n, lambda = 1, sigma = 1) {
  n <- if (is.atomic(n) && length(n) > 1) length(n) else check_nonnegative(n)
  if (n != floor(n) || n > 2^52) {
    abort_input("n", "a whole number, at most 2^52", describe(n))
  }
  lambda <- rep_len(check_numeric_vector(lambda), n)
  sigma <- rep_len(check_numeric_vector(sigma), n)
  draws <- stats::rexp(n) / lambda + sigma * stats::rnorm(n)
  valid <- is_emg(lambda, sigma)
  if (!all(valid)) {
    missing_value <- lambda + sigma
    draws[!valid] <- ifelse(is.na(missing_value), missing_value, NaN)[!valid]
    # as in rexp() and rnorm(), one warning for both
    kinds <- c("NaN", "NA")[c(any(is.nan(draws)), any(is.na(draws) & !is.nan(draws)))]
    warn_nan(what = paste(kinds, collapse = " and "))
  }
  draws
}

#' Recycle the arguments of a distribution function, and compute its values in range
#'
#' @param x First argument of the function.
#' @param arg Its name.
#' @param lambda,sigma As the user gave them.
#' @param compute Function of `x`, `lambda` and `sigma`, of one length and all in range.
#' @param in_range Function that says which elements of `x` are legal.
#' @return Numeric vector, with the attributes of `x` if that is the longest.
#' @noRd
emg_values <- function(x, lambda, sigma, compute, in_range = function(x) TRUE,
                       arg = caller_arg(x), call = caller_env()) {
  values <- check_numeric_vector(x, arg = arg, call = call)
  lambda <- check_numeric_vector(lambda, call = call)
  sigma <- check_numeric_vector(sigma, call = call)
  size <- recycled_length(values, lambda, sigma)
  values <- rep_len(values, size)
  lambda <- rep_len(lambda, size)
  sigma <- rep_len(sigma, size)
  # NA + 1 is NA and NaN + 1 is NaN; infinite parts of opposite sign must not make a NaN
  result <- ifelse(is.na(values), values, lambda + sigma)
  known <- !is.na(result)
  valid <- known & is_emg(lambda, sigma) & in_range(values)
  if (any(known & !valid)) {
    result[known & !valid] <- NaN
    warn_nan(if (arg == "p") " {.arg p} must be a probability.", call = call)
  }
  result[valid] <- compute(values[valid], lambda[valid], sigma[valid])
  if (size == length(x)) {
    attributes(result) <- attributes(x)
  }
  result
}

#' Are these valid parameters of the distribution?
#'
#' @param lambda,sigma Double vectors of one length.
#' @return Logical vector, without `NA`.
#' @noRd
is_emg <- function(lambda, sigma) {
  is.finite(lambda) & is.finite(sigma) & lambda > 0 & sigma > 0
}

#' Warn about NaN from parameters out of range
#'
#' @param more A further sentence, a cli template, or `NULL`.
#' @param what What was produced.
#' @noRd
warn_nan <- function(more = NULL, what = "NaN", call = caller_env()) {
  warn_nmu(
    paste0("{what} produced: {.arg lambda} and {.arg sigma} must be positive and finite.", more),
    "nan", call = call
  )
}
