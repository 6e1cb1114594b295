#!/usr/bin/env bats
# The examples, as a reader would run them, in copies.

setup() {
	cd "$BATS_TEST_TMPDIR"
}

@test "quickstart: runs, makes its report, and then has nothing to do" {
	cp -R "$srcdir/examples/quickstart" quickstart
	chmod -R u+w quickstart
	rm -rf quickstart/.orch quickstart/out
	run "$ORCH" -C quickstart -j4
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"11 streams: 11 completed"* ]]
	grep -q December quickstart/out/report.txt
	grep -q '</html>' quickstart/out/report.html
	run "$ORCH" -C quickstart -j4
	[ "$status" -eq 0 ]
	[[ "$output" == *"nothing to do"* ]]
	run "$ORCH" -C quickstart -q
	[ "$status" -eq 0 ]
}

@test "quickstart: one station read anew, and what did not change is not done again" {
	cp -R "$srcdir/examples/quickstart" quickstart
	chmod -R u+w quickstart
	"$ORCH" -C quickstart -j4 >/dev/null
	rm quickstart/out/north.tsv
	run "$ORCH" -C quickstart -j4 --json
	[ "$status" -eq 0 ]
	# read again, with the same days: the wave stops there
	[ "$(grep -c '"type":"attempt_started"' <<<"$output")" -eq 1 ]
	grep '"type":"attempt_started"' <<<"$output" | grep -q '"stream":"read-north"'
}

@test "embed: the library, from a program of a hundred lines" {
	printf 'a:\n\techo one\nb: a\n\techo two\n' > Orchfile
	run "$builddir/examples/embed/embed"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *a* ]]
	[[ "$output" == *b* ]]
	run "$ORCH" -q
	[ "$status" -eq 0 ]
}

@test "embed: an Orchfile with errors" {
	printf 'a: missing\n\techo one\n' > Orchfile
	run "$builddir/examples/embed/embed"
	[ "$status" -ne 0 ]
	[[ "$output" == *"no stream is named 'missing'"* ]]
}
