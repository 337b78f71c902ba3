#' Convert A to the form that the core expects
#'
#' A double matrix is returned unchanged, without a copy; all other accepted types are
#' converted without loss. The values are not checked here.
#'
#' @param A The value given.
#' @param arg Name of the argument.
#' @return A double matrix with the dimnames of `A`, a `dgCMatrix`, or the `DelayedMatrix` or
#'   `nmu_gram` itself.
#' @noRd
as_storage <- function(A, arg = caller_arg(A), call = caller_env()) {
  force(arg)
  if (is_gram(A)) {
    return(A)
  }
  refuse_containers(A, arg = arg, call = call)
  if (is_delayed(A)) {
    return(check_delayed(A, arg = arg, call = call))
  }
  if (inherits(A, "sparseMatrix")) {
    return(compressed_columns(A, arg = arg, call = call))
  }
  if (is.data.frame(A)) {
    check_columns(A, arg = arg, call = call)
  }
  if (is.data.frame(A) || inherits(A, "Matrix")) {
    A <- as.matrix(A)
  }
  numbers <- (is.numeric(A) || is.logical(A)) && !inherits(A, "integer64")
  if (!is.matrix(A) || !numbers) {
    expected <- "a numeric, integer or logical matrix, or a data frame of numbers"
    abort_input(arg, expected, describe(A), call = call)
  }
  if (length(A) == 0) {
    found <- sprintf("a %d x %d matrix", nrow(A), ncol(A))
    abort_input(arg, "a matrix with at least one row and one column", found, call = call)
  }
  if (is.object(A)) {
    A <- unclass(A)
  }
  if (!is.double(A)) {
    storage.mode(A) <- "double"
  }
  A
}

#' Refuse an object that contains a matrix, and name the call that returns it
#'
#' @inheritParams as_storage
#' @return `NULL`, invisibly.
#' @noRd
refuse_containers <- function(A, arg = caller_arg(A), call = caller_env()) {
  # the first class that an object inherits from counts
  calls <- c(
    SingleCellExperiment = "SingleCellExperiment::logcounts(%s)",
    SummarizedExperiment = "SummarizedExperiment::assay(%s)",
    ExpressionSet = "Biobase::exprs(%s)",
    Seurat = "SeuratObject::LayerData(%s)",
    igraph = "igraph::as_adjacency_matrix(%s)",
    dist = "as.matrix(%s)"
  )
  found <- names(calls)[inherits(A, names(calls), which = TRUE) > 0]
  if (length(found) > 0) {
    extract <- sprintf(calls[[found[1]]], arg)
    note <- if (found[1] == "dist") {
      " Its entries are distances, and factors need similarities: large where two rows are alike."
    }
    abort_input(
      arg, "a matrix", describe(A),
      hint = paste0("Pass the matrix in it, ", extract, ".", note), call = call
    )
  }
}

#' Check that a matrix that is not in memory is numeric and not empty
#'
#' @inheritParams as_storage
#' @return `A`.
#' @noRd
check_delayed <- function(A, arg = caller_arg(A), call = caller_env()) {
  # type() may read an empty block
  type <- tryCatch(DelayedArray::type(A), error = function(condition) {
    signal_failure(condition, call = call)
  })
  if (any(dim(A) == 0) || !type %in% c("double", "integer", "logical")) {
    expected <- "a matrix of numbers with at least one row and one column"
    found <- sprintf("a %d x %d matrix of type %s", nrow(A), ncol(A), type)
    abort_input(arg, expected, found, call = call)
  }
  A
}

#' Convert a sparse matrix to compressed columns
#'
#' A `dgCMatrix` is returned unchanged, without a copy.
#'
#' @inheritParams as_storage
#' @return A `dgCMatrix`.
#' @noRd
compressed_columns <- function(A, arg = caller_arg(A), call = caller_env()) {
  force(arg)
  if (any(dim(A) == 0)) {
    found <- sprintf("a %d x %d matrix", nrow(A), ncol(A))
    abort_input(arg, "a matrix with at least one row and one column", found, call = call)
  }
  if (!methods::is(A, "dgCMatrix")) {
    for (class in c("dMatrix", "generalMatrix", "CsparseMatrix")) {
      A <- methods::as(A, class)
    }
  }
  valid <- methods::validObject(A, test = TRUE)
  if (!isTRUE(valid)) {
    abort_input(arg, "a valid sparse matrix", paste(valid, collapse = "; "), call = call)
  }
  A
}

#' Is a matrix sparse?
#' @param A Value of `as_storage()`.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_sparse <- function(A) {
  inherits(A, "sparseMatrix")
}

#' Does a matrix have missing entries?
#' @param A Value of `as_storage()`.
#' @return `TRUE` or `FALSE`.
#' @noRd
has_missing <- function(A) {
  !is_gram(A) && anyNA(if (is_sparse(A)) A@x else A)
}

#' Frobenius norm of the observed entries
#' @param A Value of `as_storage()`.
#' @return One number.
#' @noRd
frobenius_norm <- function(A, call = caller_env()) {
  scan <- scan_matrix(A, symmetric = FALSE, call = call)
  scan$rms * sqrt(length(A) - scan$missing)
}

#' Largest number of entries of a dense block of a matrix that is sparse, computed or not in memory
#' @noRd
largest_block <- 1e7

#' Dense block of a matrix
#'
#' @param A Value of `as_storage()`.
#' @param rows,cols Whole numbers.
#' @param arg Name of the argument.
#' @return A double matrix.
#' @noRd
dense_block <- function(A, rows, cols, arg = caller_arg(A), call = caller_env()) {
  if (is.matrix(A)) {
    return(A[rows, cols, drop = FALSE])
  }
  if (as.double(length(rows)) * length(cols) > largest_block) {
    expected <- paste(
      "asked for in blocks of at most ten million entries, since it is",
      if (is_sparse(A)) "sparse" else if (is_gram(A)) "not formed" else "not in memory"
    )
    found <- sprintf("a block of %d x %d", length(rows), length(cols))
    abort_input(arg, expected, found, call = call)
  }
  if (is_gram(A)) {
    return(gram_block(A, rows, cols))
  }
  read <- function() as.matrix(A[rows, cols, drop = FALSE])
  block <- if (!is_delayed(A)) {
    read()
  } else {
    tryCatch(read(), error = function(condition) signal_failure(condition, call = call))
  }
  storage.mode(block) <- "double"
  block
}

#' Check that the columns of a data frame are plain numbers
#'
#' The meaning of a column with a class (factor, Date, integer64 ...) may differ from its
#' numbers, so it is an error rather than converted.
#'
#' @inheritParams as_storage
#' @return `NULL`, invisibly.
#' @noRd
check_columns <- function(A, arg = caller_arg(A), call = caller_env()) {
  plain <- vapply(A, FUN.VALUE = logical(1), FUN = function(column) {
    (is.numeric(column) || is.logical(column)) && !is.object(column) && is.null(dim(column))
  })
  if (!all(plain)) {
    first <- which(!plain)[1]
    found <- sprintf(
      "column %d, %s, of class %s",
      first, quote_text(names(A)[first]), quote_text(class(A[[first]])[1])
    )
    abort_input(arg, "numeric or logical in every column", found, call = call)
  }
}
