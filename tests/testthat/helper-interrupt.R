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
  heard <- function() if (file.exists(told)) length(readLines(told, warn = FALSE)) else 0
  for (turn in seq_len(count)) {
    until <- Sys.time() + 60
    while (heard() < turn && child$is_alive() && Sys.time() < until) Sys.sleep(0.005)
    Sys.sleep(stats::runif(1, 0, longest))
    child$interrupt()
  }
  # two that arrive together are one to R: what was not heard of is sent again
  until <- Sys.time() + 120
  while (heard() <= count && child$is_alive() && Sys.time() < until) {
    Sys.sleep(3)
    if (heard() <= count) child$interrupt()
  }
  child$wait(60000)
  child$get_result()
}
