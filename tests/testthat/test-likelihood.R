# One factor planted in exponential and normal noise, symmetric.
planted <- function(n, lambda, sigma, strength, size = n %/% 3) {
  u <- rep(c(1, 0), c(size, n - size)) / sqrt(size)
  noise <- matrix(rexp(n^2, lambda) + rnorm(n^2, 0, sigma), n)
  noise[lower.tri(noise)] <- t(noise)[lower.tri(noise)]
  structure(strength * tcrossprod(u) + noise, u = u)
}

test_that("a planted factor, lambda and sigma are recovered, symmetric or not", {
  set.seed(41)
  A <- planted(120, 2, 0.3, 60)
  for (symmetric in c(TRUE, FALSE)) {
    fit <- nmu(A[, ], symmetric = symmetric)
    expect_true(fit$converged)
    expect_gt(sum(fit$u * attr(A, "u")), 0.99)
    expect_lt(abs(log(fit$lambda / 2)), 0.1)
    expect_lt(abs(log(fit$sigma / 0.3)), 0.1)
  }
})

test_that("estimates improve with more data", {
  errors <- function(n) {
    rowMeans(vapply(1:4, FUN.VALUE = numeric(3), FUN = function(seed) {
      set.seed(seed)
      A <- planted(n, 2, 0.3, n / 2)
      fit <- suppressMessages(nmu(A[, ]))
      c(1 - sum(fit$u * attr(A, "u")), abs(log(c(fit$lambda / 2, fit$sigma / 0.3))))
    }))
  }
  found <- vapply(c(20, 60, 180), errors, numeric(3))
  expect_true(all(apply(found, 1, diff) < 0))
  expect_lt(max(found[, 3]), 0.05)
})

test_that("the log-likelihood is that of the residual, and never decreases within a stage", {
  set.seed(42)
  A <- planted(40, 1, 0.5, 20)[, ]
  fit <- nmu(A)
  residual <- A - fit$d * tcrossprod(fit$u)
  expect_close(sum(demg(residual, fit$lambda, fit$sigma, log = TRUE)) / 2, fit$loglik, 1e-10)
  expect_rising(fit$trace, fit$loglik)
  expect_rising(fit$refit$trace, fit$loglik)
  # no other lambda and sigma have a higher log-likelihood
  for (factor in c(0.99, 1.01)) {
    for (noise in list(c(factor, 1), c(1, factor))) {
      other <- demg(residual, fit$lambda * noise[1], fit$sigma * noise[2], log = TRUE)
      expect_lt(sum(other) / 2, fit$loglik)
    }
  }
})

test_that("results do not depend on the scale, on the order of rows or on threads", {
  set.seed(43)
  A <- planted(40, 2, 0.3, 25)[, ]
  fit <- nmu(A, K = 2)
  expect_identical(nmu(A * 2^40, K = 2)$u, fit$u)
  expect_identical(nmu(A, K = 2, control = nmu_control(threads = some_threads(3)))$u, fit$u)
  for (scale in c(1e-100, 3, 1e100)) {
    scaled <- nmu(A * scale, K = 2)
    expect_close(scaled$u, fit$u, 1e-8)
    expect_close(scaled$d / scale, fit$d, 1e-8)
    expect_close(scaled$lambda * scale, fit$lambda, 1e-8)
    expect_close(scaled$sigma / scale, fit$sigma, 1e-8)
    expect_close(scaled$loglik + fit$nobs * log(scale), fit$loglik, 1e-8)
  }
  order <- sample(40)
  expect_close(nmu(A[order, order], K = 2)$u, fit$u[order, ], 1e-8)
})

test_that("missing entries and an ignored diagonal are left out", {
  set.seed(44)
  A <- planted(60, 2, 0.3, 30)
  u <- attr(A, "u")
  A <- A[, ]
  diag(A) <- diag(A) + 100
  expect_gt(sum(nmu(A, ignore_diag = TRUE)$u * u), 0.98)
  expect_identical(nmu(A, ignore_diag = TRUE)$nobs, 60 * 59 / 2)
  hollow <- A
  diag(hollow) <- NA
  expect_close(nmu(hollow)$u, nmu(A, ignore_diag = TRUE)$u, 1e-12)
  B <- A - diag(100, 60)
  B[sample(3600, 400)] <- NA
  fit <- nmu(B, symmetric = FALSE)
  expect_identical(fit$nobs, 3200)
  expect_gt(sum(fit$u * u), 0.98)
  expect_identical(nmu(rbind(NA, A[1:5, ]))$u[[1, 1]], 0)
})

test_that("lambda and sigma are those of the estimators", {
  set.seed(45)
  A <- planted(80, 2, 0.3, 40)[, ]
  moments <- nmu(A, noise = "moments")
  residual <- A - moments$d * tcrossprod(moments$u)
  expect_close(1 / moments$lambda, mean(residual), 1e-6)
  expect_close(moments$sigma^2, mean(residual^2) - 2 * mean(residual)^2, 1e-5)
  fixed <- nmu(A, noise = noise_fixed(2, 0.3))
  expect_identical(c(fixed$path$bound, fixed$status), c("none", "converged"))
  expect_equal(c(fixed$lambda, fixed$sigma), c(2, 0.3))
  # maximum likelihood is at least as high as the moment estimates for the same factor
  expect_gt(nmu(A)$loglik, moments$loglik)
})

test_that("degenerate matrices have defined results", {
  quiet <- function(A, ...) silently(nmu(A, ...))
  zero <- quiet(matrix(0, 4, 4))
  expect_identical(c(zero$d, zero$u), rep(0, 5))
  for (size in c(3, 30)) {
    negative <- quiet(matrix(-2, size, size))
    expect_identical(c(negative$d, negative$status), c("0", "converged"))
    expect_identical(negative$path$status, "null")
    # lambda = 3/sigma, at its bound, and the maximum likelihood sigma given it
    loglik <- function(sigma) mean(demg(-2, 3 / sigma, sigma, log = TRUE))
    expect_close(negative$sigma, optimize(loglik, c(0.1, 10), maximum = TRUE)$maximum, 1e-4)
  }
  exact <- quiet(tcrossprod(1:4))
  expect_gt(sum(exact$u * (1:4)) / sqrt(30), 0.999) # sigma stops at its floor
  expect_true(exact$path$bound %in% c("sigma", "both"))
  for (A in list(matrix(2), matrix(c(1, 2, 4), 1), matrix(5, 4, 4))) {
    fit <- quiet(A)
    expect_true(all(is.finite(c(fit$d, fit$u, fit$v, fit$lambda, fit$sigma, fit$loglik))))
  }
})

test_that("an ignored diagonal does not let a loading diverge", {
  A <- Harman74.cor$cov
  fit <- nmu(A, K = 6, ignore_diag = TRUE)
  expect_true(fit$converged)
  off <- A[row(A) != col(A)]
  expect_true(all(fit$d * apply(fit$u, 2, max)^2 <= 4 * max(off) * (1 + 1e-12)))
  # a single row whose fit improves with its loading
  star <- matrix(0.01, 6, 6)
  star[1, ] <- star[, 1] <- 1
  expect_lte(suppressMessages(nmu(star, ignore_diag = TRUE))$d, 4 * (1 + 1e-12) + 1)
})

test_that("a certified underapproximation uses observed entries, and lambda is by the estimator", {
  set.seed(21)
  A <- random_matrix(20, symmetric = TRUE)
  certified <- function(A, ...) suppressMessages(nmu(A, underapprox = TRUE, ...))
  expect_equal(nobs(certified(A)), 200)
  expect_equal(nobs(certified(A, ignore_diag = TRUE)), 190)
  expect_equal(nobs(certified(replace(A, cbind(1:2, 2:1), NA))), 199)
  moments <- certified(sim_blocks(), noise = "moments")
  x <- residuals(moments)
  expect_identical(moments$refit$bound, "none")
  expect_equal(moments$lambda, 1 / mean(x))
  expect_equal(moments$sigma, sqrt(mean(x^2) - 2 * mean(x)^2))
})

test_that("user functions named $ or Dim have no effect", {
  A <- random_matrix(6, 5)
  expected <- nmu(A)
  assign("$", function(...) stop("not yours"), globalenv())
  on.exit(rm("$", envir = globalenv()))
  expect_identical(nmu(A)$d, expected$d)
  attr(A, "Dim") <- c(1L, 1L)
  expect_identical(nmu(A)$d, expected$d)
})
