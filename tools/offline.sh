#!/bin/bash
# Installs a release tarball as a build machine without network does: no network at all, an empty
# home, no more than two jobs. Fails where anything is written outside of the build.
#
#   tools/offline.sh TARBALL
set -euo pipefail

tarball=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home" "$work/library" "$work/tmp"
# rustup's proxies look into the home; a toolchain itself needs none.
toolchain=$(rustc --print sysroot)/bin

cd "$work"
# A network of its own, with nothing in it.
time unshare --map-root-user --net env -i HOME="$work/home" TMPDIR="$work/tmp" LC_ALL=C.UTF-8 \
  PATH="$toolchain:/usr/local/bin:/usr/bin:/bin" \
  R CMD INSTALL --library="$work/library" "$tarball" >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}

grep -q 'cargo build .*-j 2 ' "$work/log" || { echo "cargo was not told to use two jobs" >&2; exit 1; }
left=$(find "$work/home" "$work/tmp" -mindepth 1)
if [ -n "$left" ]; then
  echo "left behind:" "$left" >&2
  exit 1
fi
R_LIBS="$work/library" Rscript --vanilla -e 'library(nmu); invisible(nmu(diag(3) + 1)); cat("works\n")'
echo "installed: $(du -sk "$work/library/nmu" | cut -f1) kB," \
  "of which the library $(wc -c <"$work/library/nmu/libs/nmu.so") bytes"
