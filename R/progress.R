# How a long fit goes. The core's observer calls progress_tick() ten times a second, on R's
# thread; the bar that it moves, if any, was asked for by the fitting function, through
# local_progress().

#' The fit that is going on, or nothing
#' @noRd
running <- new.env()

#' Show a progress bar for the rest of a function, once its work has taken two seconds
#'
#' None is shown where `verbose = FALSE` or nobody is there to see it.
#'
#' @param total Number of factors, or `NA` where it is left to the data.
#' @param control The settings.
#' @param times What the core's log-likelihood is multiplied by.
#' @param frame The function at whose end the bar goes.
#' @return Nothing of use.
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

#' Move the progress bar, if there is one
#'
#' Called by the core. An error here is none of the fit.
#'
#' @param stage `"factor"`, `"refit"` (of all factors together) or `"noise"` (of lambda and sigma).
#' @param factor Number of the factor, or of the last of those that are refitted.
#' @param iteration The iterations done; 0 while a start is looked for.
#' @param loglik The log-likelihood, or `NA`.
#' @return Nothing of use.
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

#' Where a fit stands, as text
#'
#' The time left is what the factors so far took on average; the refit is not in it, and nothing is
#' said before the first factor is done.
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

#' A time as text
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
