#' Check what is asked of a prior
#'
#' Holds a prior, one of the package or one made by [prior_custom()], to the contract that fits rely
#' on. The hyperparameters are estimated from `x` and `s`; then the posterior is looked at on a
#' grid that spans them.
#'
#' * `range`: mean, sd and log marginal are finite for x/s from -1000 to 1000, mean and sd are not
#'   negative, and `zero` is a probability (the error is the number of points where not);
#' * `moments`: \eqn{second = mean^2 + sd^2};
#' * `mean`: \eqn{mean = x + s^2\, d\,log\_marginal/dx}{mean = x + s^2 d log_marginal / dx}
#'   (Tweedie's formula);
#' * `variance`: \eqn{sd^2 = s^2\, d\,mean/dx}{sd^2 = s^2 d mean / dx};
#' * `quadrature`: log marginal, mean, variance and `zero` are those of the density;
#' * `estimate`: no hyperparameter that was estimated can be moved for a better likelihood;
#' * `units`: if `x` and `s` are multiplied by a constant, so is the prior.
#'
#' The formulas for mean and variance are checked in integrated form: the change of the log marginal
#' from one point of the grid to the next against the integral of \eqn{(mean - x)/s^2} by adaptive
#' quadrature, and likewise that of the mean. So no digits are lost to finite differences. Of a
#' prior written in R, the quadrature is left out unless `density` is given, and is reliable where
#' the density has no feature that is much narrower than the posteriors it leads to. What cannot be
#' checked is left out: `estimate` and `units` where hyperparameters are given.
#'
#' @param prior A prior, or its name, as in [normal_means()].
#' @param x,s Observations and their standard deviations, as in [normal_means()]. Where both are
#'   `NULL`, the default, a set of 60 is used, of which half have \eqn{w = 0}, with three different
#'   `s`; where only `x` is given, `s` is 1.
#' @param tolerance One positive number: the largest error, relative to the size of what is checked,
#'   with which a check is passed. For `estimate` and `units` it is the square root of it: per
#'   observation, that much log-likelihood.
#' @param error `TRUE` or `FALSE`: raise an error where a check is not passed?
#'
#' @return Invisibly, an object of class `nmu_prior_check`, a data frame with a row for each check:
#'   `check`, `worst` (the largest error), `limit`, `passed`, and `note`, which says more where a
#'   function of the user failed. It is printed.
#'
#' @section Errors: Class `nmu_error_input` where an argument is not as described; class
#'   `nmu_error_prior`, with the data frame in its field `checks`, where `error = TRUE` and a check
#'   is not passed; class `nmu_error_interrupted` where the user interrupted.
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
    abort_nmu("The prior is not as it should be: {.val {failed}} failed.",
      kind = "prior", checks = checks
    )
  }
  print(checks)
  invisible(checks)
}

#' Observations to check a prior with: half of them of zeros
#' @return A list of `x` and `s`.
#' @noRd
example_observations <- function() {
  s <- rep_len(c(0.5, 1, 2), 60)
  # in an order that has nothing to do with that of w
  noise <- stats::qnorm(stats::ppoints(60))[order(sin(seq_len(60)^2))]
  list(x = c(double(30), stats::qexp(stats::ppoints(30), 0.25)) + s * noise, s = s)
}

#' Run all checks that apply
#'
#' @param prior An object of class `nmu_prior`.
#' @param data A list of `x` and `s`.
#' @param tolerance Largest relative error.
#' @param call The user's call.
#' @return An object of class `nmu_prior_check`.
#' @noRd
run_checks <- function(prior, data, tolerance, call = caller_env()) {
  solve <- function(x, s, prior) solve_normal_means(x, s, prior, call = call)
  found <- try_check("estimated", solve(data$x, data$s, prior))
  if (is.data.frame(found)) {
    return(new_prior_check(found, tolerance))
  }
  known <- found$prior
  posterior <- function(x, s) solve(x, s, known)$posterior
  density <- prior_density(known)
  new_prior_check(rbind(
    try_check("range", check_range(posterior, data)),
    try_check("moments", check_moments(known, found)),
    try_check("mean", check_mean(posterior, data)),
    try_check("variance", check_variance(posterior, data)),
    if (!is.null(density)) try_check("quadrature", check_quadrature(posterior, data, density)),
    try_check("estimate", check_estimate(prior, found, solve), root = TRUE),
    if (is_free(prior)) try_check("units", check_units(prior, found, solve), root = TRUE)
  ), tolerance)
}

#' Run one check
#'
#' @param check Its name.
#' @param work The largest error that it finds, `NULL` where there is nothing to check, or something
#'   else that is handed on.
#' @param root Is the limit the square root of the tolerance?
#' @return A data frame with one row, or `NULL`, or what `work` is.
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

#' What went wrong in a function of the user
#' @param condition An error.
#' @return One string.
#' @noRd
reason_of <- function(condition) {
  conditionMessage(condition$parent %||% condition)
}

#' Make the table of checks
#'
#' @param rows A data frame of what was found.
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
#' @param ... Not used.
#' @method print nmu_prior_check
#' @export
print.nmu_prior_check <- function(x, ...) {
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
