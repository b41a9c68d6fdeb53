#!/usr/bin/env bash
# The repository works as a Meson subproject: a dependency with fallback, nothing installed.
# (env CC, SANITIZE, SOURCE_ROOT, CONSUMER)
set -euo pipefail

if [ "${SANITIZE:-none}" != none ]; then
	echo "nothing that the plain build does not show"
	exit 77
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/subprojects"
ln -s "$SOURCE_ROOT" "$tmp/subprojects/iodirty"
cp "$CONSUMER" "$tmp/consumer.c"
cat >"$tmp/meson.build" <<'EOF'
project('consumer', 'c')
executable('consumer', 'consumer.c',
  dependencies: dependency('iodirty', fallback: 'iodirty'))
EOF

meson setup "$tmp/build" "$tmp" --force-fallback-for=iodirty >"$tmp/log" || { cat "$tmp/log"; exit 1; }
meson compile -C "$tmp/build" -j 2 >"$tmp/log" || { cat "$tmp/log"; exit 1; }
"$tmp/build/consumer"

# No programs and no tests of ours in somebody else's build.
if [ -e "$tmp/build/subprojects/iodirty/tools/iodirty" ] || meson test -C "$tmp/build" --list | grep .; then
	echo "the subproject brings its programs or tests along"
	exit 1
fi
