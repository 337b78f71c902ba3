# Fits in another R process, which is interrupted `count` times at random moments. Returns where the
# interrupts arrived, in the core (whose fit so far is checked) or in R, and whether the process
# still computes the same fit afterwards.
interrupted_fits <- function(count, longest = 0.4) {
  log <- tempfile()
  on.exit(unlink(log))
  child <- callr::r_bg(args = list(count = count, log = log), func = function(count, log) {
    set.seed(21)
    A <- matrix(rexp(250^2), 250)
    work <- function() suppressMessages(nmu::nmu(A, K = 8, control = nmu::nmu_control(threads = 2)))
    small <- function() {
      unclass(suppressMessages(nmu::nmu(A[1:9, 1:9], K = 2)))[c("d", "u", "lambda")]
    }
    before <- small()
    seen <- c(core = 0, R = 0)
    broken <- 0
    cat("0\n", file = log)
    suspendInterrupts(while (sum(seen) < count) {
      where <- tryCatch(
        {
          allowInterrupts(work())
          "none"
        },
        nmu_error_interrupted = function(condition) {
          fit <- condition$fit
          valid <- all(is.finite(c(fit$d, fit$u, fit$v, fit$lambda, fit$sigma)))
          broken <<- broken + !valid
          "core"
        },
        interrupt = function(condition) "R"
      )
      if (where != "none") {
        seen[where] <- seen[where] + 1
        cat(sum(seen), "\n", file = log, append = TRUE)
      }
    })
    list(seen = seen, broken = broken, same = identical(small(), before))
  })
  on.exit(child$kill(), add = TRUE)
  interrupt_until_confirmed(child, log, count, longest)
  child$wait(60000)
  child$get_result()
}

# Interrupts `child` `count` times, each at a random moment after it has confirmed the one before by
# a line in the file `log`.
interrupt_until_confirmed <- function(child, log, count, longest) {
  confirmed <- function() if (file.exists(log)) length(readLines(log, warn = FALSE)) else 0
  wait <- function(seconds, lines) {
    until <- Sys.time() + seconds
    while (confirmed() < lines && child$is_alive() && Sys.time() < until) Sys.sleep(0.005)
  }
  for (turn in seq_len(count)) {
    wait(60, turn)
    Sys.sleep(stats::runif(1, 0, longest))
    child$interrupt()
  }
  # R sees two interrupts that arrive together as one: those without confirmation are repeated
  for (again in 1:40) {
    wait(3, count + 1)
    if (confirmed() > count || !child$is_alive()) break
    child$interrupt()
  }
}
