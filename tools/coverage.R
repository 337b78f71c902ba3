# How many lines of R the tests run, by file; fails below 95 %. Needs covr.
#
#   Rscript tools/coverage.R

# covr removes what is built below src/ once it is done: it gets a copy, and cargo's artefacts by
# their place.
target <- file.path(normalizePath("src/rust"), "target")
sources <- system2("git", "ls-files", stdout = TRUE)
copy <- file.path(tempfile("coverage"), "nmu")
for (folder in unique(dirname(sources))) dir.create(file.path(copy, folder), FALSE, TRUE)
stopifnot(file.copy(sources, file.path(copy, sources)))

# Every process that tests start writes down at its end what it ran, the last of them after the
# tests; and of some only half is written, since a test kills them.
settle <- '
  Sys.sleep(10)
  for (file in list.files(.libPaths()[1], "^covr_trace_", full.names = TRUE)) {
    if (inherits(try(readRDS(file), silent = TRUE), "try-error")) unlink(file)
  }
'

Sys.setenv(NOT_CRAN = "true", NMU_TARGET_DIR = target)
found <- covr::package_coverage(copy, type = "tests", code = settle, quiet = FALSE)
files <- covr::tally_coverage(found, by = "line")
files <- files[grepl("^R/", files$filename), ]
share <- tapply(files$value > 0, files$filename, mean)
print(round(100 * sort(share), 1))
total <- 100 * mean(files$value > 0)
cat(sprintf("R: %.1f %% of %d lines\n", total, nrow(files)))
missed <- files[files$value == 0, c("filename", "line")]
print(missed, row.names = FALSE)
if (total < 95) quit("no", status = 1L)
