# Measurement of time and memory

# Seconds that an expression takes. system.time() would round to milliseconds.
seconds <- function(expression) {
  start <- Sys.time()
  force(expression)
  as.double(Sys.time() - start, units = "secs")
}

# Seconds per call, averaged over as many calls as take `least` seconds in total
seconds_per_call <- function(call, least = 0.05) {
  once <- seconds(call())
  calls <- min(1000, ceiling(least / once))
  if (calls <= 1) once else seconds(for (i in seq_len(calls)) call()) / calls
}

# Seconds per iteration of `run(iterations)`, from the difference of a long and a short run: the
# costs of checks, start and result cancel.
seconds_per_iteration <- function(run, few = 2, many = 22) {
  long <- seconds_per_call(function() run(many))
  short <- seconds_per_call(function() run(few))
  (long - short) / (many - few)
}

# The same for a program whose iterations all cost the same. The long run is extended until most of
# its time is spent in iterations.
seconds_per_equal_iteration <- function(run, few = 2) {
  run(few)
  once <- seconds(run(few))
  many <- few + 20
  repeat {
    long <- seconds(run(many))
    if (long > 3 * once || long > 1 || many > 2000) break
    many <- few + 3 * (many - few)
  }
  seconds_per_iteration(run, few, many)
}

# Runs memory.R in a separate process: returns seconds, and KiB before the fit and at the peak
measure_memory <- function(n, fit, threads) {
  script <- file.path(bench_dir, "compare", "memory.R")
  lines <- system2(file.path(R.home("bin"), "Rscript"), c(script, n, fit, threads), stdout = TRUE)
  as.list(read.csv(text = lines))
}
