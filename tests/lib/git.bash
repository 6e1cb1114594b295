# For tests of streams in worktrees: a project in a real repository of its own, with git's configuration of its own. $ORCH names the program.

load ../lib/orch

git_setup() {
	plain_setup
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
	export HOME=$BATS_TEST_TMPDIR/home GIT_CONFIG_NOSYSTEM=1 XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME" "$BATS_TEST_TMPDIR/project"
	git config --global user.name 'A User'
	git config --global user.email user@example.org
	git config --global init.defaultBranch main
	git config --global advice.detachedHead false
	cd "$BATS_TEST_TMPDIR/project" || return 1
}

# a repository here with a commit on main
repository() {
	git init -q "$@"
	printf 'one\n' >shared
	git add shared
	git commit -qm first
}

# waits until a file is there
until_there() { until_true test -e "$1"; }

# lines of what `orch clean` said, of which each is given as a pattern
says() {
	local pattern
	for pattern; do
		grep -qE -- "$pattern" <<<"$output" || { echo "not said: $pattern"; return 1; }
	done
}

# lets go on what a test that failed has left waiting, and ends the orch that it started
git_teardown() {
	touch "$BATS_TEST_TMPDIR/go" "$BATS_TEST_TMPDIR/project/go"
	# what has been waited for may be another process by now
	if [ -n "${orch:-}" ] && jobs -p | grep -qx "$orch"; then
		kill -TERM "$orch" 2>/dev/null || true
		wait "$orch" 2>/dev/null || true
	fi
	return 0
}
