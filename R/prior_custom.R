#' A prior defined by R functions
#'
#' Makes a prior from two functions, to try a family that the package does not have. It is slower
#' than the built-in families: each iteration of a fit calls R for each factor and side. A prior
#' that turns out useful should be added to the core.
#'
#' The functions are given \eqn{x_i \sim N(w_i, s_i^2)}{x_i ~ N(w_i, s_i^2)} with
#' \eqn{w_i \ge 0}{w_i >= 0}, in the units of \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u}, as in
#' [prior]. A fit alternates calls of `estimate` and `posterior`, always from R's main thread. If
#' `x` and `s` are multiplied by a constant, the prior that `estimate` finds should be scaled
#' by it: results then do not depend on the units of `A`. [check_prior()] checks this and more.
#'
#' @param estimate Function of `x` and `s`, two numeric vectors of the same length, that returns the
#'   hyperparameters that maximise the marginal likelihood: any R object except `NULL`, called `g`
#'   below. Named numbers in it (a list such as `list(rate = 2)`, or a named vector) are
#'   reported as hyperparameters. If the function has an argument `g_init`, it is also given the
#'   `g` of its last call for the same side of the same factor in a fit, or `NULL` at the first: a
#'   start of its search.
#' @param posterior Function of `x`, `s` and `g` that returns a data frame or a list with these
#'   numeric vectors, of the length of `x`:
#'   * `mean`: the posterior mean of each \eqn{w_i}, zero or larger;
#'   * one of `var`, `sd` and `second_moment`: the posterior variance, the standard deviation, or
#'     the mean of \eqn{w_i^2}. If the standard deviation is small compared with the mean,
#'     `second_moment` loses the digits of the variance;
#'   * `log_marginal`: the log of the density of each \eqn{x_i} with \eqn{w_i} integrated out; or
#'     instead `log_likelihood`, one number, if only their sum is known;
#'   * `lfsr` (optional, default zeros): the posterior probability that \eqn{w_i = 0}.
#' @param density `NULL`, or a function of `w`, a vector, and `g`, that returns the density of the
#'   prior at each `w` above zero, and the probability of zero if `w` is zero. Only
#'   [check_prior()] uses it, to compare `posterior` with quadrature.
#' @param g `NULL` (`estimate` is called), or known hyperparameters, in the form that `estimate`
#'   returns.
#' @param name One string: the name that is printed.
#'
#' @return An object of classes `nmu_prior_custom` and `nmu_prior`.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described. If `estimate`
#'   or `posterior` fails during a fit, or returns an invalid value or a number that is not finite,
#'   the fit ends with an error of class `nmu_error_prior`, whose `parent` is the original error.
#'   Class `nmu_error_interrupted` if the user interrupts a function. Warnings of these
#'   functions are signalled after the fit, each once.
#'
#' @source J. Willwerscheid and M. Stephens (2021), ebnm: an R package for solving the empirical
#'   Bayes normal means problem using a variety of prior families, arXiv:2110.00152, for the idea
#'   that a fit accepts any function that solves this problem.
#'
#' @seealso [prior] for the built-in families, [prior_ebnm()] for those of the ebnm package.
#'
#' @examples
#' # the exponential prior: a truncated normal posterior, and the density of demg()
#' posterior <- function(x, s, g) {
#'   moments <- truncnorm_moments(x - g$rate * s^2, s)
#'   data.frame(
#'     mean = moments$mean, var = moments$var,
#'     log_marginal = demg(x, g$rate, s, log = TRUE)
#'   )
#' }
#' estimate <- function(x, s) {
#'   loss <- function(log_rate) -sum(demg(x, exp(log_rate), s, log = TRUE))
#'   list(rate = exp(optimize(loss, c(-10, 10), tol = 1e-8)$minimum))
#' }
#' prior <- prior_custom(estimate, posterior, name = "exponential in R")
#' prior
#' normal_means(c(0.5, 2, 4), 1, prior)
#' @export
prior_custom <- function(estimate, posterior, density = NULL, g = NULL, name = "custom") {
  check_function(estimate)
  check_function(posterior)
  check_function(density, allow_null = TRUE)
  new_prior("custom", list(
    name = check_prior_name(name), estimate = estimate, posterior = posterior, density = density,
    g = g
  ))
}

#' Check the name of a prior
#' @inheritParams checks
#' @param name The value given.
#' @return `name`.
#' @noRd
check_prior_name <- function(name, call = caller_env()) {
  if (!is.character(name) || length(name) != 1 || is.na(name)) {
    abort_input("name", "one string", describe(name), call = call)
  }
  name
}

#' Check that an argument is a function
#' @inheritParams checks
#' @return `x`.
#' @noRd
check_function <- function(x, allow_null = FALSE, arg = caller_arg(x), call = caller_env()) {
  if (!is.function(x) && !(allow_null && is.null(x))) {
    abort_input(arg, "a function", describe(x), call = call)
  }
  x
}

#' Convert priors to the form that the core expects
#'
#' An R error must not unwind through the core. Functions of the user are wrapped so that they never
#' throw; `prior_value()` raises the condition kept in `record`. Warnings are kept, too, each
#' once: R's handlers are not active in calls from the core.
#'
#' @param priors A list of objects of class `nmu_prior`.
#' @param record An environment that stores conditions.
#' @return A list of plain lists.
#' @noRd
core_priors <- function(priors, record) {
  lapply(priors, function(prior) {
    if (prior$family != "custom") {
      return(unclass(prior))
    }
    list(
      family = "custom",
      estimate = guard(record, prior$name, function(x, s, previous) {
        record$g <- prior$g %||% estimate_custom(prior, x, s, previous)
        if (is.null(record$g)) {
          abort_prior("estimate() returned NULL.")
        }
        list(g = record$g, numbers = hyperparameters_of(record$g), estimate = prior$estimate)
      }),
      # the core names its arguments, of which `found` is the value of `estimate`
      posterior = guard(record, prior$name, function(x, s, found) {
        answer <- prior$posterior(x, s, found$g)
        record$total_only <- is.list(answer) && has_total_only(answer)
        posterior_columns(answer, length(x))
      })
    )
  })
}

#' Call the function `estimate` of a prior
#'
#' @param prior A prior made by `prior_custom()`.
#' @param x,s The observations.
#' @param previous `NULL`, or the value for the core of an earlier estimate, perhaps under another
#'   prior of a schedule.
#' @return Hyperparameters.
#' @noRd
estimate_custom <- function(prior, x, s, previous) {
  if (!("g_init" %in% names(formals(args(prior$estimate))))) {
    return(prior$estimate(x, s))
  }
  known <- identical(previous$estimate, prior$estimate)
  prior$estimate(x, s, g_init = if (known) previous$g)
}

#' Wrap a function so that it never throws
#'
#' @inheritParams core_priors
#' @param name Name of the prior.
#' @param work The function.
#' @return A function that returns `list(ok, err)`, one of them `NULL`.
#' @noRd
guard <- function(record, name, work) {
  failed <- function(condition) {
    record$condition <- condition
    list(ok = NULL, err = "a function of the prior failed")
  }
  warned <- function(condition) {
    text <- paste0("w:", conditionMessage(condition))
    if (!(text %in% names(record$warnings))) {
      record$warnings[[text]] <- condition
    }
    tryInvokeRestart("muffleWarning")
  }
  not_called <- list(ok = NULL, err = "another function of a prior failed before")
  function(...) {
    # the core calls the prior of the other side once more before it handles a failure
    if (!is.null(record$name)) {
      return(not_called)
    }
    # remains set if the function exits other than by an error, such as by the restart "abort"
    record$name <- name
    answer <- tryCatch(
      list(ok = withCallingHandlers(work(...), warning = warned), err = NULL),
      error = failed, interrupt = failed
    )
    if (is.null(answer$err)) {
      record$name <- NULL
    }
    answer
  }
}

#' Extract the result of a core call that may have called functions of the user
#'
#' @inheritParams core_value
#' @inheritParams core_priors
#' @return `result$ok`.
#' @noRd
prior_value <- function(result, record, call = caller_env()) {
  lapply(record$warnings, warning)
  if (is.null(result$err) || is.null(record$name)) {
    return(core_value(result, call = call))
  }
  name <- record$name
  condition <- record$condition
  # a function of the prior may itself have called the package
  if (inherits(condition, c("interrupt", "nmu_error_interrupted"))) {
    signal_interrupt(call = call)
  }
  more <- if (is.null(condition)) c(x = "One of its functions did not return.")
  abort_nmu(
    c("The prior {.val {name}} could not be used.", more),
    kind = "prior", call = call, parent = condition
  )
}

#' Extract the named numbers of hyperparameters
#'
#' @param g Value of a function `estimate`.
#' @return A named list of numeric vectors.
#' @noRd
hyperparameters_of <- function(g) {
  g <- if (is.numeric(g) || is.list(g)) as.list(unclass(g)) else list()
  named <- nzchar(names(g) %||% character(length(g)))
  lapply(Filter(function(value) is.numeric(value) && !is.object(value), g[named]), as.double)
}

#' Check the value of a function `posterior`
#'
#' @param answer The value.
#' @param count Number of observations.
#' @return A list of `mean`, `var`, `lfsr` and `log_marginal`, finite double vectors. If only the
#'   sum of `log_marginal` is known, each has its share of it: a fit uses nothing but the sum.
#' @noRd
posterior_columns <- function(answer, count) {
  if (!is.list(answer)) {
    abort_prior("posterior() must return a data frame or a list, not %s.", describe(answer))
  }
  column <- function(name, least = -Inf, most = Inf) {
    values <- answer[[name]]
    if (!is.numeric(values) || is.object(values) || length(values) != count) {
      abort_prior(
        "posterior() must return %d numbers in \"%s\", not %s.", count, name, describe(values)
      )
    }
    bad <- !(is.finite(values) & values >= least & values <= most)
    if (any(bad)) {
      range <- c(
        "finite", if (least > -Inf) sprintf("at least %g", least),
        if (most < Inf) sprintf("at most %g", most)
      )
      abort_prior(
        "posterior() must return numbers in \"%s\" that are %s; number %d is %s.", name,
        paste(range, collapse = ", "), which(bad)[1], format(values[bad][1], digits = 15)
      )
    }
    as.double(values)
  }
  mean <- column("mean", least = 0)
  measure <- Filter(function(name) !is.null(answer[[name]]), c("var", "sd", "second_moment"))
  var <- switch(c(measure, "none")[1],
    var = column("var", least = 0),
    sd = column("sd", least = 0)^2,
    second_moment = second_to_var(column("second_moment", least = 0), mean),
    none = abort_prior("posterior() must return one of \"var\", \"sd\" and \"second_moment\".")
  )
  list(
    mean = mean, var = var,
    lfsr = if (is.null(answer[["lfsr"]])) double(count) else column("lfsr", least = 0, most = 1),
    log_marginal = if (has_total_only(answer)) {
      rep(total_of(answer$log_likelihood) / count, count)
    } else {
      column("log_marginal")
    }
  )
}

#' Does a value of `posterior` have the sum of `log_marginal` only?
#' @param answer The value.
#' @return `TRUE` or `FALSE`.
#' @noRd
has_total_only <- function(answer) {
  is.null(answer[["log_marginal"]]) && !is.null(answer[["log_likelihood"]])
}

#' Check a log-likelihood
#' @param total The value.
#' @return One finite number.
#' @noRd
total_of <- function(total) {
  if (!is.numeric(total) || length(total) != 1 || !is.finite(total)) {
    abort_prior(
      "posterior() must return one finite number in \"log_likelihood\", not %s.", describe(total)
    )
  }
  as.double(total)
}

#' Compute the variance from the second moment
#'
#' @param second,mean Moments.
#' @return The variance; zero if rounding would make it negative.
#' @noRd
second_to_var <- function(second, mean) {
  bad <- second < mean^2 * (1 - 1e-12)
  if (any(bad)) {
    abort_prior(
      paste(
        "posterior() must return numbers in \"second_moment\" that are at least mean^2;",
        "number %d is not."
      ),
      which(bad)[1]
    )
  }
  pmax(second - mean^2, 0)
}

#' Raise an error from a function of a prior
#'
#' Fits and [normal_means()] report it with the class `nmu_error_prior` and their own call.
#'
#' @param ... Arguments of [sprintf()].
#' @noRd
abort_prior <- function(...) {
  stop(sprintf(...), call. = FALSE)
}
