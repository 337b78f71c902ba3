# Builds the web site of help pages and vignettes into docs/, from the package as installed. Fails
# where _pkgdown.yml leaves out a help page or a vignette.

options(pkgdown.internet = FALSE)
pkgdown::check_pkgdown(".")
pkgdown::build_site(".", install = FALSE, preview = FALSE, new_process = FALSE)
