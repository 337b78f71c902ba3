# Help page on the elements of a fit.

#' Elements of a fit made by nmu()
#'
#' [nmu()] returns a list of class `nmu` (and `nmu_fit`) with the elements below. K is the number
#' of factors, fixed ones included. All numbers are in the units of `A` unless stated otherwise.
#'
#' @section Factors:
#'
#'   * `d`: numeric vector of length K, the weights, zero or larger.
#'   * `u`: matrix with a row for each row of `A`; `v`: matrix with a row for each column of `A`
#'     (equal to `u` if `A` is symmetric). Both have a column for each factor, named `"k1"`,
#'     `"k2"` ... or by the labels of `init` and `fixed`. Columns have unit norm or are zero. Row
#'     names are the dimnames of `A`.
#'   * `K`: the number of factors.
#'   * `gram`: `NULL`, or after a fit of [gram()] a list of `features`, their number; `center`,
#'     `scale` and `rank` as they were given; and `variances`, the 10 and 90 % quantiles of the
#'     variances of the samples.
#'
#' @section Remainder and noise:
#'
#'   * `lambda`: the rate of the remainder, in units of 1/`A`; `1 / lambda` is the mean of \eqn{b}
#'     under any `prior_b`; `Inf` if there is no remainder.
#'   * `sigma`: the standard deviation of the noise; with `by` or `se` of [noise_mle()] the root
#'     mean square of the standard deviations.
#'   * `noise_sd`: `NULL`, or with `noise_mle(by = )` the standard deviation of the noise of each
#'     row or column, a named vector.
#'   * `prior_b_fitted`: data frame with a row for each component of the fitted prior of \eqn{b}:
#'     `weight`, and `mean` in units of `A`. A mean of 0 is a point mass at zero, any other the
#'     mean of an exponential. (`prior_b` is the prior as it was given.)
#'
#' @section Objective:
#'
#'   * `loglik`: the log-likelihood of the model with all factors. If `A` is symmetric it is half
#'     the sum over the matrix, since each pair occurs twice.
#'   * `elbo`: the variational lower bound of the evidence of the whole model; `NULL` without priors
#'     and if it is not known (factors of `init` that were not refitted).
#'   * `nobs`: the number of observed entries, halved if `A` is symmetric;
#'   * `largest`: the largest entry of `A`, by which [predict()][predict.nmu_fit] bounds fitted
#'     values at missing entries.
#'   * `status`: `"interrupted"` if the user interrupted the fit (which is then in the condition);
#'     otherwise that of the joint refit. Without one it is `"converged"` if every factor of the
#'     path is converged, null or fixed, and otherwise the status of the last factor that is not.
#'   * `converged`: `TRUE` if `status` is `"converged"`, otherwise `FALSE`.
#'
#' @section Posterior of the loadings: `posterior` is `NULL` without priors. Otherwise it is a list
#'   of
#'
#'   * `sd`: the posterior standard deviations of the loadings;
#'   * `lfsr`: the posterior probabilities that loadings are zero (local zero rates). As no loading
#'     is negative, these are also the local false sign rates;
#'   * `hyperparameters`: a list with an element for each factor, a list of `u` and `v`, each a list
#'     of numbers. They refer to \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u} or
#'     \eqn{\sqrt{d}\,v}{sqrt(d) v}. `v` is `NULL` if `A` is symmetric.
#'
#'   `sd` and `lfsr` are lists of matrices `u` and `v` of the size of the loadings and in their
#'   units, in which posterior means have unit norm. For factors without a prior, columns are `NA`
#'   and hyperparameters `NULL`. If only one side has a flat prior, its loadings are treated as
#'   known: `sd` is 0, `lfsr` is 1 for loadings of zero and 0 for others, and there are no
#'   hyperparameters.
#'
#' @section Path: `path` is a data frame with a row for each factor. With `refine = FALSE` it is the
#'   factor as deflation found it; with priors or [noise_moments()] also with `refine = TRUE`.
#'   Otherwise row k is of the joint fit with k factors, optimised up to a coarse tolerance:
#'
#'   * `factor`: its number; `d`: its weight, of a joint fit that of the last factor;
#'   * `lambda`, `sigma`, `loglik`, `elbo`: their values with the factors up to this one (`elbo` is
#'     `NA` if not known);
#'   * `iterations`: the number of iterations;
#'   * `status`: `"converged"`; `"maxiter"` if the iterations were used up; `"lambda"` if no
#'     positive \eqn{\lambda} and \eqn{\sigma} could be estimated; `"interrupted"`; `"null"` if no
#'     factor was found; `"stalled"` if no step increased the log-likelihood although its gradient
#'     was not zero; or `"fixed"`;
#'   * `bound`: `"sigma"` if \eqn{\sigma} is at its lower bound, `"lambda"` if
#'     \eqn{\lambda\sigma}{lambda sigma} is at its upper bound, where \eqn{b} is negligible,
#'     `"both"` if both are, otherwise `"none"`; see the section Bounds of [noise];
#'   * `ratio_floor`: the lower bound on \eqn{\lambda\sigma}{lambda sigma} of the continuation step
#'     whose solution was kept, see [nmu_algorithm]; `NA` without continuation;
#'   * `se_log_lambda`, `se_log_sigma`: standard errors of \eqn{\log\lambda}{log lambda} and
#'     \eqn{\log\sigma}{log sigma}, see [noise]; `NA` if the likelihood has no negative curvature or
#'     they were not computed.
#'
#'   After a certified underapproximation only `factor`, `d`, `iterations`, `status` and an extra
#'   column `error` are known: the relative error in the Frobenius norm with the factors up to this
#'   one (`NaN` if interrupted).
#'
#'   * `path_b_priors`: a list with the fitted prior of \eqn{b} after each factor, in the format of
#'     `prior_b_fitted`; `NULL` for fixed factors and those of a certified underapproximation.
#'   * `path_noise_scales`: likewise the standard deviations of the noise of rows or columns after
#'     each factor, in units of \eqn{\sigma}; `NULL` if they do not differ.
#'
#' @section Trace: `trace` is a data frame with a row for each iteration: `factor`, `iteration`,
#'   `stage`, `loglik`, `elbo`, `lambda`, `sigma`. Within a stage the ELBO never decreases or, where
#'   it is `NA`, the log-likelihood (see the section Objective and status of [nmu()]).
#'
#' @section Joint refit: `refit` is `NULL` without a refit. Otherwise it is a list of `lambda`,
#'   `sigma`, `loglik`, `elbo` (`NA` without priors), `bound`, `se_log_lambda` and `se_log_sigma` as
#'   in the path, `trace`, and
#'
#'   * `status`: as in the path.
#'
#' @section Number of factors: `candidates` is `NULL` unless `K = NULL`. Then it is a data frame of
#'   the fits that were compared: `K`, fixed factors included; `start`, where the last step began
#'   (`"path"`, `"leading pair"`, `"excess"`, `"row 3"`, `"exchange"` ...); `objective`, the
#'   log-likelihood or the ELBO; `criterion` (larger is better, 0 without factors; `NA` for a start
#'   that was not continued); `status`; `kept`, `TRUE` for the fit that is returned. The first row
#'   is the model without factors, with `start = "null factor"`.
#'
#' @section Certificate: `certificate` compares the sum of the factors with `A`. It is `NULL` if the
#'   fit was interrupted, and otherwise a list of
#'
#'   * `largest_violation`: the largest amount by which the sum of the factors exceeds a nonnegative
#'     entry of `A` (0 if none);
#'   * `checked`: the number of nonnegative entries; `violated`: how many of them are exceeded;
#'     `share`: `violated / checked`;
#'   * `negative`: the number of negative entries;
#'   * `error`: the relative error in the Frobenius norm;
#'   * `explained`: the share of the squared norm that the factors explain, `1 - error^2`, over the
#'     observed entries. At most 1; negative if the factors are far above the data; `NA` if all
#'     entries are zero;
#'   * `best`: a vector of length K, the shares that the best approximations of rank 1, 2, ... K
#'     explain without any constraint: sums of the largest squared singular values, relative to
#'     that of all. Lower bounds: the iteration for them (Lanczos) ends when the sum of K values
#'     changes by less than 1e-4 of it, or after `30 + 2 * K` steps. `NA` if entries are missing
#'     or the diagonal is ignored, as there is no closed form then, or if all entries are zero.
#'     A subset of factors has the first values of the whole fit.
#'
#'   The remainder \eqn{b} is not counted as explained. `summary()` prints both shares. A message of
#'   class `nmu_message_explained` is given if `explained` is less than half of the last `best`.
#'
#' @section Arguments: `prior` and `prior_v` (lists of priors, as given), `noise`, `prior_b`,
#'   `symmetric`, `ignore_diag`, `refine`, `underapprox`, `control`, `call`; and `A`, unless
#'   `keep_data = FALSE` in [nmu_control()].
#'
#' @seealso [nmu()], [nmu_methods], [nmu_tables] for data frames.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 2)
#' names(fit)
#' fit$path
#' fit$refit$status
#' fit$certificate
#' @name nmu_object
NULL
