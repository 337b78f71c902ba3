# A long fit can be continued from its result, factor by factor: the outcome is that of a fit
# without a stop.

set.seed(41)
whole <- random_matrix(40, symmetric = TRUE)
wide <- random_matrix(30, 50)
quick <- nmu_control(maxiter = 60)
quietly <- function(..., control = quick) silently(nmu(..., control = control))

expect_same_fit <- function(found, expected) {
  parts <- c(
    "d", "u", "v", "lambda", "sigma", "loglik", "prior_b_fitted", "path", "trace", "refit",
    "path_b_priors", "path_noise_scales",
    "certificate", "nobs", "status", "converged", "K"
  )
  expect_equal(unclass(found)[parts], unclass(expected)[parts], tolerance = 1e-9)
}

test_that("a fit with fewer factors is continued as if never stopped", {
  for (A in list(whole, wide)) {
    for (noise in list(noise_mle(), noise_moments(), noise_fixed(1, 0.5), noise_mle(by = "row"))) {
      fit <- function(...) quietly(A, noise = noise, ...)
      first <- fit(K = 1, refine = FALSE)
      second <- fit(K = 2, refine = FALSE, init = first)
      expect_same_fit(fit(K = 3, refine = FALSE, init = second), fit(K = 3, refine = FALSE))
      # a joint fit starts from the factors that are kept
      jointly <- fit(K = 3, init = second)
      expect_identical(jointly$path[1:2, ], second$path)
      expect_gte(jointly$loglik, fit(K = 3, refine = FALSE)$loglik)
    }
  }
  # under priors there is one joint fit, from the path
  exponential <- function(...) quietly(wide, prior = "exponential", K = 2, ...)
  parts <- c("d", "u", "v", "loglik")
  continued <- exponential(init = exponential(refine = FALSE))
  expect_equal(unclass(continued)[parts], unclass(exponential())[parts], tolerance = 1e-9)
})

test_that("a fit that ended before its refit is refitted from its factors", {
  fit <- function(...) quietly(wide, K = 2, ...)
  path <- fit(refine = FALSE)
  jointly <- fit(init = path)
  expect_identical(jointly$path, path$path)
  expect_gt(jointly$loglik, path$loglik)
})

test_that("fixed factors stay fixed when a fit is continued, and are not counted in K", {
  for (A in list(whole, wide)) {
    ones <- list(u = cbind(all = rep(1, nrow(A))), v = rep(1, ncol(A)))
    fixed <- if (nrow(A) == ncol(A)) ones["u"] else ones
    fit <- function(...) quietly(A, ...)
    first <- fit(K = 1, fixed = fixed, refine = FALSE)
    unrefined <- fit(K = 2, refine = FALSE, init = first)
    expect_same_fit(unrefined, fit(K = 2, fixed = fixed, refine = FALSE))
    expect_identical(fit(K = 2, init = first)$path[1:2, ], first$path)
    expect_identical(colnames(unrefined$u), c("all", "k1", "k2"))
    expect_equal(unname(fit(K = 2, init = first)$u[, 1]), rep(1 / sqrt(nrow(A)), nrow(A)))
    # in any order of the factors, also without lambda and sigma of their own
    expect_same_fit(fit(K = 2, refine = FALSE, init = first[2:1]), unrefined)
    expect_same_fit(fit(K = 2, refine = FALSE, init = first["all"]), unrefined)
  }
})

test_that("factors that are left out leave no gap in the path, and labels stay unique", {
  fit <- quietly(whole, K = 3, refine = FALSE)
  again <- quietly(whole, K = 3, refine = FALSE, init = fit[c(1, 3)])
  expect_identical(colnames(again$u), c("k1", "k3", "k3_1"))
  expect_identical(again$path$factor, 1:3)
  counts <- tabulate(again$trace$factor, 3)
  expect_identical(counts[1:2], tabulate(fit$trace$factor, 3)[c(1, 3)])
  twice <- quietly(whole, K = 1, fixed = fit$u[, 1, drop = FALSE])
  expect_identical(colnames(twice$u), c("k1", "k1_1"))
})

test_that("a fit with K_max factors is continued to itself", {
  fit <- quietly(whole, K = 2, refine = FALSE)
  full <- quietly(whole, K = NULL, init = fit, control = nmu_control(K_max = 2, maxiter = 60))
  expect_identical(full$K, 2L)
  expect_true(all(full$d > 0))
})

test_that("a certified fit is a valid start", {
  fit <- quietly(wide, K = 3, underapprox = TRUE)
  again <- quietly(wide, K = 3, refine = FALSE, init = fit[1:2])
  expect_identical(again$d[1:2], fit$d[1:2])
  expect_refused(quietly(wide, K = 2, refine = FALSE, init = fit[1:2]), "refine")
  expect_identical(again$K, 3L)
})

# A fit that is interrupted at the progress report of that number.
interrupted_fit <- function(A, number, ...) {
  count <- 0
  local_progress_report(function(...) {
    count <<- count + 1
    if (count == number) rlang::interrupt()
  })
  tryCatch(suppressMessages(nmu(A, ...)), nmu_error_interrupted = function(condition) condition$fit)
}

test_that("a fit that was interrupted within a factor is continued from its loadings", {
  skip_on_cran()
  set.seed(42)
  # large enough for a fit of several progress reports, which come ten times a second
  A <- random_matrix(1200, symmetric = TRUE)
  stopped <- interrupted_fit(A, 1, K = 4, refine = FALSE)
  expect_identical(stopped$status, "interrupted")
  done <- stopped$K - 1
  again <- suppressMessages(nmu(A, K = 4, refine = FALSE, init = stopped))
  expect_identical(again$K, 4L)
  expect_identical(again$d[seq_len(done)], stopped$d[seq_len(done)])
  # the factor starts from its last state
  alone <- suppressMessages(nmu(A,
    K = stopped$K, refine = FALSE,
    init = if (done > 0) stopped else stopped$u
  ))
  expect_equal(again$d[seq_len(stopped$K)], alone$d, tolerance = 1e-9)
  expect_true(again$converged)
})
