# Methods to compare: functions of A and K that return a fit of class `nmu`. A new method is one
# line in the table. `unknown` does not use K.

fit_default <- function(A, K, ...) {
  suppressMessages(nmu(A, K, ...), classes = "nmu_message")
}

# The rule of `?prior` for data of unknown structure
fit_by_rule <- function(A, K) {
  paths <- lapply(c("flat", "binary"), function(prior) {
    fit_default(A, K, prior = prior, refine = FALSE)
  })
  refits <- lapply(paths, function(path) fit_default(A, K, prior = path$prior, init = path))
  ratio <- function(fits) fits[[2]]$certificate$error / fits[[1]]$certificate$error
  if (ratio(refits) <= 1.1 && ratio(paths) <= 2) {
    paths[[2]]
  } else {
    fit_default(A, K, prior = "exponential")
  }
}

methods <- list(
  default = fit_default,
  binary = function(A, K) fit_default(A, K, prior = "binary"),
  binary_path = function(A, K) fit_default(A, K, prior = "binary", refine = FALSE),
  exponential = function(A, K) fit_default(A, K, prior = "exponential"),
  rule = fit_by_rule,
  path = function(A, K) fit_default(A, K, refine = FALSE),
  unknown = function(A, K) fit_default(A, K = NULL),
  underapprox = function(A, K) fit_default(A, K, underapprox = TRUE),
  notebook = function(A, K) {
    # deflation may end early with a warning
    suppressWarnings(fit_default(A, K, noise = noise_notebook()), classes = "nmu_warning")
  }
)
