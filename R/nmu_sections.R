# How nmu() works, told in its help page; each section belongs to one stage or one argument.

#' @section The path of a factor: With [noise_mle()], a factor starts from the leading eigenvector
#'   or singular pair of what is left, cut at zero, takes ten EM steps with a small \eqn{\sigma}, as
#'   for an underapproximation, and then climbs the log-likelihood in its loadings, \eqn{\lambda}
#'   and \eqn{\sigma} together, by a quasi-Newton method that never steps down. It does so three
#'   times, each from where the last ended, with \eqn{\lambda\sigma} held at or above 0.5, 1 and 2
#'   (the `ladder` of [noise_mle()]). With a small ratio a factor keeps below the data wherever it
#'   can, at the cost of its shape; with a large one it goes through their middle. Groups that
#'   overlap are found better with a small ratio, nested groups, as in a tree, with a large one, and
#'   the likelihood does not tell which. The *flattest* of the three ends is kept: flatness is the
#'   largest squared cosine between the loadings and the indicator of any set of them (for a general
#'   matrix, the geometric mean of both sides). \eqn{\lambda} and \eqn{\sigma} of the path are then
#'   estimated without the ladder.
#'
#'   With [noise_fixed()] and [noise_moments()] there is no ladder, but 30 EM steps and a climb of
#'   the loadings, in turns with the rule. For a symmetric matrix, no entry of a factor may be
#'   larger than 4 times the largest entry that counts: where the diagonal is ignored, a factor of a
#'   single row would otherwise fit the better, the larger its loading there. The work is done in
#'   units of a power of two near the root mean square of `A`, so that results do not depend on its
#'   scale: `nmu(2^k * A)` gives the same bits in `u`.
#'
#' @section The refit: With `refine = TRUE` all loadings, \eqn{\lambda} and \eqn{\sigma} climb
#'   together from the factors that deflation found. Where the likelihood determines them, as
#'   with groups that overlap, this settles in some tens of steps. Its end is accepted if no factor
#'   became null and, where the mean flatness was 0.9 or more before, it has not fallen by more
#'   than 0.01. Where it does not settle in 400 steps, as with the branches of a
#'   tree, of which there are more than their covariance has dimensions, the factors are not
#'   determined by the likelihood. Then, and where the end is not accepted, those of deflation are
#'   kept or, where their mean flatness was 0.9 or more, the flattest that the climb came by; their
#'   weights, \eqn{\lambda} and \eqn{\sigma} are refitted. The elements `settled` and `status` of
#'   `refit` say which.
#'
#' @section The number of factors: With `K = NULL` deflation goes on until a factor is null or three
#'   more than the best number so far have been looked at, or `K_max` of [nmu_control()] is reached.
#'   A number of factors is rated by a Bayesian information criterion, the log-likelihood minus
#'   \eqn{\frac12 \log N}{log(N)/2} for each loading above a thousandth of the largest, along the
#'   path and, with `refine = TRUE`, after a joint refit. The two may peak at different
#'   numbers. That of the refit is taken, unless that of the path is larger and its factors are
#'   flatter on average, with a mean flatness above 0.9: a refit explains a tree by fewer factors
#'   than it has branches, but by mixtures of them. Where no factor is found, one null factor is
#'   returned. The element `candidates` has all values.
#'
#' @section The prior of the remainder: \eqn{b = c/\lambda}{b = c/lambda}, where \eqn{c} has mean 1,
#'   so that \eqn{1/\lambda}{1/lambda} is the mean of \eqn{b} under any prior, and \eqn{\lambda} has
#'   the same bounds. With `prior_point_exponential()` a share `1 - weight` of the entries has no
#'   remainder, and with `prior_mixture("exponential")` it is a mixture of exponentials, of which at
#'   most 12 have a scale above zero, and none a smaller one than 1e-4 times the mean. Where weights
#'   are estimated, `scales` are in units of the mean of \eqn{b}, and some must be below 1 and some
#'   above; by default they are 0, 1/9, 1/3, 1, 3, 9
#'   and 27. Rates cannot be given; weights can. The density of the residual is
#'   \eqn{\pi_0 N(0, \sigma^2) + \sum_k \pi_k f(\cdot\,; r_k, \sigma)}{
#'   pi_0 N(0, sigma^2) + sum_k pi_k f(.; r_k, sigma)},
#'   with the density \eqn{f} of [demg()]. It need not be log-concave: then an entry far above the
#'   factors pulls less at them than one nearby, and the likelihood may have several local maxima.
#'   Do not use such priors on data without noise: an entry that is fitted exactly then raises the
#'   likelihood by much, and `K = NULL` finds too many factors. (With `prior_point_exponential()`,
#'   in six 20 x 20 matrices of independent Exp(1) draws, which have no structure, it found 1 to 17
#'   factors, in four of them four or more; with noise of standard deviation 0.1 added, one or two
#'   in five of them.)
#'
#'   Weights that are free climb in turns with all else, by extrapolated steps of EM that keep the
#'   mean; no step lowers the log-likelihood. With a point mass and one exponential, a pass takes
#'   2.6 times as long as with one exponential, and about that of one exponential more for each
#'   further one. Only [noise_mle()] and [noise_fixed()] have other priors than the exponential.
#'
#' @section Priors: With a `prior` other than [prior_flat()], each factor is first found without
#'   one, as described above. From there a variational bound of the evidence (ELBO) is climbed, in
#'   which the loadings \eqn{w = \sqrt{d}\,u}{w = sqrt(d) u} and \eqn{\sqrt{d}\,v}{sqrt(d) v} are
#'   independent of each other given the data: given all else each is a normal-means problem
#'   ([normal_means()]). Loadings, hyperparameters, \eqn{\lambda} and \eqn{\sigma} move only where
#'   the bound rises, so that it never falls within a stage of the trace. With [noise_mle()] all
#'   ends of the ladder are starts, and the end with the highest bound is kept. While loadings
#'   move, \eqn{\lambda\sigma} is held at or above 1: were it free, \eqn{b} could take all that a
#'   factor leaves above itself, and factors would keep below the data at the cost of their shape;
#'   \eqn{\lambda} and \eqn{\sigma} are estimated freely in the end. (With [noise_moments()], which
#'   may lower the bound, they follow the rule.)
#'
#'   A list of priors is a *schedule*: each factor goes through them in turn, from where the one
#'   before has led. Flat priors at its beginning are the path itself; elsewhere in a fit, a flat
#'   prior means loadings of maximum likelihood, without a posterior. A factor that does not raise
#'   the bound is null. With `K = NULL` the bound takes the place of the criterion of the section
#'   on the number of factors. The bound is generous: it often keeps factors to which nothing in the
#'   truth corresponds, in simulated covariance matrices and, more so with an exponential prior, in
#'   independent noise. Choose `K` without a prior.
#'
#'   With `refine = TRUE`, all factors are refitted together under the last priors of the schedule;
#'   the end is not accepted if a factor became null. In simulations where a binary prior is right,
#'   the refit gained nothing, and in one of twenty balanced trees it lost branches.
#'
#'   Posterior standard deviations ignore how loadings depend on each other, and are too small where
#'   factors overlap. [predict()][predict.nmu_fit] uses no prior. Priors cannot be combined with
#'   `underapprox = TRUE` or [noise_notebook()]. See [prior] for which one to take.
#'
#' @section Sparse matrices: A matrix of class `dgCMatrix` is read where it stands; others of the
#'   Matrix package are converted to it, which doubles the memory that a `dsCMatrix` takes. A fit is
#'   that of the same dense matrix, missing entries and `ignore_diag = TRUE` included, but the work
#'   of a pass grows with the number of stored entries: the zeros are summed up by their loadings.
#'   What a zero entry contributes to a sum is a smooth function of the fitted value there, and no
#'   sum is off by more than `interpolation` of [nmu_control()]. Where fitted values are small
#'   compared with \eqn{\sigma}{sigma}, that function is replaced by a polynomial of low degree,
#'   whose sums follow from sums of powers of the loadings. Elsewhere, in rows where one factor has
#'   a loading, they are interpolated in it; where several have one, on a grid of their loadings or,
#'   if that has more nodes than half of the rows, each of these rows is gone over at the columns
#'   where one of its factors has a loading, which costs as many evaluations as there are such
#'   pairs. Memory beyond `A` is that of some tens of vectors of loadings. Another `prior_b` than
#'   the exponential, noise that differs between entries (`by` and `se` of [noise_mle()]), more than
#'   63 earlier factors and `underapprox = TRUE` go over all entries, zeros too.
#'
#'   With an exponential remainder the likelihood of a matrix that is mostly zero rises as
#'   \eqn{\sigma \to 0}{sigma -> 0}. A factor then gains only from a block that is nearly full, and
#'   is null where there is none. Communities of a network are found with \eqn{\sigma}{sigma} held
#'   at the root mean square of `A`, \eqn{\lambda}{lambda} at 1/mean, and a binary prior: after
#'   `library(Matrix)`, for its `mean()`,
#'   `nmu(A, K, "binary", noise_fixed(1 / mean(A), sqrt(mean(A^2))), refine = FALSE)`. In a
#'   simulated network of 100,000 nodes with 20 links each and five groups, which have nine of ten
#'   links within themselves, the five factors had cosines of 0.969 to 0.972 with the groups, and of
#'   0.948 to 0.949 without the prior.
#'
#' @section Matrices on disk: A `DelayedMatrix`, such as an `HDF5Matrix`, is never held as a whole:
#'   each pass reads it in blocks of as many columns as `DelayedArray::setAutoBlockSize()` has room
#'   for, of a symmetric matrix only down to the diagonal. The fit is that of the same matrix in
#'   memory, to the bit. One process reads, with one thread, or the workers of a backend of
#'   BiocParallel share each pass, see `BPPARAM` in [nmu_control()]. A pass costs at least the
#'   reading of the file, and a factor takes some hundred passes: files without compression are
#'   fast. With `symmetric = NULL` a square matrix is first compared with its transpose, block by
#'   square block, which reads chunks that are not square several times; `TRUE` is not checked.
#'   `underapprox = TRUE` is refused. Methods that need entries read them in blocks; those that
#'   return a number for each entry refuse more than ten million of them, so that `rows` and `cols`
#'   are to be given.
#'
#'   Where a block cannot be read, or a worker fails, the error has class `nmu_error_blocks` and, in
#'   its field `fit`, the factors that were complete, or `NULL`. A backend whose worker died has to
#'   be made anew.
#'
#' @section Going on from a fit: With `init = fit`, factors of an earlier fit of `A` are kept and
#'   those up to `K` are found as if the fit had never stopped. This resumes a fit that was
#'   interrupted or has failed, and adds factors to one that was complete. A factor that was
#'   interrupted starts from where it stood. The result is that of one fit with `K` factors, unless
#'   the earlier fit was refitted (`refine = TRUE`): then factors are added to the refitted ones.
#'   With priors, the bound is not known along a path that was resumed, and `K = NULL` tries numbers
#'   of factors from there on.
#'
#' @section Certified underapproximation: With `underapprox = TRUE` the strict limit
#'   \eqn{\sigma \to 0} is solved instead, as by Gillis and Glineur (2010): factors whose sum is at
#'   or below `A` wherever `A` is not negative, in whatever order it is evaluated in double
#'   precision, with the least squared error that a local search finds (exact coordinate steps on
#'   supports that grow and shrink, from several rows or columns; with `refine = TRUE` all factors
#'   are improved in rounds, by a quadratic programme for each row and column, and each is once
#'   given up for a new one). Where `A` is zero so are the factors; they are also zero where `A`
#'   is negative. \eqn{\lambda} and \eqn{\sigma} are then those of what is left. It takes working
#'   copies of `A`. Every completed fit, of either kind, has a `certificate`.
#' @name nmu
NULL
