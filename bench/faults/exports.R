# Calls every exported function and method once, and the fits of the golden values, as a small
# program to run under a memory checker. The library must be built for a processor that the checker
# supports.
#
#   R_LIBS=.lib R -d "valgrind --error-exitcode=1" --vanilla -f bench/faults/exports.R
#   R_LIBS=.lib Rscript bench/faults/exports.R gctorture   collects garbage at every 50th allocation

library(nmu)
source("tests/testthat/helper-bad-input.R")
source("tests/testthat/helper-golden.R")
set.seed(1)
grDevices::pdf(NULL)

calls <- calls_that_work()
torture <- "gctorture" %in% commandArgs(trailingOnly = TRUE)
if (torture) gctorture2(50)
for (name in names(calls)) {
  fun <- utils::getFromNamespace(name, "nmu")
  result <- suppressMessages(do.call(fun, calls[[name]]$base, quote = TRUE))
  utils::capture.output(print(result))
}
tests <- datasets::Harman23.cor$cov
custom <- prior_custom(
  estimate = function(x, s) list(rate = 1 / max(mean(x), 0.01)),
  posterior = function(x, s, g) {
    moments <- truncnorm_moments(x - s^2 * g$rate, s)
    data.frame(
      mean = moments$mean, var = moments$var,
      log_marginal = log(g$rate) + (s * g$rate)^2 / 2 - g$rate * x + moments$log_mass
    )
  }
)
for (prior in list("exponential", "binary", "mixture", custom)) {
  fit <- suppressMessages(nmu(tests, K = 2, prior = prior, control = nmu_control(threads = 2)))
}
failing <- prior_custom(function(x, s) stop("100 % wrong"), function(x, s, g) stop())
stopifnot(inherits(try(nmu(tests, prior = failing), silent = TRUE), "try-error"))
part <- predict(fit, tests[1:2, ])
errors <- standard_errors(fit)
draws <- posterior_b(fit, draws = 2)
gctorture(FALSE)
if (!torture) {
  expected <- utils::read.csv("tests/testthat/fixtures/golden.csv")$value
  observed <- golden_values(suppressMessages(golden_fits()))$value
  difference <- max(abs(observed - expected) / pmax(abs(expected), 1))
  cat(sprintf("golden values differ by at most %.2g\n", difference))
}
cat("all exports were called\n")
