# Fits matrices of known structure and says how well the factors recover it: settings x methods.
#
#   R_LIBS=.lib Rscript bench/recovery.R [--quick] [--cores=2] [--settings=a,b] [--methods=a,b]
#
# from the root of the package, with nmu installed (`make recovery` sees to it). --quick takes two
# seeds instead of ten. Settings are in recovery/settings.R, methods in recovery/methods.R. The
# score of a fit is the mean, over the true factors, of the cosine with the factor it is matched
# with. The folder bench/results gets recovery.csv, a row a fit, and recovery_factors.csv, a row a
# true factor of a fit.

arguments <- commandArgs(trailingOnly = TRUE)
value <- function(option, default) {
  given <- grep(paste0("^--", option, "="), arguments, value = TRUE)
  if (length(given) > 0) sub("^[^=]*=", "", given[[1]]) else default
}

bench_dir <- "bench"
if (!file.exists(file.path(bench_dir, "recovery.R"))) stop("run this from the package's root")
library(nmu)
for (part in c("clock", "peers", "machine", "report")) {
  source(file.path(bench_dir, "compare", paste0(part, ".R")))
}
for (part in c("settings", "images", "methods", "score", "report")) {
  source(file.path(bench_dir, "recovery", paste0(part, ".R")))
}

# Those of a named list that the option asks for; all by default
chosen <- function(list, option) {
  names <- strsplit(value(option, paste(names(list), collapse = ",")), ",")[[1]]
  unknown <- setdiff(names, names(list))
  if (length(unknown) > 0) stop("--", option, ": there is no ", toString(unknown))
  list[names]
}

settings <- chosen(make_settings(seq_len(if ("--quick" %in% arguments) 2 else 10)), "settings")
methods <- chosen(methods, "methods")
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
  packages = toString(installed(c("nmu", "clue"))), date = format(Sys.Date())
)
folder <- file.path(bench_dir, "results")
dir.create(folder, showWarnings = FALSE)
write_table(results$scores, machine, file.path(folder, "recovery.csv"))
if (!is.null(results$factors)) {
  write_table(results$factors, machine, file.path(folder, "recovery_factors.csv"))
}
message("results are in ", folder)
