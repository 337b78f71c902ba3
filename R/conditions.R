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
    cli::cli_warn(
      c(
        "{.arg lambda} and {.arg sigma} could not be re-estimated: the mean or the standard
         deviation of the residual is not positive.",
        i = "Returning the fit so far, with {.code converged = FALSE}."
      ),
      class = c("nmu_warning_lambda", "nmu_warning"),
      call = error_call(call)
    )
  }
  if (fit$status == "interrupted") {
    signal_interrupt(fit, call = call)
  }
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
