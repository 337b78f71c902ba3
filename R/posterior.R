#' The posterior of the remainder
#'
#' The posterior of the remainder \eqn{b} under a fit, for the whole matrix or a block of it. Given
#' the data and the fit, with \eqn{x = A - \sum_k d_k u_k v_k^T}{x = A - sum_k d_k u_k v_k^T} the
#' residual, the entries of \eqn{b} are independent, and
#' \eqn{b_{ij} \sim N(x_{ij} - \lambda \sigma^2, \sigma^2)}{
#'   b_ij ~ N(x_ij - lambda sigma^2, sigma^2)} truncated to the nonnegative numbers. Its moments
#' are those of [truncnorm_moments()].
#'
#' Under a `prior_b` of [nmu()] other than the exponential, the posterior is a mixture of such
#' truncated normals, one for each exponential of the fitted prior, and of the point mass at zero.
#' With `prior_b = "none"` it is zero.
#'
#' For an entry that was not observed (`NA`, or on an ignored diagonal), the posterior of \eqn{b} is
#' its prior: \eqn{\mathrm{Exp}(\lambda)}{Exp(lambda)}, with
#' mean and standard deviation \eqn{1/\lambda}{1/lambda}, or the fitted prior.
#'
#' The factors, \eqn{\lambda} and \eqn{\sigma} are treated as known; their uncertainty is not
#' accounted for. Only the requested block is computed, and memory is needed for it
#' alone. The posterior means of the whole matrix equal `b` of an [nmu_em()] fit, up to the last
#' update of \eqn{d} and, in [nmu_em_estlambda()], of \eqn{\lambda} and \eqn{\sigma}.
#'
#' Draws are exact, by rejection, also if the posterior is far in the tail. They come
#' from a separate generator, whose seed is drawn from R's, so that [set.seed()] controls them.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param rows,cols The block: numbers (negative to leave rows or columns out), names, or `TRUE` or
#'   `FALSE` for each row or column of `A`; each at most once, in any order. `NULL` means all. If
#'   `A` is sparse or on disk, a block has at most ten million entries.
#' @param draws One whole number, zero or larger: the number of draws.
#' @param A The data, if the fit does not contain them (`keep_data = FALSE`).
#'
#' @return An object of class `nmu_posterior`, a list with `mean` and `sd`, matrices of the size
#'   of the block, and, if `draws` is positive, `draws`, an array of rows x columns x draws.
#'   All are in the units of `A` and have its row and column names.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described, and if the
#'   data are required and neither kept nor given, or given with another size; class
#'   `nmu_error_interrupted` if the user interrupts.
#'
#' @source C. P. Robert (1995), Simulation of truncated normal variables, *Statistics and
#'   Computing* 5, 121-125, for the draws.
#'
#' @seealso [standard_errors()] for the factors.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 3)
#' posterior_b(fit)
#' posterior_b(fit, rows = 1:3, cols = c("Addition", "Code"))$mean
#'
#' # the probability that b is above 0.2
#' set.seed(1)
#' apply(posterior_b(fit, 1:3, 4:6, draws = 500)$draws > 0.2, 1:2, mean)
#' @export
posterior_b <- function(fit, rows = NULL, cols = NULL, draws = 0, A = NULL) {
  check_fit(fit)
  factors <- fit_factors(fit)
  rows <- check_margin_selection(rows, "row", factors$u)
  cols <- check_margin_selection(cols, "column", factors$v)
  draws <- check_count(draws, least = 0)
  posterior_block(fit, fit_data(fit, A), rows, cols, draws)
}

#' Compute the posterior of a block
#'
#' @inheritParams posterior_b
#' @param rows,cols Whole numbers.
#' @return An object of class `nmu_posterior`.
#' @noRd
posterior_block <- function(fit, A, rows, cols, draws, call = caller_env()) {
  factors <- fit_factors(fit)
  block <- dense_block(A, rows, cols, call = call)
  scan <- core_value(core_scan(block), call = call)
  check_entries(scan, block, missing = TRUE, arg = "A", rows = rows, cols = cols, call = call)
  if (isTRUE(fit$ignore_diag)) {
    block[outer(rows, cols, "==")] <- NA
  }
  factors$u <- factors$u[rows, , drop = FALSE]
  factors$v <- factors$v[cols, , drop = FALSE]
  fitted <- low_rank(factors)
  if (has_no_remainder(fit)) {
    return(zero_posterior(fitted, draws))
  }
  # in units of sigma, to avoid overflow
  sigma <- entry_sigma(fit, rows, cols)
  z <- (block - fitted) / sigma - fit$lambda * sigma
  dimnames(z) <- dimnames(fitted)
  if (is_exponential(fitted_b_prior(fit))) {
    return(new_posterior(z, fit$lambda, sigma, draws, call = call))
  }
  mixed_posterior(replace(z, TRUE, block - fitted), fit, sigma, draws, call = call)
}

#' Check a selection of rows or of columns
#'
#' @inheritParams check_selection
#' @param loadings The loadings of all of them.
#' @return Whole numbers.
#' @noRd
check_margin_selection <- function(x, noun, loadings, arg = caller_arg(x), call = caller_env()) {
  if (is.null(x)) {
    return(seq_len(nrow(loadings)))
  }
  check_selection(x, noun, nrow(loadings), rownames(loadings), arg = arg, call = call)
}

#' The posterior where there is no remainder
#'
#' @param like The matrix of the entries.
#' @param draws Number of draws.
#' @return An object of class `nmu_posterior`.
#' @noRd
zero_posterior <- function(like, draws) {
  zeros <- replace(like, TRUE, 0)
  posterior <- list(mean = zeros, sd = zeros)
  if (draws > 0) {
    posterior$draws <- drawn_array(matrix(0, length(like), draws), like)
  }
  structure(posterior, class = "nmu_posterior")
}

#' Compute the posterior under an exponential prior
#'
#' @param z Matrix of the means before truncation, in units of sigma; `NA` for entries that were not
#'   observed.
#' @param lambda The rate of the fit.
#' @param sigma The standard deviation of the noise: one number, or a matrix.
#' @param draws Number of draws.
#' @return An object of class `nmu_posterior`.
#' @noRd
new_posterior <- function(z, lambda, sigma, draws, call = caller_env()) {
  observed <- !is.na(z)
  known <- z[observed]
  if (is.matrix(sigma)) {
    sigma <- sigma[observed]
  }
  moments <- core_value(core_truncnorm_moments(known, rep(1, length(known))), call = call)
  prior <- replace(z, TRUE, 1 / lambda)
  posterior <- list(
    mean = replace(prior, observed, sigma * moments$mean),
    sd = replace(prior, observed, sigma * sqrt(moments$var))
  )
  if (draws > 0) {
    values <- matrix(0, length(z), draws)
    seed <- floor(stats::runif(2) * 2^32)
    drawn <- core_value(core_truncnorm_draws(known, draws, seed[1], seed[2]), call = call)
    values[observed, ] <- sigma * drawn
    values[!observed, ] <- stats::rexp(sum(!observed) * draws) / lambda
    posterior$draws <- drawn_array(values, z)
  }
  structure(posterior, class = "nmu_posterior")
}

#' Arrange draws in an array
#'
#' @param values A row for each entry, a column for each draw.
#' @param like The matrix of the entries.
#' @return An array with the dimensions and names of `like`, and the draws as its third dimension.
#' @noRd
drawn_array <- function(values, like) {
  labels <- if (!is.null(dimnames(like))) c(dimnames(like), list(NULL))
  array(values, c(dim(like), ncol(values)), labels)
}

#' Compute the posterior under a mixture
#'
#' @param x Matrix of residuals; `NA` for entries that were not observed.
#' @param fit The fit.
#' @param sigma The standard deviation of the noise: one number, or a matrix.
#' @param draws Number of draws.
#' @return An object of class `nmu_posterior`.
#' @noRd
mixed_posterior <- function(x, fit, sigma, draws, call = caller_env()) {
  b_prior <- fitted_b_prior(fit)
  observed <- !is.na(x)
  s <- if (is.matrix(sigma)) sigma[observed] else rep(sigma, sum(observed))
  prior <- new_prior("mixture", list(
    shape = "exponential", scales = b_prior$mean, weights = b_prior$weight
  ))
  posterior <- list(
    mean = replace(x, TRUE, 1 / fit$lambda),
    sd = replace(x, TRUE, sqrt(2 * sum(b_prior$weight * b_prior$mean^2) - 1 / fit$lambda^2))
  )
  if (any(observed)) {
    known <- solve_normal_means(x[observed], s, prior, call = call)$posterior
    posterior$mean[observed] <- known$mean
    posterior$sd[observed] <- known$sd
  }
  if (draws > 0) {
    values <- matrix(0, length(x), draws)
    if (any(observed)) {
      values[observed, ] <- mixed_draws(x[observed], s, fit, draws, call = call)
    }
    values[!observed, ] <- draw_remainder(sum(!observed) * draws, b_prior)
    posterior$draws <- drawn_array(values, x)
  }
  structure(posterior, class = "nmu_posterior")
}

#' Draw from posteriors under a mixture: first a component, then a value from it
#'
#' @param x Residuals.
#' @param sigma The standard deviation of the noise of each residual.
#' @inheritParams mixed_posterior
#' @return A matrix with a row for each of `x` and a column for each draw.
#' @noRd
mixed_draws <- function(x, sigma, fit, draws, call = caller_env()) {
  b_prior <- fitted_b_prior(fit)
  terms <- log_terms(x, fit, sigma)
  shares <- exp(terms - do.call(pmax, as.data.frame(terms)))
  upper <- t(apply(shares / rowSums(shares), 1, cumsum))
  place <- matrix(stats::runif(length(x) * draws), length(x))
  component <- matrix(1L, length(x), draws)
  for (k in seq_len(nrow(b_prior) - 1)) {
    component <- component + (place > upper[, k])
  }
  seed <- floor(stats::runif(2) * 2^32)
  mean <- b_prior$mean[component]
  z <- ifelse(mean > 0, x / sigma - sigma / mean, 0)
  values <- sigma * core_value(core_truncnorm_draws(z, 1L, seed[1], seed[2]), call = call)
  matrix(ifelse(mean > 0, values, 0), length(x))
}

#' @rdname posterior_b
#' @param x An object of class `nmu_posterior`.
#' @param ... Must be empty.
#' @method print nmu_posterior
#' @export
print.nmu_posterior <- function(x, ...) {
  refuse_dots(...)
  between <- function(values) paste(signif_text(range(values)), collapse = " to ")
  count <- dim(x$draws)[3]
  cli::cat_line(cli::style_bold(sprintf(
    "<nmu_posterior> b of %d x %d entries", nrow(x$mean), ncol(x$mean)
  )))
  cli::cat_line(sprintf("mean %s, sd %s", between(x$mean), between(x$sd)))
  if (!is.null(count)) {
    cli::cat_line(sprintf("%d draw%s", count, if (count == 1) "" else "s"))
  }
  invisible(x)
}
