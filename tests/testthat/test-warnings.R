# Warnings are about what went wrong, and what to do; messages about choices obey verbose.

A <- as.matrix(USArrests)
text_of <- function(code, class) {
  warned <- expect_warning(code, class = class)
  expect_s3_class(warned, "nmu_warning")
  gsub("\\s+", " ", cli::ansi_strip(conditionMessage(warned)))
}

test_that("iterations that are used up are a warning", {
  short <- nmu_control(maxiter = 3)
  text <- text_of(nmu(A, K = 2, refine = FALSE, control = short), "nmu_warning_maxiter")
  expect_match(text, "All 3 iterations .*k1.*nmu_control\\(maxiter = \\)")
  text <- text_of(nmu_em(A, 0.1, 10, maxiter = 3, tol = 1e-6), "nmu_warning_maxiter")
  expect_match(text, "maxiter", fixed = TRUE)
  # the notebook runs all of its iterations
  expect_no_warning(nmu_em(A, 0.1, 10, maxiter = 3))
  expect_no_warning(nmu(A, noise = "notebook", control = short))
  expect_no_warning(nmu(A, K = 2))
})

test_that("a fit that stalled is a warning", {
  fit <- nmu(A, K = 1)
  fit$status <- "stalled"
  text <- text_of(signal_status(fit), "nmu_warning_stalled")
  expect_match(text, "no step increased its objective.*init")
})

test_that("the limit of the search for K is a warning only if it ended the search", {
  set.seed(2)
  tree <- sim_tree(n = 10)
  text <- text_of(
    nmu(tree, K = NULL, control = nmu_control(K_max = 2)), "nmu_warning_K_max"
  )
  expect_match(text, "limit of the search for `K`, 2: .*nmu_control\\(K_max = \\)")
  expect_no_warning(nmu(tree, K = NULL))
  # the criterion is largest before the limit
  set.seed(1)
  A <- tcrossprod(matrix(rexp(60), 30), matrix(rexp(24), 12)) + rexp(360, 5)
  chosen <- nmu(A, K = NULL)$K
  expect_warning(
    nmu(A, K = NULL, control = nmu_control(K_max = chosen)), class = "nmu_warning_K_max"
  )
  limited <- nmu_control(K_max = chosen + 1)
  expect_no_warning(fit <- nmu(A, K = NULL, control = limited))
  expect_identical(c(fit$K, max(fit$candidates$K)), chosen + 0:1)
})

test_that("a search that finds no factor has the model without factors, and no warning", {
  none <- matrix(0, 4, 5)
  expect_no_warning(fit <- nmu(none, K = NULL, control = nmu_control(K_max = 1)))
  expect_identical(fit$d, 0)
  expect_identical(fit$candidates$K[fit$candidates$kept], 0L)
  message <- expect_message(
    nmu(none, K = NULL, control = nmu_control(verbose = TRUE)), class = "nmu_message_K"
  )
  expect_match(conditionMessage(message), "no factor improves the fit")
})

test_that("a mostly negative matrix is explained", {
  text <- text_of(nmu(-A), "nmu_warning_negative")
  expect_match(text, "200 of 200 entries .*negative.*fit `-A`")
  expect_no_message(silently(nmu(-A)))
  expect_no_warning(nmu(replace(A, 1:5, -1)))
})

test_that("a bound is shown by print and summary, without a message", {
  expect_no_message(nmu(tcrossprod(1:4)))
  expect_output(print(nmu(outer(1:5, 1:7))), "both at their bounds", fixed = TRUE)
  expect_output(print(nmu(iris[, 1:4])), "sigma at its bound: no noise beside b", fixed = TRUE)
  fit <- nmu(outer(1:5, 1:7))
  expect_identical(c(fit$path$bound, fit$refit$bound, summary(fit)$bound), rep("both", 3))
  expect_equal(fitted(nmu(outer(1:5, 1:7), noise = noise_mle(floor = 0))), outer(1:5, 1:7))
  set.seed(6)
  gauss <- nmu(outer(1:20, 1:30) / 20 + rnorm(600))
  expect_output(print(gauss), "lambda at its bound", fixed = TRUE)
  expect_output(print(summary(gauss)), "lambda at its bound", fixed = TRUE)
})

test_that("a file that is gone is no fault of a complete fit", {
  skip_if_not_installed("HDF5Array")
  file <- tempfile(fileext = ".h5")
  disk <- HDF5Array::writeHDF5Array(A, file, "A")
  fit <- nmu(disk)
  unlink(file)
  for (use in list(summary, standard_errors, residuals)) {
    error <- expect_error(use(fit), class = "nmu_error_blocks")
    expect_no_match(conditionMessage(error), "No factor was complete")
  }
})

test_that("remg warns once of NA, as rexp and rnorm do", {
  count <- 0
  draws <- withCallingHandlers(remg(3, c(1, NA, 1), 1), nmu_warning_nan = function(condition) {
    count <<- count + 1
    expect_match(conditionMessage(condition), "^NA produced")
    tryInvokeRestart("muffleWarning")
  })
  expect_identical(count, 1)
  expect_identical(is.na(draws), c(FALSE, TRUE, FALSE))
  expect_false(is.nan(draws[2]))
  expect_warning(remg(2, -1), "^NaN produced", class = "nmu_warning_nan")
  expect_warning(remg(2, c(-1, NA)), "^NaN and NA produced", class = "nmu_warning_nan")
})
