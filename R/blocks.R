# Matrices that are not in memory: a DelayedMatrix, such as one in an HDF5 file, which the core
# reads block by block. The fitting function opens it by local_blocks(), which gives the core the
# functions that read it; the core calls these on R's thread.

#' Is a matrix not in memory?
#' @param A Value of `as_storage()`.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_delayed <- function(A) {
  inherits(A, "DelayedMatrix")
}

#' Open a matrix for the core, until a function exits
#'
#' @param A Value of `as_storage()`.
#' @param control The settings; the backend `BPPARAM` is started if it is not running.
#' @param options Value of `core_options()`; workers take `ignore_diag` and `missing`.
#' @param block_length Number of entries that are read at a time.
#' @param frame The frame on whose exit the matrix is closed.
#' @return A list or an environment of `core`, the matrix as the core expects it, and `failure`,
#'   the condition raised by the first failed read, or `NULL`. If `A` is not in memory, `core` has
#'   two functions that the core calls. `read()` returns a block as a double matrix, `serve()` the
#'   results of a request for each tile as a list of numeric vectors; both return `NULL` if that
#'   failed.
#' @noRd
local_blocks <- function(A, control, options = NULL, block_length = default_block_length(),
                         frame = caller_env(), call = caller_env()) {
  if (!is_delayed(A)) {
    return(list(core = A))
  }
  blocks <- new.env(parent = emptyenv())
  blocks$A <- A
  blocks$options <- options[c("ignore_diag", "missing")]
  blocks$workers <- control$BPPARAM
  blocks$core <- structure(
    list(
      nrow = nrow(A), ncol = ncol(A), block_length = block_length, chunk_ncol = chunk_ncol(A),
      distributed = !is.null(control$BPPARAM),
      read = function(first_row, last_row, first_column, last_column) {
        rows <- c(first_row, last_row)
        columns <- c(first_column, last_column)
        record_failure(blocks, function(blocks) read_block(blocks$A, rows, columns))
      },
      serve = function(request, tiles) {
        record_failure(blocks, function(blocks) serve_request(blocks, request, tiles))
      }
    ),
    class = "nmu_blocks"
  )
  blocks$started <- !is.null(blocks$workers) && !BiocParallel::bpisup(blocks$workers)
  defer(close_blocks(blocks), frame)
  if (blocks$started) {
    record_failure(blocks, function(blocks) BiocParallel::bpstart(blocks$workers))
    signal_failure(blocks$failure, call = call)
  }
  blocks
}

#' @rdname local_blocks
#' @noRd
close_blocks <- function(blocks) {
  if (blocks$started) {
    # bpstop() signals conditions for dead workers
    suppressWarnings(suppressMessages(
      try(BiocParallel::bpstop(blocks$workers), silent = TRUE)
    ))
  }
}

#' Number of entries that are read at a time
#' @return A whole number, from the block size set for delayed arrays.
#' @noRd
default_block_length <- function() {
  as.integer(min(max(DelayedArray::getAutoBlockSize() / 8, 1), .Machine$integer.max))
}

#' Number of columns in a chunk of the file
#' @inheritParams is_delayed
#' @return A whole number.
#' @noRd
chunk_ncol <- function(A) {
  as.integer(DelayedArray::chunkdim(A)[2] %||% 1L)
}

#' Read a block
#'
#' @inheritParams is_delayed
#' @param rows,columns The first and the last row and column.
#' @return A double matrix without names.
#' @noRd
read_block <- function(A, rows, columns) {
  along <- function(range, size) if (range[2] - range[1] + 1 < size) seq(range[1], range[2])
  block <- DelayedArray::extract_array(A, list(along(rows, nrow(A)), along(columns, ncol(A))))
  storage.mode(block) <- "double"
  block
}


#' Serve a request of the core on all tiles of a matrix, by its workers
#'
#' Each worker processes a range of tiles, and each tile has its own result,
#' so that the core adds the same numbers in the same order for any number of workers.
#'
#' @param blocks Value of `local_blocks()`.
#' @param request Numbers, encoded by the core.
#' @param tiles Number of tiles.
#' @return A list of numeric vectors.
#' @noRd
serve_request <- function(blocks, request, tiles) {
  ranges <- split_evenly(tiles, BiocParallel::bpnworkers(blocks$workers))
  results <- BiocParallel::bplapply(
    ranges, serve_tiles,
    A = blocks$A, options = blocks$options, request = request,
    block_length = blocks$core$block_length, BPPARAM = blocks$workers
  )
  unlist(results, recursive = FALSE)
}

#' Split whole numbers into ranges of about the same length
#' @param count The last number.
#' @param parts The largest number of ranges.
#' @return A list of pairs, the first and the last number of each range.
#' @noRd
split_evenly <- function(count, parts) {
  ends <- unique(round(count * seq(0, 1, length.out = max(parts, 1) + 1)))
  Map(function(before, last) as.integer(c(before + 1, last)), ends[-length(ends)], ends[-1])
}

#' Serve a request on a range of tiles, in a worker
#'
#' @param tiles The first and the last tile.
#' @param A,options,block_length As in `local_blocks()`.
#' @param request As in `serve_request()`.
#' @return A list of numeric vectors.
#' @noRd
serve_tiles <- function(tiles, A, options, request, block_length) {
  blocks <- local_blocks(A, list(BPPARAM = NULL), block_length = block_length, call = NULL)
  results <- core_serve_request(blocks$core, options, request, tiles[1], tiles[2])
  if (!is.null(blocks$failure)) {
    stop(conditionMessage(blocks$failure), call. = FALSE)
  }
  core_value(results, call = NULL)
}

#' Evaluate a function that reads a matrix, and record its failure
#'
#' @param blocks Value of `local_blocks()`.
#' @param work Function of `blocks`.
#' @return The value of `work`, or `NULL` if it failed.
#' @noRd
record_failure <- function(blocks, work) {
  failed <- function(condition) {
    blocks$failure <- condition
    NULL
  }
  tryCatch(work(blocks), error = failed, interrupt = failed)
}

#' Raise the error that a matrix could not be read
#'
#' @param failure The recorded condition, or `NULL`, in which case there is no error.
#' @param fit The fit so far, or `NULL`.
#' @param fitting Was it read for a fit? Otherwise a method of a complete fit, or a check before
#'   the fit, has read it.
#' @return `NULL`, invisibly.
#' @noRd
signal_failure <- function(failure, fit = NULL, fitting = FALSE, call = caller_env()) {
  if (is.null(failure)) {
    return(invisible())
  }
  so_far <- if (!fitting) {
    c(i = "The matrix itself is needed here. If its file has moved, give it by its new path.")
  } else if (is.null(fit)) {
    c(i = "No factor was complete.")
  } else {
    c(i = "The field {.field fit} of this condition contains the complete factors; resume from them
           with {.code init}.")
  }
  if (inherits(failure, "interrupt")) {
    so_far <- if (fitting) so_far
    abort_nmu(c("The computation was interrupted.", so_far), "interrupted", call = call, fit = fit)
  }
  abort_nmu(
    c("A block of {.arg A} could not be read, or a worker failed.", so_far),
    kind = "blocks", call = call, fit = fit, parent = failure
  )
}

#' Check that a storage supports the requested fit
#'
#' @param A Value of `as_storage()`.
#' @param underapprox Is a certified underapproximation requested?
#' @param control The settings.
#' @return `NULL`, invisibly.
#' @noRd
check_storage_support <- function(A, control, underapprox = FALSE, call = caller_env()) {
  if (!is_delayed(A) && !is.null(control$BPPARAM)) {
    expected <- paste(
      "a DelayedMatrix where BPPARAM is given, such as DelayedArray::DelayedArray(A)",
      "(a matrix in memory has threads)"
    )
    abort_input("A", expected, describe(A), call = call)
  }
  if ((is_delayed(A) || is_gram(A)) && underapprox) {
    expected <- "FALSE where A is not in memory, since it takes working copies of A"
    hint <- if (is_gram(A)) "If these fit into memory, fit as.matrix(A)."
    abort_input("underapprox", expected, "TRUE", hint = hint, call = call)
  }
}

#' Compute the certificate of factors on the open matrix
#'
#' @param blocks Value of `local_blocks()`.
#' @param options The options of the core.
#' @return The certificate without `best`, or `NULL` if the matrix could not be read or the user
#'   interrupted.
#' @noRd
open_certificate <- function(blocks, options, call = caller_env()) {
  if (!is.null(blocks$failure)) {
    return(NULL)
  }
  certificate <- core_value_or_null(core_certificate(blocks$core, options), call = call)
  if (is.null(blocks$failure) && !is.null(certificate)) known_values(certificate, "explained")
}

#' Add to a certificate what the best approximations of the same ranks explain
#'
#' @param certificate Value of `open_certificate()`.
#' @param blocks Value of `local_blocks()`.
#' @param options The options of the core.
#' @param rms Root mean square of the matrix.
#' @param K The number of factors.
#' @return The certificate, or `NULL` as above.
#' @noRd
add_best_shares <- function(certificate, blocks, options, rms, K, call = caller_env()) {
  if (is.null(certificate)) {
    return(NULL)
  }
  options[c("rms", "K")] <- list(rms, K)
  best <- core_value_or_null(core_best_rank_shares(blocks$core, options), call = call)
  if (is.null(blocks$failure) && !is.null(best)) {
    known_values(c(certificate, list(best = best)), "best")
  }
}
