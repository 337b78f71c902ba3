# Matrices that are not in memory: a DelayedMatrix, such as one in an HDF5 file, of which the core
# asks for a block at a time. The core calls block_entries() and block_answers() on R's thread; the
# matrix that they read was opened by the fitting function, through local_blocks().

#' The matrix that is open, or nothing
#' @noRd
opened <- new.env()

#' Is a matrix elsewhere than in memory?
#' @param A What `as_storage()` returned.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_delayed <- function(A) {
  inherits(A, "DelayedMatrix")
}

#' Open a matrix for the core, until a function ends
#'
#' @param A What `as_storage()` returned.
#' @param control The settings; those of `BPPARAM` are started if they are not.
#' @param call The user's call.
#' @param options What `core_options()` returned; workers take `ignore_diag` and `missing`.
#' @param room How many entries are read at a time.
#' @param frame The function at whose end the matrix is closed.
#' @return A list or an environment of `core`, what the core takes for the matrix, and of `failure`,
#'   the condition that kept a block from being read, or `NULL`.
#' @noRd
local_blocks <- function(A, control, options = NULL, room = block_room(),
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
      nrow = nrow(A), ncol = ncol(A), room = room, step = block_step(A),
      spread = !is.null(control$BPPARAM)
    ),
    class = "nmu_blocks"
  )
  blocks$started <- !is.null(blocks$workers) && !BiocParallel::bpisup(blocks$workers)
  # a function called during a fit may fit something itself
  blocks$before <- opened$blocks
  opened$blocks <- blocks
  defer(close_blocks(blocks), frame)
  if (blocks$started) {
    noting_failure(blocks, function(blocks) BiocParallel::bpstart(blocks$workers))
    signal_failure(blocks$failure, call = call)
  }
  blocks
}

#' @rdname local_blocks
#' @noRd
close_blocks <- function(blocks) {
  opened$blocks <- blocks$before
  if (blocks$started) {
    # workers that died cannot be stopped, and say so
    suppressWarnings(suppressMessages(
      try(BiocParallel::bpstop(blocks$workers), silent = TRUE)
    ))
  }
}

#' How many entries are read at a time
#' @return A whole number, from the block size that the user has set for delayed arrays.
#' @noRd
block_room <- function() {
  as.integer(min(max(DelayedArray::getAutoBlockSize() / 8, 1), .Machine$integer.max))
}

#' How many columns of a matrix are stored together
#' @inheritParams is_delayed
#' @return A whole number.
#' @noRd
block_step <- function(A) {
  as.integer(DelayedArray::chunkdim(A)[2] %||% 1L)
}

#' Read a block
#'
#' @inheritParams is_delayed
#' @param rows,columns The first and the last of each.
#' @return A double matrix without names.
#' @noRd
read_block <- function(A, rows, columns) {
  along <- function(range, size) if (range[2] - range[1] + 1 < size) seq(range[1], range[2])
  block <- DelayedArray::extract_array(A, list(along(rows, nrow(A)), along(columns, ncol(A))))
  storage.mode(block) <- "double"
  block
}

#' The entries of a block of the open matrix
#'
#' Called by the core.
#'
#' @param first_row,last_row,first_column,last_column Numbers.
#' @return A double matrix; `NULL` where it could not be read, and `failure` says why.
#' @noRd
block_entries <- function(first_row, last_row, first_column, last_column) {
  noting_failure(opened$blocks, function(blocks) {
    read_block(blocks$A, c(first_row, last_row), c(first_column, last_column))
  })
}

#' What an errand of the core finds on all tiles of the open matrix, done by its workers
#'
#' Called by the core. Each worker goes over a run of tiles, and each tile has an answer of its own,
#' so that the core adds up the same numbers in the same order for any number of workers.
#'
#' @param errand Numbers that the core can read.
#' @param tiles How many tiles there are.
#' @return A list of numeric vectors; `NULL` where a worker failed, and `failure` says why.
#' @noRd
block_answers <- function(errand, tiles) {
  noting_failure(opened$blocks, function(blocks) {
    runs <- split_evenly(tiles, BiocParallel::bpnworkers(blocks$workers))
    answers <- BiocParallel::bplapply(
      runs, answer_run,
      A = blocks$A, options = blocks$options, errand = errand, room = blocks$core$room,
      BPPARAM = blocks$workers
    )
    unlist(answers, recursive = FALSE)
  })
}

#' Runs of whole numbers, of about the same length
#' @param count The last number.
#' @param parts At most how many runs.
#' @return A list of pairs, the first and the last number of each.
#' @noRd
split_evenly <- function(count, parts) {
  ends <- unique(round(count * seq(0, 1, length.out = max(parts, 1) + 1)))
  Map(function(before, last) as.integer(c(before + 1, last)), ends[-length(ends)], ends[-1])
}

#' What a worker does
#'
#' @param run The first and the last tile.
#' @param A,options As in `local_blocks()`.
#' @param errand As in `block_answers()`.
#' @param room How many entries to read at a time.
#' @return A list of numeric vectors.
#' @noRd
answer_run <- function(run, A, options, errand, room) {
  blocks <- local_blocks(A, list(BPPARAM = NULL), call = NULL, room = room)
  answers <- core_answer(blocks$core, options, errand, run[1], run[2])
  if (!is.null(blocks$failure)) {
    stop(conditionMessage(blocks$failure), call. = FALSE)
  }
  core_value(answers, call = NULL)
}

#' Note the first failure of what reads a matrix, which is R's or a worker's
#'
#' @param blocks What `local_blocks()` returned.
#' @param work Function of it.
#' @return What `work` returned, or `NULL`.
#' @noRd
noting_failure <- function(blocks, work) {
  failed <- function(condition) {
    blocks$failure <- condition
    NULL
  }
  tryCatch(work(blocks), error = failed, interrupt = failed)
}

#' Raise the error that a matrix could not be read
#'
#' @param failure The condition that told so, or `NULL`: then nothing is raised.
#' @param call The user's call.
#' @param fit The fit so far, or `NULL`.
#' @return Nothing of use.
#' @noRd
signal_failure <- function(failure, fit = NULL, call = caller_env()) {
  if (is.null(failure)) {
    return(invisible())
  }
  so_far <- if (is.null(fit)) {
    c(i = "No factor was complete.")
  } else {
    c(i = "The field {.field fit} of this condition has the factors that were complete; go on from
           them by {.code init}.")
  }
  if (inherits(failure, "interrupt")) {
    abort_nmu(c("The fit was interrupted.", so_far), "interrupted", call = call, fit = fit)
  }
  abort_nmu(
    c("A block of {.arg A} could not be read, or a worker failed.", so_far),
    kind = "blocks", call = call, fit = fit, parent = failure
  )
}

#' Refuse what cannot be done with a matrix where it is
#'
#' @param A What `as_storage()` returned.
#' @param underapprox Is a certified underapproximation asked for?
#' @param control The settings.
#' @param call The user's call.
#' @return Nothing of use.
#' @noRd
check_place <- function(A, control, underapprox = FALSE, call = caller_env()) {
  if (!is_delayed(A) && !is.null(control$BPPARAM)) {
    expected <- paste(
      "a DelayedMatrix where BPPARAM is given, such as DelayedArray::DelayedArray(A)",
      "(a matrix in memory has threads)"
    )
    abort_input("A", expected, describe(A), call = call)
  }
  if (is_delayed(A) && underapprox) {
    expected <- "FALSE where A is not in memory, since it takes working copies of A"
    abort_input("underapprox", expected, "TRUE", call = call)
  }
}

#' How factors compare with the open matrix
#'
#' @param blocks What `local_blocks()` returned.
#' @param options What the core is to know.
#' @param call The user's call.
#' @return The certificate, or `NULL` where the matrix could not be read or the user interrupted.
#' @noRd
open_certificate <- function(blocks, options, call = caller_env()) {
  if (!is.null(blocks$failure)) {
    return(NULL)
  }
  certificate <- core_value_or_null(core_certificate(blocks$core, options), call = call)
  if (is.null(blocks$failure)) certificate
}
