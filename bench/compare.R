# Times nmu against the notebook's EM in plain R and against programs for nonnegative matrix
# factorisation, in one run, and sets the ratios beside what was asked for.
#
#   R_LIBS=.lib Rscript bench/compare.R [--quick] [--large] [--article] [--rounds=5]
#
# from the root of the package, with nmu installed (`make bench` sees to it). --quick takes small
# matrices: a test of this script. --large adds a matrix of order 20,000 (3.2 GB, some minutes).
# --article puts the results where vignettes/performance.Rmd reads them. All are written to
# the folder bench/results.
#
# In every round each program is timed once at each n, one after the other, and a ratio is taken
# within its round: the machine's slower moments are shared. Medians and ranges over the rounds are
# reported. That both sides compute the same is checked on the way.

arguments <- commandArgs(trailingOnly = TRUE)
given <- function(option) option %in% arguments
rounds <- as.integer(sub("--rounds=", "", c(grep("^--rounds=", arguments, value = TRUE), "5")[[1]]))
quick <- given("--quick")
if (quick && given("--article")) stop("the article is made from a whole run")

bench_dir <- "bench"
if (!file.exists(file.path(bench_dir, "compare.R"))) stop("run this from the package's root")
library(nmu)
for (part in c("clock", "plain", "peers", "machine", "report")) {
  source(file.path(bench_dir, "compare", paste0(part, ".R")))
}
source(file.path("tests", "testthat", "helper-reference.R"))
if (!has_package("truncnorm")) stop("the baseline needs the R package truncnorm")
for (peer in names(peers)) {
  if (!peers[[peer]]$there) message(peers[[peer]]$label, " is not installed: left out")
}

goals <- read.csv(file.path(bench_dir, "compare", "goals.csv"))
sizes <- c(100, 200, 500, 1000, 2000, 4000)
if (quick) {
  goals$n <- 4 * (goals$n %/% 16) # sim_tree() wants quarters
  sizes <- c(100, 200, goals$n[goals$key == "iteration"], goals$n[goals$key == "total"])
  message("a quick run: smaller matrices than were asked for")
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

# Every program reads the same matrices.
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

# Seconds of a step of plain R that has been stepping before (a first one, in fresh memory, can take
# twice as long), over some steps, since R collects its garbage in some of them only.
time_plain <- function(A, moment = moment_truncnorm) {
  state <- run_plain(A, 1, moment)
  step <- function() state <<- plain_step(A, state, lambda, sigma, moment)
  step()
  seconds_per_call(step, least = 1)
}

# A faster wrong answer would be no answer.
check_same <- function(fit, plain, what) {
  apart <- max(abs(fit$u - plain$u))
  if (apart > 1e-6) stop(what, ": nmu and plain R are ", apart, " apart")
}

times <- NULL
note <- function(what, n, round, seconds) {
  times <<- rbind(times, data.frame(what, n, round, seconds))
}

# The core's single operations that the table asks for, at each n
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
  note("plain", n, round, time_plain(A))
  for (name in names(threads)) {
    run <- function(iterations) run_nmu(A, iterations, threads[[name]])
    note(name, n, round, seconds_per_iteration(run))
  }
  core <- measure(file_of(n), n, tasks(n))
  note(paste0(core$work, "/", core$threads), n, round, core$seconds)
  for (name in names(peers)) {
    if (peers[[name]]$there) note(name, n, round, peers[[name]]$time(A, file_of(n)))
  }
  if (round <= 2) note("plain_reference", n, round, time_plain(A, reference_mean))
  if (round == 1) {
    check_same(run_nmu(A, 3, 2), run_plain(A, 3), paste("n =", n))
  }
}

fit_quietly <- function(A, K, control) {
  suppressMessages(nmu(A, K, control = control), classes = "nmu_message")
}

# All 500 iterations of nmu_em_estlambda() as a user calls it. Plain R runs 25 of them; its time is
# scaled up, but for the start, which it needs once.
time_whole <- function(n, round) {
  A <- make_matrix(n)
  control <- nmu_control(threads = 2)
  note("whole_nmu", n, round, seconds(nmu_em_estlambda(A, control = control)))
  note("fit_nmu", n, round, seconds(fit_quietly(A, 1, control)))
  note("six_nmu", n, round, seconds(fit_quietly(A, 6, control)))
  start <- seconds(u <- svd(A)$u[, 1])
  gc()
  part <- seconds(plain <- plain_estlambda(A, u, 5, lambda, sigma, moment_truncnorm))
  whole <- start + part * 100 / 5
  note("whole_plain", n, round, whole)
  # every deflation costs the same, whatever it finds
  note("six_plain", n, round, 6 * whole)
  if (round == 1) {
    check_same(nmu_em_estlambda(A, maxiter = 5, control = control), plain, "nmu_em_estlambda")
  }
}

# svd(A) takes seconds: in the first three rounds only
time_svd <- function(n, round) {
  if (round <= 3) {
    A <- read_matrix(n)
    note("svd", n, round, seconds(svd(A)))
  }
}

time_iterations(sizes[1], round = 1) # loads and compiles what is needed
times <- NULL
for (round in seq_len(rounds)) {
  message(format(Sys.time(), "%T"), " round ", round, " of ", rounds)
  for (n in sizes) time_iterations(n, round)
  time_whole(size_of("whole"), round)
  time_svd(size_of("start"), round)
}

# Of one `what`, or of two by their ratio, a value a round
of <- function(what, key) {
  found <- times[times$what == what & times$n == size_of(key), ]
  found$seconds[order(found$round)]
}
ratio <- function(above, below, key) {
  above <- of(above, key)
  above / of(below, key)[seq_along(above)]
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

if (given("--large")) {
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

if (given("--article")) {
  article <- file.path("vignettes", "performance")
  dir.create(article, showWarnings = FALSE, recursive = TRUE)
  written <- file.path(results, c("ratios.csv", "times.csv", "cost.png", "large.csv"))
  file.copy(written[file.exists(written)], article, overwrite = TRUE)
}
unlink(folder, recursive = TRUE)
message(format(Sys.time(), "%T"), " done; results are in ", results)
