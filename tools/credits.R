# Writes inst/AUTHORS and LICENSE.note of a release: the crates that it contains, their authors and
# their licences.
#
#   cargo metadata --format-version 1 | Rscript tools/credits.R PACKAGE_FOLDER

folder <- commandArgs(trailingOnly = TRUE)[[1L]]
metadata <- jsonlite::fromJSON(file("stdin"), simplifyVector = FALSE)
# Crates without a source are those of this repository.
crates <- Filter(function(crate) !is.null(crate$source), metadata$packages)
crates <- crates[order(vapply(crates, `[[`, "", "name"))]

label <- function(crate) paste(crate$name, crate$version)

authors <- function(crate) {
  # The field `authors` is optional: otherwise the repository of the crate is named.
  people <- gsub(" *<[^>]*>", "", unlist(crate$authors))
  where <- if (!is.null(crate$repository)) crate$repository else crate$homepage
  if (length(people) > 0L) paste(people, collapse = ", ") else paste("the authors at", where)
}

licence <- function(crate) {
  if (is.null(crate$license)) stop(label(crate), " does not name its licence")
  gsub("/", " OR ", crate$license, fixed = TRUE)
}

write_lines <- function(text, ...) {
  path <- file.path(folder, ...)
  dir.create(dirname(path), showWarnings = FALSE)
  writeLines(enc2utf8(text), path, useBytes = TRUE)
}

write_lines(c(
  paste(
    "The Rust crates whose sources this package contains in src/rust/vendor.tar.xz,",
    "and their authors:"
  ),
  "",
  vapply(crates, function(crate) paste0(label(crate), ": ", authors(crate)), "")
), "inst", "AUTHORS")

write_lines(c(
  "nmu itself is under the MIT licence: see LICENSE. The Rust crates whose sources it contains in",
  "src/rust/vendor.tar.xz, with the texts of their licences, are under:",
  "",
  vapply(crates, function(crate) paste0(label(crate), ": ", licence(crate)), "")
), "LICENSE.note")
message(length(crates), " crates in inst/AUTHORS and LICENSE.note")
