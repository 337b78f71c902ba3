#' Estimators of lambda and sigma
#'
#' Say how [nmu()] sets the rate \eqn{\lambda} of the nonnegative remainder and the standard
#' deviation \eqn{\sigma} of the noise.
#'
#' `noise_notebook()` is the rule of the notebook: each factor starts from
#' \eqn{\lambda = 1}, \eqn{\sigma = 0.1} and takes 5 rounds of EM; after a round,
#' \eqn{\lambda} becomes 1/mean and \eqn{\sigma} the standard deviation of the residual
#' \eqn{x}. Since
#' \eqn{\mathrm{Var}(x) = 1/\lambda^2 + \sigma^2}{Var(x) = 1/lambda^2 + sigma^2}, that
#' \eqn{\sigma} is too large; the rule is kept so that its results can be had again. The
#' starting values are in the units of `A`, so results depend on its scale.
#'
#' @return An object of class `nmu_noise`, and of a class of its own, such as
#'   `nmu_noise_notebook`: a list with
#'   `lambda` and `sigma` (the starting values, positive numbers) and `rounds` (whole number).
#'
#' @source M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025.
#'
#' @examples
#' noise_notebook()
#' @name noise
NULL

#' @rdname noise
#' @export
noise_notebook <- function() {
  structure(
    list(lambda = 1, sigma = 0.1, rounds = 5L),
    class = c("nmu_noise_notebook", "nmu_noise")
  )
}

#' Noise estimators that may be given by name
#'
#' @return A named list of constructors.
#' @noRd
noise_constructors <- function() {
  list(notebook = noise_notebook)
}

#' Bring the argument noise to an object
#'
#' @param noise An object of class `nmu_noise`, or the name of an estimator.
#' @param call The user's call.
#' @return An object of class `nmu_noise`.
#' @noRd
check_noise <- function(noise, call) {
  if (inherits(noise, "nmu_noise")) {
    return(noise)
  }
  known <- noise_constructors()
  if (!is.character(noise) || length(noise) != 1 || !(noise %in% names(known))) {
    expected <- sprintf(
      "an estimator such as noise_notebook(), or its name (%s)",
      paste0("\"", names(known), "\"", collapse = ", ")
    )
    abort_input("noise", expected, describe(noise), call)
  }
  known[[noise]]()
}

#' @rdname noise
#' @param x An object of class `nmu_noise`.
#' @param ... Not used.
#' @method print nmu_noise_notebook
#' @export
print.nmu_noise_notebook <- function(x, ...) {
  cli::cat_line(
    c(
      "<nmu_noise> notebook",
      sprintf("  start: lambda = %s, sigma = %s", format(x$lambda), format(x$sigma)),
      sprintf("  %d rounds: lambda = 1/mean, sigma = sd of the residual", x$rounds)
    )
  )
  invisible(x)
}
