#!/bin/bash
# Installs a release tarball as on a build machine without network: no network access, an empty home
# folder and at most two jobs. Fails if anything is written outside of the build.
#
#   tools/offline.sh TARBALL
set -euo pipefail

tarball=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home" "$work/library" "$work/tmp"
# rustup's proxies read the home folder; the programs of the toolchain itself do not.
toolchain=$(rustc --print sysroot)/bin

cd "$work"
# A separate network namespace without any interface.
time unshare --map-root-user --net env -i HOME="$work/home" TMPDIR="$work/tmp" LC_ALL=C.UTF-8 \
  PATH="$toolchain:/usr/local/bin:/usr/bin:/bin" \
  R CMD INSTALL --library="$work/library" "$tarball" >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}

grep -q 'cargo build .*-j 2 ' "$work/log" || { echo "cargo was not run with two jobs" >&2; exit 1; }
left=$(find "$work/home" "$work/tmp" -mindepth 1)
if [ -n "$left" ]; then
  echo "left behind:" "$left" >&2
  exit 1
fi
R_LIBS="$work/library" Rscript --vanilla -e 'library(nmu); invisible(nmu(diag(3) + 1)); cat("works\n")'
echo "installed: $(du -sk "$work/library/nmu" | cut -f1) kB," \
  "of which the library $(wc -c <"$work/library/nmu/libs/nmu.so") bytes"
