test_that("deflation in the core equals deflation by hand", {
  set.seed(31)
  tree <- sim_tree(n = 8)
  fit <- nmu(tree, K = 4, noise = noise_notebook())
  A <- tree
  for (k in 1:4) {
    by_hand <- nmu_em_estlambda(A)
    expect_close(fit$u[, k], by_hand$u, 1e-9)
    expect_close(fit$d[k], by_hand$d, 1e-9)
    expect_close(fit$path$lambda[k], by_hand$lambda, 1e-9)
    expect_close(fit$path$sigma[k], by_hand$sigma, 1e-9)
    A <- A - by_hand$d * by_hand$u %*% t(by_hand$u)
  }
  expect_close(residuals(fit), A, 1e-9)
})

test_that("deflation of a rectangular matrix equals deflation by hand", {
  set.seed(32)
  data <- random_matrix(14, 9)
  fit <- nmu(data, K = 3, noise = noise_notebook())
  A <- data
  for (k in 1:3) {
    by_hand <- nmu_em_estlambda(A)
    expect_close(fit$u[, k], by_hand$u, 1e-9)
    expect_close(fit$v[, k], by_hand$v, 1e-9)
    expect_close(fit$d[k], by_hand$d, 1e-9)
    A <- A - by_hand$d * by_hand$u %*% t(by_hand$v)
  }
  expect_close(residuals(fit), A, 1e-9)
})

test_that("the shape of a fit", {
  A <- Harman74.cor$cov
  fit <- nmu(A, K = 3, noise = noise_notebook())
  expect_s3_class(fit, "nmu")
  expect_identical(names(fit)[1:3], c("d", "u", "v"))
  expect_identical(dimnames(fit$u), list(rownames(A), c("k1", "k2", "k3")))
  expect_identical(fit$v, fit$u)
  expect_equal(unname(colSums(fit$u^2)), rep(1, 3))
  expect_identical(fit$K, 3L)
  expect_identical(fit$nobs, 24 * 24 / 2)
  expect_identical(fit$A, A)
  expect_identical(
    names(fit$path), c(
      "factor", "d", "lambda", "sigma", "loglik", "elbo", "iterations", "status", "bound",
      "ratio_floor",
      "se_log_lambda", "se_log_sigma"
    )
  )
  expect_identical(fit$path$factor, 1:3)
  expect_identical(fit$path$d, fit$d)
  expect_identical(
    names(fit$trace), c("factor", "iteration", "stage", "loglik", "elbo", "lambda", "sigma")
  )
  expect_identical(nrow(fit$trace), sum(fit$path$iterations))
  expect_identical(unique(as.integer(fit$trace$factor)), 1:3)
  # no priors
  expect_true(all(is.na(fit$trace$elbo)))
  expect_false(anyNA(fit$trace[names(fit$trace) != "elbo"]))
  expect_identical(c(fit$lambda, fit$sigma), c(fit$path$lambda[3], fit$path$sigma[3]))
  expect_identical(fit$loglik, fit$path$loglik[3])
  expect_identical(fit$converged, fit$status == "converged")

  rectangular <- nmu(USArrests, K = 2, noise = noise_notebook())
  expect_identical(dimnames(rectangular$v), list(colnames(USArrests), c("k1", "k2")))
  expect_identical(rectangular$nobs, 200)
  expect_false(rectangular$symmetric)
})

test_that("the log-likelihood counts each pair of a symmetric matrix once", {
  A <- Harman74.cor$cov
  fit <- nmu(A, K = 2, noise = noise_notebook())
  full <- reference_loglik(residuals(fit), fit$lambda, fit$sigma)
  expect_close(fit$loglik, full / 2, 1e-10)
  rectangular <- nmu(A, K = 2, noise = noise_notebook(), symmetric = FALSE)
  full <- reference_loglik(residuals(rectangular), rectangular$lambda, rectangular$sigma)
  expect_close(rectangular$loglik, full, 1e-10)
})

test_that("A is neither modified nor copied, and need not be kept", {
  set.seed(33)
  A <- random_matrix(9)
  if (capabilities("profmem")) {
    tracemem(A)
    expect_output(nmu(A, K = 2, noise = noise_notebook()), NA)
    expect_output(nmu_em(A), NA)
    untracemem(A)
  }
  copy <- A + 0
  fit <- nmu(A, K = 3, noise = noise_notebook(), control = nmu_control(keep_data = FALSE))
  expect_identical(A, copy)
  expect_null(fit$A)
})

test_that("settings reach the core", {
  set.seed(34)
  A <- sim_blocks(n = 5)
  short <- nmu(A, noise = noise_notebook(), control = nmu_control(maxiter = 7))
  expect_identical(short$path$iterations, 35L)
  early <- nmu(A, noise = noise_notebook(), control = nmu_control(tol = 1e-6, maxiter = 10000))
  expect_true(early$converged)
  expect_identical(early$status, "converged")
  two <- nmu(A, K = 2, noise = noise_notebook(), control = nmu_control(threads = 2))
  expect_identical(two$u, nmu(A, K = 2, noise = noise_notebook())$u)
  expect_identical(nmu(A, noise = "notebook")$u, nmu(A, noise = noise_notebook())$u)
  expect_message(nmu(A, control = nmu_control(verbose = TRUE)), class = "nmu_message")
  expect_silent(nmu(A, noise = "notebook"))
})

test_that("more factors than rows are allowed", {
  set.seed(35)
  fit <- nmu(random_matrix(3, symmetric = TRUE), K = 5)
  expect_length(fit$d, 5)
  expect_true(all(is.finite(fit$u)))
})

test_that("deflation ends with a warning if lambda and sigma cannot be estimated", {
  expect_warning(
    fit <- nmu(-diag(4) - 1, K = 2, noise = noise_notebook()),
    class = "nmu_warning_lambda"
  )
  expect_identical(fit$K, 1L)
  expect_false(fit$converged)
  expect_identical(fit$status, "lambda")
})

test_that("an interrupt ends a fit with the factors so far, and the next fit is correct", {
  skip_on_cran()
  skip_on_os("windows")
  set.seed(36)
  A <- random_matrix(400)
  ways <- list(list(noise = "notebook"), list(noise = "mle"), list(underapprox = TRUE))
  for (way in ways) {
    system(sprintf("(sleep 0.5; kill -INT %d) &", Sys.getpid()))
    condition <- tryCatch(
      {
        do.call(nmu, c(list(A, K = 2000), way))
        # a late interrupt must not reach the following tests
        Sys.sleep(2)
      },
      error = identity, interrupt = identity
    )
    expect_s3_class(condition, "nmu_error_interrupted")
    expect_s3_class(condition$fit, "nmu")
    expect_identical(condition$fit$status, "interrupted")
    expect_false(condition$fit$converged)
    expect_null(condition$fit$certificate)
    expect_output(print(summary(condition$fit)), "interrupted")
  }
  expect_identical(nmu(Harman74.cor$cov)$K, 1L)
})

test_that("tiny noise and the order of the rows do not change the fit", {
  set.seed(37)
  A <- sim_tree(n = 8)[, ]
  fit <- nmu(A, K = 3, noise = noise_notebook())
  nearly <- nmu(A + 1e-13 * crossprod(matrix(rnorm(256), 16)), K = 3, noise = "notebook")
  expect_close(nearly$u, fit$u, 1e-6)
  order <- sample(16)
  permuted <- nmu(A[order, order], K = 3, noise = noise_notebook())
  expect_close(permuted$u, fit$u[order, ], 1e-8)
  expect_close(permuted$d, fit$d, 1e-8)
})
