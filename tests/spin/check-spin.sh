#!/usr/bin/env bash
# Explores the models in this folder completely, with Spin: the correct ones must have no error and no
# statement that is never reached, each twin must have an error.
# usage: check-spin.sh [MODEL [OPTION...]]     all, or one with these -D options, whose trail is shown
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

command -v spin >/dev/null || {
	echo "spin is not installed (Debian: spin)"
	exit 77
}
CC=${CC:-cc}
JOBS=${SPIN_JOBS:-2}
DEPTH=10000  # steps; the deepest search takes about 130
MEMORY=2000  # MiB each; the largest takes about 700

# model, options: correct
MODELS='clear
clear -DWRITES=4
split
split -DBREAK -DWRITES=2
split -DNT_STEPS -DWRITES=2
split -DWRITES=1 -DROUNDS=2
merge -DWRITES=2
merge -DBREAK -DWRITES=2
merge -DNT_STEPS -DWRITES=2
merge -DWRITES=1 -DROUNDS=2
unmap
unmap -DWRITES=1 -DROUNDS=2'

# model, options, what is violated: a write that is not copied (must), or a freed table that is used (freed)
TWINS='clear -DTWIN_EARLY_COPY: must
clear -DTWIN_NO_INVALIDATION: must
clear -DTWIN_NO_ATC: must
clear -DTWIN_ATC_FIRST: must
clear -DTWIN_PLAIN: must
clear -DTWIN_PARTLY: must
clear -DTWIN_NO_FINAL_SYNC: must
split -DTWIN_PLAIN: must
split -DTWIN_BORN_CLEAN: must
split -DTWIN_PARTLY: must
split -DTWIN_EARLY_COPY: must
merge -DTWIN_LEAF_ONLY: must
merge -DTWIN_NO_HARVEST: must
merge -DTWIN_EARLY_HARVEST: must
merge -DTWIN_EARLY_FREE: freed
merge -DTWIN_PLAIN -DNT_STEPS: must
unmap -DTWIN_PLAIN: must
unmap -DTWIN_LEAF_ONLY: must
unmap -DTWIN_NO_HARVEST: must
unmap -DTWIN_EARLY_COPY: must
unmap -DTWIN_EARLY_FREE: freed'

# explore DIR MODEL [OPTION...] -- leaves DIR/out, and a trail if there is an error. (Compiled without
# optimization: memory is what it waits for, and the compiler would take longer than the search.)
explore() {
	local dir=$1 model=$2
	shift 2
	mkdir -p "$dir"
	cp -- *.pml "$dir"
	(
		cd "$dir"
		spin -a -P"$CC -E -x c" "$@" "$model.pml" >spin.out 2>&1 &&
			$CC -O0 -w -DSAFETY -DMEMLIM=$MEMORY -o pan pan.c >cc.out 2>&1 &&
			./pan -m$DEPTH >out 2>&1
	) || {
		cat "$dir"/spin.out "$dir"/cc.out "$dir"/out 2>/dev/null
		echo "$model $*: could not be explored"
		return 1
	}
}

# whole OUT -- whether nothing was left out
whole() {
	! grep -qE 'max search depth too small|out of memory|reached -DMEMLIM|Search not completed|Warning' "$1"
}

# summary OUT -- "N states, depth N, N s"
summary() {
	awk '/states, stored/ { states = $1 }
		/depth reached/ { sub(/.*depth reached /, ""); sub(/,.*/, ""); depth = $0 }
		/elapsed time/ { time = $4 }
		END { printf "%d states, %d steps deep, %.1f s", states, depth, time }' "$1"
}

correct() {
	local dir=$TMP/${*// /_}
	explore "$dir" "$@" || return
	if ! grep -q 'errors: 0$' "$dir/out" || ! whole "$dir/out"; then
		cat "$dir/out"
		echo "$*: not free of errors"
		return 1
	fi
	if grep -E '^[[:space:]]*\([1-9][0-9]* of [0-9]+ states\)' "$dir/out"; then
		cat "$dir/out"
		echo "$*: statements that are never reached"
		return 1
	fi
	echo "$*: $(summary "$dir/out")"
	rm -rf "$dir"
}

twin() {
	local line=$1 words dir
	read -ra words <<<"${line%%:*}"
	dir=$TMP/${words[*]// /_}
	explore "$dir" "${words[@]}" || return
	if ! grep -qE "pan:1: assertion violated.*${line##*: }" "$dir/out"; then
		cat "$dir/out"
		echo "$line: not found"
		return 1
	fi
	echo "${words[*]}: found; $(summary "$dir/out")"
	rm -rf "$dir"
}

TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT

case ${1:-} in
--correct) shift; correct "$@"; exit ;;
--twin) shift; twin "$@"; exit ;;
?*)
	explore "$TMP/one" "$@"
	cat "$TMP/one/out"
	cd "$TMP/one"
	[ ! -e "$1.pml.trail" ] || spin -t -p -g -P"$CC -E -x c" "${@:2}" "$1.pml"
	exit
	;;
esac

# Largest first would be best; the first of each model are.
export CC
{
	sed 's/^/--correct /' <<<"$MODELS"
	sed 's/.*/--twin "&"/' <<<"$TWINS"
} | xargs -P "$JOBS" -L 1 "$(pwd)/check-spin.sh"
echo "all explored"
