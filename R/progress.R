# Progress of a long fit. The core calls progress_tick() ten times a second, on R's thread. It
# updates the bar, if the fitting function has requested one by local_progress().

#' State of the running fit, if any
#' @noRd
running <- new.env()

#' Show a progress bar until a function exits, once its work has taken two seconds
#'
#' None is shown with `verbose = FALSE` or in a session that is not interactive.
#'
#' @param total Number of factors, or `NA` if it is chosen from the data.
#' @param control The settings.
#' @param times Factor by which the log-likelihood of the core is multiplied.
#' @param frame The frame on whose exit the bar is removed.
#' @return `NULL`, invisibly.
#' @noRd
local_progress <- function(total, control, times = 1, frame = caller_env()) {
  if (!control$verbose || !rlang::is_interactive()) {
    return(invisible())
  }
  running$total <- total
  running$times <- times
  running$start <- proc.time()[["elapsed"]]
  running$bar <- NULL
  defer(end_progress(), frame)
}

#' Remove the progress bar
#' @noRd
end_progress <- function() {
  if (!is.null(running$bar)) {
    cli::cli_progress_done(running$bar)
  }
  rm(list = ls(running), envir = running)
}

#' Update the progress bar, if there is one
#'
#' Called by the core. An error here does not affect the fit.
#'
#' @param stage `"factor"`, `"refit"` (of all factors together) or `"noise"` (of lambda and sigma).
#' @param factor Number of the factor, or number of factors in a refit.
#' @param iteration Number of completed iterations; 0 during the search for a start.
#' @param loglik The log-likelihood, or `NA`.
#' @return `NULL`, invisibly.
#' @noRd
progress_tick <- function(stage, factor, iteration, loglik) {
  if (!is.null(running$start)) {
    try(show_progress(stage, factor, iteration, loglik), silent = TRUE)
  }
  invisible()
}

#' @rdname progress_tick
#' @noRd
show_progress <- function(stage, factor, iteration, loglik) {
  elapsed <- proc.time()[["elapsed"]] - running$start
  if (elapsed < getOption("cli.progress_show_after", 2)) {
    return(invisible())
  }
  text <- progress_text(stage, factor, iteration, loglik * running$times, elapsed)
  if (is.null(running$bar)) {
    running$bar <- cli::cli_progress_bar(
      format = "{cli::pb_spin} {cli::pb_status}", status = text, total = NA, clear = TRUE,
      .auto_close = FALSE, .envir = running
    )
  }
  cli::cli_progress_update(id = running$bar, status = text, force = TRUE, .envir = running)
}

#' Format the progress of a fit
#'
#' The remaining time is estimated from the mean time of the factors so far, without the refit;
#' there is no estimate before the first factor is complete.
#'
#' @inheritParams progress_tick
#' @param elapsed Seconds so far.
#' @return One string.
#' @noRd
progress_text <- function(stage, factor, iteration, loglik, elapsed) {
  total <- running$total
  known <- stage == "factor" && !is.na(total)
  where <- switch(stage,
    factor = sprintf("factor %.0f%s", factor, if (known) sprintf(" of %.0f", total) else ""),
    refit = sprintf("refit of %.0f factor%s", factor, if (factor == 1) "" else "s"),
    noise = "lambda and sigma"
  )
  step <- if (iteration == 0) "start" else sprintf("iteration %.0f", iteration)
  height <- if (!is.na(loglik)) paste("log-likelihood", signif_text(loglik))
  left <- if (known && factor > 1) {
    paste("ETA", format_seconds(elapsed / (factor - 1) * (total - factor + 1)))
  }
  paste(c(where, step, height, left), collapse = ", ")
}

#' Format a time
#' @param seconds A number.
#' @return One string, such as `"1h 5m"`, `"2m 3s"` or `"40s"`.
#' @noRd
format_seconds <- function(seconds) {
  seconds <- round(seconds)
  if (seconds >= 3600) {
    sprintf("%.0fh %.0fm", seconds %/% 3600, (seconds %% 3600) %/% 60)
  } else if (seconds >= 60) {
    sprintf("%.0fm %.0fs", seconds %/% 60, seconds %% 60)
  } else {
    sprintf("%.0fs", seconds)
  }
}
