# Descriptions of values for error messages.

#' Describe a value for an error message
#'
#' @param x Any object; for `describe_atomic()` a vector, matrix or array without a class.
#' @return One string of at most about 60 characters.
#' @noRd
describe <- function(x) {
  if (is.null(x)) {
    return("NULL")
  }
  if (is.data.frame(x)) {
    return(sprintf("a data frame with %d rows and %d columns", nrow(x), ncol(x)))
  }
  if (is.function(x)) {
    return("a function")
  }
  if (inherits(x, c("Matrix", "DelayedMatrix"))) {
    return(sprintf("a %d x %d matrix of class %s", nrow(x), ncol(x), quote_text(class(x)[1])))
  }
  if (is_gram(x)) {
    return(sprintf("a gram() of %.0f x %.0f features", x$size[1], x$size[2]))
  }
  if (!is.atomic(x) || is.object(x)) {
    return(sprintf("an object of class %s", quote_text(class(x)[1])))
  }
  describe_atomic(x)
}

#' @rdname describe
#' @noRd
describe_atomic <- function(x) {
  type <- if (is.double(x)) "numeric" else typeof(x)
  if (length(dim(x)) > 0) {
    noun <- if (is.matrix(x)) "matrix" else "array"
    return(sprintf("a %s %s of type %s", paste(dim(x), collapse = " x "), noun, type))
  }
  if (length(x) != 1) {
    return(sprintf("a vector of type %s and length %d", type, length(x)))
  }
  if (is.character(x) && !is.na(x)) quote_text(x) else format(x, digits = 15)
}

#' Quote a string from the user: escaped, and truncated to 40 characters
#' @param x One string.
#' @return One string.
#' @noRd
quote_text <- function(x) {
  x <- encodeString(x)
  if (nchar(x) > 40) {
    x <- paste0(substr(x, 1, 37), "...")
  }
  paste0("\"", x, "\"")
}
