#' Format the density of a prior
#' @param family Name of the family.
#' @return One string.
#' @noRd
prior_text <- function(family) {
  switch(family,
    flat = "1 on w >= 0, improper",
    exponential = "rate exp(-rate w)",
    point_exponential = "(1 - weight) at 0 + weight Exp(rate)",
    binary = "(1 - weight) at 0 + weight N(location, (ratio location)^2), truncated to w >= 0",
    mixture = "sum of weights times densities of one shape and different scales",
    none = "all at 0: no remainder",
    custom = "by functions written in R"
  )
}

#' @rdname prior
#' @param x An object of class `nmu_prior`.
#' @param ... Must be empty.
#' @method print nmu_prior
#' @export
print.nmu_prior <- function(x, ...) {
  refuse_dots(...)
  cli::cat_line(format(x))
  invisible(x)
}

#' @rdname prior
#' @method format nmu_prior
#' @export
format.nmu_prior <- function(x, ...) {
  refuse_dots(...)
  settings <- prior_settings(x)
  c(
    sprintf("<nmu_prior> %s", x$name %||% x$family),
    sprintf("  %s", prior_text(x$family)),
    if (length(settings) > 0) {
      texts <- vapply(settings, hyperparameter_text, "")
      sprintf("  %s", paste(names(settings), "=", texts, collapse = ", "))
    }
  )
}

#' Hyperparameters of a prior, given or to be estimated
#' @param prior An object of class `nmu_prior`.
#' @return A named list.
#' @noRd
prior_settings <- function(prior) {
  if (prior$family == "custom") {
    return(if (is.null(prior$g)) list(g = NULL) else hyperparameters_of(prior$g))
  }
  unclass(prior)[-1]
}

#' Format a hyperparameter
#' @param value Numbers, a string, or `NULL`.
#' @return One string.
#' @noRd
hyperparameter_text <- function(value) {
  if (is.null(value)) {
    return("estimated")
  }
  if (!is.numeric(value)) {
    return(value)
  }
  more <- if (length(value) > 6) "/..."
  paste0(paste(signif_text(utils::head(value, 6)), collapse = "/"), more)
}
