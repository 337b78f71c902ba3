#' Moments of a normal distribution truncated to the nonnegative numbers
#'
#' Mean and variance of \eqn{N(\mathrm{mean}, \mathrm{sd}^2)}{N(mean, sd^2)} given that it is at
#' least 0, and the log of the probability of this event. Accurate to double precision for every
#' `mean / sd` from -1e10 to 1e10: relative error below 1e-14 in the mean, 1e-12 in the
#' variance, and 1e-14 max(1, |log_mass|) in the log probability. In the left tail
#' the textbook formulas lose all their digits.
#'
#' @param mean Numeric vector: means before truncation, finite or `NA`.
#' @param sd Numeric vector: standard deviations before truncation, positive and finite, or
#'   `NA`.
#'
#'   Both are recycled to the longer length, as in [stats::dnorm()]; a length of zero
#'   gives no rows.
#'
#' @return A data frame with a row for each element and three numeric columns: `mean` and
#'   `var` of the truncated distribution, in the units of `mean` and their square, and
#'   `log_mass`, the log of the mass on the nonnegative numbers, at most 0. A row is `NA`
#'   if `mean` or `sd` is.
#'
#' @section Errors: Class `nmu_error_input` if `mean` is not numeric or is infinite, and
#'   if `sd` is not numeric, not positive or infinite; class `nmu_error_interrupted` if the
#'   user interrupts.
#'
#' @source N. L. Johnson, S. Kotz and N. Balakrishnan (1994), *Continuous Univariate
#'   Distributions*, volume 1, section 13.10.1.
#'
#' @examples
#' truncnorm_moments(c(-10, 0, 10))
#'
#' # the posterior mean of b for residuals x, with lambda = 1 and sigma = 0.01
#' x <- seq(-0.5, 0.5, length.out = 5)
#' truncnorm_moments(x - 0.01^2, 0.01)$mean
#' @export
truncnorm_moments <- function(mean = 0, sd = 1) {
  mean <- check_numeric_vector(mean)
  sd <- check_numeric_vector(sd)
  if (any(is.infinite(mean))) {
    abort_input("mean", "finite or NA", sprintf("%d infinite", sum(is.infinite(mean))))
  }
  bad <- !is.na(sd) & !(sd > 0 & is.finite(sd))
  if (any(bad)) {
    abort_input("sd", "positive and finite, or NA", format(sd[bad][1], digits = 15))
  }
  size <- recycled_length(mean, sd)
  mean <- rep_len(mean, size)
  sd <- rep_len(sd, size)
  known <- !is.na(mean) & !is.na(sd)
  # NA + 1 is NA and NaN + 1 is NaN: missing values keep their kind
  missing_value <- mean + sd
  moments <- core_value(core_truncnorm_moments(mean[known], sd[known]))
  moments <- lapply(moments, function(values) replace(missing_value, known, values))
  as.data.frame(moments)
}

#' Common length of recycled arguments, as in R's distribution functions
#'
#' @param ... Vectors.
#' @return The largest length, or 0 if one of them is empty.
#' @noRd
recycled_length <- function(...) {
  sizes <- lengths(list(...))
  if (any(sizes == 0)) 0L else max(sizes)
}
