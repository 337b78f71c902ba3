#' Settings of a fit
#'
#' Collects and checks the technical settings that [nmu()], [nmu_em()] and
#' [nmu_em_estlambda()] share.
#'
#' @param tol One finite number, zero or larger. With [noise_notebook()], stop a factor once the
#'   change of an iteration, relative to the size of what changes, is at most `tol`; zero, its
#'   default, runs every iteration. With the other rules, stop once both the gain in
#'   log-likelihood per entry and the scaled projected gradient are at most `tol`; their default
#'   is 1e-8.
#' @param maxiter One positive whole number: most iterations of a factor (of each round,
#'   where a method works in rounds). The default is 100 with [noise_notebook()] and 1000 with
#'   the other rules. The argument `maxiter` of [nmu_em()] and [nmu_em_estlambda()] takes its
#'   place there.
#' @param K_max One positive whole number: most factors where `K = NULL`.
#' @param threads One positive whole number: threads of the numerical core. The default is
#'   the option `nmu.threads`, or 1. The result does not depend on it.
#' @param verbose `TRUE` or `FALSE`: report how the data are read and what was left to them, and
#'   show, in an interactive session, a progress bar of work that takes more than two seconds? The
#'   default is the option `nmu.verbose`, or `TRUE` in an interactive session and `FALSE` elsewhere.
#'   The messages have class `nmu_message` and one of their own: `nmu_message_symmetric`
#'   (`symmetric = NULL`, and `A` is symmetric), `nmu_message_missing` (how many entries are `NA`),
#'   `nmu_message_negative` (how many are negative), `nmu_message_K` (the number of factors chosen).
#' @param interpolation One number from 1e-15 to 1e-3: the largest error allowed in sums over the
#'   zeros of a sparse matrix, relative to the sum (for sums by row, to the largest of them). Below
#'   about 1e-13, rounding is larger than this. See the section Sparse matrices of [nmu()].
#' @param keep_data `TRUE` or `FALSE`: keep a reference to `A` in the fit? It costs no
#'   memory while `A` itself lives. Without it, methods that need the data take `A = `.
#' @param BPPARAM `NULL`, or a backend of the package BiocParallel, such as
#'   `BiocParallel::MulticoreParam(2)`, `SnowParam()` over several hosts or `BatchtoolsParam()` on a
#'   cluster: its workers share the passes over a matrix that is not in memory. Each worker needs
#'   nmu and the file. A backend that is not running is started for the time of a fit. The result
#'   does not depend on the number of workers.
#' @param ... Not used: anything given here is refused.
#'
#' @return An object of class `nmu_control`, a list of the settings.
#'
#' @section Errors: Class `nmu_error_input` where a setting is not as described.
#'
#' @examples
#' nmu_control(maxiter = 500, threads = 2)
#' @export
nmu_control <- function(tol = NULL, maxiter = NULL, K_max = 20L, # nolint: object_name_linter.
                        threads = getOption("nmu.threads", 1L),
                        verbose = getOption("nmu.verbose", rlang::is_interactive()),
                        keep_data = TRUE, interpolation = 1e-13,
                        BPPARAM = NULL, # nolint: object_name_linter.
                        ...) {
  check_extras(list(...), list())
  structure(
    list(
      tol = check_nonnegative(tol, allow_null = TRUE),
      maxiter = check_count(maxiter, allow_null = TRUE),
      K_max = check_count(K_max),
      threads = check_count(threads),
      verbose = check_flag(verbose),
      keep_data = check_flag(keep_data),
      interpolation = check_between(interpolation, 1e-15, 1e-3),
      BPPARAM = check_backend(BPPARAM)
    ),
    class = "nmu_control"
  )
}

#' Check that a backend for workers is one
#'
#' @param backend The value given.
#' @param call The user's call.
#' @return `backend`.
#' @noRd
check_backend <- function(backend, call = caller_env()) {
  if (!is.null(backend) && !inherits(backend, "BiocParallelParam")) {
    expected <- "NULL or a backend of BiocParallel, such as MulticoreParam(2)"
    abort_input("BPPARAM", expected, describe(backend), call = call)
  }
  backend
}

#' Check that control came from nmu_control()
#'
#' @param control The value given.
#' @param call The user's call.
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
  shown <- unclass(x)[setdiff(names(x), if (is.null(x$BPPARAM)) "BPPARAM")]
  values <- vapply(shown, FUN.VALUE = "", FUN = function(value) {
    if (isS4(value)) class(value)[1] else format(value %||% "chosen by the method")
  })
  cli::cat_line("<nmu_control>")
  cli::cat_line("  ", format(names(shown)), " = ", values)
  invisible(x)
}
