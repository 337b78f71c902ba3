#' Plot a fit
#'
#' `plot()` uses base graphics; `autoplot()` returns the same as a ggplot2 object (attach ggplot2,
#' or call `ggplot2::autoplot()`). Colours are from the viridis scale, which is readable for the
#' colour blind.
#'
#' * `"loadings"`: a panel for each factor (and a second column of panels for the columns
#'   of `A`, if it is not symmetric).
#' * `"matrices"`: `A`, the sum of the factors, the posterior mean of the remainder b and the
#'   estimated noise, on one colour scale: the first is the sum of the others. Sides of more
#'   than 200 are averaged over blocks; missing entries are white.
#' * `"residuals"`: a histogram with the density of the model, [demg()] at the fitted
#'   \eqn{\lambda} and \eqn{\sigma}, or the mixture of such densities under `prior_b`. A
#'   spike of the density is truncated.
#' * `"trace"`: the log-likelihood of each iteration, factor by factor. A line is a stage of the
#'   trace, within which it never decreases. The continuation steps of a greedy path are stages; as
#'   they have different bounds on \eqn{\lambda\sigma}{lambda sigma}, one may end below another.
#' * `"scree"`: the weights, the log-likelihoods of the `path`, see [nmu_object], and, if
#'   `K = NULL`, the criterion that chose K.
#' * `"tree"`: the nested factors, [factor_tree()].
#'
#' @param x,object A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param type See above. Case-sensitive; may be abbreviated.
#' @param factors The factors whose loadings are drawn, selected as in `fit[factors]`, see
#'   [nmu_subset]; `NULL` means all, but at most 12 (6 if `A` is not symmetric).
#' @param A The data, for `"matrices"` and `"residuals"` if the fit does not contain them.
#' @param group `NULL`, or the order of loadings: a factor (or strings) with an entry for each
#'   row of `A`, by whose levels they are ordered and coloured; or numbers, by which they are only
#'   ordered. To include the columns: `list(u = , v = )`.
#' @param style `"bars"` or `"lines"`, for loadings. Case-sensitive; may be abbreviated.
#' @param scale `"weighted"` or `"unit"`, the scale of loadings, see [coef()][nmu_methods].
#' @param ... `plot()`: passed on to [graphics::barplot()] or [graphics::plot.default()] (loadings),
#'   [graphics::image()], the plot of a histogram, whose `breaks` may be given as in
#'   [graphics::hist()], and [graphics::plot.default()]; these arguments override the settings of
#'   this package. With `type = "tree"`, in both functions, arguments of [factor_tree()]. Otherwise
#'   `autoplot()` requires that they are empty.
#'
#' @return `plot()`: the fit, invisibly. `autoplot()`: an object of class `ggplot`.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described, if the data
#'   are required and neither kept nor given, and if a type cannot be drawn: `"trace"` of a fit
#'   without a trace, `"matrices"` and `"residuals"` of a fit that was interrupted before
#'   \eqn{\lambda} and \eqn{\sigma} were known, or of a matrix that is sparse or on disk and too
#'   large (for `"residuals"`, more than ten million entries; for `"matrices"`, more than ten
#'   million in a two-hundredth of its rows).
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = NULL)
#' plot(fit)
#' plot(fit, type = "matrices")
#' plot(fit, type = "residuals")
#' plot(fit, type = "scree")
#' if (requireNamespace("ggplot2", quietly = TRUE)) {
#'   ggplot2::autoplot(fit)
#' }
#' @export
plot.nmu_fit <- function(x, type = c(
                           "loadings", "matrices", "residuals", "trace", "scree", "tree"
                         ),
                         factors = NULL, A = NULL, group = NULL, style = c("bars", "lines"),
                         scale = c("weighted", "unit"), ...) {
  type <- check_choice(type, plot_types)
  style <- check_choice(style, c("bars", "lines"))
  scale <- check_choice(scale, loading_scales)
  if (type == "tree") {
    refuse_dots(..., permitted = tree_arguments())
  }
  switch(type,
    loadings = plot_loadings(
      x, check_factors(factors, x), check_group(group, x), style, scale, ...
    ),
    matrices = plot_matrices(matrix_panels(x, check_drawable(type, x, A)), ...),
    residuals = plot_residuals(x, check_drawable(type, x, A), ...),
    trace = plot_trace(check_trace(x), ...),
    scree = plot_scree(x, ...),
    tree = plot(factor_tree(x, ...))
  )
  invisible(x)
}

#' Types of plots
#' @noRd
plot_types <- c("loadings", "matrices", "residuals", "trace", "scree", "tree")

#' Check the factors to be drawn
#'
#' @param factors The value given, or `NULL`.
#' @param fit The fit.
#' @return Whole numbers from 1 to K.
#' @noRd
check_factors <- function(factors, fit, call = caller_env()) {
  K <- length(fit$d)
  if (is.null(factors)) {
    return(seq_len(min(K, if (fit$symmetric) 12 else 6)))
  }
  names <- colnames(fit_factors(fit)$u)
  check_selection(factors, "factor", K, names, call = call)
}

#' Check that a fit contains its trace
#'
#' @param fit The fit.
#' @return The fit.
#' @noRd
check_trace <- function(fit, call = caller_env()) {
  if (!any(is.finite(trace_lines(fit)$loglik))) {
    refuse_type("trace", "the fit has not kept the log-likelihood of iterations", call = call)
  }
  fit
}

#' Check that entries can be drawn: lambda and sigma are known, and the matrix is not too large
#'
#' @param type The plot.
#' @param fit The fit.
#' @param A The data, or `NULL`.
#' @return The data.
#' @noRd
check_drawable <- function(type, fit, A, call = caller_env()) {
  A <- fit_data(fit, A, call = call)
  if (is.na(fit$lambda)) {
    refuse_type(type, "the fit was interrupted before lambda and sigma were known", call = call)
  }
  # matrices are averaged a few rows at a time
  at_once <- if (type == "matrices") ceiling(nrow(A) / most_cells) else nrow(A)
  if (!is.matrix(A) && as.double(at_once) * ncol(A) > largest_block) {
    refuse_type(type, "it looks at every entry, and the matrix is too large for that", call = call)
  }
  A
}

#' Raise the error that a type cannot be drawn
#' @param type The type.
#' @param why The reason, a clause.
#' @noRd
refuse_type <- function(type, why, call = caller_env()) {
  expected <- sprintf("a type other than \"%s\", since %s", type, why)
  abort_input("type", expected, quote_text(type), call = call)
}
