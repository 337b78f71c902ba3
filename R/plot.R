#' Plot a fit
#'
#' `plot()` draws in base graphics, `autoplot()` makes the same as an object of ggplot2, which is to
#' be attached first. Colours are those of the viridis scale, which the colour blind can read.
#'
#' * `"loadings"`: a panel for each factor (and a second column of panels for the columns
#'   of `A`, where it is not symmetric).
#' * `"matrices"`: `A`, the sum of the factors, the posterior mean of the remainder b and the noise
#'   that is left, on one colour scale: the first is the sum of the others. Sides of more
#'   than 200 are averaged over blocks; missing entries stay white.
#' * `"residuals"`: a histogram with the density that the model expects, [demg()] at the fitted
#'   \eqn{\lambda} and \eqn{\sigma}, or the mixture of such densities that `prior_b` makes. A
#'   spike of the density is cut.
#' * `"trace"`: the log-likelihood of each iteration, factor by factor. It never falls within a
#'   stage, which is a line; rungs of the ladder of [noise_mle()] are stages, and hold
#'   \eqn{\lambda\sigma} at other values, so that one may end below another.
#' * `"scree"`: the weights, the log-likelihood of the first K factors as deflation found them, and,
#'   where `K = NULL`, the criterion that chose K.
#' * `"tree"`: the factors whose groups are nested, [factor_tree()].
#'
#' @param x,object A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param type See above. Case matters, the beginning of a word is enough.
#' @param factors Which factors to draw the loadings of, chosen as in `fit[factors]`, see
#'   [nmu_subset]; by default all, but at most 12 (6 where `A` is not symmetric).
#' @param A The data, for `"matrices"` and `"residuals"` where the fit has not kept them.
#' @param group `NULL`, or how loadings are ordered: a factor (or strings) with an entry for each
#'   row of `A`, by whose levels they are ordered and coloured; or numbers, by which they are only
#'   ordered. For the columns, too: `list(u = , v = )`.
#' @param style `"bars"` or `"lines"`, of loadings. Case matters, the beginning of a word is enough.
#' @param ... `plot()`: passed on to [graphics::barplot()] or [graphics::plot.default()] (loadings),
#'   [graphics::image()], the plot of a histogram, whose `breaks` may be given as in
#'   [graphics::hist()], and [graphics::plot.default()]; what is given takes the place of our own
#'   settings. With `type = "tree"`, in both functions, arguments of [factor_tree()]. Otherwise not
#'   used.
#'
#' @return `plot()`: the fit, invisibly. `autoplot()`: an object of class `ggplot`.
#'
#' @section Errors: Class `nmu_error_input` where an argument is not as described, where the data
#'   are needed and neither kept nor given, and where a type cannot be drawn: `"trace"` of a fit
#'   that has kept none, `"matrices"` and `"residuals"` of a fit that was interrupted before
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
                         factors = NULL, A = NULL, group = NULL, style = c("bars", "lines"), ...) {
  type <- check_choice(type, plot_types)
  style <- check_choice(style, c("bars", "lines"))
  switch(type,
    loadings = plot_loadings(
      x, check_factors(factors, x), check_group(group, x), style, ...
    ),
    matrices = plot_matrices(matrix_panels(x, check_drawable(type, x, A)), ...),
    residuals = plot_residuals(x, check_drawable(type, x, A), ...),
    trace = plot_trace(check_trace(x), ...),
    scree = plot_scree(x, ...),
    tree = plot(factor_tree(x, ...))
  )
  invisible(x)
}

#' What can be drawn
#' @noRd
plot_types <- c("loadings", "matrices", "residuals", "trace", "scree", "tree")

#' Check which factors are to be drawn
#'
#' @param factors Those given, or `NULL`.
#' @param fit The fit.
#' @param call The user's call.
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

#' Refuse a trace that was not kept
#'
#' @param fit The fit.
#' @param call The user's call.
#' @return The fit.
#' @noRd
check_trace <- function(fit, call = caller_env()) {
  if (!any(is.finite(trace_lines(fit)$loglik))) {
    refuse_type("trace", "the fit has not kept the log-likelihood of iterations", call = call)
  }
  fit
}

#' Refuse to draw entries where too little is known of them, or too many would have to be looked at
#'
#' @param type The plot.
#' @param fit The fit.
#' @param A The data, or `NULL`.
#' @param call The user's call.
#' @return The data.
#' @noRd
check_drawable <- function(type, fit, A, call = caller_env()) {
  A <- fit_data(fit, A, call = call)
  if (is.na(fit$lambda)) {
    refuse_type(type, "the fit was interrupted before lambda and sigma were known", call = call)
  }
  # pictures of matrices are made of some rows at a time
  at_once <- if (type == "matrices") ceiling(nrow(A) / most_cells) else nrow(A)
  if (!is.matrix(A) && as.double(at_once) * ncol(A) > largest_block) {
    refuse_type(type, "it looks at every entry, and the matrix is too large for that", call = call)
  }
  A
}

#' Refuse a type of plot
#' @param type The type.
#' @param why A clause.
#' @param call The user's call.
#' @noRd
refuse_type <- function(type, why, call = caller_env()) {
  expected <- sprintf("another one than \"%s\", since %s", type, why)
  abort_input("type", expected, quote_text(type), call = call)
}
