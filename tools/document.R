# Writes NAMESPACE and man/ from the roxygen comments in R/. With --check it does so in a temporary
# copy, and fails if the result differs from the files of the checkout.
#
#   Rscript tools/document.R [--check]

written_with <- read.dcf("DESCRIPTION", "RoxygenNote")[[1L]]
installed <- as.character(utils::packageVersion("roxygen2"))

# Sourcing the R files is sufficient and needs no compiled code, so a new NAMESPACE can be written
# even if the present one is out of date or missing.
document <- function(path) {
  suppressMessages(roxygen2::roxygenise(path, load_code = "source"))
}

contents <- function(path) {
  files <- sort(c("NAMESPACE", file.path("man", list.files(file.path(path, "man"), "[.]Rd$"))))
  lapply(stats::setNames(files, files), function(file) {
    if (file.exists(file.path(path, file))) readLines(file.path(path, file))
  })
}

if (!"--check" %in% commandArgs(trailingOnly = TRUE)) {
  document(".")
  message("wrote NAMESPACE and man/")
} else if (installed != written_with) {
  # Versions of roxygen2 differ in their output, so a comparison would be meaningless.
  message(
    "docs not compared: they were written by roxygen2 ", written_with, ", installed is ", installed
  )
} else {
  copy <- file.path(tempfile("docs"), "nmu")
  dir.create(copy, recursive = TRUE)
  parts <- c("DESCRIPTION", "NAMESPACE", "R", "man", "LICENSE", "inst", "README.md")
  invisible(file.copy(parts[file.exists(parts)], copy, recursive = TRUE))
  document(copy)
  old <- contents(".")
  new <- contents(copy)
  files <- union(names(old), names(new))
  stale <- files[!vapply(files, function(file) identical(old[[file]], new[[file]]), NA)]
  if (length(stale) > 0L) {
    message("out of date with the comments in R/: ", toString(stale), "; run `make document`.")
    quit("no", status = 1L)
  }
  message("NAMESPACE and man/ are up to date")
}
