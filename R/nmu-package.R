#' nmu: nonnegative matrix underapproximation by EM
#'
#' Splits a data matrix into a few nonnegative rank-one factors, a nonnegative remainder and
#' Gaussian noise,
#' \deqn{A = \sum_k d_k u_k v_k^T + b + e, \quad u, v \ge 0, \quad
#'   b_{ij} \sim \mathrm{Exp}(\lambda), \quad e_{ij} \sim N(0, \sigma^2).}{
#'   A = sum_k d_k u_k v_k^T + b + e,  u, v >= 0,  b_ij ~ Exp(lambda),  e_ij ~ N(0, sigma^2).}
#' The remainder \eqn{b} is what makes the factors stay below the data: with a small
#' \eqn{\sigma} the fit is nearly an underapproximation, with a large \eqn{\lambda \sigma} it is
#' close to ordinary nonnegative matrix factorisation.
#'
#' * [nmu_em()] fits one factor with given \eqn{\lambda} and \eqn{\sigma};
#'   [nmu_em_estlambda()] re-estimates both as it goes. Both are the iterations of
#'   the notebook cited below, and keep its names and its results.
#' * [nmu()] takes out `K` factors one after another. [noise_mle()] and its relatives (see [noise])
#'   say how \eqn{\lambda} and \eqn{\sigma} are estimated, [nmu_control()] has technical settings.
#' * [prior_binary()] and others (see [prior]) are priors of the loadings, [prior_custom()] makes
#'   one of functions in R, and [check_prior()] checks it. [normal_means()] solves the problem that
#'   they are for.
#' * [match_factors()] compares the factors of a fit with true ones, or with those of another fit;
#'   [top_features()] lists the largest loadings of each.
#' * [posterior_b()] gives the posterior of \eqn{b}, [standard_errors()] says how sharply the
#'   likelihood determines weights and loadings, and [predict()][predict.nmu_fit] and
#'   [simulate()][simulate.nmu_fit] carry it to new data.
#' * [plot()][plot.nmu_fit] and `autoplot()` draw a fit, [factor_tree()] finds which factors are
#'   nested, [nmu_tables] and [as_svd()] carry it to other packages.
#' * [truncnorm_moments()] and [demg()] are the two functions that the method rests on.
#' * [sim_blocks()] and [sim_tree()] draw the notebook's two data sets.
#'
#' @references
#' M. Stephens (2025), *nmu_em*, a notebook of 27 February 2025.
#'
#' N. Gillis and F. Glineur (2010), Using underapproximations for sparse nonnegative matrix
#' factorization, *Pattern Recognition* 43, 1676-1687.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = NULL)
#' fit
#' plot(fit)
#'
#' @useDynLib nmu, .registration = TRUE
#' @importClassesFrom Matrix sparseMatrix
#' @importFrom graphics plot
#' @importFrom rlang .data %||% caller_arg caller_env current_env error_call
#' @importFrom stats coef fitted logLik nobs predict residuals simulate
#' @aliases NULL nmu-package
#' @keywords internal
"_PACKAGE"
