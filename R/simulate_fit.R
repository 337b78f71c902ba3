#' Simulate matrices from a fitted model
#'
#' Draws \eqn{\sum_k d_k u_k v_k^T + b + e}{sum_k d_k u_k v_k^T + b + e} with new \eqn{b} and
#' \eqn{e}, and with the factors, \eqn{\lambda} and \eqn{\sigma} of the fit: for a parametric
#' bootstrap, or to compare the data with draws from the model.
#'
#' The remainder and the noise are drawn by [remg()], with R's own generator; under a
#' `prior_b` other than the exponential the remainder is drawn from the fitted prior. If `A` was
#' treated as symmetric, the upper triangle is drawn, with the diagonal, and mirrored. All
#' entries are drawn, including those that were missing in `A` or on an ignored diagonal.
#'
#' @param object A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param nsim One positive whole number: the number of matrices.
#' @param seed `NULL`, or one whole number for [set.seed()]. With a number, the state of R's
#'   generator is restored afterwards.
#' @param ... Must be empty: an unknown argument is an error that names the likely one.
#'
#' @return A list of `nsim` matrices, `"sim_1"`, `"sim_2"` ..., in the units, of the size and with
#'   the row and column names of `A`. As in all methods of [stats::simulate()], the attribute
#'   `"seed"` is the state of the generator before the draws if `seed` is `NULL`, and
#'   otherwise `seed` with the kind of the generator as its attribute `"kind"`.
#'
#' @section Errors: Class `nmu_error_input` if `nsim` or `seed` is not as described.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 2)
#' drawn <- simulate(fit, nsim = 20, seed = 1)
#'
#' # variation of the weight of the first factor
#' sd(vapply(drawn, function(A) nmu(A)$d, 0))
#' @export
simulate.nmu_fit <- function(object, nsim = 1, seed = NULL, ...) {
  refuse_dots(...)
  nsim <- check_count(nsim)
  seed <- check_seed(seed)
  if (!exists(".Random.seed", envir = globalenv(), inherits = FALSE)) {
    # R creates the state of its generator at first use
    stats::runif(1)
  }
  before <- get(".Random.seed", envir = globalenv(), inherits = FALSE)
  start <- before
  if (!is.null(seed)) {
    on.exit(assign(".Random.seed", before, envir = globalenv()))
    set.seed(seed)
    start <- structure(seed, kind = as.list(RNGkind()))
  }
  mean <- fitted(object)
  drawn <- lapply(seq_len(nsim), function(index) draw_matrix(mean, object))
  structure(drawn, names = paste0("sim_", seq_len(nsim)), seed = start)
}

#' Check a seed
#'
#' @param seed The value given.
#' @return An integer, or `NULL`.
#' @noRd
check_seed <- function(seed, call = caller_env()) {
  if (is.null(seed)) {
    return(NULL)
  }
  if (!is_number(seed) || abs(seed) > .Machine$integer.max || seed %% 1 > 0) {
    abort_input("seed", "NULL or one whole number", describe(seed), call = call)
  }
  as.integer(seed)
}

#' Draw one matrix
#'
#' @param mean The low-rank part.
#' @param fit The fit.
#' @return A matrix.
#' @noRd
draw_matrix <- function(mean, fit) {
  if (!fit$symmetric) {
    return(mean + draw_residuals(length(mean), fit, as.vector(entry_sigma(fit))))
  }
  upper <- upper.tri(mean, diag = TRUE)
  sigma <- rep_len(entry_sigma(fit), length(mean))[upper]
  mean[upper] <- mean[upper] + draw_residuals(sum(upper), fit, sigma)
  mean[!upper] <- t(mean)[!upper]
  mean
}
