#!/bin/sh
# count.sh DIR: adds up automake's *.trs files below DIR and prints `N passed, N failed` (`, N skipped` if there are any).
# Exit status 1 if anything failed, or if there is nothing to count.
set -u
dir=${1:?usage: count.sh DIR}
find "$dir" -name '*.trs' ! -path '*/build/*' -exec cat {} + | awk '
/^:test-result: (PASS|XFAIL)/ { passed++ }
/^:test-result: (FAIL|ERROR|XPASS)/ { failed++ }
/^:test-result: SKIP/ { skipped++ }
END {
	printf "%d passed, %d failed", passed, failed
	if (skipped)
		printf ", %d skipped", skipped
	print ""
	exit failed > 0 || passed == 0
}'
