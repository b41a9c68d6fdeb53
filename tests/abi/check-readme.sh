#!/usr/bin/env bash
# The program in README.md is docs/examples/quickstart.c, which the tests build and run.
# usage: SOURCE_ROOT=DIR check-readme.sh
set -euo pipefail

diff <(sed -n '/^```c$/,/^```$/{/^```/d;p}' "$SOURCE_ROOT/README.md") \
	<(sed 1d "$SOURCE_ROOT/docs/examples/quickstart.c")
echo "README.md shows docs/examples/quickstart.c"
