# A matrix of groups with noise, mostly zero.
sparse_data <- function(n, p = NULL, share = 0.15) {
  groups <- matrix(rbinom(n * 3, 1, 0.4), n)
  others <- if (is.null(p)) groups else matrix(rbinom(p * 3, 1, 0.4), p)
  A <- tcrossprod(groups, others) + rexp(n * nrow(others))
  A[runif(length(A)) > share] <- 0
  if (is.null(p)) (A + t(A)) / 2 else A
}

set.seed(4)
square <- sparse_data(60)
general <- sparse_data(50, 40)

# Expects two fits that are equal up to rounding.
expect_same_fit <- function(found, expected, tolerance = 1e-9) {
  expect_identical(nrow(found$trace), nrow(expected$trace))
  for (part in c("d", "u", "v", "lambda", "sigma", "loglik")) {
    expect_equal(found[[part]], expected[[part]], tolerance = tolerance)
  }
  expect_equal(found$certificate, expected$certificate, tolerance = 10 * tolerance)
}

# Two factors and an exponential remainder, which is not the default for mostly zeros
with_b <- function(A, ...) silently(nmu(A, 2, prior_b = "exponential", ...))

test_that("a sparse fit is that of the dense matrix", {
  # few iterations, so that rounding errors stay small
  control <- nmu_control(maxiter = 15)
  for (A in list(square, general)) {
    sparse <- methods::as(A, "CsparseMatrix")
    for (noise in list(noise_mle(floor = 0.5), noise_moments(), noise_fixed(2, 0.5))) {
      fit <- function(A, ...) with_b(A, noise = noise, control = control, ...)
      expect_same_fit(fit(sparse, refine = FALSE), fit(A, refine = FALSE))
      # rounding errors grow through the many short stages of a joint fit, until it has converged
      jointly <- function(A) with_b(A, noise = noise)
      expect_same_fit(jointly(sparse), jointly(A), tolerance = 1e-6)
    }
    fit <- function(A, ...) with_b(A, control = control, ...)
    expect_same_fit(fit(sparse, prior = "binary"), fit(A, prior = "binary"))
    # the likelihood has many maxima, between which rounding may decide unless the start is given
    with_spike <- function(A, ...) {
      silently(nmu(A, 2, prior_b = prior_point_exponential(0.5), control = control, ...))
    }
    path <- with_spike(A, refine = FALSE)
    expect_same_fit(with_spike(sparse, refine = FALSE), path, tolerance = 1e-7)
    start <- if (path$symmetric) list(u = path$u) else list(u = path$u, v = path$v)
    expect_same_fit(
      with_spike(sparse, init = start), with_spike(A, init = start),
      tolerance = 1e-7
    )
    expect_equal(nmu_em(sparse, 1, 0.5)$u, nmu_em(A, 1, 0.5)$u, tolerance = 1e-9)
    found <- nmu_em_estlambda(sparse)
    expected <- nmu_em_estlambda(A)
    for (part in c("d", "u", "v", "lambda", "sigma", "loglik")) {
      expect_equal(found[[part]], expected[[part]], tolerance = 1e-9)
    }
    expect_null(found$b)
    expect_equal(unname(nmu_em(sparse, 1, 0.5, keep_b = TRUE)$b), unname(nmu_em(A, 1, 0.5)$b))
  }
})

test_that("every class of sparse matrix is converted", {
  A <- (square > 0) * 1
  sparse <- methods::as(A, "CsparseMatrix")
  d <- suppressMessages(nmu(sparse, prior_b = "exponential")$d)
  expect_equal(d, suppressMessages(nmu(A, prior_b = "exponential")$d), tolerance = 1e-7)
  path_d <- suppressMessages(nmu(A, prior_b = "exponential", refine = FALSE)$d)
  classes <- c("generalMatrix", "TsparseMatrix", "RsparseMatrix", "nMatrix", "lMatrix", "dsCMatrix")
  for (class in classes) {
    other <- if (class == "dsCMatrix") sparse else methods::as(sparse, class)
    expect_identical(suppressMessages(nmu(other, prior_b = "exponential")$d), d)
    path <- suppressMessages(nmu(other, prior_b = "exponential", refine = FALSE))
    expect_equal(path$d, path_d, tolerance = 1e-9)
  }
  # duplicate triplets are summed, and stored zeros are zeros
  triplets <- Matrix::sparseMatrix(
    i = c(1, 1, 2, 3), j = c(1, 1, 2, 1), x = c(1, 2, 4, 0), dims = c(3, 3), repr = "T"
  )
  expect_equal(
    silently(nmu(triplets)$d), silently(nmu(diag(c(3, 4, 0)))$d), tolerance = 1e-6
  )
  stored <- methods::as(Matrix::Diagonal(3, 1:3), "CsparseMatrix")
  expect_identical(
    suppressMessages(nmu(Matrix::Diagonal(3, 1:3))$d), suppressMessages(nmu(stored)$d)
  )
  empty <- Matrix::sparseMatrix(i = integer(), j = integer(), x = numeric(), dims = c(4, 3))
  expect_identical(suppressMessages(nmu(empty)$d), 0)
})

test_that("missing entries and an ignored diagonal of sparse matrices are left out", {
  A <- square
  A[3, 7] <- A[7, 3] <- NA
  control <- nmu_control(maxiter = 10)
  # a joint fit would have several stages of this length, through which rounding errors grow
  fit <- function(A, ...) with_b(A, refine = FALSE, control = control, ...)
  expect_same_fit(fit(methods::as(A, "CsparseMatrix")), fit(A))
  sparse <- methods::as(square, "CsparseMatrix")
  expect_same_fit(fit(sparse, ignore_diag = TRUE), fit(square, ignore_diag = TRUE))
  A <- general
  A[2:4, 5] <- NA
  expect_same_fit(fit(methods::as(A, "CsparseMatrix")), fit(A))
})

test_that("a loose interpolation changes a fit by little", {
  set.seed(5)
  A <- methods::as(sparse_data(300), "CsparseMatrix")
  fit <- function(...) {
    control <- nmu_control(maxiter = 5, ...)
    # a factor extends over a few sigma
    silently(nmu(A, noise = noise_fixed(2, 0.1), control = control))
  }
  loose <- fit(interpolation = 1e-4)
  expect_equal(loose$loglik, fit()$loglik, tolerance = 1e-4)
  expect_false(identical(loose$loglik, fit()$loglik))
  expect_identical(fit(interpolation = 1e-13)$loglik, fit()$loglik)
})

test_that("methods take sparse data", {
  sparse <- methods::as(general, "CsparseMatrix")
  fit <- suppressMessages(nmu(sparse, 2))
  expect_s4_class(fit$A, "dgCMatrix")
  expect_equal(residuals(fit), general - fitted(fit), ignore_attr = TRUE)
  expect_equal(residuals(fit, rows = 2:3, cols = 4), (general - fitted(fit))[2:3, 4, drop = FALSE],
    ignore_attr = TRUE
  )
  dense <- fit
  dense$A <- general
  expect_equal(posterior_b(fit, 1:3, 1:2)$mean, posterior_b(dense, 1:3, 1:2)$mean)
  expect_equal(standard_errors(fit), standard_errors(dense), tolerance = 1e-6)
  expect_equal(predict(fit, sparse[1:4, ]), predict(fit, general[1:4, ]))
  expect_output(print(summary(fit)), "2 factors")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_error(plot(fit, type = "matrices"))
  expect_no_error(plot(fit, type = "residuals"))
})

test_that("a large sparse matrix is never made dense", {
  n <- 5000
  A <- Matrix::sparseMatrix(i = 1:n, j = n:1, x = 1, dims = c(n, n))
  expect_warning(
    fit <- suppressMessages(nmu(A, noise = noise_fixed(10, 0.1))),
    class = "nmu_warning_null"
  )
  expect_error(residuals(fit), class = "nmu_error_input", regexp = "blocks")
  expect_identical(dim(residuals(fit, rows = 1:2)), c(2L, 5000L))
})

test_that("invalid sparse matrices are refused", {
  A <- methods::as(general, "CsparseMatrix")
  broken <- A
  broken@i[1] <- 100L
  for (verb in list(nmu, nmu_em)) {
    expect_refused(verb(broken), "A")
    expect_refused(verb(A[0, ]), "A")
    expect_refused(verb(replace(A, 1, Inf)), "A")
  }
})

test_that("planted communities are found with sigma fixed at the root mean square", {
  skip_on_cran()
  set.seed(1)
  n <- 2000
  group <- rep(1:5, length.out = n)
  from <- sample(n, 10 * n, replace = TRUE)
  within <- 5 * (sample(n / 5, 10 * n, replace = TRUE) - 1) + group[from]
  to <- ifelse(runif(10 * n) < 0.9, within, sample(n, 10 * n, replace = TRUE))
  kept <- from != to
  A <- Matrix::sparseMatrix(
    c(from[kept], to[kept]), c(to[kept], from[kept]),
    x = 1, dims = c(n, n)
  )
  A@x[] <- 1
  share <- length(A@x) / n^2
  noise <- noise_fixed(1 / share, sqrt(share))
  truth <- outer(group, 1:5, "==") * 1
  # converged well enough for loadings that agree to 1e-9
  control <- nmu_control(verbose = FALSE, tol = 1e-10)
  fit <- nmu(A, K = 5, "binary", noise, refine = FALSE, control = control)
  expect_gt(min(match_factors(fit, truth)$cosine), 0.95)
  dense <- nmu(as.matrix(A), K = 1, "binary", noise, refine = FALSE, control = control)
  expect_equal(fit$u[, 1], dense$u[, 1], tolerance = 1e-9, ignore_attr = TRUE)
})

test_that("missing entries and an ignored diagonal can be combined", {
  set.seed(9)
  A <- Matrix::rsparsematrix(12, 12, 0.4, symmetric = TRUE)
  A@x[1:2] <- NA
  fit <- function(A) suppressMessages(nmu(A, K = 1, ignore_diag = TRUE))
  expect_equal(fit(A)$d, fit(as.matrix(A))$d, tolerance = 1e-8)
  only <- Matrix::sparseMatrix(1:2, 2:1, x = NA_real_, dims = c(2, 2))
  expect_refused(nmu(only, ignore_diag = TRUE), "A")
})
