#!/usr/bin/env bash
# docs/spec-map.md has a line for each requirement row, and every test that it names exists.
# usage: SOURCE_ROOT=DIR check-spec-map.sh
set -euo pipefail
cd "$SOURCE_ROOT"
map=docs/spec-map.md
failed=0

missing=$(comm -23 <(seq 123 | sort) <(sed -n 's/^| \([0-9]\{1,\}\) |.*/\1/p' "$map" | sort -u))
if [ -n "$missing" ]; then
	echo "rows without a line: $missing"
	failed=1
fi
while read -r file name; do
	if [ ! -e "tests/$file" ]; then
		echo "$map names tests/$file, which does not exist"
		failed=1
	elif [ -n "$name" ] && ! grep -qw -- "$name" "tests/$file"; then
		echo "$map names $name in tests/$file, which has none"
		failed=1
	fi
done < <(grep -oE '`[a-z_/]+\.(c|sh)(:[a-z0-9_]+)?`' "$map" | tr -d '`' | tr ':' ' ')
exit $failed
