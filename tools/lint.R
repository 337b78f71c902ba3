# Runs lintr, as .lintr sets it up, over the R code of the package, its tests and its tools.
#
#   Rscript tools/lint.R

folders <- c("R", "tests", "tools", "data-raw", "vignettes", "bench")
files <- list.files(folders, "\\.(R|Rmd)$", full.names = TRUE, recursive = TRUE)
# A file at a time, since some take a hundred times as long as others.
found <- parallel::mclapply(
  files, lintr::lint,
  mc.cores = if (.Platform$OS.type == "windows") 1L else parallel::detectCores(),
  mc.preschedule = FALSE
)
for (lints in found) {
  if (!inherits(lints, "lints")) stop(lints)
  print(lints)
}
count <- sum(lengths(found))
message(length(files), " files, ", count, " lints")
if (count > 0L) quit("no", status = 1L)
