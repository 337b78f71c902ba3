#' Methods for fits
#'
#' Methods for the fits made by [nmu_em()], [nmu_em_estlambda()] and [nmu()].
#'
#' @param object,x A fit; `x` of `print()` may also be a summary.
#' @param side `"u"` (rows of `A`) or `"v"` (columns); the same if `A` is symmetric. Case-sensitive.
#' @param scale The scale of loadings, here and in [nmu_tables], [top_features()] and
#'   [plot()][plot.nmu_fit]. `"weighted"`, the default of all of them, is
#'   \eqn{\sqrt{d_k} u_k}{sqrt(d_k) u_k}, in the square root of the units of `A`, as
#'   [predict()][predict.nmu_fit] returns. `"unit"` is \eqn{u_k} of norm one, as in `fit$u`.
#'   Case-sensitive; may be abbreviated.
#' @param rows,cols For `residuals()`: a block of the matrix, selected as in [posterior_b()]. `NULL`
#'   means all. If `A` is sparse, on disk or a [gram()], a block has at most ten million entries.
#' @param A The data, required by `residuals()` and by `logLik()` of an `nmu_em` fit
#'   if the fit does not contain them (`keep_data = FALSE`); optional for `summary()`.
#' @param ... Must be empty: an unknown argument is an error that names the likely one.
#'
#' @return
#' * `print()`: the fit, invisibly; `format()`: the printed text, a character vector with an element
#'   for each line (before wrapping to the width of the console).
#' * `summary()`: an object of class `summary.nmu_fit`, a list with `title`, `factors` (a data
#'   frame: `factor`, `d`, `share`, `size_u`, `size_v`), `lambda`, `sigma`, `bound`,
#'   `prior_b_fitted` (see [nmu_object]), `noise_sd`, `loglik`, `nobs`, `status`, and for `nmu` fits
#'   `certificate`, `refit`, `elbo` and `priors` (text: the priors, and their hyperparameters for
#'   each factor), and for fits of [gram()] `gram` (text). The share of a factor is
#'   \eqn{d_k^2 / \sum_{ij} A_{ij}^2}{d_k^2 / sum(A^2)}; as factors overlap, shares need not add up
#'   to that of their sum. Shares are `NA` for a matrix of zeros. `size_u` and `size_v` are
#'   effective numbers of rows and columns,
#'   \eqn{(\sum_i u_{ik}^2)^2 / \sum_i u_{ik}^4}{(sum_i u_ik^2)^2 / sum_i u_ik^4}, the participation
#'   ratio: m for m equal loadings, and hardly changed by many small ones; 0 for a null factor.
#' * `coef()`: a matrix with a column for each factor, by default
#'   \eqn{\sqrt{d_k} u_k}{sqrt(d_k) u_k} or \eqn{\sqrt{d_k} v_k}{sqrt(d_k) v_k}, so that
#'   `coef(fit, "u") %*% t(coef(fit, "v"))` is `fitted(fit)` (zeros for a negative `d`).
#' * `fitted()`: the matrix \eqn{\sum_k d_k u_k v_k^T}{sum_k d_k u_k v_k^T}; `residuals()`: `A`
#'   minus that, the sum of remainder and noise.
#' * `logLik()`: an object of class `logLik`, for [stats::AIC()] and [stats::BIC()].
#'   Its `df` counts the nonzero loadings (minus one per factor if `A` is not
#'   symmetric, for the scale that `u` and `v` share), of a `fixed` factor only the weight, two for
#'   \eqn{\lambda} and \eqn{\sigma} if they were estimated (one without a remainder), and the
#'   estimated weights of `prior_b` and standard deviations of `noise_mle(by = )`. The
#'   log-likelihood is `NA` for a subset of factors that was not fitted on its own, see
#'   [nmu_subset].
#' * `nobs()`: the number of entries in the log-likelihood: all of `A` for `nmu_em`
#'   fits, as in the notebook; half of it for `nmu` fits of a symmetric `A`.
#'
#' [stats::update()] repeats a fit with some arguments changed, as in `update(fit, K = 3)`;
#' [stats::AIC()] and [stats::BIC()] compare such fits.
#'
#' @section Errors: Class `nmu_error_input` if the data are required and neither kept nor
#'   given, or given with another size, if `side`, `scale`, `rows` or `cols` is not as described,
#'   and if an argument is unknown;
#'   class `nmu_error_blocks` if `summary()` cannot read a matrix on disk, and
#'   `nmu_error_interrupted` if the user interrupts.
#'
#' @seealso [predict()][predict.nmu_fit] for new rows, [simulate()][simulate.nmu_fit] for new data,
#'   [nmu_tables] for `as.data.frame()`, `tidy()`, `glance()` and `augment()`, [as_svd()] and
#'   [as_nmf()] for other packages, [plot()][plot.nmu_fit].
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 2)
#' summary(fit)
#' head(coef(fit))
#' range(residuals(fit))
#' AIC(fit, update(fit, K = 3))
#' @name nmu_methods
NULL

#' @rdname nmu_methods
#' @export
coef.nmu_fit <- function(object, side = c("u", "v"), scale = c("weighted", "unit"), ...) {
  refuse_dots(...)
  side <- check_choice(side, c("u", "v"))
  scale <- check_choice(scale, loading_scales)
  scaled_loadings(fit_factors(object), side, scale)
}

#' Scales of loadings; the first is the default of all functions
#' @noRd
loading_scales <- c("weighted", "unit")

#' Loadings in the scale that the user asked for
#'
#' @param factors Value of `fit_factors()`.
#' @param side `"u"` or `"v"`.
#' @param scale One of `loading_scales`.
#' @return A matrix with a named column for each factor.
#' @noRd
scaled_loadings <- function(factors, side, scale) {
  loadings <- factors[[side]]
  if (scale == "unit") {
    return(loadings)
  }
  loadings * rep(sqrt(pmax(factors$d, 0)), each = nrow(loadings))
}

#' @rdname nmu_methods
#' @export
fitted.nmu_fit <- function(object, ...) {
  refuse_dots(...)
  low_rank(fit_factors(object))
}

#' @rdname nmu_methods
#' @export
residuals.nmu_fit <- function(object, A = NULL, rows = NULL, cols = NULL, ...) {
  refuse_dots(...)
  residual_block(object, fit_data(object, A), rows, cols)
}

#' Compute the residuals of a block
#'
#' @param fit A fit.
#' @param A Its data.
#' @param rows,cols As in [nmu_methods].
#' @return A matrix.
#' @noRd
residual_block <- function(fit, A, rows = NULL, cols = NULL, call = caller_env()) {
  factors <- fit_factors(fit)
  if (!is.matrix(A) || !is.null(rows) || !is.null(cols)) {
    rows <- check_margin_selection(rows, "row", factors$u, call = call)
    cols <- check_margin_selection(cols, "column", factors$v, call = call)
    A <- dense_block(A, rows, cols, call = call)
    factors$u <- factors$u[rows, , drop = FALSE]
    factors$v <- factors$v[cols, , drop = FALSE]
  }
  residual <- A - low_rank(factors)
  attributes(residual) <- attributes(A)[c("dim", if (!is.null(dimnames(A))) "dimnames")]
  residual
}

#' @rdname nmu_methods
#' @export
nobs.nmu_fit <- function(object, ...) {
  refuse_dots(...)
  object$nobs
}

#' @rdname nmu_methods
#' @export
logLik.nmu <- function(object, ...) {
  refuse_dots(..., slips = list(a = "The fit has its log-likelihood, so that A is not needed."))
  noise <- if (object$noise$rule == "fixed") 0 else if (has_no_remainder(object)) 1 else 2
  # the mean square of the standard deviations is that of sigma, so one of them is not free
  differing <- max(length(object$noise_sd) - 1, 0)
  new_log_lik(object$loglik, object, estimated = noise + b_prior_parameters(object) + differing)
}

#' @rdname nmu_methods
#' @export
logLik.nmu_em <- function(object, A = NULL, ...) {
  refuse_dots(...)
  em_log_lik(object, A)
}

#' Compute the log-likelihood of a fit within another public function
#'
#' Errors have the call of that function, not of [logLik()].
#'
#' @param fit A fit.
#' @param A Its data, or `NULL` to use those in the fit.
#' @return An object of class `logLik`.
#' @noRd
log_lik_of <- function(fit, A, call = caller_env()) {
  if (inherits(fit, "nmu")) logLik(fit) else em_log_lik(fit, A, call = call)
}

#' @rdname log_lik_of
#' @noRd
em_log_lik <- function(fit, A, call = caller_env()) {
  # the trace ends before the last update of d, lambda and sigma
  value <- evaluate_fit(core_log_likelihood, fit, fit_data(fit, A, call = call), call = call)
  # the core counts each pair of a symmetric matrix once, the notebook every entry
  value <- if (fit$symmetric) 2 * value else value
  new_log_lik(value, fit, estimated = if (fit$estimated) 2 else 0)
}

#' Create an object of class logLik
#'
#' @param value The log-likelihood.
#' @param fit The fit.
#' @param estimated Number of estimated parameters other than those of the factors.
#' @return An object of class `logLik`.
#' @noRd
new_log_lik <- function(value, fit, estimated) {
  factors <- fit_factors(fit)
  loadings <- support_size(factors$u)
  if (!fit$symmetric) {
    loadings <- pmax(loadings + support_size(factors$v) - 1, 0)
  }
  fixed <- fit$path$status %in% "fixed"
  loadings[fixed] <- fit$d[fixed] > 0
  structure(value, df = sum(loadings) + estimated, nobs = fit$nobs, class = "logLik")
}

#' Count the nonzero entries of each column
#' @param x A nonnegative matrix.
#' @return A vector of counts.
#' @noRd
support_size <- function(x) {
  as.integer(colSums(x > 0))
}
