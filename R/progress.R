# Progress of a long fit. The fitting function requests a bar by local_progress(), which returns the
# function that the core calls ten times a second, on R's thread.

#' Show a progress bar until a function exits, once its work has taken two seconds
#'
#' None is shown with `verbose = FALSE` or in a session that is not interactive.
#'
#' @param total Number of factors, or `NA` if it is chosen from the data.
#' @param control The settings.
#' @param times Factor by which the log-likelihood of the core is multiplied.
#' @param frame The frame on whose exit the bar is removed.
#' @return The core's option `progress`: `NULL`, or a function of `stage`, `factor`, `iteration` and
#'   `loglik`, as in `show_progress()`, whose errors do not affect the fit.
#' @noRd
local_progress <- function(total, control, times = 1, frame = caller_env()) {
  if (!control$verbose || !rlang::is_interactive()) {
    return(NULL)
  }
  bar <- new_progress(total, times)
  defer(end_progress(bar), frame)
  function(stage, factor, iteration, loglik) {
    try(show_progress(bar, stage, factor, iteration, loglik), silent = TRUE)
    invisible()
  }
}

#' State of a progress bar that is not shown yet
#'
#' @inheritParams local_progress
#' @return An environment.
#' @noRd
new_progress <- function(total, times = 1) {
  # cli evaluates the format of the bar here
  bar <- new.env()
  bar$total <- total
  bar$times <- times
  bar$start <- proc.time()[["elapsed"]]
  bar
}

#' Remove a progress bar, if it is shown
#' @param bar Value of `new_progress()`.
#' @noRd
end_progress <- function(bar) {
  if (!is.null(bar$id)) {
    cli::cli_progress_done(bar$id)
  }
  rm(list = intersect("id", ls(bar)), envir = bar)
  invisible()
}

#' Update a progress bar
#'
#' @param bar Value of `new_progress()`.
#' @param stage `"factor"`, `"refit"` (of all factors together) or `"noise"` (of lambda and sigma).
#' @param factor Number of the factor, or number of factors in a refit.
#' @param iteration Number of completed iterations; 0 during the search for a start.
#' @param loglik The log-likelihood, or `NA`.
#' @return `NULL`, invisibly.
#' @noRd
show_progress <- function(bar, stage, factor, iteration, loglik) {
  elapsed <- proc.time()[["elapsed"]] - bar$start
  if (elapsed < getOption("cli.progress_show_after", 2)) {
    return(invisible())
  }
  draw_progress(
    bar, progress_text(bar$total, stage, factor, iteration, loglik * bar$times, elapsed)
  )
}

#' Draw a progress bar
#' @param bar Value of `new_progress()`.
#' @param text The text.
#' @noRd
draw_progress <- function(bar, text) {
  if (is.null(bar$id)) {
    bar$id <- cli::cli_progress_bar(
      format = "{cli::pb_spin} {cli::pb_status}", status = text, total = NA, clear = TRUE,
      .auto_close = FALSE, .envir = bar
    )
  }
  cli::cli_progress_update(id = bar$id, status = text, force = TRUE, .envir = bar)
}

#' Show a progress bar that counts fits, until a function exits
#'
#' @inheritParams local_progress
#' @param total Number of fits.
#' @return A function of the number of the fit that starts and of its description.
#' @noRd
local_count <- function(total, control, frame = caller_env()) {
  if (!control$verbose || !rlang::is_interactive()) {
    return(function(index, what) invisible())
  }
  bar <- new_progress(total)
  defer(end_progress(bar), frame)
  function(index, what) {
    elapsed <- proc.time()[["elapsed"]] - bar$start
    if (elapsed >= getOption("cli.progress_show_after", 2)) {
      try(draw_progress(bar, count_text(index, total, what, elapsed)), silent = TRUE)
    }
    invisible()
  }
}

#' Format the progress of a count of fits
#'
#' @param index Number of the fit that starts.
#' @param total Number of fits.
#' @param what Its description.
#' @param elapsed Seconds so far.
#' @return One string.
#' @noRd
count_text <- function(index, total, what, elapsed) {
  remaining <- if (index > 1) {
    paste("ETA", format_seconds(elapsed / (index - 1) * (total - index + 1)))
  }
  paste(c(sprintf("fit %d of %d", index, total), what, remaining), collapse = ", ")
}

#' Format the progress of a fit
#'
#' The remaining time is estimated from the mean time of the factors so far, without the refit;
#' there is no estimate before the first factor is complete.
#'
#' @param total Number of factors, or `NA`.
#' @inheritParams show_progress
#' @param elapsed Seconds so far.
#' @return One string.
#' @noRd
progress_text <- function(total, stage, factor, iteration, loglik, elapsed) {
  known <- stage == "factor" && !is.na(total)
  part <- switch(stage,
    factor = sprintf("factor %.0f%s", factor, if (known) sprintf(" of %.0f", total) else ""),
    refit = sprintf("refit of %.0f factor%s", factor, if (factor == 1) "" else "s"),
    noise = "lambda and sigma"
  )
  step <- if (iteration == 0) "start" else sprintf("iteration %.0f", iteration)
  value <- if (!is.na(loglik)) paste("log-likelihood", signif_text(loglik))
  remaining <- if (known && factor > 1) {
    paste("ETA", format_seconds(elapsed / (factor - 1) * (total - factor + 1)))
  }
  paste(c(part, step, value, remaining), collapse = ", ")
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
