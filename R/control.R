#' Settings of a fit
#'
#' Collects and checks the technical settings of [nmu()], [nmu_em()] and [nmu_em_estlambda()].
#'
#' @param tol `NULL`, or one finite number, zero or larger. With [noise_notebook()] a factor stops
#'   once the change of an iteration, relative to the size of what changes, is at most `tol`; the
#'   default 0 runs every iteration. With other estimators a fit stops once the gain in
#'   log-likelihood per entry and the scaled projected gradient are at most `tol`, or once the gain
#'   per entry of ten iterations together is; the default is 1e-8.
#' @param maxiter `NULL`, or one positive whole number: the largest number of iterations of a factor
#'   (of each round, if an estimator has rounds). The default is 100 with [noise_notebook()] and
#'   1000 with other estimators. [nmu_em()] and [nmu_em_estlambda()] use their own argument
#'   `maxiter` instead.
#' @param starts One positive whole number: from how many starting points a further factor of a
#'   joint fit with flat priors is sought. In turn: the leading singular
#'   pair of what the factors so far leave, that of the excess of these residuals over one standard
#'   deviation above their mean, the row and the column with the largest excess, the first with the
#'   other sign, and more rows and columns. If none raises the likelihood, four times as many are
#'   tried. See [nmu_algorithm].
#' @param K_max One positive whole number: the largest number of factors with `K = NULL`.
#' @param threads One positive whole number: the number of threads of the numerical core. The
#'   default is the option `nmu.threads`, or 1. The result does not depend on it.
#' @param verbose `TRUE` or `FALSE`: whether to report how the data are read and what is chosen from
#'   them, and to show, in an interactive session, a progress bar for work of more than two seconds.
#'   The default is the option `nmu.verbose`, or `TRUE` in an interactive session and `FALSE`
#'   otherwise. Messages have class `nmu_message` and one of their own: `nmu_message_symmetric`
#'   (`symmetric = NULL`, and `A` is symmetric), `nmu_message_names` (it would be, but for its
#'   names), `nmu_message_missing` (number of `NA` entries),
#'   `nmu_message_negative` (number of negative entries), `nmu_message_K` (chosen number of
#'   factors), `nmu_message_bound` (\eqn{\sigma} is at its lower bound and larger than the
#'   remainder, see the section Bounds of [noise]),
#'   `nmu_message_explained` (the factors explain less than half of what the best approximation of
#'   the same rank explains), `nmu_message_few_observed` (rows or columns with missing entries have
#'   fewer observed ones than there are factors). Warnings, of class `nmu_warning`, do not depend on
#'   it.
#' @param interpolation One number from 1e-15 to 1e-3: the largest error of sums over the
#'   zeros of a sparse matrix, relative to the sum (for row sums, to the largest of them). Below
#'   about 1e-13, rounding errors are larger. See [nmu_large].
#' @param keep_data `TRUE` or `FALSE`: whether to keep a reference to `A` in the fit. It costs no
#'   memory while `A` itself exists. Without it, methods that need the data have an argument `A`.
#' @param BPPARAM `NULL`, or a backend of the package BiocParallel, such as
#'   `BiocParallel::MulticoreParam(2)`, `SnowParam()` over several hosts or `BatchtoolsParam()` on a
#'   cluster: its workers share the passes over a matrix that is not in memory. Each worker needs
#'   nmu and access to the file. A backend that is not running is started for the duration of a fit.
#'   The result does not depend on the number of workers.
#' @param ... Must be empty: an unknown argument is an error that names the right one, if there is a
#'   likely one.
#'
#' @return An object of class `nmu_control`, a list of the settings.
#'
#' @section Errors: Class `nmu_error_input` if a setting is not as described.
#'
#' @examples
#' nmu_control(maxiter = 500, threads = 2)
#' @export
nmu_control <- function(tol = NULL, maxiter = NULL, K_max = 20L, # nolint: object_name_linter.
                        starts = 4L,
                        threads = getOption("nmu.threads", 1L),
                        verbose = getOption("nmu.verbose", rlang::is_interactive()),
                        keep_data = TRUE, interpolation = 1e-13,
                        BPPARAM = NULL, # nolint: object_name_linter.
                        ...) {
  slips <- setting_slips(skip = names(formals(nmu_control)))
  refuse_dots(..., slips = slips)
  structure(
    list(
      tol = check_nonnegative(tol, allow_null = TRUE),
      maxiter = check_count(maxiter, allow_null = TRUE),
      K_max = check_count(K_max),
      starts = check_count(starts),
      threads = check_count(threads),
      verbose = check_flag(verbose),
      keep_data = check_flag(keep_data),
      interpolation = check_between(interpolation, 1e-15, 1e-3),
      BPPARAM = check_backend(BPPARAM)
    ),
    class = "nmu_control"
  )
}

#' Check a backend for workers
#'
#' @param backend The value given.
#' @return `backend`.
#' @noRd
check_backend <- function(backend, call = caller_env()) {
  if (!is.null(backend) && !inherits(backend, "BiocParallelParam")) {
    expected <- "NULL or a backend of BiocParallel, such as MulticoreParam(2)"
    abort_input("BPPARAM", expected, describe(backend), call = call)
  }
  backend
}

#' Check that control was made by nmu_control()
#'
#' @param control The value given.
#' @return `control`.
#' @noRd
check_control <- function(control, call = caller_env()) {
  if (!inherits(control, "nmu_control")) {
    abort_input("control", "made by nmu_control()", describe(control), call = call)
  }
  control
}

#' @rdname nmu_control
#' @param x An object of class `nmu_control`.
#' @method print nmu_control
#' @export
print.nmu_control <- function(x, ...) {
  refuse_dots(...)
  shown <- unclass(x)[setdiff(names(x), if (is.null(x$BPPARAM)) "BPPARAM")]
  values <- vapply(shown, FUN.VALUE = "", FUN = function(value) {
    if (isS4(value)) class(value)[1] else format(value %||% "chosen by the method")
  })
  cli::cat_line("<nmu_control>")
  cli::cat_line("  ", format(names(shown)), " = ", values)
  invisible(x)
}
