#!/bin/sh
# Prints the cargo options for the features that tools/configure.R enables with this compiler, so that
# tests cover them and share cargo's artefacts with the package.
rustc -vV | awk '
  /^host: x86_64/ { x86 = 1 }
  /^release: / { split($2, part, "."); recent = part[1] > 1 || part[2] >= 89 }
  END { if (x86 && recent) print "--features avx512" }
'
