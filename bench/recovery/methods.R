# The methods that are compared: functions of A and K that return a fit of class `nmu`. A new
# way to fit is one line in the table. `unknown` is not told K.

fit_default <- function(A, K, ...) {
  suppressMessages(nmu(A, K, ...), classes = "nmu_message")
}

methods <- list(
  default = fit_default,
  path = function(A, K) fit_default(A, K, refine = FALSE),
  unknown = function(A, K) fit_default(A, K = NULL),
  underapprox = function(A, K) fit_default(A, K, underapprox = TRUE),
  notebook = function(A, K) {
    # deflation may end early there, with a warning
    suppressWarnings(fit_default(A, K, noise = noise_notebook()), classes = "nmu_warning")
  }
)
