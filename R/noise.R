#' Estimators of lambda and sigma
#'
#' Choose how [nmu()] sets the rate \eqn{\lambda} of the nonnegative remainder and the standard
#' deviation \eqn{\sigma} of the noise.
#'
#' * `noise_mle()`, the default: \eqn{\lambda} and \eqn{\sigma} maximise the likelihood of the
#'   residual, an exponentially modified Gaussian (see [demg()]), jointly with the loadings. With
#'   `refine = FALSE`, and for the start of a fit with priors, each factor is found by a
#'   continuation over lower bounds on \eqn{\lambda\sigma}{lambda sigma}, see [nmu_algorithm].
#' * `noise_moments()`: the residual \eqn{x} has mean \eqn{1/\lambda} and variance
#'   \eqn{1/\lambda^2 + \sigma^2}, so \eqn{\lambda} = 1/mean and \eqn{\sigma^2} = var - mean^2.
#'   Updates alternate with those of the loadings.
#' * `noise_fixed()`: both are given, in the units of `A`.
#' * `noise_notebook()`: the rule of the notebook. Each factor starts from \eqn{\lambda = 1},
#'   \eqn{\sigma = 0.1} and takes 5 rounds of EM; after a round, \eqn{\lambda} becomes 1/mean and
#'   \eqn{\sigma} the standard deviation of the residual. This \eqn{\sigma} is too large, because it
#'   includes the variance of \eqn{b}; the rule is kept so that the notebook's results can be
#'   reproduced. Its starting values are in the units of `A`, so its results depend on the scale of
#'   `A`. Those of `noise_mle()` and `noise_moments()` do not.
#'
#' @section Bounds: The likelihood has no maximum for exact data, where it increases as
#'   \eqn{\sigma \to 0}, nor if the residual is not skewed to the right, where \eqn{b}
#'   vanishes as \eqn{\lambda \to \infty}. `noise_mle()` and `noise_moments()` therefore hold
#'   \eqn{\sigma} at or above the larger of `floor` times the standard deviation of `A`, and about
#'   1e-8 times its root mean square; and \eqn{\lambda\sigma}{lambda sigma}, the ratio of the
#'   standard deviations of noise and remainder, at or below `cap`. For factors that are fitted one
#'   after another (`refine = FALSE`, and the path of a fit with priors or `noise_moments()`), the
#'   residual of the earlier factors takes the place of `A`, and with `underapprox = TRUE` that of
#'   all factors.
#'
#'   `print()`, `summary()` and the path of a fit name active bounds:
#'
#'   * `"sigma"`, usually with \eqn{\sigma} below the remainder (\eqn{\lambda\sigma < 1}{
#'     lambda sigma < 1}): the data show no noise beside \eqn{b}, and \eqn{\sigma} is as small as
#'     it may be, as in 53 of 78 fits of R's own data sets with one and three factors. A smaller
#'     `floor` gives no estimate either: with 1e-6, \eqn{\sigma} was at its bound in all but two of
#'     these.
#'   * `"lambda"`: the data show no skewness, and \eqn{b} is negligible.
#'   * `"both"`, or `"sigma"` with \eqn{\sigma} above the remainder (\eqn{\lambda\sigma \ge 1}{
#'     lambda sigma >= 1}): what the factors leave is smaller than the lower bound on
#'     \eqn{\sigma}. For exact data there is nothing else to find. Otherwise the bound determines
#'     \eqn{\lambda} and \eqn{\sigma}, and weak factors may be missed: of 60 simulated matrices in
#'     which one factor was 10 to 100 times as large as two others, `K = NULL` found fewer factors
#'     than with `floor = 1e-4` in 32 of 50 such cases, and in none of the other ten. Lower `floor`.
#'     If `verbose`, a message of class `nmu_message_bound` says so, but not for exact data, nor
#'     with as many factors as `A` has rows or columns.
#'
#' @section Heteroscedastic noise: With `by` or `se` the noise is
#'   \eqn{e_{ij} \sim N(0, \sigma^2 s_{ij}^2)}{e_ij ~ N(0, sigma^2 s_ij^2)}, where the mean of
#'   \eqn{s^2} is 1. \eqn{\sigma}, its bound and that of \eqn{\lambda\sigma}{lambda sigma} refer to
#'   the root mean square of the standard deviations. With `by = "row"` or `"column"` the
#'   \eqn{s_i} are estimated, by EM steps that alternate with all other updates, from the expected
#'   squares of the noise in a row; no standard deviation falls below the lower bound on
#'   \eqn{\sigma}. They are `noise_sd` of the fit. With `se` the \eqn{s_{ij}}{s_ij} are known, and
#'   the common factor \eqn{\sigma} is estimated. If `A` is symmetric, the noise must be symmetric,
#'   too: numbers by row mean \eqn{s_{ij}^2 = s_i s_j}{s_ij^2 = s_i s_j}, whether estimated or
#'   given; rows and columns are the same; and a matrix `se` must be symmetric. The fit with each
#'   number of factors starts with homoscedastic noise.
#'
#'   As in factor analysis there may be Heywood cases: the column loadings are fitted to one
#'   row, whose noise nearly vanishes, at a likelihood above that of the truth. A row whose
#'   `noise_sd` is exceptionally small is such a case; a larger `floor` prevents it. If the noise of
#'   a row is much smaller than the remainder, a few hundred entries hardly determine it.
#'
#' @section Standard errors: Those of \eqn{\log\lambda}{log lambda} and \eqn{\log\sigma}{log sigma},
#'   with the factors held fixed, are computed from the curvature of the likelihood (`se_log_lambda`
#'   and `se_log_sigma` in the path). They ignore that the factors were fitted to the same entries,
#'   n loadings to \eqn{n^2/2} entries: at \eqn{n = 500}, \eqn{\lambda} is too large by 0.3 to 1.9
#'   per cent and \eqn{\sigma} by 0.4 to 1.5 per cent if no bound is active (mean of ten
#'   simulated matrices, one factor, \eqn{\lambda\sigma}{lambda sigma} from 0.03 to 1), which can be
#'   several standard errors. The bias decreases as n grows.
#'
#' @param floor One number from 0 to 1: the lower bound on \eqn{\sigma}, as a share of the standard
#'   deviation of `A`, or of a factor's initial residual, see the section Bounds.
#' @param cap One positive number from 0.001 to 1000: the upper bound on
#'   \eqn{\lambda\sigma}{lambda sigma}.
#' @param ratio_floors `NULL`, or increasing numbers from 0.001 to 1000: the lower bounds on
#'   \eqn{\lambda\sigma}{lambda sigma} of the continuation, one after another; see [nmu_algorithm].
#'   `NULL` is a single optimisation without a lower bound. No effect on a joint fit with flat
#'   priors (`refine = TRUE`, the default), which has no continuation.
#' @param lambda,sigma One number from 1e-150 to 1e150 each, in units of 1/`A` and of `A`;
#'   `lambda = Inf` for a model without a remainder, see [prior_none()].
#' @param by `"constant"`, `"row"` or `"column"`: whether the standard deviation of the noise
#'   differs between rows or columns, see the section Heteroscedastic noise. Case-sensitive; may
#'   be abbreviated.
#' @param se `NULL`, or, only with `by = "constant"`, known standard errors: a number from 1e-150 to
#'   1e150 for each row of `A`, or a matrix of its size, in any unit; the largest is at most 1e10
#'   times the smallest. `NA` where `A` has no observed entry: there, draws of
#'   [simulate()][simulate.nmu_fit] have noise of the average size.
#'
#' @return An object of class `nmu_noise`: a list with the name of the `rule` and its settings.
#'
#' @section Errors: Class `nmu_error_input` if a setting is not as described.
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025.
#'
#' @examples
#' noise_mle()
#' noise_fixed(lambda = 2, sigma = 0.1)
#' @name noise
NULL

#' @rdname noise
#' @export
noise_mle <- function(floor = 0.01, cap = 3, ratio_floors = c(0.5, 1, 2),
                      by = c("constant", "row", "column"), se = NULL) {
  by <- check_choice(by, c("constant", "row", "column"))
  settings <- c(bounds(floor, cap), list(ratio_floors = check_ratio_floors(ratio_floors)))
  if (!is.null(se)) {
    if (by != "constant") {
      abort_input("se", sprintf("NULL with by = \"%s\"", by), describe(se))
    }
    settings$se <- check_se(se)
  }
  if (by != "constant") {
    settings$by <- by
  }
  new_noise("mle", settings)
}

#' @rdname noise
#' @export
noise_moments <- function(floor = 0.01, cap = 3) {
  new_noise("moments", bounds(floor, cap))
}

#' @rdname noise
#' @export
noise_fixed <- function(lambda, sigma) {
  new_noise("fixed", list(
    lambda = if (identical(lambda, Inf)) lambda else check_positive(lambda),
    sigma = check_positive(sigma)
  ))
}

#' @rdname noise
#' @export
noise_notebook <- function() {
  new_noise("notebook", list(lambda = 1, sigma = 0.1, rounds = 5L))
}

#' Create a noise estimator
#'
#' @param rule Its name, as the core knows it.
#' @param settings Its settings.
#' @return An object of class `nmu_noise`.
#' @noRd
new_noise <- function(rule, settings) {
  structure(c(list(rule = rule), settings), class = c(paste0("nmu_noise_", rule), "nmu_noise"))
}

#' Check the bounds of an estimator
#'
#' @inheritParams noise_mle
#' @return A list of both.
#' @noRd
bounds <- function(floor, cap, call = caller_env()) {
  list(
    floor = check_between(floor, 0, 1, call = call),
    cap = check_between(cap, 0.001, 1000, call = call)
  )
}

#' Check the lower bounds on lambda sigma
#'
#' @inheritParams noise_mle
#' @return `ratio_floors` as a double vector.
#' @noRd
check_ratio_floors <- function(ratio_floors, call = caller_env()) {
  if (!is.null(ratio_floors) && (!is.numeric(ratio_floors) || is.object(ratio_floors))) {
    expected <- "NULL or increasing positive numbers"
    abort_input("ratio_floors", expected, describe(ratio_floors), call = call)
  }
  ratio_floors <- as.double(ratio_floors)
  in_range <- all(is.finite(ratio_floors)) && all(ratio_floors >= 0.001 & ratio_floors <= 1000)
  if (!in_range || is.unsorted(ratio_floors, strictly = TRUE)) {
    found <- paste(format(utils::head(ratio_floors, 5), digits = 4), collapse = ", ")
    abort_input("ratio_floors", "increasing numbers from 0.001 to 1000", found, call = call)
  }
  ratio_floors
}

#' Check standard errors
#'
#' @param se A vector or matrix.
#' @return `se` as doubles.
#' @noRd
check_se <- function(se, call = caller_env()) {
  if (!is.numeric(se) || is.object(se) || length(se) == 0 || !(length(dim(se)) %in% c(0, 2))) {
    abort_input("se", "NULL, a numeric vector or a matrix", describe(se), call = call)
  }
  known <- !is.na(se) | is.nan(se)
  bad <- known & !(is.finite(se) & se >= 1 / largest_size & se <= largest_size)
  if (any(bad) || !any(known)) {
    found <- if (any(bad)) format(se[bad][1], digits = 15) else "only NA"
    abort_input("se", "positive and finite, or NA where A is", found, call = call)
  }
  range <- range(se, na.rm = TRUE)
  if (range[2] > 1e10 * range[1]) {
    found <- sprintf("numbers from %g to %g", range[1], range[2])
    abort_input("se", "of a largest number at most 1e10 times the least", found, call = call)
  }
  if (is.matrix(se)) matrix(as.double(se), nrow(se)) else as.double(se)
}

#' Noise estimators that can be given by name
#'
#' @return A named list of constructors that need no arguments.
#' @noRd
noise_constructors <- function() {
  list(mle = noise_mle, moments = noise_moments, notebook = noise_notebook)
}

#' Convert the argument noise to an object
#'
#' @param noise An object of class `nmu_noise`, or the name of an estimator.
#' @return An object of class `nmu_noise`.
#' @noRd
check_noise <- function(noise, call = caller_env()) {
  if (inherits(noise, "nmu_noise")) {
    return(noise)
  }
  expected <- "an estimator such as noise_mle(), or its name (%s)"
  by_name(noise, noise_constructors(), expected, call = call)
}

#' @rdname noise
#' @param x An object of class `nmu_noise`.
#' @param ... Must be empty.
#' @method print nmu_noise
#' @export
print.nmu_noise <- function(x, ...) {
  refuse_dots(...)
  what <- c(
    mle = "lambda and sigma by maximum likelihood",
    moments = "lambda = 1/mean, sigma^2 = var - mean^2 of the residual",
    fixed = "lambda and sigma as given",
    notebook = "lambda = 1/mean, sigma = sd of the residual, after each round"
  )
  settings <- unclass(x)[-1]
  settings$se <- if (!is.null(x$se)) if (is.matrix(x$se)) "a matrix" else "by row"
  texts <- vapply(settings, setting_text, "")
  cli::cat_line(
    c(
      sprintf("<nmu_noise> %s", x$rule),
      sprintf("  %s", what[[x$rule]]),
      sprintf("  %s", paste(names(settings), "=", texts, collapse = ", "))
    )
  )
  invisible(x)
}

#' Format a setting of an estimator
#' @param value Numbers, or an empty vector.
#' @return One string.
#' @noRd
setting_text <- function(value) {
  if (length(value) == 0) "none" else paste(vapply(value, format, ""), collapse = "/")
}
