#' nmu: nonnegative matrix underapproximation by EM
#'
#' Decomposes a data matrix into a few nonnegative rank-one factors, a nonnegative remainder and
#' Gaussian noise,
#' \deqn{A = \sum_k d_k u_k v_k^T + b + e, \quad u, v \ge 0, \quad
#'   b_{ij} \sim \mathrm{Exp}(\lambda), \quad e_{ij} \sim N(0, \sigma^2).}{
#'   A = sum_k d_k u_k v_k^T + b + e,  u, v >= 0,  b_ij ~ Exp(lambda),  e_ij ~ N(0, sigma^2).}
#' The remainder \eqn{b} keeps the factors below the data: with a small \eqn{\sigma} the fit is
#' nearly an underapproximation, with a large \eqn{\lambda \sigma} it is close to ordinary
#' nonnegative matrix factorisation.
#'
#' * [nmu()] fits `K` factors jointly, or one after another. [noise_mle()] and its
#'   alternatives (see [noise]) estimate \eqn{\lambda} and \eqn{\sigma}; [nmu_control()] has
#'   technical settings.
#' * [nmu_object] describes the elements of a fit, [nmu_algorithm] the algorithm, [nmu_large] sparse
#'   matrices, matrices on disk and workers, and [nmu_underapprox] certified underapproximation.
#' * [nmu_em()] fits one factor with given \eqn{\lambda} and \eqn{\sigma}; [nmu_em_estlambda()]
#'   re-estimates both. They are the iterations of the notebook cited below, with its names and its
#'   results.
#' * [prior_binary()] and others (see [prior]) are priors of the loadings, [prior_custom()] makes
#'   one from R functions, and [check_prior()] checks it. [normal_means()] solves the normal-means
#'   problem that a prior defines.
#' * [gram()] stands for the covariance of samples, which is not formed, and [feature_scores()]
#'   computes the effects of the factors on their features.
#' * [nmu_cv()] chooses the number of factors and the priors by held-out entries.
#' * [match_factors()] compares the factors of a fit with true ones, or with those of another fit;
#'   [top_features()] lists the largest loadings of each factor.
#' * [posterior_b()] returns the posterior of \eqn{b}, [standard_errors()] those of weights and
#'   loadings, [predict()][predict.nmu_fit] the loadings of new rows, and
#'   [simulate()][simulate.nmu_fit] matrices drawn from a fit.
#' * [plot()][plot.nmu_fit] and `autoplot()` draw a fit, [factor_tree()] finds nested factors,
#'   [nmu_tables] and [as_svd()] convert a fit to the formats of other packages.
#' * [truncnorm_moments()] and [demg()] are the distributions on which the model is based.
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
