# Time and peak memory of one factor of a large sparse matrix, in a separate process:
#
#   Rscript bench/sparse/large.R N THREADS
#
# Prints a table of one row with the seconds of the fit, its processor time, the size of A, the peak
# resident memory of the fit beyond that of R with A loaded, in bytes (NA except on Linux), and the
# result of the fit.

arguments <- commandArgs(trailingOnly = TRUE)
n <- as.numeric(arguments[[1]])
library(nmu)
source(file.path("bench", "sparse", "planted.R"))
control <- nmu_control(threads = as.integer(arguments[[2]]))

resident <- function(field) {
  if (!file.exists("/proc/self/status")) {
    return(NA)
  }
  line <- grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}

set.seed(1)
small <- planted_groups(1000)
invisible(nmu(small, noise = community_noise(small), control = control)) # warm-up
A <- planted_groups(n)
noise <- community_noise(A)
invisible(gc())
# Resets the peak, which includes the memory used to create A.
if (file.exists("/proc/self/clear_refs")) {
  writeLines("5", "/proc/self/clear_refs")
}
before <- resident("VmRSS")
clock <- system.time(fit <- nmu(A, noise = noise, control = control))
write.csv(row.names = FALSE, data.frame(
  stored = length(A@x), seconds = clock[["elapsed"]],
  processor = clock[["user.self"]] + clock[["sys.self"]],
  size = as.double(object.size(A)), beyond = resident("VmHWM") - before,
  d = fit$d, cosine = best_cosine(fit$u[, 1]), status = fit$status
))
