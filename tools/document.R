# Writes NAMESPACE and man/ from the roxygen comments in R/. With --check it does so in a temporary
# copy, and fails where the result is not what the checkout holds.
#
#   Rscript tools/document.R [--check]

written_with <- read.dcf("DESCRIPTION", "RoxygenNote")[[1L]]
here <- as.character(utils::packageVersion("roxygen2"))

# Sourcing the R files is enough, no compiled code is needed: so a NAMESPACE that is out of date, or
# missing, does not stand in the way of writing a new one.
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
} else if (here != written_with) {
  # Another version words some things differently, which says nothing of this checkout.
  message("docs not compared: they are written by roxygen2 ", written_with, ", this is ", here)
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
    message("not what the comments in R/ say: ", toString(stale), "; run `make document`.")
    quit("no", status = 1L)
  }
  message("NAMESPACE and man/ are up to date")
}
