# Runs lintr, as configured in .lintr, on the R code of the package, its tests and its tools.
#
#   Rscript tools/lint.R

folders <- c("R", "tests", "tools", "data-raw", "vignettes", "bench")
files <- list.files(folders, "\\.(R|Rmd)$", full.names = TRUE, recursive = TRUE)
# Files are scheduled one by one, since some take a hundred times as long as others.
results <- parallel::mclapply(
  files, lintr::lint,
  mc.cores = if (.Platform$OS.type == "windows") 1L else parallel::detectCores(),
  mc.preschedule = FALSE
)
for (lints in results) {
  if (!inherits(lints, "lints")) stop(lints)
  print(lints)
}
count <- sum(lengths(results))
message(length(files), " files, ", count, " lints")
if (count > 0L) quit("no", status = 1L)
