#!/usr/bin/env bash
# A stranger's program builds and runs against the installed library, found by pkg-config: shared
# and static.   (env CC, SANITIZE, BUILD_ROOT, CONSUMER)
set -euo pipefail

if [ "${SANITIZE:-none}" != none ]; then
	echo "a plain program cannot link a sanitized library"
	exit 77
fi
command -v pkg-config >/dev/null || { echo "no pkg-config"; exit 77; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
DESTDIR=$tmp meson install -C "$BUILD_ROOT" --no-rebuild --quiet

pc=$(find "$tmp" -name iodirty.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$tmp$prefix|" "$pc"
export PKG_CONFIG_PATH=${pc%/*}
lib=$(pkg-config --variable=libdir iodirty)

read -ra cc <<<"$CC"
read -ra cflags <<<"$(pkg-config --cflags iodirty)"
build=("${cc[@]}" -std=c11 -Wall -Werror "${cflags[@]}" "$CONSUMER" -o)

read -ra libs <<<"$(pkg-config --libs iodirty)"
"${build[@]}" "$tmp/shared" "${libs[@]}"
echo "shared:"
LD_LIBRARY_PATH=$lib "$tmp/shared"

rm -f "$lib"/libiodirty.so* "$lib"/libiodirty*.dylib
read -ra libs <<<"$(pkg-config --static --libs iodirty)"
"${build[@]}" "$tmp/static" "${libs[@]}"
echo "static:"
"$tmp/static"
