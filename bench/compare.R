# Times nmu against the notebook's EM in plain R and against programs for nonnegative matrix
# factorisation, in one run, and compares the ratios with their targets.
#
#   R_LIBS=.lib Rscript bench/compare.R [--quick] [--large] [--article] [--rounds=5]
#
# Run from the root of the package, with nmu installed (`make bench` installs it). --quick uses
# small matrices, as a test of this script. --large adds a matrix of order 20,000 (3.2 GB, some
# minutes). --article copies the results to where vignettes/performance.Rmd reads them. All results
# are written to the folder bench/results.
#
# In every round each program is timed once at each n, one after the other, and ratios are computed
# within a round, so that a temporary slowdown of the machine affects both sides. Medians and ranges
# over the rounds are reported. The script checks that both sides compute the same result.

arguments <- commandArgs(trailingOnly = TRUE)
has_option <- function(option) option %in% arguments
rounds <- as.integer(sub("--rounds=", "", c(grep("^--rounds=", arguments, value = TRUE), "5")[[1]]))
quick <- has_option("--quick")
if (quick && has_option("--article")) stop("--article needs a complete run, without --quick")

bench_dir <- "bench"
if (!file.exists(file.path(bench_dir, "compare.R"))) stop("run this from the root of the package")
library(nmu)
for (part in c("clock", "plain", "peers", "machine", "report")) {
  source(file.path(bench_dir, "compare", paste0(part, ".R")))
}
source(file.path("tests", "testthat", "helper-reference.R"))
if (!has_package("truncnorm")) stop("the baseline needs the R package truncnorm")
for (peer in names(peers)) {
  if (!peers[[peer]]$available) message(peers[[peer]]$label, " is not installed: skipped")
}

goals <- read.csv(file.path(bench_dir, "compare", "goals.csv"))
sizes <- c(100, 200, 500, 1000, 2000, 4000)
if (quick) {
  goals$n <- 4 * (goals$n %/% 16) # sim_tree() divides the rows into quarters
  sizes <- c(100, 200, goals$n[goals$key == "iteration"], goals$n[goals$key == "total"])
  message("quick run: the matrices are smaller than those of the targets")
}
size_of <- function(key) goals$n[goals$key == key]
measure_path <- build_program("measure")
machine <- describe_machine()
cat(paste0(names(machine), ": ", machine), sep = "\n")

lambda <- 1
sigma <- 0.1
threads <- c(nmu1 = 1, nmu2 = 2)

make_matrix <- function(n) {
  set.seed(n)
  A <- unclass(sim_tree(n / 2))
  attributes(A) <- list(dim = dim(A))
  A
}

# All programs read the same matrices.
folder <- tempfile("nmu-bench")
dir.create(folder)
file_of <- function(n) file.path(folder, n)
for (n in sizes) writeBin(as.vector(make_matrix(n)), file_of(n))
read_matrix <- function(n) matrix(readBin(file_of(n), "double", n^2), n)

run_nmu <- function(A, iterations, threads, ...) {
  nmu_em(A, lambda, sigma, iterations,
    init = rowSums(A), keep_b = FALSE, trace = FALSE, control = nmu_control(threads = threads), ...
  )
}

run_plain <- function(A, iterations, moment = moment_truncnorm) {
  plain_em(A, rowSums(A), iterations, lambda, sigma, moment)
}

# Seconds per step of plain R after a first step, which can take twice as long in fresh memory.
# Several steps are averaged, since R collects garbage in only some of them.
time_plain <- function(A, moment = moment_truncnorm) {
  state <- run_plain(A, 1, moment)
  step <- function() state <<- plain_step(A, state, lambda, sigma, moment)
  step()
  seconds_per_call(step, least = 1)
}

# Timings are meaningful only if both sides compute the same result.
check_same <- function(fit, plain, what) {
  difference <- max(abs(fit$u - plain$u))
  if (difference > 1e-6) stop(what, ": nmu and plain R differ by ", difference)
}

times <- NULL
record <- function(what, n, round, seconds) {
  times <<- rbind(times, data.frame(what, n, round, seconds))
}

# Single operations of the core that the table of targets needs, for each n
tasks <- function(n) {
  c(
    "pass/1", "pass/2", "likelihood/2", "curvature/2", "product/2",
    if (n == size_of("prior")) "prior/2",
    if (n == size_of("total")) c("total/1", "total/2"), if (n == size_of("start")) "start/2"
  )
}

time_iterations <- function(n, round) {
  A <- read_matrix(n)
  gc()
  record("plain", n, round, time_plain(A))
  for (name in names(threads)) {
    run <- function(iterations) run_nmu(A, iterations, threads[[name]])
    record(name, n, round, seconds_per_iteration(run))
  }
  core <- measure(file_of(n), n, tasks(n))
  record(paste0(core$work, "/", core$threads), n, round, core$seconds)
  for (name in names(peers)) {
    if (peers[[name]]$available) record(name, n, round, peers[[name]]$time(A, file_of(n)))
  }
  if (round <= 2) record("plain_reference", n, round, time_plain(A, reference_mean))
  if (round == 1) {
    check_same(run_nmu(A, 3, 2), run_plain(A, 3), paste("n =", n))
  }
}

fit_quietly <- function(A, K, control) {
  suppressMessages(nmu(A, K, control = control), classes = "nmu_message")
}

# All 500 iterations of nmu_em_estlambda() as a user calls it. Plain R runs 25 of them; its time is
# scaled up, except for the start, which it computes once.
time_whole <- function(n, round) {
  A <- make_matrix(n)
  control <- nmu_control(threads = 2)
  record("whole_nmu", n, round, seconds(nmu_em_estlambda(A, control = control)))
  record("fit_nmu", n, round, seconds(fit_quietly(A, 1, control)))
  record("six_nmu", n, round, seconds(fit_quietly(A, 6, control)))
  start <- seconds(u <- svd(A)$u[, 1])
  gc()
  part <- seconds(plain <- plain_estlambda(A, u, 5, lambda, sigma, moment_truncnorm))
  whole <- start + part * 100 / 5
  record("whole_plain", n, round, whole)
  # every factor costs the same in plain R, since the number of iterations is fixed
  record("six_plain", n, round, 6 * whole)
  if (round == 1) {
    check_same(nmu_em_estlambda(A, maxiter = 5, control = control), plain, "nmu_em_estlambda")
  }
}

# svd(A) takes seconds, so it is timed in the first three rounds only
time_svd <- function(n, round) {
  if (round <= 3) {
    A <- read_matrix(n)
    record("svd", n, round, seconds(svd(A)))
  }
}

time_iterations(sizes[1], round = 1) # warm-up: loads packages and compiles functions
times <- NULL
for (round in seq_len(rounds)) {
  message(format(Sys.time(), "%T"), " round ", round, " of ", rounds)
  for (n in sizes) time_iterations(n, round)
  time_whole(size_of("whole"), round)
  time_svd(size_of("start"), round)
}

# Seconds of an operation in each round, and ratios of two operations by round
seconds_of <- function(what, key) {
  rows <- times[times$what == what & times$n == size_of(key), ]
  rows$seconds[order(rows$round)]
}
ratio <- function(numerator, denominator, key) {
  numerator <- seconds_of(numerator, key)
  numerator / seconds_of(denominator, key)[seq_along(numerator)]
}

message(format(Sys.time(), "%T"), " memory")
percent_of_data <- function(memory, n) 100 * (memory$peak - memory$before) * 1024 / (8 * n^2)
kinds <- c("em", "estlambda", "deflation")
shares <- vapply(kinds, function(fit) {
  n <- size_of("memory")
  percent_of_data(measure_memory(n, fit, threads = 2), n)
}, 0)
message("peak memory, % of A: ", paste(kinds, signif(shares, 3), collapse = ", "))

ratios <- list(
  iteration = ratio("plain", "nmu2", "iteration"),
  newton = ratio("plain", "curvature/2", "newton"),
  pass = ratio("plain", "pass/2", "pass"),
  whole = ratio("whole_plain", "whole_nmu", "whole"),
  fit = ratio("whole_plain", "fit_nmu", "fit"),
  six = ratio("six_plain", "six_nmu", "six"),
  likelihood = ratio("likelihood/2", "pass/2", "likelihood"),
  prior = ratio("prior/2", "curvature/2", "prior"),
  total = ratio("pass/2", "total/2", "total"),
  threads_pass = ratio("pass/1", "pass/2", "threads_pass"),
  threads_iteration = ratio("nmu1", "nmu2", "threads_iteration"),
  memory = max(shares),
  start = ratio("svd", "start/2", "start")
)
table <- ratio_table(goals, ratios)
costs <- time_table(times)
print_ratios(table)

results <- file.path(bench_dir, "results")
dir.create(results, showWarnings = FALSE)
write_table(table, machine, file.path(results, "ratios.csv"))
write_table(costs, machine, file.path(results, "times.csv"))
plot_costs(costs, machine, file.path(results, "cost.png"))

if (has_option("--large")) {
  n <- if (quick) 2000 else 20000
  message(format(Sys.time(), "%T"), " one factor, 100 iterations, n = ", n)
  memory <- measure_memory(n, "em", threads = 2)
  large <- data.frame(
    n = n, iterations = 100, threads = 2, seconds = memory$seconds, A_gb = 8 * n^2 / 1e9,
    peak_gb = memory$peak * 1024 / 1e9, above_percent = percent_of_data(memory, n)
  )
  print(large, digits = 4, row.names = FALSE)
  write_table(signif(large, 4), machine, file.path(results, "large.csv"))
}

if (has_option("--article")) {
  article <- file.path("vignettes", "performance")
  dir.create(article, showWarnings = FALSE, recursive = TRUE)
  written <- file.path(results, c("ratios.csv", "times.csv", "cost.png", "large.csv"))
  file.copy(written[file.exists(written)], article, overwrite = TRUE)
}
unlink(folder, recursive = TRUE)
message(format(Sys.time(), "%T"), " finished; the results are in ", results)
