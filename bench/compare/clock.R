# Measuring time and memory

# Seconds that an expression takes. system.time() would round to milliseconds.
seconds <- function(expression) {
  start <- Sys.time()
  force(expression)
  as.double(Sys.time() - start, units = "secs")
}

# Seconds a call, over as many calls as take `least` seconds together
seconds_per_call <- function(call, least = 0.05) {
  once <- seconds(call())
  calls <- min(1000, ceiling(least / once))
  if (calls <= 1) once else seconds(for (i in seq_len(calls)) call()) / calls
}

# Seconds an iteration of `run(iterations)`, from a long and a short one of it: what happens once,
# such as checks, a start and a result, cancels.
seconds_per_iteration <- function(run, few = 2, many = 22) {
  long <- seconds_per_call(function() run(many))
  short <- seconds_per_call(function() run(few))
  (long - short) / (many - few)
}

# The same for a program whose iterations all cost alike, with the long run made longer until
# what happens once is the lesser part of it
seconds_per_alike_iteration <- function(run, few = 2) {
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

# Runs memory.R in a process of its own: seconds, and KiB before and at the peak
measure_memory <- function(n, fit, threads) {
  script <- file.path(bench_dir, "compare", "memory.R")
  lines <- system2(file.path(R.home("bin"), "Rscript"), c(script, n, fit, threads), stdout = TRUE)
  as.list(read.csv(text = lines))
}
