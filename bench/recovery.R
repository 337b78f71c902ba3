# Fits matrices with known structure by several methods and scores the recovery of their factors.
#
#   R_LIBS=.lib Rscript bench/recovery.R [--quick] [--cores=2] [--settings=a,b] [--methods=a,b]
#
# Run from the root of the package, with nmu installed (`make recovery` installs it). --quick uses
# two seeds instead of ten. Settings are in recovery/settings.R, methods in recovery/methods.R; what
# needs a package that is not installed is skipped. The score of a fit is the mean, over the true
# factors, of the cosine with the matched factor. `error` is the relative error of the factors alone
# in the Frobenius norm, which nonnegative matrix factorisation minimises and nmu() does not; `error
# with b` is that of the factors and the mean of b, 1/lambda. Results are written to bench/results:
# recovery.csv with a row for each fit, and recovery_factors.csv with a row for each true factor of
# a fit.

arguments <- commandArgs(trailingOnly = TRUE)
value <- function(option, default) {
  matches <- grep(paste0("^--", option, "="), arguments, value = TRUE)
  if (length(matches) > 0) sub("^[^=]*=", "", matches[[1]]) else default
}

bench_dir <- "bench"
if (!file.exists(file.path(bench_dir, "recovery.R"))) stop("run this from the root of the package")
library(nmu)
for (part in c("clock", "peers", "machine", "report")) {
  source(file.path(bench_dir, "compare", paste0(part, ".R")))
}
for (part in c("settings", "images", "expression", "methods", "score", "report")) {
  source(file.path(bench_dir, "recovery", paste0(part, ".R")))
}

# Selects the elements of a named list that an option names; all by default
select <- function(list, option) {
  names <- strsplit(value(option, paste(names(list), collapse = ",")), ",")[[1]]
  unknown <- setdiff(names, names(list))
  if (length(unknown) > 0) stop("--", option, ": unknown ", toString(unknown))
  list[names]
}

settings <- select(make_settings(seq_len(if ("--quick" %in% arguments) 2 else 10)), "settings")
methods <- select(methods, "methods")
results <- run_jobs(settings, methods, cores = as.integer(value("cores", 2)))

cat("\n")
print_markdown(summary_table(results$scores, settings))
trees <- grep("^tree", names(settings), value = TRUE)
if (length(trees) > 0) {
  cat("\n")
  print_markdown(factor_table(results, settings, trees))
}

machine <- c(
  processor = processor(), R = format(getRversion()),
  packages = toString(installed(c("nmu", "clue", "RcppML", "multtest"))), commit = commit(),
  date = format(Sys.Date())
)
folder <- file.path(bench_dir, "results")
dir.create(folder, showWarnings = FALSE)
write_table(results$scores, machine, file.path(folder, "recovery.csv"))
if (!is.null(results$factors)) {
  write_table(results$factors, machine, file.path(folder, "recovery_factors.csv"))
}
message("the results are in ", folder)
