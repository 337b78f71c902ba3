# Rows and columns with few observed entries: fitted values and predictions stay in range, and a
# message says which they are.

# A matrix with random missing entries, some rows with 0, 1 or 2 observed ones.
with_gaps <- function(rows, columns, rank) {
  A <- tcrossprod(matrix(rexp(rows * rank), rows), matrix(rexp(columns * rank), columns)) +
    matrix(rexp(rows * columns, 5), rows)
  A[sample(length(A), stats::runif(1, 0.1, 0.6) * length(A))] <- NA
  for (observed in 0:2) {
    A[observed + 1, sample(columns, columns - observed)] <- NA
  }
  A
}

in_range <- function(values, missing, ...) {
  largest <- max(0, ..., na.rm = TRUE)
  expect_lte(max(0, values[missing], na.rm = TRUE), 2 * largest * (1 + 1e-12))
  expect_gte(min(values, 0, na.rm = TRUE), 0)
}

test_that("fitted values and predictions at missing entries stay in range", {
  skip_on_cran()
  for (seed in 1:100) {
    set.seed(seed)
    rank <- sample(1:4, 1)
    A <- with_gaps(sample(8:20, 1), sample(6:15, 1), rank)
    priors <- if (seed %% 10 == 0) "exponential" else "flat"
    fit <- silently(nmu(A, K = sample(1:5, 1), prior = priors))
    if (priors == "flat") in_range(fitted(fit), is.na(A), A)
    new <- with_gaps(6, ncol(A), rank)
    # with a very small sigma the maximum of a row may not be reached
    found <- suppressWarnings(predict(fit, new, type = "fitted"), classes = "nmu_warning_predict")
    for (row in seq_len(nrow(new))) {
      in_range(found[row, ], is.na(new[row, ]), A, new[row, ])
    }
    empty <- rowSums(!is.na(new)) == 0
    expect_true(empty[1] && all(is.na(found[empty, ])) && !anyNA(found[!empty, ]))
  }
})

test_that("rows are predicted independently, and complete rows without a bound", {
  set.seed(91)
  A <- tcrossprod(matrix(rexp(40), 20), matrix(rexp(24), 12)) + matrix(rexp(240, 5), 20)
  fit <- nmu(A, K = 2)
  new <- with_gaps(5, 12, 2)
  for (row in 1:5) {
    one <- new[row, , drop = FALSE]
    expect_identical(predict(fit, one)[1, ], predict(fit, new)[row, ])
  }
  # a large row is extrapolated, and so is one whose observed entries are large
  expect_gt(max(predict(fit, 100 * A[1:2, ], type = "fitted")), 50 * max(A[1:2, ]))
  half <- replace(100 * A[1, , drop = FALSE], 1:3, NA)
  expect_gt(max(predict(fit, half, type = "fitted")), 50 * max(A[1, ]))
})

test_that("predictions from the entries of a weak column are bounded", {
  # the only observed entry is where the factor is small
  fit <- nmu(outer(c(1, 2, 3, 4), c(0.01, 1, 2)))
  found <- predict(fit, rbind(c(1, NA, NA)), type = "fitted")
  expect_lte(max(found[-1]), 2 * 8)
  single <- nmu_em(outer(c(1, 2, 3, 4), c(0.01, 1, 2)), 10, 0.1)
  expect_lte(max(predict(single, rbind(c(1, NA, NA)), type = "fitted")[-1]), 16)
})

few <- function(code) {
  message <- expect_message(code, class = "nmu_message_few_observed")
  gsub("\\s+", " ", cli::ansi_strip(conditionMessage(message)))
}

test_that("a message names rows and columns with fewer observed entries than factors", {
  set.seed(92)
  A <- tcrossprod(matrix(rexp(40), 20), matrix(rexp(24), 12)) + matrix(rexp(240, 5), 20)
  dimnames(A) <- list(paste0("r", 1:20), NULL)
  A[2, -4] <- NA
  A[c(3, 5:7), 8] <- NA
  loud <- nmu_control(verbose = TRUE)
  hushed <- function(code) {
    suppressMessages(code, classes = paste0("nmu_message_", c("missing", "explained", "bound")))
  }
  text <- few(hushed(fit <- nmu(A, K = 2, control = loud)))
  expect_match(text, "than there are factors, 2, in 1 row (\"r2\").", fixed = TRUE)
  A[-(1:3), 9] <- NA
  A[3, ] <- A[4, ] <- A[9, ] <- NA
  text <- few(hushed(nmu(A, K = 2, control = loud)))
  rows <- "4 rows (\"r2\", \"r3\", \"r4\", ...) and 1 column (9)"
  expect_match(text, rows, fixed = TRUE)
  # the same from a sparse matrix and from disk
  sparse <- methods::as(A, "dgCMatrix")
  expect_match(few(hushed(nmu(sparse, K = 2, control = loud))), rows, fixed = TRUE)
  if (requireNamespace("DelayedArray", quietly = TRUE)) {
    disk <- DelayedArray::DelayedArray(A)
    expect_match(few(hushed(nmu(disk, K = 2, control = loud))), rows, fixed = TRUE)
  }
  expect_no_message(nmu(A, K = 2))
  # with one factor, only empty rows have too few
  expect_match(few(hushed(nmu(A, K = 1, control = loud))), "3 rows (\"r3\"", fixed = TRUE)

  new <- A[c(1, 2, 10), ]
  expect_match(few(predict(fit, new)), "2, in 1 row (\"r2\")", fixed = TRUE)
  expect_no_message(predict(fit, new[c(1, 3), ]))
  fit$control$verbose <- FALSE
  expect_no_message(predict(fit, new))
})

test_that("complete rows, however short, give no message about few entries", {
  loud <- nmu_control(verbose = TRUE)
  A <- matrix(rexp(20), 10)
  expect_no_message(
    suppressWarnings(fit <- nmu(A, K = 3, control = loud)), class = "nmu_message_few_observed"
  )
  expect_no_message(predict(fit, A))
  # the diagonal does not count where it is ignored
  S <- tcrossprod(matrix(rexp(30), 10))
  S[1, 3:10] <- S[3:10, 1] <- NA
  hushed <- function(code) {
    suppressMessages(code, classes = paste0("nmu_message_", c("missing", "symmetric", "bound")))
  }
  ignoring <- function(...) hushed(nmu(S, K = 2, control = loud, ...))
  expect_no_message(ignoring(), class = "nmu_message_few_observed")
  expect_match(few(ignoring(ignore_diag = TRUE)), "in 1 row (1)", fixed = TRUE)
})
