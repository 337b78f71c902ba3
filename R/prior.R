#' Priors of nonnegative loadings
#'
#' Priors for the arguments `prior` and `prior_v` of [nmu()] and for [normal_means()]; some of them
#' also for `prior_b`, see below. With
#' \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u}, the loadings of a factor in units of the square root of
#' `A`, each \eqn{w_i} is drawn from a distribution \eqn{g} on the nonnegative numbers. Given all
#' else, the data on it are \eqn{x_i \sim N(w_i, s_i^2)}{x_i ~ N(w_i, s_i^2)}: a normal-means
#' problem, which [normal_means()] solves separately. Hyperparameters that are not given are
#' estimated by maximising the marginal likelihood
#' \eqn{\sum_i \log \int N(x_i \mid w, s_i^2)\, g(w)\, dw}{
#'   sum_i log int N(x_i | w, s_i^2) g(w) dw} (empirical Bayes).
#'
#' * `prior_flat()`: density 1 on \eqn{w \ge 0}{w >= 0}, which is improper. In a fit by [nmu()],
#'   loadings are then estimated by maximum likelihood.
#' * `prior_exponential()`: density `rate * exp(-rate * w)`. Suitable if many loadings are small and
#'   few are large.
#' * `prior_point_exponential()`: zero with probability `1 - weight`, otherwise exponential.
#'   Suitable for sparse factors: many loadings are zero and the others vary.
#' * `prior_binary()`: zero with probability `1 - weight`, otherwise normal with mean `location` and
#'   standard deviation `ratio * location`, truncated to \eqn{w \ge 0}{w >= 0}. Suitable if loadings
#'   only indicate membership of a group, as in trees. With `ratio = NULL` also for groups whose
#'   loadings vary: the positive \eqn{w} are then anything between equal and half-normal.
#' * `prior_mixture()`: a mixture of half-normals, or of exponentials, of different scales. Fits any
#'   density that decreases from zero, with a form estimated from the data.
#'
#' * `prior_none()`: for `prior_b` only, no remainder.
#'
#' [prior_custom()] makes a prior from R functions; [check_prior()] checks that a prior meets the
#' requirements of a fit.
#'
#' The likelihood of a prior with a point mass at zero may have several local maxima. It is
#' therefore evaluated on a grid of scales before it is maximised. If no
#' positive \eqn{w} is likelier than 0, an estimated weight is 0 and the rate of an exponential
#' is at a bound beyond which the result would not change. The weights of a mixture are the solution
#' of a concave problem, found to within 1e-11 of the largest mean log-likelihood.
#'
#' @param rate `NULL` (estimated), or one positive number: the inverse of the mean of the
#'   exponential, in units of 1/`w`.
#' @param weight `NULL` (estimated), or one number from 0 to 1: the probability that \eqn{w} is
#'   not zero.
#' @param location `NULL` (estimated), or one positive number: the mean of the normal before
#'   truncation, in units of `w`.
#' @param ratio One positive number, the standard deviation of the normal before truncation,
#'   in units of `location`; or `NULL` (estimated, between 0.001, where all positive \eqn{w} are
#'   equal in effect, and 1000, where they have a half-normal distribution in effect).
#' @param shape `"half_normal"` (\eqn{N(0, scale^2)} truncated to \eqn{w \ge 0}{w >= 0}) or
#'   `"exponential"` (with mean `scale`). Case-sensitive; may be abbreviated.
#' @param scales `NULL`, or distinct numbers, zero or larger, in units of `w`; the scale 0 is a
#'   point mass at zero. `NULL` is a grid that spans the data: 0, and from a tenth of the smallest
#'   \eqn{s_i} to the largest \eqn{2\sqrt{x^2 - s^2}}{2 sqrt(x^2 - s^2)}, in steps of
#'   \eqn{\sqrt{2}}{sqrt(2)}.
#' @param weights `NULL` (estimated), or a number for each of `scales`, zero or larger; they are
#'   normalised to sum to 1.
#'
#' @return An object of class `nmu_prior`: a list with the name of the `family` and its
#'   hyperparameters, `NULL` if they are to be estimated.
#'
#' @section Which prior: If loadings indicate membership of a group, use
#'   `nmu(A, K, prior = "binary", refine = FALSE)`. In simulated covariance matrices (ten seeds,
#'   `bench/recovery.R` in the source repository), the mean cosine to the true loadings was 1.0000
#'   for a balanced tree (without a prior 0.9986, with `refine = FALSE`), 0.9999 for overlapping
#'   groups (0.9978), 1.0000 for disjoint groups (0.9996), and at least 0.9999 for each of the
#'   notebook's three trees. If loadings vary within a factor, the binary prior is wrong: 0.62 to
#'   0.89 for groups with uniform or exponential loadings (0.998). It also fails, although loadings
#'   are two-valued, for trees whose branches or clades differ in size: 0.83 and 0.86 (0.95 and
#'   0.97, with `refine = FALSE`). For these the exponential prior is best, 0.982 and 0.979, but it
#'   splits the factors of a balanced tree (0.950) and of overlapping groups (0.958).
#'
#'   Without a prior, the joint fit (`refine = TRUE`) is better than the greedy path for overlapping
#'   groups and dense factors, and mixes the branches of trees. If the structure is not known,
#'   [nmu_cv()] compares priors by held-out entries.
#'
#' @section The prior of the remainder: The argument `prior_b` of [nmu()] is `prior_exponential()`,
#'   `prior_point_exponential()` or `prior_mixture("exponential")`, without a rate, `prior_none()`,
#'   or the name `"exponential"`, `"point_exponential"`, `"mixture"` or `"none"`.
#'   \eqn{b = c/\lambda}{b = c/lambda}, where \eqn{c} has mean 1: \eqn{1/\lambda}{1/lambda} is
#'   the mean of \eqn{b} under any prior, with the same bounds on \eqn{\lambda}.
#'
#'   With `prior_point_exponential()` a share `1 - weight` of the entries has no
#'   remainder. With `prior_mixture("exponential")` the remainder is a mixture of at most 12
#'   exponentials and a point mass at zero; no positive scale is below 1e-4 times the mean. If
#'   weights are estimated, `scales` are in units of the mean of \eqn{b}, and must include values
#'   below and above 1; the default is 0, 1/9, 1/3, 1, 3, 9 and 27. The density of the residual is
#'   \eqn{\pi_0 N(0, \sigma^2) + \sum_k \pi_k f(\cdot\,; r_k, \sigma)}{
#'   pi_0 N(0, sigma^2) + sum_k pi_k f(.; r_k, sigma)},
#'   with the density \eqn{f} of [demg()]. It need not be log-concave: an entry far above the
#'   factors may then have less influence on them than one nearby, and the likelihood may have
#'   several local maxima.
#'
#'   With `prior_none()` there is no remainder: \eqn{b = 0}, \eqn{\lambda = \infty}, and the model
#'   is \eqn{W + e} with Gaussian noise. Without priors of the loadings its fit is nonnegative least
#'   squares, that is, nonnegative matrix factorisation or, for a symmetric `A`, symmetric
#'   nonnegative matrix factorisation; with them it is a nonnegative empirical Bayes factorisation.
#'   It is the default where more than half of the observed entries are exactly zero, as in graphs
#'   and tables of counts: there the likelihood with a remainder has no maximum (it increases
#'   without limit as \eqn{\sigma \to 0}), and the remainder would explain every other entry. All
#'   that is said of \eqn{b} then holds with zeros: [posterior_b()], [simulate()][simulate.nmu_fit].
#'   The passes over a sparse matrix take a time proportional to its stored entries.
#'
#'   Do not use mixtures for data without noise: an entry that is fitted exactly then increases
#'   the likelihood by a large amount, and `K = NULL` finds too many factors. (With
#'   `prior_point_exponential()`, in six 20 x 20 matrices of independent Exp(1) draws, which have no
#'   structure, it found 1 to 17 factors, in four of them four or more; with noise of standard
#'   deviation 0.1 added, one or two in five of them.)
#'
#'   Estimated weights are updated in alternation with all other parameters, by extrapolated EM
#'   steps that keep the mean; no step decreases the log-likelihood. With a point mass and one
#'   exponential, a pass takes 2.6 times as long as with one exponential; each further exponential
#'   adds about the time of one. Only [noise_mle()] and [noise_fixed()] support priors other than
#'   the exponential.
#'
#' @section Errors: Class `nmu_error_input` if a hyperparameter is not as described.
#'
#' @source J. Willwerscheid and M. Stephens (2021), ebnm: an R package for solving the empirical
#'   Bayes normal means problem using a variety of prior families, arXiv:2110.00152.
#'
#'   Y. Liu, P. Carbonetto, J. Willwerscheid, S. Oakes, K. Macleod and M. Stephens (2025),
#'   Dissecting tumor transcriptional heterogeneity from single-cell RNA-seq data by generalized
#'   binary covariance decomposition, *Nature Genetics* 57, for `prior_binary()`.
#'
#'   M. Stephens (2017), False discovery rates: a new deal, *Biostatistics* 18, 275-294, for
#'   `prior_mixture()` and its grid.
#'
#' @seealso [normal_means()], [prior_custom()], [check_prior()]; `vignette("priors")`.
#'
#' @examples
#' prior_point_exponential()
#' prior_binary(weight = 0.1)
#' prior_mixture("exponential", scales = c(0, 1, 10))
#' @name prior
NULL

#' @rdname prior
#' @export
prior_flat <- function() {
  new_prior("flat", list())
}

#' @rdname prior
#' @export
prior_exponential <- function(rate = NULL) {
  new_prior("exponential", list(rate = check_positive(rate, allow_null = TRUE)))
}

#' @rdname prior
#' @export
prior_point_exponential <- function(weight = NULL, rate = NULL) {
  new_prior("point_exponential", list(
    weight = check_between(weight, 0, 1, allow_null = TRUE),
    rate = check_positive(rate, allow_null = TRUE)
  ))
}

#' @rdname prior
#' @export
prior_binary <- function(weight = NULL, location = NULL, ratio = 0.02) {
  new_prior("binary", list(
    weight = check_between(weight, 0, 1, allow_null = TRUE),
    location = check_positive(location, allow_null = TRUE),
    ratio = check_positive(ratio, allow_null = TRUE)
  ))
}

#' @rdname prior
#' @export
prior_mixture <- function(shape = c("half_normal", "exponential"), scales = NULL, weights = NULL) {
  shape <- check_choice(shape, c("half_normal", "exponential"))
  scales <- check_nonnegative_vector(scales, allow_null = TRUE)
  weights <- check_nonnegative_vector(weights, allow_null = TRUE)
  if (anyDuplicated(scales)) {
    abort_input("scales", "different from each other", format(scales[duplicated(scales)][1]))
  }
  if (!is.null(weights)) {
    if (length(weights) != length(scales)) {
      expected <- if (is.null(scales)) {
        "NULL where no scales are given"
      } else {
        sprintf("one for each of the %d scales", length(scales))
      }
      abort_input("weights", expected, describe(weights))
    }
    if (!is.finite(sum(weights)) || sum(weights) == 0) {
      abort_input("weights", "positive and finite in sum", format(sum(weights)))
    }
    weights <- weights / sum(weights)
  }
  new_prior("mixture", list(shape = shape, scales = scales, weights = weights))
}

#' @rdname prior
#' @export
prior_none <- function() {
  new_prior("none", list())
}

#' Create a prior
#'
#' @param family Name of the family in the core.
#' @param settings Its hyperparameters.
#' @return An object of class `nmu_prior`.
#' @noRd
new_prior <- function(family, settings) {
  classes <- c(paste0("nmu_prior_", family), "nmu_prior")
  structure(c(list(family = family), settings), class = classes)
}

#' Check a vector of nonnegative numbers
#'
#' @inheritParams checks
#' @return `x` as a double vector without attributes, of length one or more.
#' @noRd
check_nonnegative_vector <- function(x, allow_null = FALSE, arg = caller_arg(x),
                                     call = caller_env()) {
  if (allow_null && is.null(x)) {
    return(NULL)
  }
  expected <- "finite numbers, zero or larger"
  if (!is.numeric(x) || is.object(x) || length(x) == 0) {
    abort_input(arg, expected, describe(x), call = call)
  }
  bad <- !(is.finite(x) & x >= 0)
  if (any(bad)) {
    abort_input(arg, expected, format(x[bad][1], digits = 15), call = call)
  }
  as.double(x)
}

#' Priors that can be given by name
#'
#' @return A named list of constructors that need no arguments.
#' @noRd
prior_constructors <- function() {
  list(
    flat = prior_flat, exponential = prior_exponential,
    point_exponential = prior_point_exponential, binary = prior_binary, mixture = prior_mixture
  )
}

#' Convert a prior, or a schedule of priors, to objects
#'
#' @param prior An object of class `nmu_prior`, the name of a family, or a list or a character
#'   vector of these, a schedule.
#' @param arg Name of the argument.
#' @return A list of one or more objects of class `nmu_prior`.
#' @noRd
check_priors <- function(prior, arg = caller_arg(prior), call = caller_env()) {
  schedule <- if (inherits(prior, "nmu_prior") || !is.vector(prior)) list(prior) else as.list(prior)
  if (length(schedule) == 0) {
    abort_input(arg, "at least one prior", describe_schedule(prior), call = call)
  }
  unname(lapply(schedule, check_one_prior, arg = arg, call = call))
}

#' @rdname check_priors
#' @noRd
check_single_prior <- function(prior, arg = caller_arg(prior), call = caller_env()) {
  priors <- check_priors(prior, arg = arg, call = call)
  if (length(priors) > 1) {
    abort_input(arg, "one prior", sprintf("%d of them", length(priors)), call = call)
  }
  priors[[1]]
}

#' @rdname check_priors
#' @noRd
check_one_prior <- function(prior, arg = caller_arg(prior), call = caller_env()) {
  if (inherits(prior, "nmu_prior") && prior$family != "none") {
    return(prior)
  }
  if (inherits(prior, "nmu_prior")) {
    hint <- "A flat prior is prior_flat(); to leave the remainder out, give prior_b = \"none\"."
    abort_input(arg, "a prior of loadings", "prior_none()", hint = hint, call = call)
  }
  expected <- "a prior such as prior_flat(), its name (%s), or a list of these"
  by_name(prior, prior_constructors(), expected, arg = arg, call = call)
}

#' Describe a schedule without priors
#' @param prior The value given.
#' @return One string.
#' @noRd
describe_schedule <- function(prior) {
  if (is.list(prior)) "an empty list" else describe(prior)
}
