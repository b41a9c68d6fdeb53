#!/usr/bin/env bash
# The shared library exports exactly the functions marked IOD_API in the public headers, and the
# static library, which has no hidden symbols, defines nothing outside iod_*.
# usage: check-symbols.sh SHARED STATIC HEADER...   (env SANITIZE)
set -euo pipefail
# shellcheck source=SCRIPTDIR/prototypes.sh
. "$(dirname "${BASH_SOURCE[0]}")/prototypes.sh"

if [ "${SANITIZE:-none}" != none ]; then
	echo "sanitizers add symbols of their own"
	exit 77
fi

shared=$1 static=$2
shift 2
failed=0

exported=$(nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
if ! diff <(prototypes "$@") <(echo "$exported"); then
	echo "< marked IOD_API in a header    > exported by ${shared##*/}"
	failed=1
fi

foreign=$(nm -g --defined-only "$static" | awk 'NF == 3 && $3 !~ /^(iod_|__x86\.get_pc_thunk\.)/ { print $3 }')
if [ -n "$foreign" ]; then
	printf '%s defines symbols outside iod_*:\n%s\n' "${static##*/}" "$foreign"
	failed=1
fi
exit $failed
