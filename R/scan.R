# Summary of a matrix before a fit: missing, infinite, negative and zero entries, largest absolute
# value, root mean square, symmetry.

#' Summarise a matrix
#'
#' @param A Value of `as_storage()`.
#' @param symmetric The user's argument `symmetric`. A matrix that is not in memory is compared with
#'   its transpose only if this is `NULL`, since that requires another pass.
#' @return A list in the form of the value of `core_scan()`.
#' @noRd
scan_matrix <- function(A, symmetric = NULL, call = caller_env()) {
  if (!is_delayed(A)) {
    return(core_value(core_scan(A), call = call))
  }
  tryCatch(
    {
      scan <- scan_columns(A, call = call)
      assumed <- nrow(A) == ncol(A) && isTRUE(symmetric)
      scan$symmetric <- if (is.null(symmetric)) is_symmetric(A, scan) else assumed
      scan
    },
    nmu_error = function(condition) stop(condition),
    error = function(condition) signal_failure(condition, call = call)
  )
}

#' Summarise a matrix that is not in memory, without its symmetry
#'
#' @inheritParams scan_matrix
#' @return The elements of `core_scan()` except `symmetric`.
#' @noRd
scan_columns <- function(A, call = caller_env()) {
  width <- max(default_block_length() %/% nrow(A), 1)
  parts <- lapply(block_ranges(ncol(A), width, chunk_ncol(A)), function(columns) {
    block <- read_block(A, c(1, nrow(A)), columns)
    part <- core_value(core_scan(block), call = call)
    part$finite <- length(block) - part$missing - part$nan - part$infinite
    part
  })
  of <- function(name) vapply(parts, `[[`, 0, name)
  counts <- c("missing", "nan", "infinite", "negative", "zeros")
  size <- max(of("max_abs"))
  # in units of the largest entry, so that no square over- or underflows
  unit <- if (size > 0) size else 1
  square <- sum(of("finite") * (of("rms") / unit)^2) / max(sum(of("finite")), 1)
  c(
    stats::setNames(lapply(counts, function(name) sum(of(name))), counts),
    list(max_abs = size, largest = max(of("largest")), rms = unit * sqrt(square))
  )
}

#' Split 1 to size into consecutive ranges
#'
#' @param size The last number.
#' @param width Largest length of a range.
#' @param step Lengths are multiples of this if it is at most `width`.
#' @return A list of pairs, the first and the last number of each range.
#' @noRd
block_ranges <- function(size, width, step = 1) {
  width <- if (step <= width) width - width %% step else width
  first <- seq(1, size, by = width)
  Map(c, first, pmin(first + width - 1, size))
}

#' Is a matrix that is not in memory symmetric, by the rule of `core_scan()`?
#'
#' @param A The matrix.
#' @param scan Value of `scan_columns()`.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_symmetric <- function(A, scan) {
  if (nrow(A) != ncol(A)) {
    return(FALSE)
  }
  slack <- 100 * .Machine$double.eps * scan$max_abs
  # a block and its mirror image together have the number of entries read at a time
  ranges <- block_ranges(nrow(A), max(floor(sqrt(default_block_length() / 2)), 1), chunk_ncol(A))
  for (column in seq_along(ranges)) {
    for (row in seq_len(column)) {
      upper <- read_block(A, ranges[[row]], ranges[[column]])
      lower <- t(read_block(A, ranges[[column]], ranges[[row]]))
      differ <- is.na(upper) != is.na(lower) | abs(upper - lower) > slack
      # equal infinities, and two that are missing, have no difference
      if (any(differ, na.rm = TRUE)) {
        return(FALSE)
      }
    }
  }
  TRUE
}

#' Numbers of missing entries of rows and columns
#'
#' @param A Value of `as_storage()`.
#' @param fit The fit of this matrix, for the error if it can no longer be read.
#' @return A list of `rows` and `columns`, whole numbers.
#' @noRd
count_missing <- function(A, fit, call = caller_env()) {
  if (is_sparse(A)) {
    index <- which(is.na(A@x))
    rows <- tabulate(A@i[index] + 1L, nrow(A))
    return(list(rows = rows, columns = tabulate(findInterval(index - 1, A@p), ncol(A))))
  }
  if (!is_delayed(A)) {
    absent <- is.na(A)
    return(list(rows = unname(rowSums(absent)), columns = unname(colSums(absent))))
  }
  width <- max(default_block_length() %/% nrow(A), 1)
  count <- function() {
    counts <- list(rows = numeric(nrow(A)), columns = numeric(ncol(A)))
    for (range in block_ranges(ncol(A), width, chunk_ncol(A))) {
      absent <- is.na(read_block(A, c(1, nrow(A)), range))
      counts$rows <- counts$rows + rowSums(absent)
      counts$columns[seq(range[1], range[2])] <- colSums(absent)
    }
    counts
  }
  tryCatch(count(), error = function(condition) {
    signal_failure(condition, fit, fitting = TRUE, call = call)
  })
}

#' Are more than half of the observed entries zero?
#'
#' @param scan Value of `scan_matrix()`.
#' @param entries Number of entries of the matrix.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_mostly_zero <- function(scan, entries) {
  scan$zeros > (entries - scan$missing) / 2 && scan$rms > 0
}

#' First entry of a matrix for which something holds, column by column
#'
#' Used for messages only: the matrix is read again, some columns at a time.
#'
#' @param A Value of `as_storage()`.
#' @param holds Function of a vector of entries.
#' @return Its row and its column, or `NA` for both if there is none.
#' @noRd
first_entry <- function(A, holds, call = caller_env()) {
  if (is_sparse(A)) {
    # the entries that are not stored are zeros
    index <- which(holds(A@x))[1]
    return(c(A@i[index] + 1L, findInterval(index - 1, A@p)))
  }
  find <- function() {
    for (range in block_ranges(ncol(A), max(1e6 %/% nrow(A), 1))) {
      block <- A[, seq(range[1], range[2]), drop = FALSE]
      index <- which(holds(as.vector(as.matrix(block))))
      if (length(index) > 0) {
        return(c((index[1] - 1) %% nrow(A) + 1, range[1] + (index[1] - 1) %/% nrow(A)))
      }
    }
    c(NA, NA)
  }
  tryCatch(find(), error = function(condition) signal_failure(condition, call = call))
}

#' Describe the place of an entry, with its names
#'
#' @param row,column Its row and column.
#' @param row_name,column_name Their names, or `NULL`.
#' @return One string.
#' @noRd
entry_text <- function(row, column, row_name, column_name) {
  named <- function(name) if (length(name) == 0 || is.na(name)) "" else paste("", quote_text(name))
  sprintf("row %.0f%s, column %.0f%s", row, named(row_name), column, named(column_name))
}

#' Describe the largest asymmetry of a matrix for a message
#'
#' @param A Value of `as_storage()`, in memory.
#' @return One string.
#' @noRd
describe_asymmetry <- function(A, call = caller_env()) {
  size <- sprintf("an asymmetric %d x %d matrix", nrow(A), ncol(A))
  if (nrow(A) != ncol(A) || is_delayed(A)) {
    return(size)
  }
  worst <- largest_asymmetry(A)
  place <- entry_text(worst$row, worst$column, rownames(A)[worst$row], colnames(A)[worst$column])
  values <- c(A[worst$row, worst$column], A[worst$column, worst$row])
  gap <- if (anyNA(values)) "" else sprintf(", a difference of %.4g", abs(diff(values)))
  sprintf(
    "%s: most of all, the entry in %s is %.6g and its mirror image %.6g%s", size, place,
    values[1], values[2], gap
  )
}

#' Find the entry that differs most from its mirror image
#'
#' In a dense matrix, an entry that is missing differs more from one that is not than any two
#' numbers.
#'
#' @param A A square matrix in memory.
#' @return A list of its `row` and `column`.
#' @noRd
largest_asymmetry <- function(A) {
  if (is_sparse(A)) {
    gap <- methods::as(A - Matrix::t(A), "CsparseMatrix")
    size <- abs(gap@x)
    index <- which.max(if (all(is.na(size))) is.na(size) else size)
    return(list(row = gap@i[index] + 1L, column = findInterval(index - 1, gap@p)))
  }
  worst <- list(size = -1)
  for (range in block_ranges(ncol(A), max(1e6 %/% nrow(A), 1))) {
    columns <- seq(range[1], range[2])
    block <- A[, columns, drop = FALSE]
    mirror <- t(A[columns, , drop = FALSE])
    gap <- abs(block - mirror)
    gap[is.na(block) & is.na(mirror)] <- 0
    gap[is.na(gap)] <- Inf
    index <- which.max(gap)
    if (gap[index] > worst$size) {
      worst <- list(
        size = gap[index], row = (index - 1) %% nrow(A) + 1,
        column = range[1] + (index - 1) %/% nrow(A)
      )
    }
  }
  worst
}

#' Diagonal of a square matrix
#'
#' @param A Value of `as_storage()`.
#' @return A numeric vector.
#' @noRd
diagonal <- function(A) {
  if (is_gram(A)) {
    return(A$diagonal)
  }
  if (!is_delayed(A)) {
    return(Matrix::diag(A))
  }
  ranges <- block_ranges(nrow(A), max(floor(sqrt(default_block_length())), 1), chunk_ncol(A))
  unlist(lapply(ranges, function(range) diag(read_block(A, range, range))))
}
