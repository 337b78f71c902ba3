# Help page on the algorithm of nmu().

#' How nmu() fits its model
#'
#' The methods of [nmu()]: the path of greedily found factors, with a continuation over lower bounds
#' on \eqn{\lambda\sigma}{lambda sigma}; the joint fit; the choice of `K`; and the variational fit
#' under priors. A certified underapproximation has its own algorithm, see
#' [nmu_underapprox].
#'
#' @section Flatness: The path compares solutions by *flatness*. The flatness of a loading vector is
#'   its largest squared cosine with the indicator of any set of its entries; it is 1 if all nonzero
#'   loadings are equal. For a general matrix, the flatness of a factor is the geometric mean of
#'   both sides. It has no part in a joint fit.
#'
#' @section The path of a factor: With [noise_mle()], a factor starts from the leading eigenvector
#'   or singular pair of the residual, cut at zero, and takes ten EM steps with a small
#'   \eqn{\sigma}, as for an underapproximation. Then the log-likelihood is maximised jointly in the
#'   loadings, \eqn{\lambda} and \eqn{\sigma} by a quasi-Newton method (L-BFGS) with a monotone line
#'   search.
#'
#'   This is repeated as a continuation over lower bounds on \eqn{\lambda\sigma}{lambda sigma}, the
#'   `ratio_floors` of [noise_mle()]: by default 0.5, 1 and 2, each started from the solution of the
#'   one before. With a small ratio, a factor stays below the data wherever it can, at the cost of
#'   its shape; with a large ratio it passes through the middle of the data. Overlapping groups are
#'   found better with a small ratio, nested groups, as in a tree, with a large one, and the
#'   likelihood does not distinguish the two. The *flattest* of the solutions is kept;
#'   `ratio_floor` in the path says which. \eqn{\lambda} and \eqn{\sigma} of the path are then
#'   re-estimated without the lower bound.
#'
#'   With [noise_fixed()] and [noise_moments()] there is no continuation: 30 EM steps are followed
#'   by maximisation over the loadings, alternating with the update rule of \eqn{\lambda} and
#'   \eqn{\sigma}.
#'
#'   For a symmetric matrix, no entry of a factor may exceed 4 times the largest entry that counts.
#'   Otherwise, with the diagonal ignored, the likelihood of a factor on a single row would keep
#'   increasing with its loading.
#'
#'   Computations use units of a power of two near the root mean square of `A`. Results therefore do
#'   not depend on the scale of `A`, and `nmu(2^k * A)` gives the same `u` to the bit. (The results
#'   of [noise_notebook()] do depend on the scale.)
#'
#' @section The joint fit: With `refine = TRUE` the log-likelihood is maximised jointly over all
#'   loadings, \eqn{\lambda} and \eqn{\sigma}. There is no greedy path, except for priors and
#'   [noise_moments()]. Fits with 1, 2, ... factors build on each other:
#'
#'   1. *Add.* `starts` of [nmu_control()] candidates for a further factor are fitted to what the
#'      last fit leaves, four times as many if none of these raises the likelihood. The best is
#'      added, by the likelihood with the weights of the candidates;
#'      and the best of a second trial with \eqn{\lambda\sigma \ge 1}{lambda sigma >= 1}: where
#'      \eqn{\sigma} is small beside \eqn{b}, the factors so far block a further one. If none
#'      raises the likelihood, the new factor is null.
#'   2. *Select.* After 20 steps from each of these starts, and from loadings of `init` for this
#'      factor, the one with the largest log-likelihood is optimised up to 3000 `tol`.
#'      If the new factor would be null otherwise, the second start has all the steps that it needs.
#'   3. *Exchange.* One more factor is added in the same way. Then each factor in turn is removed:
#'      what it stands for is divided between the others by a least-squares step, of the rows or of
#'      the columns, and 3 steps follow. If the best of these is not the one without the new factor,
#'      it is another start of step 2: a factor that is missing takes the place of one that is not
#'      needed, and pieces of overlapping groups merge. This is repeated while it gains more than
#'      the further factor does.
#'
#'   The fit with `K` factors is then optimised until it converges. Since a new factor may be null,
#'   the log-likelihood does not decrease with the number of factors. It may where the variances of
#'   rows or columns are estimated (`by` of [noise_mle()]): their estimates start anew with each
#'   factor.
#'
#'   The optimizer (L-BFGS within bounds) is preconditioned by the diagonal curvatures and by the
#'   cosines between the factors. If \eqn{\sigma} is at its lower and
#'   \eqn{\lambda\sigma}{lambda sigma} at its upper bound, the data are a sum of the factors up to
#'   the smallest \eqn{\sigma}. Then the lower bound is reduced, as far as rounding allows; the
#'   reduction counts only if the data turn out exact, to 1e-7 of their root mean square, and, with
#'   as many factors as rows or columns and no missing entries, only if `A` has a smaller rank.
#'
#'   With `init` of `K` columns the joint fit starts right there: \eqn{d}, \eqn{\lambda} and
#'   \eqn{\sigma} first maximise the log-likelihood with these loadings held, then everything moves.
#'
#'   If a general matrix has missing entries, no entry of a factor may exceed 1.5 times the largest
#'   observed entry. For general and symmetric matrices the bound on the entries of factors is
#'   reduced until the fitted values at missing entries are at most twice the largest observed one;
#'   the diagonal of a symmetric matrix is exempt. [predict()][predict.nmu_fit] does the same for
#'   new rows.
#'
#' @section The number of factors: With `K = NULL` factors are added until one is null, three more
#'   than the best number so far were tried, or `K_max` of [nmu_control()] is reached. Let \eqn{N}
#'   be the number of observations, \eqn{m} that of loadings above a thousandth of the largest of
#'   their factor, \eqn{\ell} the log-likelihood and \eqn{\ell_0} that without factors. The
#'   criterion is
#'   \deqn{\max_{g \ge N} \frac{N - m - 1}{2} \log(1 + g) -
#'     \frac{N - 1}{2} \log(1 + g e^{-2(\ell - \ell_0)/N}),}{
#'     max over g >= N of
#'     (N - m - 1)/2 log(1 + g) - (N - 1)/2 log(1 + g exp(-2 (l - l0)/N)),}
#'   the log Bayes factor of a regression under a g-prior, with the coefficient of determination of
#'   a likelihood. It is 0 without factors. If \eqn{m} is much smaller than \eqn{N}, it ranks fits
#'   as the Bayesian information criterion does. That one has no meaning where \eqn{m} is close to
#'   \eqn{N}, as in a matrix of few columns: there it prefers as many factors as columns, which fit
#'   any data.
#'
#'   The criterion is that of the fit that is returned: of the joint fit, or with `refine = FALSE`
#'   of the path. If none is positive, one null factor is returned. `candidates` of the fit has all
#'   values.
#'
#' @section Fits with priors: With a `prior` other than [prior_flat()], each factor is first found
#'   without one, as described above. Then a variational lower bound of the evidence (ELBO) is
#'   maximised, in which the loadings \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u} and
#'   \eqn{\sqrt{d}\,v}{sqrt(d) v} are independent a posteriori: given all else, each is a
#'   normal-means problem ([normal_means()]). Loadings, hyperparameters, \eqn{\lambda} and
#'   \eqn{\sigma} are changed only if the ELBO increases, so that it never decreases within a stage
#'   of the trace.
#'
#'   With [noise_mle()] the solutions of all continuation steps are starts, and the result with the
#'   largest ELBO is kept. While loadings change, \eqn{\lambda\sigma}{lambda sigma} is held at or
#'   above 1: without that bound, \eqn{b} could absorb the residual above a factor, and factors
#'   would stay below the data at the cost of their shape. \eqn{\lambda} and \eqn{\sigma} are
#'   estimated without the bound at the end. With [noise_moments()] they follow its rule, which may
#'   lower the ELBO.
#'
#'   A list of priors is a *schedule*: each factor is fitted under them in turn, each time from the
#'   previous result. Flat priors at the beginning of a schedule have no effect, as a fit starts
#'   without priors. Later in a schedule, or on one side only, a flat prior means maximum likelihood
#'   loadings without a posterior. A factor that does not increase the ELBO is null.
#'
#'   With `K = NULL` the criterion is the ELBO minus the log-likelihood without factors. It often
#'   keeps factors to which no true factor corresponds, in simulated covariance matrices and, more
#'   so with an exponential prior, in independent noise. Choose `K` without a prior.
#'
#'   With `refine = TRUE` all factors are refitted jointly under the last priors of the schedule,
#'   from the factors of the path. A factor may become null. In simulations in which a binary prior
#'   is right, the refit gained nothing, and in one of twenty balanced trees it lost branches.
#'
#'   Posterior standard deviations ignore the dependence between loadings, and are too small if
#'   factors overlap. [predict()][predict.nmu_fit] uses no prior of the loadings. Priors cannot be
#'   combined with `underapprox = TRUE` or [noise_notebook()]. See [prior] for which one to use.
#'
#' @section Resuming a fit: With `init = fit` the factors of an earlier fit of `A` are kept, and
#'   factors up to `K` are added. This resumes a fit that was interrupted or failed, and adds
#'   factors to a complete one. A factor that was interrupted starts from its last state. Without
#'   a refit, the result is that of one fit with `K` factors. A joint fit starts from the factors
#'   that are kept.
#'   With priors, the ELBO along a resumed path is not known, and `K = NULL` tries numbers of
#'   factors from there on.
#'
#' @source F. Liang, R. Paulo, G. Molina, M. A. Clyde and J. O. Berger (2008), Mixtures of g priors
#'   for Bayesian variable selection, *Journal of the American Statistical Association* 103,
#'   410-423, and L. Magee (1990), R2 measures based on Wald and likelihood ratio joint significance
#'   tests, *The American Statistician* 44, 250-253, for the number of factors.
#'
#'   D. C. Liu and J. Nocedal (1989), On the limited memory BFGS method for large scale
#'   optimization, *Mathematical Programming* 45, 503-528, for the optimizer. R. Varadhan and
#'   C. Roland (2008), Simple and globally convergent methods for accelerating the convergence of
#'   any EM algorithm, *Scandinavian Journal of Statistics* 35, 335-353, for the weights of
#'   `prior_b`. W. Wang and M. Stephens (2021), Empirical Bayes matrix factorization, *Journal of
#'   Machine Learning Research* 22, for the ELBO, there without \eqn{b}. The continuation, the
#'   flatness rule and the joint refit are specific to this package.
#'
#' @seealso [nmu()], [nmu_object], [noise_mle()], [prior], `vignette("model")`.
#' @name nmu_algorithm
NULL
