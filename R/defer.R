#' Evaluate an expression when a function returns
#'
#' For functions that set something up for their caller, as [on.exit()] does for itself: the
#' expression is evaluated once, however the caller ends. Of several, the last is evaluated first.
#'
#' @param expr An expression, evaluated where `defer()` was called.
#' @param frame The frame of the function at whose end it is evaluated.
#' @return `NULL`, invisibly.
#' @noRd
defer <- function(expr, frame = caller_env()) {
  run <- function() expr
  do.call(on.exit, list(as.call(list(run)), add = TRUE, after = FALSE), envir = frame)
  invisible()
}
