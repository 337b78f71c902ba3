# Programs that time single operations of the core, and a description of the machine

# Builds a program of bench/src/bin with the features of the package, and returns its path.
build_program <- function(name) {
  features <- system2(file.path("tools", "features.sh"), stdout = TRUE)
  options <- c(
    "build", "--release", "--locked", "--quiet", "--manifest-path",
    file.path(bench_dir, "Cargo.toml"), "--bin", name, strsplit(features, " ")[[1]]
  )
  if (system2("cargo", options) != 0) {
    stop("cargo could not build bench/src/bin/", name, ".rs")
  }
  target <- Sys.getenv("CARGO_TARGET_DIR", file.path(bench_dir, "target"))
  file.path(target, "release", name)
}

# Times single operations of the core on the matrix in `file`. Returns a data frame with the columns
# work, threads and seconds.
measure <- function(file, n, tasks, repeats = 9) {
  read.csv(text = system2(measure_path, c(file, n, repeats, tasks), stdout = TRUE))
}

# Hardware, software versions, commit and date: a named character vector
describe_machine <- function() {
  names <- c(V4 = "AVX-512", V3 = "AVX2 and FMA", Neon = "NEON", Scalar = "none used")
  instructions <- system2(measure_path, "about", stdout = TRUE)
  blas <- extSoftVersion()[["BLAS"]]
  c(
    processor = processor(),
    cores = parallel::detectCores(),
    instructions = if (instructions %in% names(names)) names[[instructions]] else instructions,
    system = utils::osVersion,
    R = paste(getRversion(), "with BLAS", if (nzchar(blas)) basename(blas) else "of its own"),
    rustc = sub("^rustc ([^ ]+).*", "\\1", system2("rustc", "--version", stdout = TRUE)),
    packages = paste(c(installed(c("nmu", "truncnorm", "RcppML", "NMF")), installed_sklearn()),
      collapse = ", "
    ),
    commit = commit(),
    date = format(Sys.Date())
  )
}

# The commit that is measured, and whether the working tree has uncommitted changes
commit <- function() {
  git <- function(...) system2("git", c(...), stdout = TRUE, stderr = FALSE)
  tryCatch(
    {
      changed <- length(git("status", "--porcelain", "--untracked-files=no", "--", "R", "src")) > 0
      paste0(git("rev-parse", "--short=10", "HEAD"), if (changed) ", with changes" else "")
    },
    error = function(condition) "unknown (no git)"
  )
}

processor <- function() {
  lines <- if (file.exists("/proc/cpuinfo")) readLines("/proc/cpuinfo")
  model <- grep("^model name", lines, value = TRUE)
  if (length(model) > 0) sub(".*: *", "", model[[1]]) else Sys.info()[["machine"]]
}

installed <- function(packages) {
  packages <- Filter(has_package, packages)
  versions <- vapply(packages, function(name) format(utils::packageVersion(name)), "")
  paste(packages, versions)
}

installed_sklearn <- function() {
  if (!is.null(python)) {
    command <- shQuote("import sklearn; print('scikit-learn', sklearn.__version__)")
    system2(python, c("-c", command), stdout = TRUE)
  }
}
