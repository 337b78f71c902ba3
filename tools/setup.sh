#!/bin/sh
# Installs missing programs and R packages that nmu needs, on Debian or Ubuntu. If nothing is missing,
# it changes nothing, works on any system and takes a second.
#
#   tools/setup.sh [run|test|bench|site]    run by default; test includes run, and
#                                           bench and site include test
set -eu

group=${1:-run}

# Requirements of `make demo`, and then the additional ones of `make test`, `make lint` and
# `make check`
programs="R make cc"
packages="cli clue rlang Matrix"
case $group in
  run) ;;
  test | bench | site)
    programs="$programs pandoc"
    packages="$packages testthat callr roxygen2 lintr knitr rmarkdown truncnorm generics ggplot2 vdiffr"
    # packages that vignettes compare with
    packages="$packages ape psych NMF Biobase RcppML"
    # packages for matrices on disk and for workers
    packages="$packages HDF5Array DelayedArray BiocParallel batchtools"
    ;;
  *)
    echo "tools/setup.sh: no group '$group' (run, test, bench or site)" >&2
    exit 2
    ;;
esac
if [ "$group" = site ]; then
  packages="$packages pkgdown"
fi
# The benchmarks compare with scikit-learn, a Python package.
sklearn=""
if [ "$group" = bench ]; then
  for python in python3 /usr/bin/python3; do
    if "$python" -c "import sklearn" 2>/dev/null; then
      sklearn=$python
    fi
  done
  # leukaemia samples
  packages="$packages multtest"
  [ -n "$sklearn" ] || programs="$programs python3-sklearn"
fi

if ! command -v cargo >/dev/null && ! [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
  echo "Rust was not found. Install it first (with rustup, or cargo and rustc of a distribution)," >&2
  echo "in the version given in DESCRIPTION or a later one." >&2
  exit 1
fi

missing=""
for program in $programs; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
if command -v Rscript >/dev/null; then
  missing_packages=$(Rscript --no-init-file -e '
    wanted <- commandArgs(trailingOnly = TRUE)
    cat(wanted[!nzchar(vapply(wanted, function(p) system.file(package = p), ""))])
  ' $packages)
else
  missing_packages=$packages
fi
if [ -z "$missing$missing_packages" ]; then
  exit 0
fi
echo "nmu: not installed yet:$missing $missing_packages"

if ! command -v apt-get >/dev/null; then
  echo "This is neither Debian nor Ubuntu. Please install the above yourself: the programs with" >&2
  echo "your package manager, the R packages with install.packages()." >&2
  exit 1
fi
debs=""
for program in $missing; do
  case $program in
    R | make | cc) debs="$debs r-base-core r-base-dev" ;;
    *) debs="$debs $program" ;;
  esac
done
for package in $missing_packages; do
  repository=cran
  case $package in
    Biobase | multtest | HDF5Array | DelayedArray | BiocParallel) repository=bioc ;;
  esac
  debs="$debs r-$repository-$(echo "$package" | tr '[:upper:]' '[:lower:]')"
done

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "The installation needs root access, and sudo was not found. Please run as root:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends$debs" >&2
    exit 1
  fi
  as_root="sudo"
fi
$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends $debs
