#' Check a prior
#'
#' Checks that a prior, built-in or made by [prior_custom()], meets the requirements of a fit. The
#' hyperparameters are estimated from `x` and `s`; then the posterior is evaluated on a
#' grid that spans them.
#'
#' * `range`: mean, sd and log marginal are finite for x/s from -1000 to 1000, mean and sd are not
#'   negative, and `lfsr` is a probability (the error is the number of points at which this fails);
#' * `moments`: the second moment is \eqn{mean^2 + sd^2};
#' * `mean`: \eqn{mean = x + s^2\, d\,log\_marginal/dx}{mean = x + s^2 d log_marginal / dx}
#'   (Tweedie's formula);
#' * `variance`: \eqn{sd^2 = s^2\, d\,mean/dx}{sd^2 = s^2 d mean / dx};
#' * `quadrature`: log marginal, mean, variance and `lfsr` agree with those of the density;
#' * `estimate`: no change of an estimated hyperparameter increases the likelihood;
#' * `units`: if `x` and `s` are multiplied by a constant, the prior is scaled by it.
#'
#' The formulas for mean and variance are checked in integrated form: the change of the log marginal
#' from one grid point to the next is compared with the integral of \eqn{(mean - x)/s^2} by adaptive
#' quadrature, and likewise that of the mean. This avoids the loss of digits of finite differences.
#' For a prior written in R, the check `quadrature` is skipped unless `density` is given. It is
#' reliable if the density has no feature that is much narrower than the posteriors. The checks
#' `estimate` and `units` are skipped if hyperparameters are given.
#'
#' @param prior A prior, or its name, as in [normal_means()].
#' @param x,s Observations and their standard deviations, as in [normal_means()]. If both are
#'   `NULL`, the default, 60 observations are used, half of them with \eqn{w = 0}, with three
#'   different `s`; if only `x` is given, `s` is 1.
#' @param tolerance One positive number: the largest error, relative to the size of the quantity,
#'   with which a check is passed. For `estimate` and `units` the limit is its square root, in units
#'   of log-likelihood per observation.
#' @param error `TRUE` or `FALSE`: whether to raise an error if a check fails.
#'
#' @return Invisibly, an object of class `nmu_prior_check`, a data frame with a row for each check:
#'   `check`, `worst` (the largest error), `limit`, `passed`, and `note`, the message of a function
#'   that failed. It is printed.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described; class
#'   `nmu_error_prior`, with the data frame in its field `checks`, if `error = TRUE` and a check
#'   fails; class `nmu_error_interrupted` if the user interrupts.
#'
#' @source B. Efron (2011), Tweedie's formula and selection bias, *Journal of the American
#'   Statistical Association* 106, 1602-1614.
#'
#' @seealso [prior_custom()]
#'
#' @examples
#' check_prior("point_exponential")
#'
#' # a posterior whose variance is wrong
#' broken <- prior_custom(
#'   estimate = function(x, s) list(rate = 0.5),
#'   posterior = function(x, s, g) {
#'     moments <- truncnorm_moments(x - g$rate * s^2, s)
#'     list(mean = moments$mean, var = s^2, log_marginal = demg(x, g$rate, s, log = TRUE))
#'   }
#' )
#' check_prior(broken)
#' @export
check_prior <- function(prior, x = NULL, s = NULL, tolerance = 1e-8, error = FALSE) {
  prior <- check_single_prior(prior)
  example <- example_observations()
  data <- check_observations(x %||% example$x, s %||% if (is.null(x)) example$s else 1)
  tolerance <- check_positive(tolerance)
  error <- check_flag(error)
  checks <- run_checks(prior, data, tolerance)
  if (error && !all(checks$passed)) {
    failed <- checks$check[!checks$passed]
    abort_nmu("The prior does not meet the requirements of a fit: {.val {failed}} failed.",
      kind = "prior", checks = checks
    )
  }
  print(checks)
  invisible(checks)
}

#' Default observations of check_prior(), half of them with w = 0
#' @return A list of `x` and `s`.
#' @noRd
example_observations <- function() {
  s <- rep_len(c(0.5, 1, 2), 60)
  # in an order that is unrelated to that of w
  noise <- stats::qnorm(stats::ppoints(60))[order(sin(seq_len(60)^2))]
  list(x = c(double(30), stats::qexp(stats::ppoints(30), 0.25)) + s * noise, s = s)
}

#' Run all applicable checks
#'
#' @param prior An object of class `nmu_prior`.
#' @param data A list of `x` and `s`.
#' @param tolerance Largest relative error.
#' @return An object of class `nmu_prior_check`.
#' @noRd
run_checks <- function(prior, data, tolerance, call = caller_env()) {
  solve <- function(x, s, prior) solve_normal_means(x, s, prior, call = call)
  solution <- try_check("estimated", solve(data$x, data$s, prior))
  if (is.data.frame(solution)) {
    return(new_prior_check(solution, tolerance))
  }
  known <- solution$prior
  posterior <- function(x, s) solve(x, s, known)$posterior
  density <- prior_density(known)
  new_prior_check(rbind(
    try_check("range", check_range(posterior, data)),
    try_check("moments", check_moments(known, solution)),
    try_check("mean", check_mean(posterior, data)),
    try_check("variance", check_variance(posterior, data)),
    if (!is.null(density)) try_check("quadrature", check_quadrature(posterior, data, density)),
    try_check("estimate", check_estimate(prior, solution, solve), root = TRUE),
    if (is_free(prior)) try_check("units", check_units(prior, solution, solve), root = TRUE)
  ), tolerance)
}

#' Run one check
#'
#' @param check Its name.
#' @param work Its largest error, `NULL` if the check does not apply, or another value, which is
#'   returned unchanged.
#' @param root Is the limit the square root of the tolerance?
#' @return A data frame with one row, `NULL`, or the value of `work`.
#' @noRd
try_check <- function(check, work, root = FALSE) {
  row <- function(worst, note) {
    data.frame(check = check, worst = worst, root = root, note = note)
  }
  tryCatch(
    {
      value <- work
      if (is.double(value)) row(value, "") else value
    },
    nmu_error_interrupted = function(condition) stop(condition),
    error = function(condition) row(NA_real_, reason_of(condition))
  )
}

#' Message of an error in a function of the user
#' @param condition An error.
#' @return One string.
#' @noRd
reason_of <- function(condition) {
  conditionMessage(condition$parent %||% condition)
}

#' Create the table of checks
#'
#' @param rows A data frame of results.
#' @param tolerance Largest relative error.
#' @return An object of class `nmu_prior_check`.
#' @noRd
new_prior_check <- function(rows, tolerance) {
  limit <- ifelse(rows$root, sqrt(tolerance), tolerance)
  structure(
    data.frame(
      check = rows$check, worst = rows$worst, limit = limit,
      passed = !is.na(rows$worst) & rows$worst <= limit, note = rows$note
    ),
    class = c("nmu_prior_check", "data.frame")
  )
}

#' @rdname check_prior
#' @param ... Must be empty.
#' @method print nmu_prior_check
#' @export
print.nmu_prior_check <- function(x, ...) {
  refuse_dots(...)
  if (!all(c("check", "worst", "passed", "note") %in% names(x))) {
    return(invisible(NextMethod()))
  }
  cli::cat_line(sprintf("<nmu_prior_check> %d of %d passed", sum(x$passed), nrow(x)))
  worst <- ifelse(is.na(x$worst), x$note, sprintf("worst error %.1g", x$worst))
  cli::cat_line(sprintf(
    "  %s %s %s", ifelse(x$passed, "ok    ", "FAILED"), format(x$check), worst
  ))
  invisible(x)
}
