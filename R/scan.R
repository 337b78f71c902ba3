# Summary of a matrix before a fit: missing, infinite and negative entries, largest absolute value,
# root mean square, symmetry.

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
  counts <- c("missing", "nan", "infinite", "negative")
  largest <- max(of("max_abs"))
  # in units of the largest entry, so that no square over- or underflows
  unit <- if (largest > 0) largest else 1
  square <- sum(of("finite") * (of("rms") / unit)^2) / max(sum(of("finite")), 1)
  c(
    stats::setNames(lapply(counts, function(name) sum(of(name))), counts),
    list(max_abs = largest, rms = unit * sqrt(square))
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

#' Diagonal of a square matrix
#'
#' @param A Value of `as_storage()`.
#' @return A numeric vector.
#' @noRd
diagonal <- function(A) {
  if (!is_delayed(A)) {
    return(Matrix::diag(A))
  }
  ranges <- block_ranges(nrow(A), max(floor(sqrt(default_block_length())), 1), chunk_ncol(A))
  unlist(lapply(ranges, function(range) diag(read_block(A, range, range))))
}
