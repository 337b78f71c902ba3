# What a fit says of its choices. Each message has a class of its own, so that it can be caught, or
# silenced by suppressMessages(classes = ). Problems are warnings and errors, see conditions.R.

#' Say something about a choice
#'
#' @param kind One word: the class is `nmu_message_<kind>`.
#' @param text A cli template, a literal of this package.
#' @param envir Where the template finds its values.
#' @return Nothing of use.
#' @noRd
inform_nmu <- function(kind, text, envir = parent.frame()) {
  cli::cli_inform(
    c(i = text),
    class = c(paste0("nmu_message_", kind), "nmu_message"), .envir = envir
  )
}

#' Say how the data are read
#'
#' @param scan What `core_scan()` found in them.
#' @param decide Was it left to the data whether they are symmetric?
#' @param control The settings.
#' @return Nothing of use.
#' @noRd
signal_data <- function(scan, decide, control) {
  if (!control$verbose) {
    return(invisible())
  }
  if (decide && scan$symmetric) {
    inform_nmu("symmetric", "{.arg A} is symmetric, so {.field v} is {.field u}.")
  }
  if (scan$missing > 0) {
    inform_nmu("missing", "{scan$missing} entr{?y is/ies are} NA and left out.")
  }
  if (scan$negative > 0) {
    inform_nmu(
      "negative", "{scan$negative} entr{?y is/ies are} negative: no factor is below {?it/them}."
    )
  }
}

#' Say which number of factors was chosen
#'
#' @param fit A fit.
#' @return Nothing of use.
#' @noRd
signal_number <- function(fit) {
  if (!fit$control$verbose || is.null(fit$candidates)) {
    return(invisible())
  }
  count <- nrow(fit$candidates)
  inform_nmu("K", "{.arg K}: {fit$K} factor{?s} chosen, up to {count} looked at.")
}

#' Say where lambda or sigma of the final model ended at a bound
#'
#' @param fit A fit.
#' @return Nothing of use.
#' @noRd
signal_bounds <- function(fit) {
  bound <- fit$refit$bound %||% fit$path$bound[fit$K]
  if (identical(bound, "sigma")) {
    inform_nmu(
      "bound", "{.field sigma} is at its least value: see the section Bounds of {.code ?noise_mle}."
    )
  } else if (identical(bound, "lambda")) {
    inform_nmu(
      "bound",
      "b has all but vanished, {.field lambda} is at its bound: see the section Bounds of
       {.code ?noise_mle}."
    )
  }
}
