#!/bin/bash
# Runs R CMD build and R CMD check of the tarball, in a temporary directory. Fails on an error or a
# warning; notes are shown.
#
#   tools/check.sh [OPTION of R CMD check ...]
set -euo pipefail

# In a locale without UTF-8, as on minimal systems, R CMD check tries a locale that is not installed
# and warns.
case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
  *UTF-8* | *utf8*) ;;
  *) export LC_ALL=C.UTF-8 ;;
esac

# ebnm is suggested but not part of Debian; its example is skipped without it.
export _R_CHECK_FORCE_SUGGESTS_=false

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# R CMD build copies the whole folder before it excludes files, including cargo's gigabyte of
# artefacts. A copy without them is faster, and the checkout is not modified.
mkdir "$work/nmu"
tar -cf - --exclude=./.git --exclude=./.lib --exclude=./src/rust/target --exclude=./bench . |
  tar -xf - -C "$work/nmu"

cd "$work"
# R CMD build knits the vignettes, so the check does not run them again.
R CMD build nmu
status=0
R CMD check --no-manual --no-vignettes "$@" nmu_*.tar.gz || status=$?
# The exit status of R CMD check is nonzero for errors only, not for warnings.
result=$(grep '^Status:' nmu.Rcheck/00check.log || true)
case $result in
  *ERROR* | *WARNING*) status=1 ;;
esac
if [ "$status" -ne 0 ]; then
  cat nmu.Rcheck/00install.out >&2 || true
  cat nmu.Rcheck/tests/*.fail >&2 2>/dev/null || true
fi
exit "$status"
