# Fits in another R process, which is interrupted `count` times at random moments. What comes back
# says where interrupts arrived: in the core, whose fit so far is looked at, or in R; and whether
# the process gives, after all of them, the fit that it gave before.
interrupted_fits <- function(count, longest = 0.4) {
  told <- tempfile()
  on.exit(unlink(told))
  child <- callr::r_bg(args = list(count = count, told = told), func = function(count, told) {
    set.seed(21)
    A <- matrix(rexp(250^2), 250)
    work <- function() suppressMessages(nmu::nmu(A, K = 8, control = nmu::nmu_control(threads = 2)))
    small <- function() {
      unclass(suppressMessages(nmu::nmu(A[1:9, 1:9], K = 2)))[c("d", "u", "lambda")]
    }
    before <- small()
    seen <- c(core = 0, R = 0)
    broken <- 0
    cat("0\n", file = told)
    suspendInterrupts(while (sum(seen) < count) {
      where <- tryCatch(
        {
          allowInterrupts(work())
          "none"
        },
        nmu_error_interrupted = function(condition) {
          fit <- condition$fit
          legal <- all(is.finite(c(fit$d, fit$u, fit$v, fit$lambda, fit$sigma)))
          broken <<- broken + !legal
          "core"
        },
        interrupt = function(condition) "R"
      )
      if (where != "none") {
        seen[where] <- seen[where] + 1
        cat(sum(seen), "\n", file = told, append = TRUE)
      }
    })
    list(seen = seen, broken = broken, same = identical(small(), before))
  })
  on.exit(child$kill(), add = TRUE)
  interrupt_until_heard(child, told, count, longest)
  child$wait(60000)
  child$get_result()
}

# Interrupts `child` `count` times, each at a random moment after it told, by a line in the file
# `told`, that it heard the one before.
interrupt_until_heard <- function(child, told, count, longest) {
  heard <- function() if (file.exists(told)) length(readLines(told, warn = FALSE)) else 0
  wait <- function(seconds, lines) {
    until <- Sys.time() + seconds
    while (heard() < lines && child$is_alive() && Sys.time() < until) Sys.sleep(0.005)
  }
  for (turn in seq_len(count)) {
    wait(60, turn)
    Sys.sleep(stats::runif(1, 0, longest))
    child$interrupt()
  }
  # two that arrive together are one to R: what was not heard of is sent again
  for (again in 1:40) {
    wait(3, count + 1)
    if (heard() > count || !child$is_alive()) break
    child$interrupt()
  }
}
