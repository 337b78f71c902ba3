# Programs for nonnegative matrix factorisation, rank 1. They solve an easier problem, without b: a
# yardstick for the cost of an iteration, not rivals in the result.

has_package <- function(name) nzchar(system.file(package = name))

# Each peer: is it there, and seconds an iteration on A, which `file` holds, too
peers <- list(
  RcppML = list(
    label = "RcppML, 2 threads",
    there = function() has_package("RcppML"),
    time = function(A, file) {
      RcppML::setRcppMLthreads(2)
      seconds_per_iteration(function(iterations) {
        RcppML::nmf(A, 1, tol = 0, maxit = iterations, verbose = FALSE, seed = 1)
      })
    }
  ),
  NMF = list(
    label = "NMF (Lee and Seung)",
    there = function() has_package("NMF"),
    time = function(A, file) {
      suppressMessages(requireNamespace("NMF"))
      start <- NMF::nmfModel(1, W = matrix(rowSums(A)), H = matrix(colSums(A), 1))
      seconds_per_iteration(function(iterations) {
        NMF::nmf(A, 1, "lee", seed = start, .stop = as.integer(iterations))
      })
    }
  ),
  sklearn = list(
    label = "scikit-learn",
    there = function() {
      python <- Sys.which("python3")
      nzchar(python) && system2(python, c("-c", shQuote("import sklearn")), stderr = FALSE) == 0
    },
    time = function(A, file) {
      script <- file.path(bench_dir, "compare", "sklearn_nmf.py")
      as.numeric(system2("python3", c(script, file, nrow(A)), stdout = TRUE))
    }
  )
)
