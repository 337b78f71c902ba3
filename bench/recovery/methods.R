# The methods that are compared: functions of A and K that return a fit of class `nmu`. A new
# way to fit is one line in the table.

fit_default <- function(A, K, ...) {
  suppressMessages(nmu(A, K, ...), classes = "nmu_message")
}

methods <- list(
  default = fit_default,
  notebook = function(A, K) {
    # deflation may end early there, with a warning
    suppressWarnings(fit_default(A, K, noise = noise_notebook()), classes = "nmu_warning")
  }
)
