# Builds the web site of help pages and vignettes in docs/, from the installed package. Fails if
# _pkgdown.yml omits a help page or a vignette.

options(pkgdown.internet = FALSE)
pkgdown::check_pkgdown(".")
pkgdown::build_site(".", install = FALSE, preview = FALSE, new_process = FALSE)
