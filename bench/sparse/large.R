# Time and peak memory of one factor of a large sparse matrix, in a process of its own:
#
#   Rscript bench/sparse/large.R N THREADS
#
# Prints, as a table of one row, seconds of the fit and of the processor, the size of A and the
# resident memory beyond R with A in it, at the peak of the fit, in bytes (NA but on Linux), and
# what was found.

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
invisible(nmu(small, noise = community_noise(small), control = control)) # loads what any fit needs
A <- planted_groups(n)
noise <- community_noise(A)
invisible(gc())
# The peak so far, which includes the making of A, is forgotten.
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
