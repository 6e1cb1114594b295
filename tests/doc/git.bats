# Every command of doc/git.md, in order, in a repository as the page describes it. $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
	: "${ORCH:?names the program to test}"
	export HOME=$BATS_TEST_TMPDIR/home GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat LC_ALL=C
	mkdir -p "$HOME" "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/project" "$BATS_TEST_TMPDIR/blocks"
	ln -s "$ORCH" "$BATS_TEST_TMPDIR/bin/orch"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	git config --global user.name 'A User'
	git config --global user.email user@example.org
	git config --global init.defaultBranch main
	page=$srcdir/doc/git.md
	# NUMBER.sh, and NUMBER.expect with the exit status and a text of the output
	awk -v to="$BATS_TEST_TMPDIR/blocks" '
	/^<!-- expect / { line = $0; sub(/^<!-- expect /, "", line); sub(/ *-->$/, "", line); expect = line; next }
	/^```sh$/ { n++; file = sprintf("%s/%02d", to, n); printf "" > (file ".sh"); print expect > (file ".expect"); expect = ""; next }
	/^```orchfile$/ { file = ""; orchfile = to "/Orchfile"; next }
	/^```/ { file = orchfile = ""; next }
	file != "" { print > (file ".sh") }
	orchfile != "" { print > orchfile }' "$page"
}

@test "doc/git.md: every command does what the page says" {
	cd "$BATS_TEST_TMPDIR/project"
	git init -q
	cp "$BATS_TEST_TMPDIR/blocks/Orchfile" .
	git add Orchfile
	git commit -qm first
	count=0
	for block in "$BATS_TEST_TMPDIR"/blocks/*.sh; do
		want=$(cat "${block%.sh}.expect")
		printf '%s\n' "--- expect $want" "$(cat "$block")"
		[[ "$want" == [0-9]:* ]]
		run sh -eu "$block"
		echo "$output"
		[ "$status" -eq "${want%%:*}" ]
		text=${want#*:}
		[[ "$output" == *"${text# }"* ]]
		count=$((count + 1))
	done
	[ "$count" -ge 15 ]
	# and the last one leaves nothing of orch
	[ -z "$(git for-each-ref refs/orch refs/heads/orch)" ]
	[ "$(git worktree list | wc -l)" -eq 1 ]
	[ ! -e .git/worktrees ] || [ -z "$(ls .git/worktrees)" ]
	[ "$(git show rescued:notes.txt)" = thoughts ]
	[ "$(git rev-parse main)" = "$(git rev-parse main@{2})" ]
	[ -z "$(git status --porcelain | grep -v notes.txt)" ]
}

@test "doc/git.md: no command stands in text only, and every ref that orch makes is on the page" {
	for ref in $(grep -ohE 'refs/orch/[a-z]+' "$srcdir"/src/vcs/*.[ch] | sort -u); do
		grep -q "$ref/" "$page"
	done
	# what stands in a block is marked with what it does
	[ "$(grep -c '^```sh$' "$page")" -eq "$(grep -c '^<!-- expect [0-9]:' "$page")" ]
}
