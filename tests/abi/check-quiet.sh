#!/usr/bin/env bash
# The library prints nothing, aborts on nothing, starts no thread and touches no signal: it does not even
# refer to what would.
# usage: SANITIZE=none check-quiet.sh LIBRARY.a
set -euo pipefail

[ "${SANITIZE:-none}" = none ] || exit 77
if nm -u "$1" | grep -wE 'U (v?[fsd]?printf|puts|putc|putchar|fputs|fwrite|perror|v?syslog|abort|exit|_exit|__assert_fail|raise|kill|signal|sigaction|pthread_create|thrd_create|fopen|open|system|getenv)'; then
	echo "^ the library refers to these"
	exit 1
fi
echo "nothing that prints, aborts, or starts anything"
