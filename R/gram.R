#' Covariance of samples, without forming it
#'
#' `gram(X)` stands for the matrix \eqn{A = X X^T / p}{A = X X' / p}, where `X` has a row for each
#' sample and a column for each of \eqn{p} features. [nmu()] and [nmu_em()] take it as `A` and
#' compute entries as they read them, so that memory is that of `X` rather than of `A`: for 50,000
#' samples `A` would be 20 GB.
#'
#' A fit of `gram(X)` equals that of `tcrossprod(X) / ncol(X)`, up to rounding. It is treated as
#' symmetric and is never compared with its transpose. A pass takes some \eqn{n^2 q}{n^2 q}
#' operations, where \eqn{q} is the number of features, the `rank` where it is given, or, for a
#' sparse `X`, the mean number of nonzero features of a sample. For a dense `X` with thousands of
#' features and an `A` that fits into memory, it is faster to form `A` once, or to give a `rank`.
#'
#' A dense `X` that is not centred or scaled is not copied. A sparse `X` is transposed; it stays
#' sparse where its features are centred.
#'
#' @param X A numeric, integer or logical matrix, a data frame of numbers, or a matrix of the Matrix
#'   package, with a row for each sample and a column for each feature. Its entries are finite, at
#'   most 1e75 in absolute value, and the largest is at least 1e-70 unless all are zero. `NA` is an
#'   error: impute, or drop features. For `dim()` and other methods, an object made by `gram()`.
#' @param center,scale `TRUE` or `FALSE`: whether to subtract the mean of each feature, and to
#'   divide it by its standard deviation (if it is not centred, by its root mean square), as
#'   [base::scale()] does. A constant feature cannot be scaled.
#' @param rank `NULL`, or one positive whole number of at most the smaller extent of `X`: `X` is
#'   replaced by its best approximation of that rank (after centring and scaling), its leading left
#'   singular vectors times the singular values. They are computed by `getOption("nmu.threads", 1)`
#'   threads.
#'
#' @return An object of class `nmu_gram`. It has `dim()`, `dimnames()` (both sides have the row
#'   names of `X`), `A[i, j]` for a block, and `as.matrix()`, which forms all entries; both form at
#'   most 100 million entries.
#'
#' @section Fits: What needs all entries at once is not available: `underapprox = TRUE` is an
#'   error, and [nmu_cv()] accepts at most ten million entries. Methods that return a number for
#'   each entry return at most ten million at a time, so that `rows` and `cols` must be given for a
#'   larger matrix. `newdata` of [predict()][predict.nmu_fit] are new samples, rows of features as
#'   in `X`. [feature_scores()] computes the effects of the factors on the features.
#'
#' @section Noise: With \eqn{p} independent features, the entry of two samples has a sampling
#'   variance of about \eqn{(A_{ii} A_{jj} + A_{ij}^2) / p}{(A_ii A_jj + A_ij^2) / p}. If the
#'   variances \eqn{A_{ii}}{A_ii} of the samples differ, so does the noise, in the form that
#'   `noise_mle(by = "row")` estimates. `summary()` of a fit suggests it where these variances
#'   differ more than fourfold between their tenth and ninetieth percentile.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described, and for
#'   `as.matrix()` and `A[i, j]` if too many entries are asked for.
#'
#' @source C. Musco and C. Musco (2015), Randomized block Krylov methods for stronger and faster
#'   approximate singular value decomposition, *Advances in Neural Information Processing Systems*
#'   28, for the partial singular value decomposition; here its start is the same in each call.
#'
#' @seealso [feature_scores()], [nmu_large], `vignette("large")`.
#'
#' @examples
#' set.seed(1)
#' groups <- matrix(rbinom(60 * 3, 1, 0.4), 60)
#' X <- groups %*% matrix(rnorm(3 * 500), 3) + rnorm(60 * 500)
#' A <- gram(X, center = TRUE)
#' A
#' A[1:2, 1:2]
#' fit <- nmu(A, K = 3, ignore_diag = TRUE)
#' summary(fit)
#' match_factors(fit, groups)
#' @export
gram <- function(X, center = FALSE, scale = FALSE, rank = NULL) {
  X <- check_features(X)
  center <- check_flag(center)
  scale <- check_flag(scale)
  rank <- check_count(rank, allow_null = TRUE, limit = min(dim(X)))
  A <- if (is_sparse(X)) sparse_gram(X, center, scale) else dense_gram(X, center, scale)
  A$labels <- rownames(X)
  A$feature_labels <- colnames(X)
  A$diagonal <- gram_diagonal(A)
  if (is.null(rank)) A else reduce_rank(A, rank)
}

#' The largest number of entries that as.matrix() forms
#' @noRd
largest_matrix <- 1e8

#' Check features
#'
#' @param X The value given.
#' @return A double matrix or a `dgCMatrix`.
#' @noRd
check_features <- function(X, call = caller_env()) {
  if (is_gram(X) || is_delayed(X)) {
    expected <- "features in memory, samples in rows (as.matrix() reads a DelayedMatrix)"
    abort_input("X", expected, describe(X), call = call)
  }
  X <- as_storage(X, arg = "X", call = call)
  scan <- core_value(core_scan(X), call = call)
  check_entries(scan, X, arg = "X", call = call)
  # squares, and sums of these, stay within the range of entries of A
  if (scan$max_abs > 1e75 || (scan$max_abs > 0 && scan$max_abs < 1e-70)) {
    expected <- "zero, or from 1e-70 to 1e75 in its largest entry (rescale it)"
    abort_input("X", expected, sprintf("a largest entry of size %g", scan$max_abs), call = call)
  }
  X
}

#' Create a Gram matrix
#'
#' @param features Features of the samples: a matrix with a row for each sample, or a `dgCMatrix`
#'   with a column for each.
#' @param size Numbers of samples and features of `X`.
#' @param center,scale What was subtracted from each feature and what it was divided by, in this
#'   order, or `NULL`.
#' @param offsets Zero numbers, or one for each sample: entry i, j of the matrix is the product of
#'   the features over the number of features, minus the sum of both offsets.
#' @return An object of class `nmu_gram`.
#' @noRd
new_gram <- function(features, size, center, scale, offsets = numeric(0)) {
  structure(
    list(
      features = features, offsets = offsets, divisor = as.double(size[2]), size = size,
      center = center, scale = scale
    ),
    class = "nmu_gram"
  )
}

#' Gram matrix of dense features
#'
#' @param X A double matrix.
#' @param center,scale Flags.
#' @return An object of class `nmu_gram`, without labels and diagonal.
#' @noRd
dense_gram <- function(X, center, scale, call = caller_env()) {
  n <- nrow(X)
  means <- NULL
  if (center) {
    means <- unname(colMeans(X))
    # a mean of equal numbers may differ from them by rounding
    constant <- vapply(seq_len(ncol(X)), function(j) all(X[, j] == X[1, j]), NA)
    means[constant] <- X[1, constant]
    X <- X - rep(means, each = n)
  }
  sds <- NULL
  if (scale) {
    sds <- check_scales(unname(sqrt(colSums(X^2) / max(n - 1, 1))), colnames(X), call = call)
    X <- X / rep(sds, each = n)
  }
  new_gram(X, dim(X), means, sds)
}

#' @rdname dense_gram
#' @noRd
sparse_gram <- function(X, center, scale, call = caller_env()) {
  size <- dim(X)
  stored <- diff(X@p)
  means <- if (center) unname(Matrix::colMeans(X))
  sds <- NULL
  if (scale) {
    mean <- means %||% numeric(size[2])
    square <- function(x) vapply(split(x, rep(factor(seq_len(size[2])), stored)), sum, 0)
    sum <- square((X@x - rep(mean, stored))^2) + (size[1] - stored) * mean^2
    sds <- check_scales(unname(sqrt(sum / max(size[1] - 1, 1))), colnames(X), call = call)
    X@x <- X@x / rep(sds, stored)
  }
  offsets <- numeric(0)
  if (center) {
    shift <- means / (sds %||% 1)
    offsets <- (as.vector(X %*% shift) - sum(shift^2) / 2) / size[2]
  }
  new_gram(compressed_columns(Matrix::t(X)), size, means, sds, offsets)
}

#' Check that no feature is constant
#'
#' @param sds Standard deviations.
#' @param labels Names of the features, or `NULL`.
#' @return `sds`.
#' @noRd
check_scales <- function(sds, labels, call = caller_env()) {
  constant <- which(!(sds > 0))
  if (length(constant) > 0) {
    name <- if (!is.null(labels)) paste0(" (", quote_text(labels[constant[1]]), ")")
    found <- sprintf("%d constant, the first column %d", length(constant), constant[1])
    hint <- "Drop these features, or leave out scale = TRUE."
    expected <- "without constant features where scale = TRUE is given"
    abort_input("X", expected, paste0(found, name), hint = hint, call = call)
  }
  sds
}

#' Diagonal of a Gram matrix
#' @param A An object of class `nmu_gram`.
#' @return A vector.
#' @noRd
gram_diagonal <- function(A) {
  squares <- if (is_sparse(A$features)) {
    Matrix::colSums(A$features^2)
  } else {
    ranges <- block_ranges(ncol(A$features), max(largest_block %/% nrow(A$features), 1))
    Reduce(`+`, lapply(ranges, function(range) {
      rowSums(A$features[, seq(range[1], range[2]), drop = FALSE]^2)
    }))
  }
  unname(squares) / A$divisor - if (length(A$offsets) > 0) 2 * A$offsets else 0
}

#' Replace features by their best approximation of a lower rank
#'
#' @param A An object of class `nmu_gram`.
#' @param rank The rank.
#' @return The same with scores in the place of features, the `rotation` that takes features to
#'   scores, and the `share` of the trace that is kept.
#' @noRd
reduce_rank <- function(A, rank, call = caller_env()) {
  options <- core_options(K = rank, threads = check_count(getOption("nmu.threads", 1L),
    arg = "getOption(\"nmu.threads\")", call = call
  ))
  pairs <- core_value(core_leading_eigenpairs(A, options), call = call)
  kept <- pairs$values > max(pairs$values) * 1e-14
  values <- sqrt(pairs$values[kept] * A$divisor)
  vectors <- pairs$vectors[, kept, drop = FALSE]
  if (!any(kept)) {
    # features that are all zero
    values <- 0
    vectors <- pairs$vectors[, 1, drop = FALSE]
  }
  projected <- if (is_sparse(A$features)) {
    product <- as.matrix(A$features %*% vectors)
    product - if (is.null(A$center)) 0 else outer(scaled_center(A), colSums(vectors))
  } else {
    crossprod(A$features, vectors)
  }
  A$rotation <- unname(projected) / rep(ifelse(values > 0, values, 1), each = A$size[2])
  A$features <- vectors * rep(values, each = A$size[1])
  A$offsets <- numeric(0)
  total <- sum(A$diagonal)
  A$diagonal <- gram_diagonal(A)
  A$rank <- length(values)
  A$share <- if (total > 0) sum(A$diagonal) / total else NA_real_
  A
}

#' Check that a block is not too large to be formed
#' @param rows,cols Numbers of rows and columns.
#' @return `NULL`, invisibly.
#' @noRd
check_block_size <- function(rows, cols, call = caller_env()) {
  if (as.double(rows) * cols > largest_matrix) {
    expected <- "asked for at most 100 million entries at a time, in blocks such as x[1:100, 1:100]"
    abort_input("x", expected, sprintf("a block of %d x %d", rows, cols), call = call)
  }
}

#' Is a matrix the Gram matrix of features?
#' @param A Anything.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_gram <- function(A) {
  inherits(A, "nmu_gram")
}

#' Block of a Gram matrix
#'
#' @param A An object of class `nmu_gram`.
#' @param rows,cols Whole numbers.
#' @return A matrix.
#' @noRd
gram_block <- function(A, rows, cols) {
  block <- if (is_sparse(A$features)) {
    of <- function(index) A$features[, index, drop = FALSE]
    as.matrix(Matrix::crossprod(of(rows), of(cols)))
  } else {
    of <- function(index) A$features[index, , drop = FALSE]
    tcrossprod(of(rows), of(cols))
  }
  block <- block / A$divisor
  if (length(A$offsets) > 0) {
    block <- block - outer(A$offsets[rows], A$offsets[cols], "+")
  }
  dimnames(block) <- if (!is.null(A$labels)) list(A$labels[rows], A$labels[cols])
  block
}

#' Rows of a Gram matrix for new samples
#'
#' @param A An object of class `nmu_gram`.
#' @param newdata A double matrix with a row of features for each new sample.
#' @return A matrix with a row for each new sample and a column for each sample of `A`.
#' @noRd
gram_rows <- function(A, newdata) {
  samples <- rownames(newdata)
  of_features <- function(values) rep(values, each = nrow(newdata))
  if (!is.null(A$center)) {
    newdata <- newdata - of_features(A$center)
  }
  if (!is.null(A$scale)) {
    newdata <- newdata / of_features(A$scale)
  }
  rows <- if (!is.null(A$rank)) {
    tcrossprod(newdata %*% A$rotation, A$features)
  } else if (!is_sparse(A$features)) {
    tcrossprod(newdata, A$features)
  } else {
    # sparse features are not centred
    shift <- if (is.null(A$center)) 0 else as.vector(newdata %*% scaled_center(A))
    as.matrix(newdata %*% A$features) - shift
  }
  rows <- unname(rows) / A$divisor
  dimnames(rows) <- if (!is.null(samples) || !is.null(A$labels)) list(samples, A$labels)
  rows
}

#' What is subtracted from each feature, in the units of the scaled features
#' @param A An object of class `nmu_gram` of centred features.
#' @return A vector.
#' @noRd
scaled_center <- function(A) {
  A$center / (A$scale %||% 1)
}

#' What a fit remembers of a Gram matrix
#'
#' @param A The matrix that was fitted.
#' @return A list, or `NULL` if it is not a Gram matrix.
#' @noRd
gram_description <- function(A) {
  if (is_gram(A)) {
    list(
      features = A$size[2], center = !is.null(A$center), scale = !is.null(A$scale), rank = A$rank,
      variances = unname(stats::quantile(A$diagonal, c(0.1, 0.9)))
    )
  }
}

#' Format the description of a Gram matrix
#'
#' @param gram Value of `gram_description()`.
#' @return One string.
#' @noRd
gram_text <- function(gram) {
  done <- c(if (gram$center) "centred", if (gram$scale) "scaled")
  paste0(
    sprintf("A = X X' / %d", gram$features),
    if (length(done) > 0) paste(", features", paste(done, collapse = " and ")),
    if (!is.null(gram$rank)) sprintf(", rank %d", gram$rank)
  )
}

#' Suggest noise by row for samples whose variances differ
#'
#' @param fit A fit.
#' @return One string, or `NULL`.
#' @noRd
gram_hint <- function(fit) {
  variances <- fit$gram$variances
  by_row <- !is.null(fit$noise_sd) || !is.null(fit$noise$se)
  if (is.null(variances) || by_row || variances[2] <= 4 * variances[1]) {
    return(NULL)
  }
  sprintf(
    "variances of samples differ (10 %% below %s, 10 %% above %s): see noise_mle(by = \"row\")",
    signif_text(variances[1]), signif_text(variances[2])
  )
}

#' @rdname gram
#' @method dim nmu_gram
#' @export
dim.nmu_gram <- function(x) {
  rep(x$size[1], 2)
}

#' @method length nmu_gram
#' @export
length.nmu_gram <- function(x) {
  as.double(x$size[1])^2
}

#' @method dimnames nmu_gram
#' @export
dimnames.nmu_gram <- function(x) {
  if (!is.null(x$labels)) list(x$labels, x$labels)
}

#' @rdname gram
#' @param x An object made by `gram()`.
#' @param i,j Rows and columns: numbers, names, or a logical vector.
#' @param drop `TRUE` or `FALSE`: whether a block of one row or column becomes a vector.
#' @param ... Must be empty.
#' @method [ nmu_gram
#' @export
`[.nmu_gram` <- function(x, i, j, ..., drop = TRUE) {
  refuse_dots(...)
  indices <- nargs() - !missing(drop)
  if (indices != 3) {
    abort_input("x", "indexed by rows and columns, as in x[1:3, 4:6]", sprintf(
      "%d ind%s", max(indices - 1, 0), if (indices == 2) "ex" else "ices"
    ))
  }
  all <- seq_len(x$size[1])
  rows <- if (missing(i)) all else check_selection(i, "row", x$size[1], x$labels)
  cols <- if (missing(j)) all else check_selection(j, "column", x$size[1], x$labels)
  drop <- check_flag(drop)
  check_block_size(length(rows), length(cols))
  block <- gram_block(x, rows, cols)
  if (drop) drop(block) else block
}

#' @rdname gram
#' @method as.matrix nmu_gram
#' @export
as.matrix.nmu_gram <- function(x, ...) {
  refuse_dots(...)
  check_block_size(x$size[1], x$size[1])
  all <- seq_len(x$size[1])
  gram_block(x, all, all)
}

#' @rdname gram
#' @method print nmu_gram
#' @export
print.nmu_gram <- function(x, ...) {
  refuse_dots(...)
  cli::cat_line(cli::style_bold(sprintf("<nmu_gram> %d x %d matrix", x$size[1], x$size[1])))
  cli::cat_line(gram_text(gram_description(x)))
  if (!is.null(x$rank)) {
    cli::cat_line(sprintf("%.1f %% of the trace kept", 100 * x$share))
  }
  values <- if (is_sparse(x$features)) {
    sprintf("%s nonzero", signif_text(length(x$features@x)))
  } else {
    signif_text(length(x$features))
  }
  cli::cat_line(sprintf("%s numbers stored, entries are computed", values))
  invisible(x)
}
