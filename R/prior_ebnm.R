#' Priors of the ebnm package
#'
#' Makes a prior from a function of the ebnm package that solves the empirical Bayes normal-means
#' problem, such as `ebnm::ebnm_point_exponential`, or from any other function of that form. The
#' function is called from R's main thread, for each factor and side in each iteration of a fit. A
#' family that the package has itself, see [prior], is faster.
#'
#' @param ebnm_fn Function with the arguments `x`, `s`, `g_init`, `fix_g` and `output`, that returns
#'   a list with
#'   * `posterior`: a data frame with a row for each of `x`, and the columns `mean`, zero or larger,
#'     one of `sd` and `second_moment`, and perhaps `lfsr`;
#'   * `fitted_g`: the prior, in a form that the function takes as `g_init`;
#'   * `log_likelihood`: the sum of the logs of the densities of `x`.
#'
#'   The prior must be on the nonnegative numbers. Those of `ebnm::ebnm_point_exponential`,
#'   `ebnm::ebnm_unimodal_nonnegative` and `ebnm::ebnm_generalized_binary` are. Others end with an
#'   error at the first call in which the posterior mean of a very negative observation is negative.
#' @param ... Named arguments that each call of `ebnm_fn` is given as they are, such as
#'   `scale = 1`.
#' @param g `NULL` (the prior is estimated), or a known one in the form of `fitted_g`, which is then
#'   held.
#' @param name One string: the name that is printed. The default is `ebnm_fn` as it is written in
#'   the call.
#'
#' @details
#' The search for the prior starts at that of the last iteration (`g_init`). The posterior is
#' computed in a call of its own (`fix_g = TRUE`).
#'
#' These functions return the log-likelihood as a total. In the value of [normal_means()] and of
#' [check_prior()], `log_marginal` is therefore computed for each observation alone with the prior
#' held, which takes a call each; a fit needs nothing but the total.
#'
#' @return An object of classes `nmu_prior_custom` and `nmu_prior`, as of [prior_custom()].
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described; class
#'   `nmu_error_prior`, in a fit, if the function fails or its value is not as described, or if
#'   loadings may be negative. See [prior_custom()].
#'
#' @source J. Willwerscheid and M. Stephens (2021), ebnm: an R package for solving the empirical
#'   Bayes normal means problem using a variety of prior families, arXiv:2110.00152.
#'
#' @seealso [prior] for the built-in families, [prior_custom()] for priors of another form.
#'
#' @examples
#' if (requireNamespace("ebnm", quietly = TRUE)) {
#'   nmu(sim_blocks(n = 5), K = 1, prior = prior_ebnm(ebnm::ebnm_point_exponential))
#' }
#' @export
prior_ebnm <- function(ebnm_fn, ..., g = NULL, name = NULL) {
  written <- substitute(ebnm_fn)
  check_function(ebnm_fn)
  arguments <- check_ebnm_arguments(ebnm_fn, list(...))
  name <- check_prior_name(name %||% rlang::as_label(written))
  solve <- function(x, s, g_init, fix_g) {
    settings <- list(x = x, s = s, g_init = g_init, fix_g = fix_g, output = ebnm_output)
    ebnm_value(do.call(ebnm_fn, c(settings, arguments)), length(x))
  }
  estimate <- function(x, s, g_init = NULL) {
    g <- solve(x, s, g_init, FALSE)$fitted_g
    refuse_negative(solve, x, s, g)
    g
  }
  posterior <- function(x, s, g) {
    found <- solve(x, s, g, TRUE)
    c(as.list(found$posterior), list(log_likelihood = as.double(found$log_likelihood)))
  }
  prior_custom(estimate, posterior, g = g, name = name)
}

#' What a function of the ebnm package is asked to return
#' @noRd
ebnm_output <- c(
  "posterior_mean", "posterior_sd", "posterior_second_moment", "lfsr", "fitted_g", "log_likelihood"
)

#' Check the further arguments of a function of the ebnm package
#'
#' @param ebnm_fn The function.
#' @param arguments A list.
#' @return `arguments`.
#' @noRd
check_ebnm_arguments <- function(ebnm_fn, arguments, call = caller_env()) {
  needed <- c("x", "s", "g_init", "fix_g", "output")
  taken <- names(formals(args(ebnm_fn)))
  lacking <- if (!("..." %in% taken)) setdiff(needed, taken)
  if (length(lacking) > 0) {
    found <- sprintf("one without %s", toString(lacking))
    abort_input(
      "ebnm_fn", sprintf("a function of %s, as those of the ebnm package", toString(needed)), found,
      call = call
    )
  }
  labels <- names(arguments) %||% character(length(arguments))
  wrong <- which(!nzchar(labels) | labels %in% needed | duplicated(labels))
  if (length(wrong) > 0) {
    label <- labels[wrong[1]]
    found <- if (nzchar(label)) quote_text(label) else "one without a name"
    expected <- sprintf("named arguments of ebnm_fn, each once, other than %s", toString(needed))
    abort_input("...", expected, found, call = call)
  }
  arguments
}

#' Check the value of a function of the ebnm package
#'
#' The columns of the posterior are checked where they are used.
#'
#' @param value The value.
#' @param count Number of observations.
#' @return `value`.
#' @noRd
ebnm_value <- function(value, count) {
  elements <- c("posterior", "fitted_g", "log_likelihood")
  lacking <- if (is.list(value)) setdiff(elements, names(value)) else elements
  if (length(lacking) > 0) {
    abort_prior(
      "ebnm_fn() must return a list with %s, not without %s.", toString(elements),
      toString(lacking)
    )
  }
  if (!is.data.frame(value$posterior) || nrow(value$posterior) != count) {
    abort_prior(
      "ebnm_fn() must return a data frame of %d rows in \"posterior\", not %s.", count,
      describe(value$posterior)
    )
  }
  value
}

#' Refuse a prior with mass below zero
#'
#' @param solve Function of `x`, `s`, `g_init` and `fix_g`.
#' @param x,s The observations.
#' @param g The prior.
#' @return `NULL`, invisibly.
#' @noRd
refuse_negative <- function(solve, x, s, g) {
  far <- -max(abs(x)) - 10 * max(s)
  mean <- solve(far, max(s), g, TRUE)$posterior$mean
  if (is.numeric(mean) && isTRUE(mean < 0)) {
    abort_prior(paste(
      "Under this prior loadings may be negative. Choose a family on the nonnegative numbers,",
      "such as ebnm_point_exponential."
    ))
  }
  invisible()
}
