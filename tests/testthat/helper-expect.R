# Expects that value, rounded to the decimals of a printed number, is that number.
expect_printed <- function(value, printed) {
  decimals <- nchar(sub("^[^.]*[.]?", "", printed))
  expect_identical(sprintf("%.*f", decimals, value), printed)
}

# Expects that the largest difference is at most bound times the largest expected size.
expect_close <- function(value, expected, bound) {
  scale <- max(abs(expected), 1)
  expect_lte(max(abs(unname(value) - unname(expected))) / scale, bound)
}

# Expects an error of class nmu_error_input for the argument.
expect_refused <- function(code, arg) {
  error <- expect_error(code, class = "nmu_error_input")
  expect_s3_class(error, "nmu_error")
  expect_identical(error$arg, arg)
  expect_match(conditionMessage(error), paste0("`", arg, "` must be"), fixed = TRUE)
  invisible(error)
}

# The value of code whose warnings of a fit are expected, and whose messages do not matter.
silently <- function(code) {
  classes <- paste0("nmu_warning_", c("maxiter", "negative", "K_max"))
  suppressWarnings(suppressMessages(code), classes = classes)
}

# A matrix with a nonnegative factor, a remainder and noise; some entries are negative.
random_matrix <- function(rows, columns = rows, symmetric = FALSE) {
  u <- rexp(rows)
  v <- if (symmetric) u else rexp(columns)
  remainder <- matrix(rexp(rows * columns, 2) + rnorm(rows * columns, sd = 0.2), rows, columns)
  if (symmetric) remainder <- (remainder + t(remainder)) / 2
  outer(u, v) + remainder
}

# Expects that the log-likelihood of a trace never decreases within a stage, except by rounding.
expect_rising <- function(trace, size) {
  stage <- interaction(if (is.null(trace$factor)) 1 else trace$factor, trace$stage)
  falls <- tapply(trace$loglik, stage, function(loglik) min(0, diff(loglik)))
  expect_gte(min(falls, na.rm = TRUE), -1e-10 * abs(size))
}

# Are the long versions of the tests requested?
extended_tests <- function() identical(Sys.getenv("NMU_EXTENDED_TESTS"), "true")

# On CRAN, tests have a few minutes and at most two processes or threads: R CMD check --as-cran
# fails with more.
on_cran <- function() !identical(Sys.getenv("NOT_CRAN"), "true")

# The number of threads, or the largest number that is allowed.
some_threads <- function(count) if (on_cran()) min(count, 2) else count
