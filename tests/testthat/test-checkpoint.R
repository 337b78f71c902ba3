# A long fit goes on from what it returned, factor by factor: what comes out is the fit that was
# never stopped.

set.seed(41)
whole <- random_matrix(40, symmetric = TRUE)
wide <- random_matrix(30, 50)
quick <- nmu_control(maxiter = 60)
quietly <- function(..., control = quick) suppressMessages(nmu(..., control = control))

expect_same_fit <- function(found, expected) {
  parts <- c(
    "d", "u", "v", "lambda", "sigma", "loglik", "law", "path", "trace", "refit", "laws", "scatter",
    "certificate", "nobs", "status", "converged", "K"
  )
  expect_equal(unclass(found)[parts], unclass(expected)[parts], tolerance = 1e-9)
}

test_that("a fit with fewer factors goes on as if never stopped", {
  for (A in list(whole, wide)) {
    for (noise in list(noise_mle(), noise_moments(), noise_fixed(1, 0.5), noise_mle(by = "row"))) {
      fit <- function(...) quietly(A, noise = noise, ...)
      first <- fit(K = 1, refine = FALSE)
      second <- fit(K = 2, refine = FALSE, init = first)
      expect_same_fit(fit(K = 3, refine = FALSE, init = second), fit(K = 3, refine = FALSE))
      expect_same_fit(fit(K = 3, init = second), fit(K = 3))
    }
  }
  point <- function(...) quietly(wide, prior_b = "point_exponential", ...)
  expect_same_fit(point(K = 2, init = point(refine = FALSE)), point(K = 2))
})

test_that("a fit that ended before its refit is refitted as if never stopped", {
  fit <- function(...) quietly(wide, K = 2, ...)
  expect_same_fit(fit(init = fit(refine = FALSE)), fit())
})

# The first interrupt that a fit hears of comes once it has told `ticks` times where it stands.
interrupted_fit <- function(A, ticks, ...) {
  told <- 0
  tick <- progress_tick
  utils::assignInNamespace("progress_tick", ns = "nmu", value = function(...) {
    told <<- told + 1
    if (told == ticks) rlang::interrupt()
  })
  on.exit(utils::assignInNamespace("progress_tick", tick, ns = "nmu"))
  tryCatch(suppressMessages(nmu(A, ...)), nmu_error_interrupted = function(condition) condition$fit)
}

test_that("a fit that was interrupted within a factor goes on from the loadings of that", {
  skip_on_cran()
  set.seed(42)
  # large enough for the fit to be looked at, which is ten times a second
  A <- random_matrix(1200, symmetric = TRUE)
  stopped <- interrupted_fit(A, 1, K = 4, refine = FALSE)
  expect_identical(stopped$status, "interrupted")
  done <- stopped$K - 1
  again <- suppressMessages(nmu(A, K = 4, refine = FALSE, init = stopped))
  expect_identical(again$K, 4L)
  expect_identical(again$d[seq_len(done)], stopped$d[seq_len(done)])
  # the factor starts from where it stood
  alone <- suppressMessages(nmu(A,
    K = stopped$K, refine = FALSE,
    init = if (done > 0) stopped else stopped$u
  ))
  expect_equal(again$d[seq_len(stopped$K)], alone$d, tolerance = 1e-9)
  expect_true(again$converged)
})
