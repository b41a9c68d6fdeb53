#!/usr/bin/env bash
# Each function in the public headers stands directly below a comment.
# usage: check-docs.sh HEADER...
set -euo pipefail

awk '
	FNR == 1 { last = "" }
	/^[ \t]*IOD_API/ && last !~ /\*\/[ \t]*$/ {
		printf "%s:%d: no comment above: %s\n", FILENAME, FNR, $0
		failed = 1
	}
	{ last = $0 }
	END { exit failed }
' "$@"
