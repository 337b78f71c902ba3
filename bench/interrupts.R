# How long it takes from Ctrl-C to the prompt, in every stage of a fit. Each call runs in an R
# process of its own and is interrupted some seconds after its beginning, at several such moments.
# Printed are the delays, in seconds of the process's own time, so that other work on the machine
# does not count; half a second is what we ask. `-` stands where the call had ended before. It reads
# /proc, so that it needs Linux.
#
#   R_LIBS=.lib Rscript bench/interrupts.R [order = 5000] [names of calls]

moments <- c(0.2, 0.6, 1.3, 2.5, 5, 10)

# `fit` is a fit of 6 factors to A, a symmetric matrix of the order given; B is half of its columns.
calls <- list(
  notebook = quote(nmu_em_estlambda(A)),
  start = quote(nmu(noise, K = 1, refine = FALSE)),
  climb = quote(nmu(A, K = 6, refine = FALSE)),
  refine = quote(nmu(A, K = 6, init = fit)),
  underapprox = quote(nmu(A, K = 4, underapprox = TRUE)),
  binary = quote(nmu(A, K = 3, prior = "binary", refine = FALSE)),
  general = quote(nmu(B, K = 3)),
  general_underapprox = quote(nmu(B, K = 3, underapprox = TRUE)),
  posterior = quote(posterior_b(fit)),
  errors = quote(standard_errors(fit))
)

# Runs `call` whenever it is told to, by a line in the file `go`, and tells of each beginning and
# each return to the prompt by a line in the file `told`.
serve <- function(call, order, go, told) {
  library(nmu)
  set.seed(1)
  A <- sim_tree(order / 2)
  used <- all.names(call[[1]])
  quiet <- nmu_control(verbose = FALSE)
  fit <- if ("fit" %in% used) nmu(A, K = 6, refine = FALSE, control = quiet)
  B <- if ("B" %in% used) A[, seq_len(order / 2)]
  noise <- if ("noise" %in% used) crossprod(matrix(rnorm(order^2), order))
  tell <- function(what) {
    cat(what, sum(proc.time()[1:2]), "\n", file = told, append = TRUE)
  }
  one_turn <- function() {
    tell("began")
    tryCatch(
      {
        allowInterrupts(suppressMessages(eval(call[[1]])))
        "ended"
      },
      nmu_error_interrupted = function(condition) "heard",
      interrupt = function(condition) "heard"
    )
  }
  turn <- 1
  suspendInterrupts(repeat {
    # what came too late for the last turn is none of this one
    while (!file.exists(go) || length(readLines(go)) < turn) {
      tryCatch(allowInterrupts(Sys.sleep(0.005)), interrupt = identity)
    }
    tell(one_turn())
    turn <- turn + 1
  })
}

# The processor time that a process has taken, in seconds
time_of <- function(process) {
  fields <- strsplit(readLines(sprintf("/proc/%d/stat", process)), " ")[[1]]
  sum(as.numeric(fields[14:15])) / 100
}

# Waits until a process has taken so much time, or has ended what it was told to do
wait_until <- function(child, time, ended) {
  while (!ended() && time_of(child$get_pid()) < time) Sys.sleep(0.005)
}

# The delays of interrupts at all moments, which are processor time, too
delays_of <- function(call, order) {
  files <- tempfile(c("go", "told"))
  child <- callr::r_bg(serve, list(as.expression(call), order, files[1], files[2]))
  on.exit(child$kill())
  lines <- 0
  told <- function() if (file.exists(files[2])) readLines(files[2], warn = FALSE)
  # the next line that the child tells
  heard <- function() {
    lines <<- lines + 1
    while (child$is_alive()) {
      told <- told()
      if (length(told) >= lines && grepl(" $", told[lines])) {
        return(strsplit(told[lines], " ")[[1]][1:2])
      }
      Sys.sleep(0.002)
    }
    child$get_result()
  }
  delay <- function(moment) {
    cat("go\n", file = files[1], append = TRUE)
    began <- as.numeric(heard()[2])
    wait_until(child, began + moment, function() length(told()) > lines)
    sent <- time_of(child$get_pid())
    child$interrupt()
    outcome <- heard()
    if (outcome[1] == "heard") as.numeric(outcome[2]) - sent else NA
  }
  # the first makes R load what conditions need
  delay(moments[1])
  vapply(moments, delay, 0)
}

arguments <- commandArgs(trailingOnly = TRUE)
order <- if (length(arguments) > 0) as.integer(arguments[1]) else 5000
chosen <- if (length(arguments) > 1) arguments[-1] else names(calls)
cat(sprintf("order %d%s\n", order, paste(sprintf("%8.1f s", moments), collapse = "")))
for (name in chosen) {
  delays <- delays_of(calls[[name]], order)
  texts <- ifelse(is.na(delays), "-", sprintf("%.2f", delays))
  cat(sprintf("%-20s %s\n", name, paste(sprintf("%10s", texts), collapse = "")))
}
