#!/usr/bin/env bash
# Who may include and know whom: ARCHITECTURE.md, "Layers".   (env SOURCE_ROOT)
set -euo pipefail
cd "$SOURCE_ROOT"
failed=0

# refuse WHAT PATTERN PATH... -- no line of C under PATH matches PATTERN
refuse() {
	local what=$1 pattern=$2
	shift 2
	if grep -rniE --include='*.[ch]' -e "$pattern" -- "$@"; then
		echo "^ $what"
		failed=1
	fi
}

quoted='^[[:space:]]*#[[:space:]]*include[[:space:]]*"(\.\./)*'

refuse "the engine and the fault module know no vendor" \
	'smmu|vtd|vt-d|amdvi|amd-vi|amd_v' src/pgtable src/dirty src/fault
refuse "the engine stands below dirty and fault" "$quoted(dirty|fault)/" src/pgtable
refuse "the fault module knows no page table" "$quoted(pgtable|dirty)/" src/fault
refuse "vendors do not know each other" "$quoted(vtd|amdvi)/" src/smmuv3
refuse "vendors do not know each other" "$quoted(smmuv3|amdvi)/" src/vtd
refuse "vendors do not know each other" "$quoted(smmuv3|vtd)/" src/amdvi
refuse "the model is independent of the library" "$quoted(pgtable|dirty|fault|smmuv3|vtd|amdvi)/" \
	tests/model

# Programs see the public headers and their own.
while IFS=: read -r file name; do
	if [ ! -e "${file%/*}/$name" ] && [ ! -e "bench/$name" ]; then
		echo "$file: programs use <iodirty/...> and their own headers, not \"$name\""
		failed=1
	fi
done < <(grep -roE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+' tools bench |
	sed 's/:.*"/:/')
exit $failed
