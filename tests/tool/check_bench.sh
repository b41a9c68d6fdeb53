#!/usr/bin/env bash
# `iodirty bench` measures every row on a small range, verifies each result, says for each bound whether
# it was kept, writes the same as JSON, and refuses bad command lines. Times themselves are not judged.
# usage: check_bench.sh IODIRTY
set -euo pipefail

read -ra iodirty <<<"${MESON_EXE_WRAPPER:-}" # in a cross build: the emulator
iodirty+=("$1")
usage=1 over=2 # exit codes that --help promises; 2: also any other failure
small=(--memory 256M --reps 3)
failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	printf 'FAIL: %s\n' "$*"
	sed 's/^/  | /' "$dir/out" "$dir/err"
	failed=1
}

# run ARGUMENTS -- leaves $status, $dir/out and $dir/err
run() {
	status=0
	"${iodirty[@]}" bench "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
}

# expect STATUS ARGUMENTS
expect() {
	local want=$1
	shift
	run "$@"
	[ "$status" -eq "$want" ] || fail "bench $*: exit $status, not $want"
}

if ! "${iodirty[@]}" --help 2>&1 | grep -qw bench; then
	echo "built without the benchmarks"
	exit 77
fi

### The list ###########################################################################################

expect 0 --list
cp "$dir/out" "$dir/rows"
[ "$(sort "$dir/rows" | uniq -d | wc -l)" -eq 0 ] || fail "a row is listed twice"
mapfile -t formats < <(cut -d/ -f2 "$dir/rows" | grep -vx -e - | sort -u)
[ ${#formats[@]} -gt 0 ] || { fail "no format at all"; exit 1; }
for format in "${formats[@]}"; do
	for row in sweep/F/4K/{clean,dirty0.1,dirty10,dirty100,attached_dirty100}/clear \
		sweep/F/4K/{clean,dirty100}/keep scattered/F/4K/clean/keep \
		shares/F/4K/{clean/keep,attached_dirty100/clear} translate/F/4K/all/random \
		map/F/4K/{fresh/range,recycled/range,percall/page} \
		unmap/F/4K/{range/sync,partial/sync,percall/page} \
		unmap/F/4K/{clean,clean_plain,dirty100,partial,percall}/dirty unmap/F/2M/clean/dirty \
		split/F/{2M,1G}/clean/4K split/F/2M/dirty10/4K merge/F/4K/{clean,dirty10}/2M \
		beside/F/4K/{pages,pages_dirty100,ranges,resize}/clear \
		pause/F/4K/{clean/keep,dirty100/clear}; do
		grep -qxF "${row/F/$format}" "$dir/rows" || fail "no row ${row/F/$format}"
	done
	runs=0 prunes=0 breaks=0
	case $format in
	arm_lpae_s1 | arm_lpae_s2) runs=5 prunes=2 breaks=2 ;;
	vtd_ss | vtd_fs) prunes=2 ;;
	amd_v1) runs=5 ;;
	esac
	[ "$(grep -c "^[a-z]*/$format/.*_break/" "$dir/rows")" -eq $breaks ] ||
		fail "$format: rows of break-before-make"
	[ "$(grep -c "^unmap/$format/4K/untouched/dirty\$" "$dir/rows")" -eq $((prunes / 2)) ] ||
		fail "$format: rows of untouched tables"
	[ "$(grep -c "^runs/$format/" "$dir/rows")" -eq $runs ] || fail "$format: rows of runs"
	[ "$(grep -c "^prune/$format/" "$dir/rows")" -eq $prunes ] || fail "$format: pruned rows"
done
for row in {scattered,unmap32M}/{ranges,single} {random,issued}/ranges; do
	grep -qxF "smmu_inv/-/-/$row" "$dir/rows" || fail "no row smmu_inv of $row"
done
for row in {scattered,random}/{blocks,cost} {unmap32M,issued}/blocks; do
	for vendor in vtd amdvi; do
		grep -qxF "${vendor}_inv/-/-/$row" "$dir/rows" || fail "no row ${vendor}_inv of $row"
	done
done
for mode in count or iterate; do
	grep -q "^bitmap/-/-/.*/$mode\$" "$dir/rows" || fail "no bitmap row for $mode"
done
expect 0 --list --format "${formats[0]}" --filter '^sweep/.*/clean/keep$'
grep -qx "sweep/${formats[0]}/4K/clean/keep" "$dir/out" || fail "the filter loses its row"
! grep -qv "^sweep/${formats[0]}/" "$dir/out" || fail "the filter lets others through"

### All rows; of one format where everything is slow ##################################################

# The lines of the table: those with a ratio and a spread.
table() {
	grep -E ' ([0-9.]+x|1/[0-9]+) +[0-9.]+%  ' "$dir/out" >"$dir/table" || true
}

if [ "${IOD_TEST_SCALE:-100}" -lt 100 ]; then
	small+=(--format "${formats[0]}")
	grep "/${formats[0]}/" "$dir/rows" >"$dir/some"
	mv "$dir/some" "$dir/rows"
fi
expect 0 "${small[@]}" --json "$dir/json"
[ ! -s "$dir/err" ] || fail "complaints"
table
listed=$(wc -l <"$dir/rows")
skipped=$(grep -c '  skipped: ' "$dir/out" || true)
[ $(($(wc -l <"$dir/table") + skipped)) -eq "$listed" ] || fail "not every row was measured"
grep -q "pruned sweeps 256M instead of 1T" "$dir/out" || fail "a smaller range, unsaid"
! grep -vE '(<= [0-9.]+x|<= [0-9.]+ ns|<= 1/100|>= [0-9.]+x) +(ok|over)|  - ' "$dir/table" ||
	fail "a row without verdict"
for bound in '<= 1.08x' '<= 1.20x' '<= 1.30x' '<= 1.10x' '<= 1.70x' '<= 1.05x' '<= 1.15x' \
	'<= 2.50x' '<= 0.02 ns' '<= 6 ns' '<= 8 ns' '<= 35 ns' '<= 20 ns'; do
	grep -qF "$bound " "$dir/table" || fail "no row with bound $bound"
done

# One object a line. What the table calls over is not ok.
[ "$(grep -c '^  {.*}' "$dir/json")" -eq $((listed - skipped)) ] || fail "JSON: rows"
[ "$(grep -c '"bound_kind": "\(ratio\|ns\|speedup\)", "ok": false' "$dir/json" || true)" -eq \
	"$(grep -c ' over' "$dir/table" || true)" ] || fail "JSON: ok"
if command -v python3 >/dev/null; then
	python3 - "$dir/json" <<-'END' || fail "JSON does not parse, or contradicts itself"
		import json, sys
		for row in json.load(open(sys.argv[1])):
		    assert row["reps"] >= 1 and row["ns_per_item"] > 0, row
		    kind = row.get("bound_kind")
		    value = row["ns_per_item"] if kind == "ns" else row["ratio"]
		    slack = 2e-4 * max(1, abs(value)) # decimals that are printed
		    if kind == "speedup" and abs(value - row["bound"]) > slack:
		        assert row["ok"] == (value >= row["bound"]), row
		    elif kind in ("ratio", "ns") and abs(value - row["bound"]) > slack:
		        assert row["ok"] == (value <= row["bound"]), row
	END
fi

# JSON alone on standard output, with the table on standard error.
expect 0 "${small[@]}" --format "${formats[0]}" --filter '^(sweep|pause)/.*/clean/keep$' --json -
[ "$(grep -c '^  {.*}' "$dir/out")" -ge 1 ] || fail "JSON on standard output"
! grep -qv '^\[$\|^\]$\|^  {' "$dir/out" || fail "something else on standard output"
grep -q ' rows, ' "$dir/err" || fail "no table on standard error"

run --strict "${small[@]}" --format "${formats[0]}" --filter '/clean/|percall|translate'
table
want=0
! grep -q ' over' "$dir/table" || want=$over
[ $status -eq $want ] || fail "--strict: exit $status, not $want"

### Command lines that are refused #####################################################################

expect 0 --help
expect 0 -h
for bad in --no-such "--memory 100M" "--memory 3G" "--memory 8T" "--reps 2" "--reps x" "--format none" \
	"--filter (" "--filter ^nothing$" surplus; do
	read -ra words <<<"$bad"
	expect $usage "${words[@]}"
	[ -s "$dir/err" ] || fail "bench $bad: refused without a word"
done
expect $over --json "$dir/none/file" --filter translate "${small[@]}"

exit $failed
