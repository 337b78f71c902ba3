# Methods to compare: functions of A, K and further arguments of nmu(), such as `ignore_diag`. They
# return a fit: an object of class `nmu`, or a list with its elements `d`, `u` and `v`. A new method
# is one line in the table. `unknown` does not use K.

fit_default <- function(A, K, ...) {
  suppressMessages(nmu(A, K, ...), classes = "nmu_message")
}

# Nonnegative matrix factorisation: least squares without b. It cannot ignore a diagonal.
fit_rcppml <- function(A, K, ..., seed = 1) {
  RcppML::setRcppMLthreads(1)
  fit <- RcppML::nmf(A, K, tol = 1e-6, maxit = 1000, verbose = FALSE, seed = seed)
  list(d = fit$d, u = fit$w, v = t(fit$h))
}

# The start of three with the least squared error
fit_rcppml_best <- function(A, K, ...) {
  fits <- lapply(1:3, function(seed) fit_rcppml(A, K, seed = seed))
  errors <- vapply(fits, function(fit) sum((A - fit$u %*% (fit$d * t(fit$v)))^2), 0)
  fits[[which.min(errors)]]
}

methods <- list(
  default = fit_default,
  binary = function(A, K, ...) fit_default(A, K, prior = "binary", ...),
  binary_path = function(A, K, ...) fit_default(A, K, prior = "binary", refine = FALSE, ...),
  exponential = function(A, K, ...) fit_default(A, K, prior = "exponential", ...),
  path = function(A, K, ...) fit_default(A, K, refine = FALSE, ...),
  unknown = function(A, K, ...) fit_default(A, K = NULL, ...),
  underapprox = function(A, K, ...) fit_default(A, K, underapprox = TRUE, ...),
  notebook = function(A, K, ...) {
    # needs the diagonal; deflation may end early with a warning
    suppressWarnings(fit_default(A, K, noise = noise_notebook()), classes = "nmu_warning")
  },
  rcppml = fit_rcppml,
  rcppml_best = fit_rcppml_best
)
if (has_package("RcppML")) {
  loadNamespace("RcppML")
} else {
  message("RcppML is not installed: the methods rcppml and rcppml_best are skipped")
  methods[c("rcppml", "rcppml_best")] <- NULL
}
