#!/bin/sh
# tap.sh TEST...: runs tests that print TAP, one after the other; shows what failed and one line for each test. Exit status 1 if anything
# failed, or if a test did not print as many results as its plan says.
set -u
failed=0
for test; do
	output=$("$test" 2>&1)
	status=$?
	printf '%s\n' "$output" | awk -v test="$test" -v status="$status" '
	/^1\.\.[0-9]+/ { split($1, plan, /\.\./); planned = plan[2]; next }
	/^ok/ { done++; in_failure = 0; if (/# SKIP/) skipped++; next }
	/^not ok/ { done++; failed++; in_failure = 1; print; next }
	/^#/ && in_failure { print; next }
	{ other = other $0 "\n" }
	END {
		bad = failed || done != planned || status
		if (bad && other != "")
			printf "%s", other
		printf "%s %s: %d of %d passed", bad ? "FAIL" : "PASS", test, done - failed, planned
		if (skipped)
			printf ", %d of them skipped", skipped
		if (bad && !failed)
			printf " (exit status %d)", status
		print ""
		exit bad
	}' || failed=1
done
exit $failed
