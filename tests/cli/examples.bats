#!/usr/bin/env bats
# The examples, as a reader would run them, in copies.

setup() {
	cd "$BATS_TEST_TMPDIR"
}

example() { # NAME [DIRECTORY]
	cp -R "$srcdir/examples/$1" "${2:-$1}"
	chmod -R u+w "${2:-$1}"
	rm -rf "${2:-$1}/.orch" "${2:-$1}/out"
}

@test "quickstart: in a clone, without an identity, from a hook; runs, merges, and then has nothing to do" {
	export HOME=$BATS_TEST_TMPDIR/home GIT_CONFIG_NOSYSTEM=1
	mkdir -p "$HOME" clone/examples
	git -C clone init -q
	example quickstart clone/examples/quickstart
	git -C clone add .
	git -C clone -c user.name=x -c user.email=x@localhost commit -qm x
	refs=$(git -C clone for-each-ref)
	GIT_DIR=$PWD/clone/.git GIT_INDEX_FILE=$PWD/clone/.git/index run "$ORCH" -C clone/examples/quickstart -j4
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"12 streams: 12 completed"* ]]
	cd clone/examples/quickstart
	grep -q December out/report.txt
	grep -q '</html>' out/report.html
	# its work is in branches of its own repository, merged there
	[ "$(git -C out log --first-parent --format=%s | tail -1)" = Begin ]
	[ "$(git -C out branch --list 'orch/*' | wc -l)" -eq 11 ]
	[ -z "$(git -C out branch --no-merged main)" ]
	[ -z "$(git -C out status --porcelain)" ]
	# that of the clone is as it was
	[ "$(git for-each-ref)" = "$refs" ]
	[ -z "$(git status --porcelain)" ]
	run "$ORCH" -j4
	[ "$status" -eq 0 ]
	[[ "$output" == *"nothing to do"* ]]
	run "$ORCH" -q
	[ "$status" -eq 0 ]
}

@test "agents: a check that fails, a usage limit, and sessions that go on" {
	cp -R "$srcdir/examples/agents" agents
	chmod -R u+w agents
	rm -rf agents/.orch agents/out
	run timeout 60 "$ORCH" -C agents
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"4 streams: 4 completed"* ]]
	grep -q '^api, attempt 2 (resume)$' agents/out/report.txt
	grep -q '^web, attempt 2 (resume)$' agents/out/report.txt
	[[ "$output" == *'(1/2): The endpoint'*'(2/2): Its tests'* ]]
	grep -q '^there are no tests in out/api.txt$' agents/.orch/runs/*/attempts/api.2.prompt
	run "$ORCH" -C agents
	[[ "$output" == *"nothing to do"* ]]
}

@test "limits: an account that is over its limit, sessions that go on, an agent that takes over" {
	example limits
	run timeout 60 "$ORCH" -C limits
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"8 streams: 8 completed"* ]]
	# at most two have found the limit out
	[ "$(grep -c "account 'first' is held until" <<<"$output")" -ge 1 ]
	[ "$(grep -c "rule 'usage-limit': account" <<<"$output")" -le 4 ]
	grep -q '^chapter-. by first, attempt 2 (resume)$' limits/out/book.txt
	[ "$(grep -c ' by first, ' limits/out/book.txt)" -eq 5 ]
	[ "$(grep -c ' by second, ' limits/out/book.txt)" -eq 2 ]
	[ ! -e limits/.orch/holds ]
	rm -r limits/.orch limits/out
	run timeout 60 "$ORCH" -C limits --limit-wait 1s
	[ "$status" -eq 75 ]
	run timeout 60 "$ORCH" -C limits
	[ "$status" -eq 0 ]
	grep -q '^index by second' limits/out/book.txt
}

@test "tasks-json: what is done there is complete, texts come as they are, and a change runs what it is about" {
	example tasks-json
	run "$ORCH" -C tasks-json
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"4 streams: 4 completed"* ]]
	[ ! -e tasks-json/out/1.txt ]
	grep -qF 'Say "{{year}}" and $AUTHOR as they stand here' tasks-json/out/proof.txt
	grep -qF -- '- 2 Colour, after 1' tasks-json/out/2.txt
	run "$ORCH" -C tasks-json -q
	[ "$status" -eq 0 ]
	sed -i 's/Write the footer/Write a short footer/' tasks-json/tasks.json
	run "$ORCH" -C tasks-json -n
	echo "$output"
	[[ "$output" == *"3 "*"recipe changed"* ]]
	[[ "$output" != *"2 "*"recipe changed"* ]]
}

@test "planner: a plan that is wrong, and then right; the next time all of it is there" {
	cp -R "$srcdir/examples/planner" planner
	chmod -R u+w planner
	rm -rf planner/.orch planner/out
	run "$ORCH" -C planner -n
	[[ "$output" == *"2 streams to run"* ]]
	run timeout 60 "$ORCH" -C planner
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"out/plan.orch:4:18: no stream is named 'teas'"* ]]
	[[ "$output" == *"5 streams: 5 completed"* ]]
	[ "$(sort planner/out/page.txt | paste -sd,)" = hours,menu,prices ]
	grep -q "out/plan.orch:4:18: error: no stream is named 'teas'" planner/.orch/runs/*/attempts/planner.2.prompt
	run "$ORCH" -C planner
	[[ "$output" == *"nothing to do: 5 streams are complete"* ]]
}

@test "quickstart: outside of any repository; a program changed, one station read anew" {
	example quickstart
	export GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR
	"$ORCH" -C quickstart -j4 >/dev/null
	sed -i 's/"#"/"*"/' quickstart/awk/report.awk
	run "$ORCH" -C quickstart --json
	[ "$status" -eq 0 ]
	[ "$(grep -c '"type":"attempt_started"' <<<"$output")" -eq 1 ]
	grep -q '"type":"merged".*"stream":"report"' <<<"$output"
	grep -qF '**' quickstart/out/report.txt
	# nothing is left of them: from the beginning
	rm -rf quickstart/out
	run "$ORCH" -C quickstart -n
	echo "$output"
	grep -q '^repository ' <<<"$output"
}

@test "conflict: two on the same line, an agent that puts it right, and the way home" {
	export GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR
	example conflict
	run "$ORCH" -C conflict -j2 --json
	echo "$output"
	[ "$status" -eq 0 ]
	grep -q '"type":"attempt_finished","stream":"menu","attempt":1,"outcome":"merge".*orch/kitchen and of orch/cellar' <<<"$output" ||
		grep -q '"type":"attempt_finished","stream":"menu","attempt":1,"outcome":"merge".*orch/cellar and of orch/kitchen' <<<"$output"
	[ "$(cat conflict/out/menu.md)" = $'- onion soup, with a glass of cider\n- fish\n- cake' ]
	[ "$(git -C conflict/out log --first-parent --format=%s main | tr '\n' '|')" = 'Merge menu: The whole menu|Begin|' ]
	[ "$(git -C conflict/out show orch/kitchen:menu.txt | head -n 1)" = 'onion soup' ]
	[ "$(git -C conflict/out show orch/cellar:menu.txt | head -n 1)" = 'soup, with a glass of cider' ]
	[ -z "$(git -C conflict/out status --porcelain)" ]
	run "$ORCH" -C conflict -q
	[ "$status" -eq 0 ]
}

@test "conflict: without the rule it waits for a person" {
	export GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR
	example conflict
	sed -i '/^recover/,/^defaults/{/^defaults/!d}' conflict/Orchfile
	run "$ORCH" -C conflict -j2
	echo "$output"
	[ "$status" -eq 1 ]
	grep -q '^<<<<<<<' conflict/.orch/worktrees/menu/menu.txt
	[ "$(git -C conflict/out log --format=%s main)" = Begin ]
	echo 'onion soup, with a glass of cider' >conflict/.orch/worktrees/menu/menu.txt
	git -C conflict/.orch/worktrees/menu -c user.name=x -c user.email=x@localhost commit -qam 'By hand'
	run "$ORCH" -C conflict
	[ "$status" -eq 0 ]
	[ "$(cat conflict/out/menu.md)" = '- onion soup, with a glass of cider' ]
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
