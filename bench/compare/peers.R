# Programs for nonnegative matrix factorisation, of rank 1. They solve an easier problem, without b,
# and serve as a reference for the cost of an iteration, not for the quality of the result.

has_package <- function(name) nzchar(system.file(package = name))

# A python with scikit-learn: that of the PATH, or that of the system, for which Debian installs it
find_python <- function() {
  for (python in c(Sys.which("python3"), "/usr/bin/python3")) {
    command <- c("-c", shQuote("import sklearn"))
    if (nzchar(python) && file.exists(python) && system2(python, command, stderr = FALSE) == 0) {
      return(python)
    }
  }
  NULL
}
python <- find_python()

# For each program: its name, whether it is available, and a function that returns seconds per
# iteration on A, which is also stored in `file`
peers <- list(
  rcppml = list(
    label = "RcppML",
    available = has_package("RcppML"),
    time = function(A, file) {
      RcppML::setRcppMLthreads(2)
      seconds_per_equal_iteration(function(iterations) {
        RcppML::nmf(A, 1, tol = -1, maxit = iterations, verbose = FALSE, seed = 1)
      })
    }
  ),
  nmf = list(
    label = "NMF",
    available = has_package("NMF"),
    time = function(A, file) {
      start <- NMF::nmfModel(1, W = matrix(rowSums(A)), H = matrix(colSums(A), 1))
      seconds_per_equal_iteration(function(iterations) {
        NMF::nmf(A, 1, "lee", seed = start, .stop = as.integer(iterations))
      })
    }
  ),
  sklearn = list(
    label = "scikit-learn",
    available = !is.null(python),
    time = function(A, file) {
      script <- file.path(bench_dir, "compare", "sklearn_nmf.py")
      as.numeric(system2(python, c(script, file, nrow(A)), stdout = TRUE))
    }
  )
)
