expect_same_fit <- function(fit, reference, bound = 1e-9) {
  expect_close(fit$u, reference$u, bound)
  if (!fit$symmetric) expect_close(fit$v, reference$v, bound)
  expect_close(fit$d, reference$d, bound)
  expect_close(fit$b, reference$b, bound)
  expect_close(fit$lambda, reference$lambda, bound)
  expect_close(fit$sigma, reference$sigma, bound)
  expect_close(fit$loglik, reference$loglik, bound)
}

settings <- list(c(1, 1), c(1, 0.1), c(5, 0.3), c(0.3, 0.5), c(20, 2))

test_that("fits agree with the reference, before and after convergence", {
  set.seed(11)
  symmetric <- lapply(c(7, 24), random_matrix, symmetric = TRUE)
  set.seed(12)
  general <- list(random_matrix(9, 5), random_matrix(6, 17), random_matrix(8, 8))
  for (A in c(symmetric, general)) {
    for (setting in settings) {
      for (maxiter in c(3, 400)) {
        fit <- nmu_em(A, setting[1], setting[2], maxiter = maxiter)
        expect_identical(fit$symmetric, isSymmetric(A))
        expect_same_fit(fit, reference_em(A, setting[1], setting[2], maxiter))
      }
    }
  }
})

test_that("re-estimated fits agree with the reference", {
  set.seed(13)
  for (A in list(random_matrix(15, symmetric = TRUE), random_matrix(12, 7))) {
    for (maxiter in c(3, 100)) {
      fit <- nmu_em_estlambda(A, maxiter = maxiter)
      expect_same_fit(fit, reference_em(A, 1, 0.1, maxiter, rounds = 5))
      expect_identical(fit$iterations, 5L * as.integer(maxiter))
      expect_length(fit$loglik, 5 * maxiter)
    }
  }
})

test_that("a symmetric matrix can be treated as a general one", {
  set.seed(14)
  A <- random_matrix(10, symmetric = TRUE)
  fit <- nmu_em(A, 1, 0.3, symmetric = FALSE)
  expect_false(fit$symmetric)
  expect_same_fit(fit, reference_em(A, 1, 0.3, 100, symmetric = FALSE))
})

test_that("the shape of a fit is that of the notebook", {
  set.seed(15)
  A <- random_matrix(6, symmetric = TRUE)
  fit <- nmu_em(A)
  expect_s3_class(fit, "nmu_em")
  expect_identical(names(fit)[1:3], c("u", "d", "b"))
  expect_null(fit$v)
  expect_true(is.numeric(fit$u) && is.null(dim(fit$u)))
  expect_identical(dim(fit$u %*% t(fit$u)), c(6L, 6L))
  expect_identical(dim(A - fit$d * fit$u %*% t(fit$u)), c(6L, 6L))
  expect_identical(dim(fit$b), c(6L, 6L))
  expect_length(fit$loglik, 100)
  expect_identical(fit$iterations, 100L)
  expect_identical(c(fit$lambda, fit$sigma), c(1, 1))
  expect_equal(sum(fit$u^2), 1)

  rectangular <- nmu_em(A[, 1:4])
  expect_identical(names(rectangular)[1:4], c("u", "d", "b", "v"))
  expect_length(rectangular$v, 4)
  expect_equal(sum(rectangular$v^2), 1)
})

test_that("dimnames travel to u, v and b", {
  A <- as.matrix(USArrests)[1:10, ]
  fit <- nmu_em(A, 0.1, 5)
  expect_named(fit$u, rownames(A))
  expect_named(fit$v, colnames(A))
  expect_identical(dimnames(fit$b), dimnames(A))

  square <- Harman74.cor$cov
  expect_named(nmu_em(square)$u, rownames(square))
  rownames(square) <- NULL
  expect_named(nmu_em(square)$u, colnames(square))
  expect_null(names(nmu_em(unname(square))$u))
})

test_that("elements that are not kept are left out", {
  set.seed(16)
  A <- random_matrix(8, symmetric = TRUE)
  full <- nmu_em(A)
  small <- nmu_em(A, keep_b = FALSE, trace = FALSE, control = nmu_control(keep_data = FALSE))
  expect_null(small$b)
  expect_null(small$A)
  expect_length(small$loglik, 0)
  for (part in c("u", "d", "lambda", "sigma")) expect_identical(small[[part]], full[[part]])
  expect_identical(full$A, A)
})

test_that("tol ends the iteration early, near the same result", {
  set.seed(17)
  A <- random_matrix(8, symmetric = TRUE)
  full <- nmu_em(A, 1, 0.3, maxiter = 1000)
  early <- nmu_em(A, 1, 0.3, maxiter = 1000, tol = 1e-8)
  loose <- nmu_em(A, 1, 0.3, maxiter = 1000, tol = 1e-3)
  expect_true(early$converged)
  expect_identical(early$status, "converged")
  expect_lt(early$iterations, 1000)
  expect_lt(loose$iterations, early$iterations)
  expect_length(early$loglik, early$iterations)
  expect_close(early$u, full$u, 1e-5)
})

test_that("a fit can be continued", {
  set.seed(18)
  A <- random_matrix(8, symmetric = TRUE)
  target <- nmu_em(A, 1, 0.3, maxiter = 2000)
  first <- nmu_em(A, 1, 0.3, maxiter = 200)
  for (init in list(first, list(u = first$u), first$u, matrix(7 * first$u), 1:8)) {
    expect_close(nmu_em(A, 1, 0.3, maxiter = 2000, init = init)$u, target$u, 1e-6)
  }
  B <- random_matrix(8, 5)
  target <- nmu_em(B, 1, 0.3, maxiter = 2000)
  first <- nmu_em(B, 1, 0.3, maxiter = 200)
  for (init in list(first, list(v = first$v, u = first$u), nmu(B))) {
    expect_close(nmu_em(B, 1, 0.3, maxiter = 2000, init = init)$v, target$v, 1e-6)
  }
})

test_that("init determines the first iteration", {
  A <- matrix(c(4, 1, 0, 1, 3, 1, 0, 1, 2), 3)
  fit <- nmu_em(A, 1, 1, maxiter = 1, init = c(0, 0, 1))
  expect_close(fit$u, c(0, 1, 2) / sqrt(5), 1e-15)
})

test_that("the iteration is deterministic and does not use the random number generator", {
  set.seed(19)
  A <- random_matrix(9, 6)
  before <- .Random.seed
  expect_identical(nmu_em(A)$u, nmu_em(A)$u)
  expect_identical(nmu_em(A, control = nmu_control(threads = 2))$u, nmu_em(A)$u)
  expect_identical(.Random.seed, before)
})

test_that("A is not modified", {
  set.seed(20)
  A <- random_matrix(9)
  copy <- A + 0
  nmu_em(A)
  nmu_em_estlambda(A)
  expect_identical(A, copy)
})

test_that("trivial matrices give the expected results", {
  one <- nmu_em(matrix(3), 1, 0.1)
  expect_identical(unname(one$u), 1)
  expect_close(one$d + one$b[1], 3, 0.1)

  zero <- nmu_em(matrix(0, 4, 4))
  expect_identical(zero$d, 0)
  expect_identical(zero$u, numeric(4))

  row <- nmu_em(matrix(c(1, 2, 3), 1), 10, 0.1)
  expect_identical(row$u, 1)
  expect_length(row$v, 3)

  # exact rank one: with b near zero, the factor itself
  u <- c(3, 4, 0) / 5
  exact <- nmu_em(7 * outer(u, u), 1e4, 0.1)
  expect_close(exact$u, u, 1e-5)
  expect_close(exact$d, 7, 1e-3)
})

test_that("a residual without a positive mean is a warning, with the fit so far", {
  A <- -diag(4) - 1
  expect_warning(fit <- nmu_em_estlambda(A), class = "nmu_warning_lambda")
  expect_s3_class(fit, "nmu_em")
  expect_false(fit$converged)
  expect_identical(fit$status, "lambda")
  expect_true(fit$lambda > 0 && fit$sigma > 0)

  # a constant leaves a residual with variance zero, a single entry one near zero
  expect_warning(nmu_em_estlambda(matrix(3, 4, 4)), class = "nmu_warning_lambda")
  expect_warning(nmu_em_estlambda(matrix(3)), class = "nmu_warning_lambda")
})

test_that("negative entries can lead to a negative d, as in the notebook", {
  A <- matrix(c(-1, 2, 2, -1), 2)
  fit <- nmu_em(A, 1, 0.1, maxiter = 7)
  expect_close(fit$d, reference_em(A, 1, 0.1, 7)$d, 1e-9)
  expect_lt(fit$d, 0)
})
