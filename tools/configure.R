# Run by configure and configure.win before the package is compiled: finds cargo and rustc, stops if
# the compiler is too old, and writes src/Makevars (src/Makevars.win) from its template.
#
# Environment variables:
#   NOT_CRAN        non-empty: download crates as usual, even if vendored ones are shipped
#   DEBUG           non-empty: an unoptimised Rust build
#   NMU_TARGET_DIR  an absolute path for cargo's artefacts, shared by several builds, never removed

windows <- .Platform$OS.type == "windows"

is_set <- function(name) nzchar(Sys.getenv(name))

stop_install <- function(...) {
  message("\n", ..., "\n")
  quit("no", status = 1L)
}

# rustup installs its programs in a folder that is often not on the PATH of a graphical R session or
# a service.
rust_program <- function(name) {
  home <- Sys.getenv("CARGO_HOME", file.path(path.expand("~"), ".cargo"))
  places <- c(Sys.which(name), file.path(home, "bin", paste0(name, if (windows) ".exe")))
  found <- places[nzchar(places) & file.exists(places)]
  if (length(found) == 0L) {
    stop_install(
      "nmu is compiled with Rust, and `", name, "` was not found, neither on the PATH nor in\n",
      file.path(home, "bin"), ".\n",
      "Install Rust with rustup (see the Rust project's 'Install' page), or on a recent Linux\n",
      "distribution with its package manager (Debian, Ubuntu: apt-get install cargo rustc), then\n",
      "install nmu again."
    )
  }
  unname(found[[1L]])
}

run <- function(program, args) {
  output <- suppressWarnings(system2(program, args, stdout = TRUE, stderr = TRUE))
  if (!is.null(attr(output, "status"))) {
    stop_install("`", program, " ", paste(args, collapse = " "), "` failed:\n",
                 paste(output, collapse = "\n"))
  }
  output
}

field <- function(lines, name) {
  sub(paste0("^", name, ": *"), "", grep(paste0("^", name, ": "), lines, value = TRUE)[1L])
}

# "1.92.0-nightly" compares as 1.92.0.
as_version <- function(text) numeric_version(sub("^.*?([0-9]+(\\.[0-9]+)+).*$", "\\1", text))

minimum_rustc <- function() {
  requirements <- read.dcf("DESCRIPTION", "SystemRequirements")[[1L]]
  as_version(sub("^.*rustc *>= *", "", requirements))
}

cargo <- rust_program("cargo")
about <- run(rust_program("rustc"), "-vV")
rustc <- as_version(field(about, "release"))
host <- field(about, "host")
if (rustc < minimum_rustc()) {
  stop_install(
    "nmu needs rustc >= ", format(minimum_rustc()), ", but this is rustc ", format(rustc), ".\n",
    "If Rust was installed with rustup, run `rustup update stable`; otherwise install a newer\n",
    "version with your package manager or with rustup. Then install nmu again."
  )
}
message("using ", run(cargo, "--version"))
message("using ", about[[1L]])

# The Makefile is not part of a source tarball, so its presence means a checkout. There the build
# artefacts are kept, so that reinstalling after a change of R code takes seconds.
checkout <- file.exists("Makefile")
vendored <- file.exists("src/rust/vendor.tar.xz") && !is_set("NOT_CRAN")
debug <- is_set("DEBUG")
here <- normalizePath("src", winslash = "/")

shared <- Sys.getenv("NMU_TARGET_DIR")
if (grepl("[[:space:]]", shared)) {
  message("NMU_TARGET_DIR is ignored: make cannot use a path with blanks.")
  shared <- ""
}
target_dir <- if (nzchar(shared)) shared else "./rust/target"

# R on Windows is linked by a GNU compiler, which need not be rustc's default target.
triple <- if (windows) {
  if (R.version$arch == "aarch64") "aarch64-pc-windows-gnullvm" else "x86_64-pc-windows-gnu"
}

# The 512-bit kernels are chosen at run time by processor; they need a compiler that supports them.
features <- if (
  rustc >= "1.89" && startsWith(if (windows) triple else host, "x86_64") &&
    any(grepl("^avx512 *=", readLines("src/rust/Cargo.toml")))
) {
  "avx512"
}

cargo_env <- ""
clean_up <- character()
if (!checkout && !nzchar(shared)) clean_up <- "rust/target"
if (vendored) {
  unlink(c("src/vendor", "src/.cargo"), recursive = TRUE)
  if (utils::untar("src/rust/vendor.tar.xz", exdir = "src") != 0L) {
    stop_install("src/rust/vendor.tar.xz could not be unpacked.")
  }
  dir.create("src/.cargo")
  writeLines(
    c("[source.crates-io]", "replace-with = \"vendored\"",
      "[source.vendored]", "directory = \"vendor\""),
    "src/.cargo/config.toml"
  )
  # With CARGO_HOME inside the package, cargo writes nothing outside the build.
  cargo_env <- sprintf("CARGO_HOME=\"%s/.cargo\"", here)
  clean_up <- c(clean_up, "vendor", ".cargo")
}

cargo_flags <- c(
  "--lib", "--locked", "-j 2",
  if (!debug) "--release",
  if (vendored) "--offline",
  if (windows) paste("--target", triple),
  if (!is.null(features)) paste("--features", features)
)

linked_with <- switch(
  Sys.info()[["sysname"]],
  Windows = "-lws2_32 -ladvapi32 -luserenv -lbcrypt -lntdll",
  Linux = "-lpthread -ldl -lm",
  "-lm"
)
# -S removes the debugging symbols of Rust's standard library, a third of the file. GNU's linker can
# remove another quarter: unused functions (--gc-sections), which requires that the static library
# exports nothing (--exclude-libs), and the names of local symbols (-x). Undefined symbols keep
# their names, since R CMD check inspects them.
if (!windows && !debug) {
  smaller <- if (Sys.info()[["sysname"]] == "Linux") " -Wl,-x,--gc-sections,--exclude-libs,ALL"
  linked_with <- paste0("-Wl,-S", smaller, " ", linked_with)
}

fill <- c(
  TARGET_DIR = target_dir,
  TARGET_DIR_ABSOLUTE = if (nzchar(shared)) shared else file.path(here, "rust/target"),
  OUTPUT = paste0(if (windows) paste0(triple, "/"), if (debug) "debug" else "release"),
  LINKED_WITH = linked_with,
  CARGO_ENV = cargo_env,
  CARGO_BIN = sub("^([A-Za-z]):", "/\\1", normalizePath(dirname(cargo), winslash = "/")),
  CARGO_FLAGS = paste(cargo_flags, collapse = " "),
  AFTER_BUILD = if (length(clean_up)) paste("rm -rf", paste(clean_up, collapse = " ")) else ":"
)
makevars <- if (windows) "src/Makevars.win" else "src/Makevars"
text <- readLines(paste0(makevars, ".in"))
text[[1L]] <- "# Written by tools/configure.R: edit the template beside it."
for (name in names(fill)) {
  text <- gsub(paste0("@", name, "@"), fill[[name]], text, fixed = TRUE)
}
out <- file(makevars, "wb")
writeLines(text, out)
close(out)
message("cargo build ", fill[["CARGO_FLAGS"]], if (vendored) " (with the crates shipped)")
