#!/bin/sh
# Builds this checkout and installs it into the given library or, by default, into the first writable
# library of R. If there is none, a personal library is created.
#
#   tools/install.sh [LIBRARY]
set -eu

library=${1:-}
if [ -z "$library" ]; then
  # R_LIBS_USER is where R looks for the personal library in its next session.
  library=$(Rscript --no-init-file -e '
    known <- .libPaths()
    writable <- known[file.access(known, 2L) == 0L]
    personal <- path.expand(strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1L]][1L])
    cat(c(writable, personal)[[1L]])
  ')
fi
mkdir -p "$library"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building nmu and installing it into $library (the first Rust build takes a few minutes) ..."
if ! R CMD INSTALL --library="$library" . >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
tail -n 1 "$log"
