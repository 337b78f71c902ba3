# Delays between an interrupt (Ctrl-C) and the return to the prompt, in every stage of a fit. Each
# call runs in a separate R process and is interrupted at several times after its start. The delays
# are printed in seconds of the process's own processor time, so that other work on the machine does
# not count; the target is half a second. `-` means that the call had already ended. The script
# reads /proc, so it needs Linux.
#
#   R_LIBS=.lib Rscript bench/interrupts.R [order = 5000] [names of calls]

interrupt_times <- c(0.2, 0.6, 1.3, 2.5, 5, 10)

# `fit` is a fit of 6 factors to A, a symmetric matrix of the given order; B is half of its columns.
calls <- list(
  notebook = quote(nmu_em_estlambda(A)),
  start = quote(nmu(noise, K = 1, refine = FALSE)),
  path = quote(nmu(A, K = 6, refine = FALSE)),
  refine = quote(nmu(A, K = 6, init = fit)),
  underapprox = quote(nmu(A, K = 4, underapprox = TRUE)),
  binary = quote(nmu(A, K = 3, prior = "binary", refine = FALSE)),
  general = quote(nmu(B, K = 3)),
  general_underapprox = quote(nmu(B, K = 3, underapprox = TRUE)),
  posterior = quote(posterior_b(fit)),
  errors = quote(standard_errors(fit))
)

# Runs `call` once for each line in the file `requests`, and writes a line to the file `events` at
# each start and each return to the prompt.
serve <- function(call, order, requests, events) {
  library(nmu)
  set.seed(1)
  A <- sim_tree(order / 2)
  used <- all.names(call[[1]])
  quiet <- nmu_control(verbose = FALSE)
  fit <- if ("fit" %in% used) nmu(A, K = 6, refine = FALSE, control = quiet)
  B <- if ("B" %in% used) A[, seq_len(order / 2)]
  noise <- if ("noise" %in% used) crossprod(matrix(rnorm(order^2), order))
  report <- function(event) {
    cat(event, sum(proc.time()[1:2]), "\n", file = events, append = TRUE)
  }
  run_once <- function() {
    report("started")
    tryCatch(
      {
        allowInterrupts(suppressMessages(eval(call[[1]])))
        "ended"
      },
      nmu_error_interrupted = function(condition) "interrupted",
      interrupt = function(condition) "interrupted"
    )
  }
  run <- 1
  suspendInterrupts(repeat {
    # an interrupt that arrives after the end of a run is discarded before the next one
    while (!file.exists(requests) || length(readLines(requests)) < run) {
      tryCatch(allowInterrupts(Sys.sleep(0.005)), interrupt = identity)
    }
    report(run_once())
    run <- run + 1
  })
}

# Processor time of a process, in seconds
time_of <- function(process) {
  fields <- strsplit(readLines(sprintf("/proc/%d/stat", process)), " ")[[1]]
  sum(as.numeric(fields[14:15])) / 100
}

# Waits until the processor time of a process reaches `time`, or its run has ended
wait_until <- function(child, time, ended) {
  while (!ended() && time_of(child$get_pid()) < time) Sys.sleep(0.005)
}

# Delays of interrupts at all `interrupt_times`, which are processor times, too
delays_of <- function(call, order) {
  files <- tempfile(c("requests", "events"))
  child <- callr::r_bg(serve, list(as.expression(call), order, files[1], files[2]))
  on.exit(child$kill())
  lines <- 0
  read_events <- function() if (file.exists(files[2])) readLines(files[2], warn = FALSE)
  # waits for the next line that the child writes
  next_event <- function() {
    lines <<- lines + 1
    while (child$is_alive()) {
      events <- read_events()
      if (length(events) >= lines && grepl(" $", events[lines])) {
        return(strsplit(events[lines], " ")[[1]][1:2])
      }
      Sys.sleep(0.002)
    }
    child$get_result()
  }
  delay <- function(interrupt_time) {
    cat("run\n", file = files[1], append = TRUE)
    started <- as.numeric(next_event()[2])
    wait_until(child, started + interrupt_time, function() length(read_events()) > lines)
    sent <- time_of(child$get_pid())
    child$interrupt()
    outcome <- next_event()
    if (outcome[1] == "interrupted") as.numeric(outcome[2]) - sent else NA
  }
  # warm-up: the first condition makes R load the functions that conditions need
  delay(interrupt_times[1])
  vapply(interrupt_times, delay, 0)
}

arguments <- commandArgs(trailingOnly = TRUE)
order <- if (length(arguments) > 0) as.integer(arguments[1]) else 5000
chosen <- if (length(arguments) > 1) arguments[-1] else names(calls)
cat(sprintf("order %d%s\n", order, paste(sprintf("%8.1f s", interrupt_times), collapse = "")))
for (name in chosen) {
  delays <- delays_of(calls[[name]], order)
  texts <- ifelse(is.na(delays), "-", sprintf("%.2f", delays))
  cat(sprintf("%-20s %s\n", name, paste(sprintf("%10s", texts), collapse = "")))
}
