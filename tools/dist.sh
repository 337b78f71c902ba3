#!/bin/bash
# Builds the release tarball nmu_<version>.tar.gz of a commit. It contains the files of the commit, the
# sources of every crate in its lock file, and the authors and licences of the crates. Installing it
# needs R, a C compiler and Rust, but no network.
#
#   tools/dist.sh [COMMIT]        HEAD by default; uncommitted changes are not released
set -euo pipefail

commit=${1:-HEAD}
limit=$((10 * 1000 * 1000)) # largest size in bytes of a source package on CRAN
out=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! git diff --quiet "$commit" --; then
  echo "note: $commit is released, which differs from the working tree"
fi
git archive --prefix=nmu/ "$commit" | tar -xf - -C "$work"
rust=$work/nmu/src/rust

# The archive is reproducible: names are sorted, owners removed, and dates set to that of the commit.
cargo vendor --quiet --locked --manifest-path "$rust/Cargo.toml" "$work/vendor" >/dev/null
tar --sort=name --mtime="@$(git log -1 --format=%ct "$commit")" --owner=0 --group=0 \
  --numeric-owner -cf - -C "$work" vendor | xz -9e >"$rust/vendor.tar.xz"
rm -rf "$work/vendor"
size=$(wc -c <"$rust/vendor.tar.xz")
echo "vendor.tar.xz: $((size / 1000)) kB"
if [ "$size" -gt "$limit" ]; then
  echo "vendor.tar.xz is larger than $((limit / 1000)) kB: remove a large crate or feature." >&2
  exit 1
fi
cargo metadata --quiet --locked --format-version 1 --manifest-path "$rust/Cargo.toml" |
  Rscript tools/credits.R "$work/nmu"

# Building runs the vignettes, with the package installed as users install it.
cd "$work"
env -u NOT_CRAN -u NMU_TARGET_DIR R CMD build nmu
mv nmu_*.tar.gz "$out"
