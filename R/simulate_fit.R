#' Matrices drawn from a fitted model
#'
#' Draws \eqn{\sum_k d_k u_k v_k^T + b + e}{sum_k d_k u_k v_k^T + b + e} with new \eqn{b} and
#' \eqn{e}, the factors, \eqn{\lambda} and \eqn{\sigma} being those of the fit: for a parametric
#' bootstrap, or to see whether the data look like what the model makes.
#'
#' The remainder and the noise come from [remg()], that is from R's own generator; under another
#' `prior_b` than the exponential the remainder is drawn from the law that was fitted. Where `A` was
#' treated as symmetric, the upper triangle is drawn, with the diagonal, and mirrored. Every
#' entry is drawn, also those that were missing in `A` or on a diagonal that was ignored.
#'
#' @param object A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param nsim One positive whole number: how many matrices.
#' @param seed `NULL`, or one whole number for [set.seed()]. With a number, the state of R's
#'   generator is put back afterwards.
#' @param ... Not used.
#'
#' @return A list of `nsim` matrices, `"sim_1"`, `"sim_2"` ..., in the units, of the size and with
#'   the row and column names of `A`. As with all methods of [stats::simulate()], the attribute
#'   `"seed"` is the state of the generator before the draws where `seed` is `NULL`, and
#'   otherwise `seed` with the kind of the generator as its attribute `"kind"`.
#'
#' @section Errors: Class `nmu_error_input` where `nsim` or `seed` is not as described.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 2)
#' drawn <- simulate(fit, nsim = 20, seed = 1)
#'
#' # how much does the weight of the first factor vary?
#' sd(vapply(drawn, function(A) nmu(A)$d, 0))
#' @export
simulate.nmu_fit <- function(object, nsim = 1, seed = NULL, ...) {
  nsim <- check_count(nsim)
  seed <- check_seed(seed)
  if (!exists(".Random.seed", envir = globalenv(), inherits = FALSE)) {
    # R makes its generator when it is first used
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
#' @param call The user's call.
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
