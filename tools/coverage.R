# Reports the share of lines of R code that the tests run, by file; fails below 95 %. Needs covr.
#
#   Rscript tools/coverage.R

# covr removes build results in src/ when it has finished. It therefore runs on a copy, which shares
# cargo's artefacts by NMU_TARGET_DIR.
target <- file.path(normalizePath("src/rust"), "target")
sources <- system2("git", "ls-files", stdout = TRUE)
copy <- file.path(tempfile("coverage"), "nmu")
for (folder in unique(dirname(sources))) dir.create(file.path(copy, folder), FALSE, TRUE)
stopifnot(file.copy(sources, file.path(copy, sources)))

# Every process that tests start writes a trace when it ends, some of them after the tests. The
# traces of processes that a test kills are incomplete and are removed.
clean_traces <- '
  Sys.sleep(10)
  for (file in list.files(.libPaths()[1], "^covr_trace_", full.names = TRUE)) {
    if (inherits(try(readRDS(file), silent = TRUE), "try-error")) unlink(file)
  }
'

Sys.setenv(NOT_CRAN = "true", NMU_TARGET_DIR = target)
coverage <- covr::package_coverage(copy, type = "tests", code = clean_traces, quiet = FALSE)
files <- covr::tally_coverage(coverage, by = "line")
files <- files[grepl("^R/", files$filename), ]
share <- tapply(files$value > 0, files$filename, mean)
print(round(100 * sort(share), 1))
total <- 100 * mean(files$value > 0)
cat(sprintf("R: %.1f %% of %d lines\n", total, nrow(files)))
missed <- files[files$value == 0, c("filename", "line")]
print(missed, row.names = FALSE)
if (total < 95) quit("no", status = 1L)
