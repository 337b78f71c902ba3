# Time and peak memory of one fit, in a separate process: Rscript memory.R N FIT THREADS
#
# Prints seconds, the resident memory of R with A loaded, and its peak during the fit, in KiB, as
# reported by Linux; NA on other systems.

arguments <- commandArgs(trailingOnly = TRUE)
n <- as.integer(arguments[[1]])
library(nmu)
control <- nmu_control(threads = as.integer(arguments[[3]]), maxiter = 20)

# The notebook's tree of any order, filled in place by columns. The noise is a hash that is equal
# for (i, j) and (j, i).
tree <- function(n) {
  A <- matrix(0, n, n)
  i <- seq_len(n)
  quarter <- (4 * (i - 1)) %/% n
  for (j in i) {
    hash <- sin(as.double(i) * j + 0.5 * (i + j)) * 43758.5453
    uniform <- hash - floor(hash)
    shared <- (quarter %/% 2 == quarter[j] %/% 2) + (quarter == quarter[j])
    A[, j] <- shared - 0.2 * log(uniform + 1e-12)
  }
  A
}

fits <- list(
  em = function(A) nmu_em(A, sigma = 0.1, maxiter = 100, keep_b = FALSE, control = control),
  estlambda = function(A) nmu_em_estlambda(A, maxiter = 5, keep_b = FALSE, control = control),
  deflation = function(A) nmu(A, K = 2, noise = noise_notebook(), control = control)
)
fit <- fits[[arguments[[2]]]]

status <- function(field) {
  if (!file.exists("/proc/self/status")) {
    return(NA)
  }
  line <- grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line))
}

invisible(suppressWarnings(fit(tree(20)))) # warm-up: loads packages and compiles functions
A <- tree(n)
invisible(gc())
# Resets the peak, which includes the memory used to create A.
if (file.exists("/proc/self/clear_refs")) {
  writeLines("5", "/proc/self/clear_refs")
}
before <- status("VmHWM")
start <- Sys.time()
result <- suppressWarnings(fit(A))
elapsed <- as.double(Sys.time() - start, units = "secs")
cat("seconds,before,peak\n")
cat(sprintf("%.3f,%.0f,%.0f\n", elapsed, before, status("VmHWM")))
