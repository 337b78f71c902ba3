# Runs lintr, as .lintr sets it up, over the R code of the package, its tests and its tools.
#
#   Rscript tools/lint.R

folders <- c("R", "tests", "tools", "data-raw", "vignettes", "bench")
found <- do.call(c, lapply(folders[dir.exists(folders)], function(folder) {
  lints <- lintr::lint_dir(folder, relative_path = FALSE)
  print(lints)
  unclass(lints)
}))
message(length(found), " lints")
if (length(found) > 0L) quit("no", status = 1L)
