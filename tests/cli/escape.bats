# The user's checkout during a run: what is uncommitted in it, and streams that write there from their worktrees. $ORCH names
# the program.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	git_setup
	repository
	export CHECKOUT=$PWD
	# marks by which streams wait for each other
	export MARKS=$PWD/.git/marks
	mkdir "$MARKS"
}

@test "uncommitted work is allowed, and said once not to be what streams start from" {
	echo two >>shared
	echo mine >mine
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  cat shared >seen; test ! -e mine
	b: a
	  true
	E
	expect 0
	[ "$(grep -c 'uncommitted work' <<<"$output")" -eq 1 ]
	[[ "$output" == *"the checkout has uncommitted work (1 changed, 1 untracked: mine, shared), which streams in worktrees do not see: they start from what is committed on 'main'"* ]] ||
		[[ "$output" == *"(1 changed, 1 untracked: shared, mine)"* ]]
	[ "$(git show orch/a:seen)" = one ]
	[ "$(cat shared)" = $'one\ntwo' ]
	# nothing of it where there is nothing, or nobody whom it concerns
	git add shared && git commit -qm two && rm mine
	expect 0 -B
	[[ "$output" != *uncommitted* ]]
	echo three >>shared
	orchfile <<-'E'
	plain:
	  true
	E
	expect 0
	[[ "$output" != *uncommitted* ]]
}

@test "a stream that writes into the checkout is named with the files, and with escape = fail it fails" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo out >"$CHECKOUT/stray"; echo out >>"$CHECKOUT/shared"; rm -f "$CHECKOUT/none"; echo in >in
	E
	expect 0
	[[ "$output" == *"warn   a: while it ran, files in the checkout changed: shared, stray; it has written outside its worktree, unless it was you or another program"* ]]
	[ "$(git show orch/a:in)" = in ]
	# its own files are left as they are
	[ "$(cat stray)" = out ]
	# what was so before is not reported again
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo in >in
	E
	expect 0 -B
	[[ "$output" != *'while it ran'* ]]
	orchfile <<-'E'
	project:
	  escape = fail
	a:
	  isolate = worktree
	  rm "$CHECKOUT/stray"; echo in >in
	b: a
	  true
	E
	expect 1 -B
	[[ "$output" == *"FAILED a (1/2): wrong changes: 'escape = fail', and while it ran a file in the checkout changed: stray"* ]]
	[[ "$output" == *'skip   b'* ]]
	[ "$(git show orch/a:in)" = in ]
}

@test "one that fails is looked at too" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo out >"$CHECKOUT/stray"; exit 4
	E
	expect 1
	[[ "$output" == *"while it ran, a file in the checkout changed: stray;"* ]]
	[[ "$output" == *'FAILED a (1/1): exit status 4'* ]]
}

@test "several at once: all that can have done it are named, and no others" {
	# a stream that came after the file, or that is confined, cannot have written it; as for its time, clocks are coarse
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	writer:
	  until [ -e "$MARKS/beside" ]; do sleep 0.05; done
	  echo out >"$CHECKOUT/stray"; touch "$MARKS/written"; until [ -e "$MARKS/late" ]; do sleep 0.05; done; sleep 0.3
	beside:
	  touch "$MARKS/beside"; until [ -e "$MARKS/late" ]; do sleep 0.05; done; sleep 0.3
	confined:
	  sandbox = worktree
	  until [ -e "$MARKS/written" ]; do sleep 0.05; done; sleep 0.2
	late: confined
	  touch "$MARKS/late"
	E
	if ! bwrap --unshare-user --disable-userns --cap-drop ALL --ro-bind / / true; then
		# the same without one
		sed -i '/sandbox/d' Orchfile
		expect 0
		[[ "$output" == *'ran, a file in the checkout changed: stray; one of them has written outside its worktree'* ]]
		return
	fi
	expect 0
	[[ "$output" == *"while beside and writer ran, a file in the checkout changed: stray; one of them has written outside its worktree, unless it was you or another program"* ]] ||
		[[ "$output" == *"while writer and beside ran, a file in the checkout changed: stray;"* ]]
}

@test "streams without a worktree, and hooks, may write there, and nobody is blamed for it" {
	orchfile <<-'E'
	on stream-success:
	  echo hook >>from-hook
	agent:
	  isolate = worktree
	  until [ -e "$MARKS/made" ]; do sleep 0.05; done
	maker:
	  echo made >made; touch "$MARKS/made"
	E
	expect 0
	[ -e made ]
	[ -e from-hook ]
	[[ "$output" != *'in the checkout changed'* ]]
}

@test "a checkout that moves on meanwhile is told as that, and is no failure" {
	orchfile <<-'E'
	project:
	  escape = fail
	a:
	  isolate = worktree
	  git -C "$CHECKOUT" -c core.hooksPath=/dev/null commit -q --allow-empty -m moved
	E
	expect 0
	[[ "$output" == *"while it ran, the checkout went from main at "*" to main at "* ]]
}

@test "worktrees that lie in the checkout are not taken for strays" {
	orchfile <<-'E'
	project:
	  worktrees = trees
	a:
	  isolate = worktree
	  keep = always
	  echo in >in
	E
	expect 0
	[ -e trees/a/in ]
	[[ "$output" != *'in the checkout changed'* ]]
	expect 0 -B
	[[ "$output" != *uncommitted* ]]
}

@test "hooks that lie in the work tree are not run once streams are confined" {
	command -v bwrap
	mkdir hooks
	printf '#!/bin/sh\ntouch "$MARKS/hook-ran"\n' >hooks/pre-commit
	chmod +x hooks/pre-commit
	git config core.hooksPath hooks
	git add hooks && git -c core.hooksPath=/dev/null commit -qm hooks
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo in >in
	E
	expect 0
	[ -e "$MARKS/hook-ran" ]
	rm "$MARKS/hook-ran"
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo more >in
	b:
	  sandbox = worktree
	  true
	E
	run "$ORCH" -Bk
	echo "$output"
	[[ "$output" == *"the repository's hooks lie in its work tree ($CHECKOUT/hooks), where streams with a 'sandbox' could change them: git runs none of them in this run"* ]]
	[ "$(git show orch/a:in)" = more ]
	[ ! -e "$MARKS/hook-ran" ]
}
