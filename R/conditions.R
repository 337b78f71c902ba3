#' Raise a classed error
#'
#' All errors of the package inherit from `nmu_error`, so that one handler can catch them.
#' `message` is a cli template, always a literal of this package; text from the
#' user is substituted into it, never parsed as a template.
#'
#' @param message Character vector, a cli template evaluated in `envir`.
#' @param kind One word: the class is `nmu_error_<kind>`.
#' @param call The frame of the function that the user called, shown as the place of the error.
#' @param ... Fields to store in the condition.
#' @param envir Environment in which the template is evaluated.
#' @return Does not return.
#' @noRd
abort_nmu <- function(message, kind, ..., envir = parent.frame(), call = caller_env()) {
  cli::cli_abort(
    message,
    ...,
    class = c(paste0("nmu_error_", kind), "nmu_error"),
    call = call,
    .envir = envir
  )
}

#' Raise an error about an argument
#'
#' @param arg Name of the argument; also stored in the condition as `arg`.
#' @param expected,found Plain text: the required value, the value found.
#' @param hint One sentence: what to do, or `NULL`.
#' @inheritParams abort_nmu
#' @noRd
abort_input <- function(arg, expected, found, hint = NULL, call = caller_env()) {
  abort_nmu(
    c("{.arg {arg}} must be {expected}.", x = "Found {found}.", i = if (!is.null(hint)) "{hint}"),
    kind = "input", call = call, arg = arg
  )
}

#' Give a classed warning
#'
#' Warnings are about what went wrong and what to do about it; they do not depend on `verbose`.
#'
#' @param kind One word: the class is `nmu_warning_<kind>`.
#' @inheritParams abort_nmu
#' @return `NULL`, invisibly.
#' @noRd
warn_nmu <- function(message, kind, envir = parent.frame(), call = caller_env()) {
  cli::cli_warn(
    message,
    class = c(paste0("nmu_warning_", kind), "nmu_warning"), call = error_call(call), .envir = envir
  )
}

#' Extract the result of a core call, or raise its error
#'
#' The core returns failures as values; they are raised here, in R.
#'
#' @param result A list with `ok` and `err`, one of them `NULL`; both are `NULL` if the user
#'   interrupted the core before it had a result.
#' @inheritParams abort_nmu
#' @return `result$ok`.
#' @noRd
core_value <- function(result, call = caller_env()) {
  if (is.null(result$ok) && is.null(result$err)) {
    signal_interrupt(call = call)
  }
  core_value_or_null(result, call = call)
}

#' Extract the result of a core call that may have been interrupted
#'
#' @inheritParams core_value
#' @return `result$ok`; `NULL` if the user interrupted.
#' @noRd
core_value_or_null <- function(result, call = caller_env()) {
  if (is.null(result$err)) {
    return(result$ok)
  }
  reason <- result$err
  abort_nmu(
    c("The fit could not be computed.", x = "The numerical core reports: {reason}"),
    kind = "core", call = call
  )
}

#' Signal that a fit stopped early
#'
#' @param fit A fit.
#' @inheritParams abort_nmu
#' @return `NULL`, invisibly.
#' @noRd
signal_status <- function(fit, call = caller_env()) {
  if (fit$status == "lambda") {
    warn_nmu(
      c(
        "{.arg lambda} and {.arg sigma} could not be re-estimated: the mean or the standard
         deviation of the residual is not positive.",
        i = "Returning the fit so far, with {.code converged = FALSE}."
      ),
      "lambda", call = call
    )
  }
  # with a tolerance of zero, as in the notebook, all iterations are to be run
  if (fit$status == "maxiter" && fit$control$tol > 0) {
    maxiter <- fit$control$maxiter
    setting <- if (inherits(fit, "nmu")) "nmu_control(maxiter = )" else "maxiter"
    short <- if (is.null(fit$refit)) {
      if (inherits(fit, "nmu")) colnames(fit$u)[fit$path$status == "maxiter"] else "k1"
    }
    warn_nmu(
      c(
        "All {maxiter} iterations were used up before the fit had converged.",
        x = if (length(short) > 0) "Factor{?s} {short}.",
        i = "Allow more by {.code {setting}}, or accept less accuracy by a larger {.arg tol}."
      ),
      "maxiter", call = call
    )
  }
  if (fit$status == "stalled") {
    warn_nmu(
      c(
        "The fit stalled: no step increased its objective, although the gradient is not zero.",
        i = "It is the best state that was found. Fit from another {.arg init} to see if there is a
             better one."
      ),
      "stalled", call = call
    )
  }
  if (fit$status == "interrupted") {
    signal_interrupt(fit, call = call)
  }
}

#' Warn that the best number of factors is the limit of the search
#'
#' @param fit A fit.
#' @param entries Number of entries of the matrix, which is a limit as well.
#' @inheritParams abort_nmu
#' @return `NULL`, invisibly.
#' @noRd
signal_search_limit <- function(fit, entries, call = caller_env()) {
  limit <- fit$control$K_max
  fixed <- sum(fit$path$status == "fixed")
  # the best number is the last one: a smaller one was better than the next
  best <- max(fit$candidates$K[fit$candidates$kept], 0)
  rises <- best == max(fit$candidates$K, 0)
  if (is.null(fit$candidates) || !rises || best - fixed < limit || limit >= entries) {
    return(invisible())
  }
  warn_nmu(
    c(
      "The best number of factors is the limit of the search for {.arg K}, {limit}: more may be
       better.",
      i = "Raise the limit by {.code nmu_control(K_max = )}, or give {.arg K}."
    ),
    "K_max", call = call
  )
}

#' Warn that a matrix of mostly negative entries has no factor
#'
#' @param fit A fit.
#' @param scan Result of `core_scan()`.
#' @param entries Number of entries of the matrix.
#' @inheritParams abort_nmu
#' @return Was there a warning?
#' @noRd
signal_negative <- function(fit, scan, entries, call = caller_env()) {
  observed <- entries - scan$missing
  none <- all(fit$d[fit$path$status != "fixed"] == 0)
  if (!none || fit$status != "converged" || scan$negative <= observed / 2) {
    return(FALSE)
  }
  warn_nmu(
    c(
      "No factor was found: {scan$negative} of {observed} entr{?y/ies} of {.arg A} {?is/are}
       negative, and factors are not.",
      i = "If low values are what is to be explained, fit {.code -A}; if zero has no meaning for
           {.arg A}, subtract its least entry first."
    ),
    "negative", call = call
  )
  TRUE
}

#' Warn that none of the factors that were asked for was found
#'
#' @param fit A fit.
#' @param scan Result of `core_scan()`.
#' @inheritParams abort_nmu
#' @return `NULL`, invisibly.
#' @noRd
signal_null <- function(fit, scan, call = caller_env()) {
  none <- all(fit$d[fit$path$status != "fixed"] == 0)
  chosen <- !is.null(fit$candidates)
  if (!none || chosen || fit$status != "converged" || scan$largest <= 0 || fit$underapprox) {
    return(invisible())
  }
  remedy <- if (fit$noise$rule == "fixed") {
    "The {.arg lambda} and {.arg sigma} that were given make every factor worse than none: estimate
     them by {.code noise_mle()}."
  } else if (any(vapply(c(fit$prior, fit$prior_v), `[[`, "", "family") != "flat")) {
    "Under its prior, no factor raises the lower bound of the evidence: fit with
     {.code prior = \"flat\"} to see what there is."
  } else if (!has_no_remainder(fit)) {
    "The remainder {.field b} explains all entries, as it does if many of them are zero or nearly
     so: fit without it by {.code prior_b = \"none\"}."
  } else {
    "No nonnegative factor is closer to {.arg A} than zero."
  }
  warn_nmu(
    c("No factor was found: {.field d} and all loadings are zero.", i = remedy), "null",
    call = call
  )
}

#' Raise the error of an interrupt
#'
#' @param fit The fit so far, or `NULL`.
#' @inheritParams abort_nmu
#' @return Does not return.
#' @noRd
signal_interrupt <- function(fit = NULL, call = caller_env()) {
  so_far <- if (!is.null(fit)) c(i = "The field {.field fit} of this condition has the fit so far.")
  abort_nmu(c("The computation was interrupted.", so_far), "interrupted", call = call, fit = fit)
}
