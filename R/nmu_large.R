# Help page on matrices that are sparse, computed or not in memory.

#' Sparse matrices, covariances of samples, matrices on disk, and workers
#'
#' [nmu()] and [nmu_em()] fit sparse matrices of the Matrix package without expanding them, and read
#' a `DelayedMatrix`, such as an `HDF5Matrix`, block by block. The covariance of samples is computed
#' from their features as it is read, see [gram()]. `threads` and `BPPARAM` of [nmu_control()]
#' spread the work over threads and worker processes.
#'
#' @section Sparse matrices: A `dgCMatrix` is read in place. Other sparse matrices are converted to
#'   it, which doubles the memory of a `dsCMatrix`. The fit is that of the same dense matrix,
#'   missing entries and `ignore_diag = TRUE` included, but the cost of a pass grows with the number
#'   of stored entries.
#'
#'   With an exponential remainder the sums over the zeros are interpolated: the contribution of a
#'   zero entry is a smooth function of the fitted value there. The error of each sum is
#'   at most `interpolation` of [nmu_control()].
#'
#'   * If fitted values are small compared with \eqn{\sigma}{sigma}, the function is replaced by a
#'     polynomial of low degree, whose sums follow from power sums of the loadings.
#'   * Otherwise, in rows in which one factor has a nonzero loading, sums are interpolated in that
#'     loading. In rows with several such factors, they are interpolated on a grid of the loadings.
#'     If the grid has more nodes than half of these rows, each row is evaluated at the columns in
#'     which one of its factors has a nonzero loading, at the cost of one evaluation per such pair.
#'
#'   Memory beyond `A` is that of some tens of vectors of loadings. All entries, zeros included, are
#'   evaluated with a mixture as `prior_b`, with `by` or `se` of [noise_mle()], with
#'   more than 63 earlier factors, and with `underapprox = TRUE`.
#'
#' @section Without a remainder: With `prior_b = "none"`, the default where more than half of the
#'   entries are zero, the sums over the zeros follow from norms and products of the loadings. They
#'   are exact: nothing is interpolated, and a pass takes time proportional to the stored entries
#'   and the loadings for any number of factors. Differences of norms lose digits where the factors
#'   fit the data almost exactly, to about 0.1 per cent; then all entries are visited.
#'
#' @section Networks: Pass the adjacency matrix: `nmu(A, K)` has no remainder and leaves out a
#'   diagonal of zeros, see `vignette("networks")`. With an exponential remainder, the likelihood of
#'   a matrix that is mostly zero increases as \eqn{\sigma \to 0}{sigma -> 0}, and a factor gains
#'   only from a block that is nearly full.
#'
#' @section Covariances of samples: Entries of [gram()] are computed in panels of 32 columns by
#'   matrix products, and each pass computes them again. Memory beyond `X` is that of a panel for
#'   each thread and of some tens of vectors of loadings. Products of the whole matrix with vectors,
#'   as for the leading eigenvector, are products with `X` and its transpose.
#'
#' @section Matrices on disk: A `DelayedMatrix` is never in memory as a whole. Each pass reads it in
#'   blocks of columns, whose size is set by `DelayedArray::setAutoBlockSize()`; of a symmetric
#'   matrix only the part down to the diagonal is read. The fit equals that of the same matrix in
#'   memory, to the bit.
#'
#'   A pass costs at least the time to read the file, and a factor takes some hundred passes;
#'   uncompressed files are fast. With `symmetric = NULL` a square matrix is first compared with its
#'   transpose in square blocks, which reads chunks that are not square several times. With
#'   `symmetric = TRUE` the symmetry is not checked. The shares `best` in the certificate of a fit
#'   take some `30 + 2 * K` passes, twice as many for a general matrix. `underapprox = TRUE` is
#'   an error. Methods that need the entries read them in blocks; those that return a number for
#'   each entry do so for at most ten million entries, so that `rows` and `cols` must be given for
#'   a larger matrix.
#'
#' @section Workers: A matrix on disk is read by one process with one thread, or by the workers of a
#'   BiocParallel backend (`BPPARAM` of [nmu_control()]), which share each pass. The result does not
#'   depend on their number.
#'
#'   If a block cannot be read, or a worker fails, the error has class `nmu_error_blocks`. Its field
#'   `fit` holds the complete factors, or is `NULL`; `init` resumes from them. A backend with a dead
#'   worker has to be created again.
#'
#' @seealso [nmu()], [gram()], [nmu_control()], `vignette("large")`.
#'
#' @examples
#' # two blocks in a sparse matrix with noise in the stored entries
#' set.seed(1)
#' A <- Matrix::bdiag(matrix(rexp(100) + 1, 10), matrix(rexp(400) + 1, 20))
#' fit <- nmu(A, K = 2)
#' colSums(fit$u > 0)
#' @name nmu_large
NULL
