#!/usr/bin/env bash
# `iodirty precopy` loses no page on any format and page size, notices when the protocol is violated,
# refuses bad command lines, and writes what it says it writes.
# usage: check_precopy.sh IODIRTY
set -euo pipefail

read -ra iodirty <<<"${MESON_EXE_WRAPPER:-}" # in a cross build: the emulator
iodirty+=("$1")
lost=2 usage=1 cannot=4 # exit codes that --help promises
small=(--memory 256M --bandwidth 4G)
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
	"${iodirty[@]}" precopy "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
}

# expect STATUS ARGUMENTS
expect() {
	local want=$1
	shift
	run "$@"
	[ "$status" -eq "$want" ] || fail "precopy $*: exit $status, not $want"
}

# says FILE TEXT
says() {
	grep -qF -e "$2" "$dir/$1" || fail "no \"$2\" in std$1"
}

### Nothing is lost ####################################################################################

expect 0 --format all "${small[@]}"
says out "0 pages lost"
says out "PASSED"
says out ", 0 reported dirty"
mapfile -t formats < <(sed -n 's/^\([a-z0-9_]*\) .* 0 pages lost$/\1/p' "$dir/out")
[ ${#formats[@]} -gt 0 ] || { fail "no format at all"; exit 1; }
format=${formats[0]}
! grep -q $'[\r\033]' "$dir/out" || fail "control characters, but this is no terminal"

expect 0 --format all --page 2m --quiet --rate 20k "${small[@]}"
[ "$(grep -c ' 0 pages lost$' "$dir/out")" -eq ${#formats[@]} ] ||
	fail "not one line per format"
expect 0 --format all --page mixed --quiet --rate 20k "${small[@]}"
# On large pages, by policy: what a round copies falls where they are split.
expect 0 --format all --page 2m --policy all --quiet --rate 100k "${small[@]}"
[ "$(grep -c ' 0 pages lost$' "$dir/out")" -eq $((3 * ${#formats[@]})) ] ||
	fail "not one line per format and policy"
[ "$(grep -cE '^  [a-z0-9_]+ +none .*  eager .* \([0-9.]+ %\)  on-dirty .* \([0-9.]+ %\)$' "$dir/out")" \
	-eq ${#formats[@]} ] || fail "not one comparison per format"
[ "$(sed -n 's/.*on-dirty .* (\([0-9]*\)[.0-9]* %)$/\1/p' "$dir/out" | sort -n | tail -n 1)" -lt 50 ] ||
	fail "splitting what is dirty does not help"
expect 0 --format all --page mixed --policy on-dirty --quiet --rate 20k "${small[@]}"
expect 0 --format "$format" --page 2m --policy eager --unplug 5000 "${small[@]}"
says out "large pages split in"
says out "buffers unmapped under the device, with "
expect 0 --format "$format" --unplug 0 "${small[@]}"
! grep -q "buffers unmapped" "$dir/out" || fail "--unplug 0 unmaps"
expect 0 --format "$format" --rate 0 --rounds 3 --agents 7 --seed 0xabc "${small[@]}"
expect 0 --format "$format" --agents 1 --hot 0 --memory 16M --bandwidth 1G --downtime 500us
expect 0 --format "$format" --hot 100 --hot-set 100 --memory 66M --bandwidth 2.5G --rounds 1

### Violations are noticed ############################################################################

for f in "${formats[@]}"; do
	for violation in copy-before-sync skip-invalidate skip-atc; do
		expect $lost --format "$f" --break $violation --seed 7 "${small[@]}"
		says out "BREAKING THE PROTOCOL ON PURPOSE"
		says out "LOST: page 0x"
		says out "FAILED"
	done
	# Nobody else writes the pages that are forgotten.
	expect $lost --format "$f" --break forget-unmapped --unplug 200 --rate 1 --agents 1 "${small[@]}"
	says out "LOST: page 0x"
done

### The command line ##################################################################################

# refused TEXT ARGUMENTS -- a usage error that says TEXT, and nothing else happens
refused() {
	local text=$1
	shift
	expect $usage "$@"
	says err "iodirty precopy: $text"
	[ ! -s "$dir/out" ] || fail "precopy $*: writes to stdout although it refuses"
}

refused "--memory: 'lots' is not a size" --memory lots
refused "--memory: '1X' is not a size" --memory 1X
refused "--memory: '-1G' is not a size" --memory -1G
refused "--memory: '0x100' is not a size" --memory 0x100
refused "--memory: '' is not a size" --memory ""
refused "--memory: 1M is not between 16M and 16T" --memory 1M
refused "--memory: 17T is not between 16M and 16T" --memory 17T
refused "--memory: 17M is not a multiple of 2M" --memory 17M
refused "--memory: '99999999999999999999G' is not a size" --memory 99999999999999999999G
refused "--page: '8k' is not one of 4k, 2m, mixed" --page 8k
refused "--format: no such format: 'vtd'" --format vtd
refused "--format: no such format: ''" --format "$format,"
refused "--format: $format is given twice" --format "$format,$format"
refused "--agents: 0 is not between 1 and 64" --agents 0
refused "--agents: 'four' is not a number" --agents four
refused "--agents: '-1' is not a number" --agents -1
refused "--rate: 'fast' is not a number" --rate fast
refused "--rate: 2G is not between 0 and 1G" --rate 2G
refused "--bandwidth: 0 is not between 1M and 100T" --bandwidth 0
refused "--downtime: '5' is not a time" --downtime 5
refused "--downtime: 61s is more than 60s" --downtime 61s
refused "--rounds: 101 is not between 1 and 100" --rounds 101
refused "--hot: 101 is not between 0 and 100" --hot 101
refused "--hot-set: 0 is not between 1 and 100" --hot-set 0
refused "--seed: 'x' is not a number" --seed x
refused "--break: 'everything' is not one of" --break everything
refused "--break skip-atc: one agent alone has no ATC" --break skip-atc --agents 1
refused "--policy: 'lazy' is not one of none, eager, on-dirty" --page 2m --policy lazy
refused "--policy: eager is given twice" --page 2m --policy eager,eager
refused "--policy: there are no large pages to split" --policy eager
refused "--unplug: 10001 is not between 0 and 10000" --unplug 10001
refused "--break forget-unmapped: nothing is unmapped" --break forget-unmapped --unplug 0
refused "--memory needs a value" --memory
refused "--quiet=yes takes no value" --quiet=yes
refused "unknown option: --frobnicate" --frobnicate
refused "unknown option: -x" -x
refused "unexpected argument: 64G" 64G

expect 0 -h
expect 0 --help
for option in format memory page agents rate hot hot-set unplug policy seed bandwidth downtime rounds svg json quiet \
	break help; do
	says out "--$option "
done

### Files #############################################################################################

expect 0 --format all --quiet --svg "$dir/a.svg" --json "$dir/a.json" "${small[@]}"
for f in "${formats[@]}"; do
	grep -q ">$f<" "$dir/a.svg" || fail "$f is not in the drawing"
done
expect $cannot --format "$format" --quiet --svg "$dir/none/a.svg" "${small[@]}"
says err "No such file or directory"
expect 0 --format "$format" --json - "${small[@]}"
mv "$dir/out" "$dir/b.json"
: >"$dir/out"
says err "0 pages lost"

if command -v python3 >/dev/null; then
	python3 - "$dir" "${formats[@]}" <<-'PYTHON' || fail "the files are malformed"
		import json, sys
		from xml.dom import minidom
		directory, *formats = sys.argv[1:]
		assert minidom.parse(directory + "/a.svg").documentElement.tagName == "svg"
		assert len(json.load(open(directory + "/b.json"))["formats"]) == 1
		results = json.load(open(directory + "/a.json"))["formats"]
		assert [r["format"] for r in results] == formats
		for r in results:
		    assert r["passed"] and r["lost"] == 0 and r["pages"] == 65536
		    assert r["rounds"][0]["dirty"] == 65536
		    assert sum(x["dirty"] for x in r["rounds"]) == r["sent"]
		    assert r["pages_written"] > 0 and r["read_dirtied"] == 0
		    for counter in ("tlbi", "tlbi_ranges", "atc_inv", "iommu_syncs"):
		        assert r[counter] > 0, counter
	PYTHON
fi
exit $failed
