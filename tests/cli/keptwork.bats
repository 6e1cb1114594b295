# No work is ever lost: streams write in every way there is, everything that can be done to them is done, and after each step git, having thrown
# away all that nothing holds, still has every text that a stream ever wrote (but what ignore rules leave out), or the stream's worktree has it.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	git_setup
	repository
	export OUTSIDE=$BATS_TEST_TMPDIR/outside
	mkdir -p "$OUTSIDE/bin"
	: >"$OUTSIDE/ledger"
	# put FILE: a text that was never there before, which from now on must never be lost
	cat >"$OUTSIDE/bin/put" <<-'E'
	#!/bin/sh
	set -eu
	text="text-$(basename "$1" | tr -dc a-z)-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
	mkdir -p "$(dirname "$1")"
	echo "$text" >"$1"
	echo "$text" >>"$OUTSIDE/ledger"
	E
	# work: everything that an agent does to a repository
	cat >"$OUTSIDE/bin/work" <<-'E'
	#!/bin/sh
	set -eu
	commit() { git add -A .; git commit -q -m "$1"; }
	put committed; commit one
	put amended; commit two
	put amended; git add -A .; git commit -q --amend -m 'two again'
	put thrownaway; commit three
	git reset -q --hard HEAD~1
	git checkout -q --detach
	put detached; commit four
	git checkout -q -
	put 'd i r/with "quotes"
	and a newline'; commit five
	put staged; git add staged
	put staged
	put deleted; git add deleted; rm deleted
	put untracked
	put 'täglich/ünïcode'
	if [ "$ORCH_STREAM" = nested ]; then
		mkdir -p inner
		(cd inner && git init -q && put innercommitted && git add . && git commit -q -m inner && put innerloose)
	fi
	E
	chmod +x "$OUTSIDE"/bin/*
	export PATH=$OUTSIDE/bin:$PATH
}

# every text of the ledger is in an object that git keeps, or in a file of a worktree
nothing_lost() {
	local lost
	git gc -q --prune=now 2>/dev/null
	{
		git cat-file --batch-all-objects --batch --buffer
		find .orch/worktrees -type f ! -name .git -exec cat {} + 2>/dev/null || true
	} | grep -aoE 'text-[a-z]*-[0-9a-f]{16}' | sort -u >"$BATS_TEST_TMPDIR/have"
	lost=$(sort -u "$OUTSIDE/ledger" | comm -23 - "$BATS_TEST_TMPDIR/have")
	if [ -n "$lost" ]; then
		echo "lost by: $*"
		echo "$lost"
		git for-each-ref
		return 1
	fi
	[ "$(wc -l <"$OUTSIDE/ledger")" -gt "${least:-0}" ] || { echo 'nothing was written'; return 1; }
}

teardown() {
	git_teardown
}

@test "retries, -B, --fresh, keep, touch, reset, merge, clean, prune: nothing that a stream wrote is lost" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	again:
	  retries = 1
	  backoff = 10ms
	  work; test "$ORCH_ATTEMPT" = 2
	fails:
	  work; exit 1
	never:
	  keep = never
	  work; test -e "$OUTSIDE/good"
	always: again
	  keep = always
	  work
	nested:
	  work; test -e "$OUTSIDE/good"
	forbidden:
	  changes = forbidden
	  work
	off:
	  commit = off
	  work
	E
	expect 1 -k -j4
	least=70 nothing_lost a run
	[ ! -e .orch/worktrees/never ]
	expect 1 -k -j4 fails
	nothing_lost a run that goes on
	touch "$OUTSIDE/good"
	expect 1 -k -j4 --fresh
	nothing_lost --fresh
	expect 1 -k -j4 -B always nested off
	nothing_lost -B
	expect 0 clean
	nothing_lost clean
	expect 0 touch again
	expect 0 reset again fails never always nested forbidden off
	nothing_lost reset
	[ -z "$(git for-each-ref refs/heads/orch)" ]
	[ -z "$(ls .orch/worktrees)" ]
	expect 0 clean
	nothing_lost clean after a reset
	expect 0 -j4 always
	expect 0 merge --squash always
	[ "$(git rev-list --count main)" -eq 2 ]
	expect 0 clean
	run ! git rev-parse -q --verify orch/always
	nothing_lost clean after a merge
	expect 0 prune --size 1K
	nothing_lost prune
	# a stream that is none any more
	orchfile <<-'E'
	other:
	  :
	E
	expect 0
	expect 0 clean
	nothing_lost clean without their streams
	git fsck --strict --no-dangling
}

@test "retry, stop, stop --now, a timeout, orch killed, and then --fresh or reset: nothing that a stream wrote is lost" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	  grace = 200ms
	asked:
	  work; test -e "$OUTSIDE/good"
	slow:
	  work; touch "$OUTSIDE/slow"; sleep 60
	stopped:
	  work; touch "$OUTSIDE/stopped"; trap '' TERM; sleep 60
	timed:
	  timeout = 3s
	  work; sleep 60
	E
	"$ORCH" -k -j4 >out 2>&1 &
	orch=$!
	until_there "$OUTSIDE/slow"
	until_there "$OUTSIDE/stopped"
	until_true grep -q 'FAILED asked' out
	touch "$OUTSIDE/good"
	expect 0 retry asked
	expect 0 stop --now stopped
	until_true grep -q 'done   asked' out
	until_true grep -q 'FAILED timed' out
	expect 0 stop
	wait "$orch" || true
	least=40 nothing_lost retry, stop, a timeout
	[ -n "$(git for-each-ref refs/orch/wip/timed)" ]
	rm "$OUTSIDE/slow" "$OUTSIDE/stopped"
	"$ORCH" -k -j4 slow stopped >out 2>&1 &
	orch=$!
	until_there "$OUTSIDE/slow"
	until_there "$OUTSIDE/stopped"
	kill -KILL "$orch"
	wait "$orch" 2>/dev/null || true
	nothing_lost a kill
	sed -i 's/sleep 60/true/' Orchfile
	expect 0 -k -j4 --fresh
	nothing_lost --fresh after a kill
	expect 0 reset asked slow stopped timed
	nothing_lost reset
	git fsck --strict --no-dangling
}

@test "what is changed in the second in which git looked at it, and keeps its size, is not lost" {
	# git compares times by the second, and reads what has changed in that of its index (racy git)
	orchfile <<-'E'
	a:
	  isolate = worktree
	  commit = off
	  index=$(git rev-parse --git-path index)
	  while :; do
	    echo aaaa >file
	    git add file
	    before=$(stat -c %Z file)
	    echo bbbb >file
	    [ "$before $before" != "$(stat -c %Z file) $(stat -c %Y "$index")" ] || break
	  done
	  sleep 1.1
	  exit 1
	E
	expect 1
	[ "$(cat .orch/worktrees/a/file)" = bbbb ]
	expect 0 reset a
	[ ! -e .orch/worktrees/a ]
	git for-each-ref --format='%(refname)' refs/orch/wip/a >refs
	while read -r ref; do git show "$ref:file" || true; done <refs >saved
	grep -qx bbbb saved
}
