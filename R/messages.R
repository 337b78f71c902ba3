# Messages about choices made from the data. Each message has its own class, so that it can be
# caught or silenced by suppressMessages(classes = ). Warnings and errors are in conditions.R.

#' Signal a message of the package
#'
#' @param kind One word: the class is `nmu_message_<kind>`.
#' @param text A cli template, a literal of this package.
#' @param envir Environment in which the template is evaluated.
#' @return `NULL`, invisibly.
#' @noRd
inform_nmu <- function(kind, text, envir = parent.frame()) {
  cli::cli_inform(
    c(i = text),
    class = c(paste0("nmu_message_", kind), "nmu_message"), .envir = envir
  )
}

#' Report how the data are read
#'
#' @param scan Result of `core_scan()`.
#' @param symmetric Was A found to be symmetric? `NULL` if the user said so.
#' @param control The settings.
#' @return `NULL`, invisibly.
#' @noRd
signal_data <- function(scan, symmetric, control) {
  if (!control$verbose) {
    return(invisible())
  }
  if (isTRUE(symmetric)) {
    inform_nmu("symmetric", "{.arg A} is symmetric, so {.field v} is {.field u}.")
  }
  if (isFALSE(symmetric) && scan$symmetric) {
    inform_nmu(
      "names",
      "The entries of {.arg A} are symmetric, but its row and column names differ: they are not
       taken for the same things, and have loadings of their own."
    )
  }
  if (scan$missing > 0) {
    inform_nmu("missing", "{scan$missing} entr{?y is/ies are} NA and left out.")
  }
  if (scan$negative > 0) {
    inform_nmu(
      "negative", "{scan$negative} entr{?y is/ies are} negative: factors exceed {?it/them}."
    )
  }
}

#' Report the chosen number of factors
#'
#' @param fit A fit.
#' @return `NULL`, invisibly.
#' @noRd
signal_factor_count <- function(fit) {
  if (!fit$control$verbose || is.null(fit$candidates)) {
    return(invisible())
  }
  count <- nrow(fit$candidates)
  inform_nmu("K", "{.arg K}: {fit$K} factor{?s} chosen, {count} candidate{?s} tried.")
}

#' Report an active bound on lambda or sigma of the final model
#'
#' @param fit A fit.
#' @return `NULL`, invisibly.
#' @noRd
signal_bounds <- function(fit) {
  bound <- fit$refit$bound %||% fit$path$bound[fit$K]
  if (identical(bound, "sigma")) {
    inform_nmu(
      "bound", "{.field sigma} is at its lower bound: see the section Bounds of {.code ?noise_mle}."
    )
  } else if (identical(bound, "lambda")) {
    inform_nmu(
      "bound",
      "b is negligible, {.field lambda} is at its upper bound: see the section Bounds of
       {.code ?noise_mle}."
    )
  }
}
