#!/usr/bin/env bash
# Each public header compiles alone, as strict C11 and as C++.
# usage: check-headers.sh HEADER...   (env CC, CXX, SOURCE_ROOT)
set -euo pipefail

read -ra cc <<<"$CC"
read -ra cxx <<<"${CXX:-}"
inc=$SOURCE_ROOT/include
failed=0

for header; do
	line="#include <iodirty/${header##*/}>"
	"${cc[@]}" -x c -std=c11 -Wall -Wextra -pedantic -Werror -fsyntax-only -I"$inc" - \
		<<<"$line" || { echo "not C11: $header"; failed=1; }
	if [ ${#cxx[@]} -gt 0 ]; then
		"${cxx[@]}" -x c++ -std=c++11 -Wall -Wextra -pedantic -Werror -fsyntax-only -I"$inc" - \
			<<<"$line" || { echo "not C++: $header"; failed=1; }
	fi
done

# No header is forgotten, neither by the installation nor by this check.
listed=$(printf '%s\n' "${@##*/}" | sort)
found=$(cd "$inc/iodirty" && printf '%s\n' *.h | sort)
diff <(echo "$listed") <(echo "$found") ||
	{ echo "include/iodirty/meson.build does not list what is there"; failed=1; }
exit $failed
