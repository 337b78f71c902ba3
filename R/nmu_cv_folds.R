# Folds of a cross-validation: checked if given, or assigned at random.

#' Check the folds, or assign entries to folds
#'
#' @param folds A count, or a matrix.
#' @param observed Logical matrix: the entries that may be held out.
#' @param symmetric Is the matrix treated as symmetric?
#' @return An integer matrix; `NA` marks entries that are never held out.
#' @noRd
check_folds <- function(folds, observed, symmetric, call = caller_env()) {
  if (is.matrix(folds) && length(folds) > 1) {
    return(check_fold_matrix(folds, observed, symmetric, call = call))
  }
  units <- sum(if (symmetric) observed & upper.tri(observed, diag = TRUE) else observed)
  expected <- "two or larger, or a matrix of the folds of entries"
  if (!is_number(folds) || folds < 2 || folds != floor(folds)) {
    abort_input("folds", paste("one whole number,", expected), describe(folds), call = call)
  }
  if (folds > units) {
    expected <- sprintf("at most the number of entries that can be held out, %.0f", units)
    abort_input("folds", expected, describe(folds), call = call)
  }
  assignment <- keep_margins(assign_folds(observed, folds, symmetric), observed)
  held_out <- tabulate(assignment, folds)
  if (any(held_out == 0)) {
    expected <- "a number for which each row and column keeps an observed entry in each fold"
    found <- sprintf("%.0f, which leaves fold %d empty", folds, which(held_out == 0)[1])
    abort_input("folds", expected, found, call = call)
  }
  assignment
}

#' Check folds given as a matrix
#'
#' @inheritParams check_folds
#' @return An integer matrix.
#' @noRd
check_fold_matrix <- function(folds, observed, symmetric, call = caller_env()) {
  if (!identical(dim(folds), dim(observed))) {
    expected <- sprintf("a count, or a %d x %d matrix like A", nrow(observed), ncol(observed))
    abort_input("folds", expected, describe(folds), call = call)
  }
  known <- folds[!is.na(folds)]
  expected <- "a matrix of positive whole numbers, or NA for entries that are never held out"
  if (!is.numeric(folds) || is.object(folds)) {
    abort_input("folds", expected, describe(folds), call = call)
  }
  bad <- known < 1 | known != floor(known) | known > .Machine$integer.max
  if (any(bad)) {
    abort_input("folds", expected, describe(known[bad][1]), call = call)
  }
  if (symmetric && !identical(unname(folds), t(unname(folds)))) {
    abort_input("folds", "symmetric where A is symmetric", "an asymmetric matrix", call = call)
  }
  assignment <- matrix(as.integer(folds), nrow(folds))
  assignment[!observed] <- NA
  held_out <- table(factor(assignment, sort(unique(known))))
  found <- if (length(held_out) == 0) {
    "only NA"
  } else if (any(held_out == 0)) {
    sprintf("no observed entry in fold %s", names(held_out)[held_out == 0][1])
  } else if (any(held_out == sum(observed))) {
    "all observed entries in one fold"
  }
  if (!is.null(found)) {
    expected <- "a matrix whose folds each hold out some, but not all observed entries"
    abort_input("folds", expected, found, call = call)
  }
  assignment
}

#' Assign entries to folds at random, balanced within rows and columns
#'
#' @param observed Logical matrix: the entries to assign.
#' @param count Number of folds.
#' @param symmetric Do pairs go together?
#' @return An integer matrix; `NA` for the other entries.
#' @noRd
assign_folds <- function(observed, count, symmetric) {
  assignment <- matrix(NA_integer_, nrow(observed), ncol(observed))
  tallies <- matrix(0L, nrow(observed), count)
  for (column in sample.int(ncol(observed))) {
    rows <- which(observed[, column] & is.na(assignment[, column]))
    own <- if (symmetric) tallies[column, ] else integer(count)
    sizes <- fold_sizes(own, length(rows))
    chosen <- balanced_folds(tallies[rows, , drop = FALSE], sizes)
    assignment[rows, column] <- chosen
    places <- cbind(rows, chosen)
    tallies[places] <- tallies[places] + 1L
    if (symmetric) {
      assignment[column, rows] <- chosen
      tallies[column, ] <- tallies[column, ] + sizes
    }
  }
  assignment
}

#' Numbers of new entries of a column for each fold, such that its totals are as equal as possible
#'
#' @param own Numbers of its entries that are assigned already.
#' @param count The number of new ones.
#' @return Whole numbers with the sum `count`.
#' @noRd
fold_sizes <- function(own, count) {
  levels <- outer(own, seq_len(count), "+")
  fold <- row(levels)
  first <- order(levels, stats::runif(length(levels)))[seq_len(count)]
  tabulate(fold[first], length(own))
}

#' Assign entries of a column to folds that have few entries of their rows
#'
#' @param tallies A row for each entry, a column for each fold: how many entries of that row are in
#'   the fold.
#' @param sizes The number of entries for each fold.
#' @return The fold of each entry.
#' @noRd
balanced_folds <- function(tallies, sizes) {
  chosen <- rep(NA_integer_, nrow(tallies))
  for (fold in sample.int(length(sizes))) {
    free <- which(is.na(chosen))
    # rows with few entries in this fold, compared with their others
    excess <- tallies[free, fold] - rowMeans(tallies[free, , drop = FALSE])
    taken <- order(excess, stats::runif(length(free)))[seq_len(sizes[fold])]
    chosen[free[taken]] <- fold
  }
  chosen
}

#' Release the entries of rows and columns that a fold holds out altogether
#'
#' @param assignment Value of `assign_folds()`.
#' @param observed Logical matrix.
#' @return `assignment`, with more `NA`.
#' @noRd
keep_margins <- function(assignment, observed) {
  for (fold in seq_len(max(assignment, na.rm = TRUE))) {
    inside <- assignment %in% fold
    dim(inside) <- dim(assignment)
    rows <- rowSums(inside) > 0 & rowSums(inside) == rowSums(observed)
    columns <- colSums(inside) > 0 & colSums(inside) == colSums(observed)
    assignment[inside & outer(rows, columns, "|")] <- NA
  }
  assignment
}
