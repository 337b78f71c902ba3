# The share of the squared norm that factors explain, beside that of the best approximation of the
# same rank.

quick <- nmu_control(maxiter = 4)
shares_of <- function(A, K, ...) {
  silently(nmu(A, K = K, refine = FALSE, control = quick, ...))$certificate
}
best_by_svd <- function(A, K) {
  squares <- svd(as.matrix(A), 0, 0)$d^2
  cumsum(c(squares, numeric(K))[seq_len(K)]) / sum(squares)
}

set.seed(81)
low <- tcrossprod(matrix(rexp(240), 60), matrix(rexp(160), 40)) + matrix(rexp(2400), 60)
indefinite <- local({
  noise <- matrix(rnorm(3600), 60)
  tcrossprod(matrix(rexp(120), 60)) - 3 * tcrossprod(rnorm(60)) + noise + t(noise)
})
sparse <- Matrix::rsparsematrix(300, 120, 0.05, rand.x = stats::rexp)
matrices <- list(
  low, t(low), indefinite, sparse, Matrix::t(sparse), 1e140 * low, 1e-140 * low,
  matrix(rnorm(5000), 100), -low, outer(1:9, 1:7), diag(30), matrix(1:3, 3), matrix(2, 1, 1),
  as.matrix(Matrix::bdiag(low, low)), Matrix::bdiag(low, low, 0.5 * low)
)

test_that("the best shares are lower bounds of those by svd(), within the tolerance", {
  for (A in matrices) {
    for (K in unique(pmin(c(1, 3, 8), length(A)))) {
      found <- shares_of(A, K)$best
      expected <- best_by_svd(A, K)
      expect_length(found, K)
      expect_true(all(found <= expected + 1e-12))
      # each sum lacks no more than the last one may
      expect_lte(max(expected - found), 5e-3 * expected[K])
    }
  }
})

test_that("matrices near low rank are exact to the tolerance", {
  for (A in list(low, t(low), indefinite, as.matrix(Matrix::bdiag(low, low)))) {
    expect_close(shares_of(A, 4)$best[4], best_by_svd(A, 4)[4], 2e-4)
  }
})

test_that("more factors than dimensions explain everything", {
  A <- matrix(rexp(24), 6)
  expect_equal(shares_of(A, 7)$best[4:7], rep(1, 4))
  expect_equal(shares_of(A, 7)$best, best_by_svd(A, 7))
  expect_equal(shares_of(tcrossprod(A), 8)$best, best_by_svd(tcrossprod(A), 8))
})

test_that("the explained share is that of the fitted values", {
  for (A in list(low, indefinite, replace(low, 5:9, NA))) {
    fit <- silently(nmu(A, K = 2))
    seen <- !is.na(A)
    expected <- 1 - sum((A - fitted(fit))[seen]^2) / sum(A[seen]^2)
    expect_equal(fit$certificate$explained, expected, tolerance = 1e-12)
    expect_equal(fit$certificate$explained, 1 - fit$certificate$error^2, tolerance = 1e-12)
  }
  zero <- nmu(matrix(0, 3, 4), K = 2)$certificate
  expect_identical(zero[c("explained", "best")], list(explained = NA_real_, best = c(NA, NA_real_)))
})

test_that("the best share is not known where entries are left out", {
  unknown <- c(NA_real_, NA_real_)
  expect_identical(shares_of(replace(low, 3, NA), 2)$best, unknown)
  sparse@x[3] <- NA
  expect_identical(shares_of(sparse, 2)$best, unknown)
  expect_identical(shares_of(indefinite, 2, ignore_diag = TRUE)$best, unknown)
})

test_that("shares do not depend on threads, on storage, nor on whether data are kept", {
  certificate <- function(A, ...) nmu(A, K = 3, control = nmu_control(maxiter = 4, ...))$certificate
  disk <- requireNamespace("DelayedArray", quietly = TRUE)
  for (A in list(low, indefinite, tcrossprod(matrix(rexp(1200), 400)))) {
    one <- silently(certificate(A, threads = 1))
    expect_identical(silently(certificate(A, threads = some_threads(3))), one)
    expect_identical(silently(certificate(A, keep_data = FALSE)), one)
    if (disk) expect_identical(silently(certificate(DelayedArray::DelayedArray(A))), one)
  }
})

test_that("a subset of factors has the shares of its rank", {
  fit <- nmu(low, K = 3)
  expect_identical(fit[1:2]$certificate$best, fit$certificate$best[1:2])
  expect_lt(fit[1]$certificate$explained, fit$certificate$explained)
  for (noise in list(noise_notebook(), noise_fixed(1, 1))) {
    expect_length(silently(nmu(low, K = 2, noise = noise))$certificate$best, 2)
  }
  expect_identical(nmu(low, K = 2, underapprox = TRUE)$certificate$best, shares_of(low, 2)$best)
})

test_that("summary and glance show both shares", {
  fit <- nmu(low, K = 3)
  shares <- sprintf("%.1f", 100 * c(fit$certificate$explained, fit$certificate$best[3]))
  text <- sprintf(
    "explained: %s %% of the squared norm (best rank 3: %s %%)", shares[1], shares[2]
  )
  expect_output(print(summary(fit)), text, fixed = TRUE)
  missing <- nmu(replace(low, 3, NA), K = 3)
  expect_output(print(summary(missing)), "of the squared norm\n", fixed = TRUE)
  skip_if_not_installed("generics")
  row <- generics::glance(fit)
  expect_identical(row$explained, fit$certificate$explained)
  expect_identical(row$best_explained, fit$certificate$best[3])
  expect_identical(generics::glance(missing)$best_explained, NA_real_)
  em <- generics::glance(nmu_em(low, 1, 1))
  expect_identical(c(em$explained, em$best_explained), c(NA_real_, NA_real_))
})

test_that("a message names the remedies where little is explained", {
  set.seed(6)
  size <- tcrossprod(matrix(rexp(120), 40), matrix(rexp(90), 30))
  counts <- round(5 * size * exp(rnorm(1200)))
  loud <- nmu_control(verbose = TRUE)
  message <- expect_message(
    fit <- nmu(counts, control = loud), class = "nmu_message_explained"
  )
  text <- gsub("\\s+", " ", cli::ansi_strip(conditionMessage(message)))
  shares <- sprintf("%.0f", 100 * c(fit$certificate$explained, fit$certificate$best))
  expected <- "The factors explain %s %% of the squared norm of `A`, the best .* rank 1 %s %%"
  expect_match(text, sprintf(expected, shares[1], shares[2]))
  expect_match(text, "`log1p(A)`; otherwise try another `K`", fixed = TRUE)
  expect_no_message(nmu(log1p(counts), control = loud), class = "nmu_message_explained")
  expect_no_message(nmu(counts, control = nmu_control(verbose = FALSE)))
  # no logarithm of negative entries
  message <- expect_message(
    suppressMessages(
      nmu(stats::cor(swiss), control = loud),
      classes = paste0("nmu_message_", c("symmetric", "negative"))
    ),
    class = "nmu_message_explained"
  )
  text <- gsub("\\s+", " ", cli::ansi_strip(conditionMessage(message)))
  expect_no_match(text, "log1p")
  expect_match(text, "do not explain negative entries; for the others, try another `K`")
})
