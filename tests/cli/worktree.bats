# Streams in worktrees of their own: real repositories, real git. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	git_setup
	repository
}

# what is the user's own: branch, index, files
checkout() {
	git symbolic-ref HEAD
	git rev-parse HEAD
	git status --porcelain=v2
	cat shared
}

subject() { git log -1 --format=%s "$1"; }

@test "a stream works on its own branch, and the checkout is as it was" {
	orchfile <<-'E'
	a "Add a":
	  isolate = worktree
	  echo a >a.txt; echo two >>shared; pwd; echo "$ORCH_BRANCH $ORCH_BASE $ORCH_DIR"
	E
	echo mine >untracked
	before=$(checkout)
	expect 0
	[ "$(checkout)" = "$before" ]
	[ ! -e a.txt ]
	[ "$(git show orch/a:a.txt)" = a ]
	[ "$(git show orch/a:shared)" = $'one\ntwo' ]
	[ "$(subject orch/a)" = 'a: Add a' ]
	git log -1 --format=%B orch/a | grep -q '^Orch-Stream: a$'
	git log -1 --format=%B orch/a | grep -q '^Orch-Attempt: 1$'
	[ "$(git log -1 --format='%an <%ae>' orch/a)" = 'A User <user@example.org>' ]
	[[ "$output" == *"$PWD/.orch/worktrees/a"* ]]
	[[ "$output" == *"orch/a $(git rev-parse main) $PWD/.orch/worktrees/a"* ]]
	# it succeeded, so the worktree goes and the branch stays
	[ ! -e .orch/worktrees/a ]
	expect 0
	[[ "$output" == *'nothing to do'* ]]
}

@test "edges carry code: one dependency, several, none by an order-only one, through a group" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >a
	b:
	  echo b >b
	c:
	  echo c >c
	both: a b
	next: a
	  test -e a; test ! -e b; echo next >next
	merged: both | c
	  test -e a; test -e b; test ! -e c; echo merged >merged
	all: merged c
	  ls; echo all >all
	E
	expect 0 -j4
	[ "$(git ls-tree --name-only orch/all | tr '\n' ' ')" = 'a all b c merged shared ' ]
	[ "$(git rev-list --parents -1 orch/merged~1 | wc -w)" -eq 3 ]
	git log -1 --format=%B orch/merged~1 | grep -q 'orch/a'
	git fsck --strict --no-dangling
}

@test "the work's own commits stay, what it left is added" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo 1 >one; git add one; git commit -qm mine; echo 2 >two
	E
	expect 0
	[ "$(git log --format=%s main..orch/a | tr '\n' ' ')" = 'a mine ' ]
}

@test "the same tree again makes nobody stale" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  inputs = input
	  echo same >a
	b: a
	  echo b >b
	E
	echo 1 >input
	expect 0
	echo 2 >input
	expect 0
	[[ "$output" == *'1 unchanged'* ]]
	[ "$(cat .orch/runs/*/logs/b.*.log | wc -l)" -eq 0 ]
	[ "$(find .orch/runs -name 'b.*.log' | wc -l)" -eq 1 ]
	# what the branch was before is kept
	git rev-parse -q --verify refs/orch/wip/a/1
}

@test "a conflict names both sides and the files, shows in the worktree, and can be put right there" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >shared
	b:
	  echo b >shared
	c: a b
	  cat shared; echo c >c
	E
	before=$(checkout)
	expect 1 -k
	[[ "$output" == *'conflict: the work of orch/a and of orch/b does not go together in shared'* ]]
	[ "$(checkout)" = "$before" ]
	grep -q '^<<<<<<<' .orch/worktrees/c/shared
	a=$(git rev-parse orch/a) b=$(git rev-parse orch/b)
	echo both >.orch/worktrees/c/shared
	git -C .orch/worktrees/c commit -qam resolved
	expect 0
	[ "$(git rev-parse orch/a)" = "$a" ]
	[ "$(git rev-parse orch/b)" = "$b" ]
	[ "$(git show orch/c:shared)" = both ]
	[ "$(git show orch/c:c)" = c ]
}

@test "what fails is kept, untracked files too, and the next run goes on with it" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  test ! -e half || { echo rest >rest; exit 0; }
	  echo half >half; echo more >>shared; exit 3
	E
	expect 1
	[ "$(git show refs/orch/wip/a/1:half)" = half ]
	[ "$(git show refs/orch/wip/a/1:shared)" = $'one\nmore' ]
	[ -e .orch/worktrees/a/half ]
	expect 0
	[ "$(git show orch/a:half)$(git show orch/a:rest)" = halfrest ]
}

@test "a dependency that was made anew is what the next one starts from" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo 1 >a
	b: a
	  cat a >b; test "$(cat a)" = 2
	E
	expect 1
	sed -i 's/echo 1/echo 2/' Orchfile
	expect 0
	[ "$(git show orch/b:b)" = 2 ]
}

@test "changes, touches, outputs, commit, keep, setup, copy" {
	echo secret >.env
	echo .env >.gitignore
	git add .gitignore
	git commit -qm ignore
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	  keep = always
	none:
	  changes = required
	  :
	some:
	  changes = forbidden
	  echo x >x
	elsewhere:
	  touches = src/**
	  echo x >x
	missing:
	  outputs = out
	  echo x >x
	message:
	  commit = "As I say"
	  echo x >x
	off:
	  commit = off
	  echo x >x
	ready:
	  copy = .env
	  setup: echo set >.set-up
	  cat .env .set-up >x
	E
	expect 1 -k
	[[ "$output" == *'none'*'wrong changes: it was to change something'* ]]
	[[ "$output" == *'some'*'wrong changes: it was to change nothing, and changed x'* ]]
	[[ "$output" == *"elsewhere: it changed what its 'touches' does not name: x"* ]]
	[[ "$output" == *"missing"*"output missing"* ]]
	[ "$(subject orch/message)" = 'As I say' ]
	[ "$(git rev-parse orch/off)" = "$(git rev-parse main)" ]
	[ "$(git show orch/ready:x)" = $'secret\nset' ]
	[ -d .orch/worktrees/message ]
	! git cat-file -e orch/ready:.env 2>/dev/null
}

@test "no repository, no commit yet, a directory below the top, a hook that says no" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  pwd; echo x >x
	E
	mkdir -p sub "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/empty"
	cp Orchfile sub
	git add sub
	git commit -qm sub
	cp Orchfile "$BATS_TEST_TMPDIR/plain"
	cp Orchfile "$BATS_TEST_TMPDIR/empty"
	cd "$BATS_TEST_TMPDIR/empty"
	git init -q
	expect 1
	[[ "$output" == *"branch 'main' has no commit yet"* ]]
	cd "$BATS_TEST_TMPDIR/project/sub"
	expect 0
	[ "$(git show orch/a:sub/x)" = x ]
	printf '#!/bin/sh\necho not with me >&2\nexit 1\n' >../.git/hooks/pre-commit
	chmod +x ../.git/hooks/pre-commit
	expect 1 -B
	[[ "$output" == *'not with me'* ]]
	[ "$(git show refs/orch/wip/a/2:sub/x)" = x ] || [ "$(git show refs/orch/wip/a/1:sub/x)" = x ]
	cd "$BATS_TEST_TMPDIR/plain"
	GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR expect 1
	[[ "$output" == *'it works in a worktree'* ]]
}

@test "dependencies' branch and commit are values" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo a >a
	b: a
	  echo {{a.branch}} {{a.commit}} >b
	E
	expect 0
	[ "$(cat b)" = "orch/a $(git rev-parse orch/a)" ]
}

@test "a detached one whose orch was killed is committed by the next" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  detach = yes
	  echo $$ >../../../pid
	  until test -e ../../../go; do sleep 0.02; done; echo late >late
	E
	"$ORCH" >out 2>&1 &
	orch=$!
	until=$((SECONDS + 30))
	until [ -s pid ]; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.02
	done
	kill -KILL "$orch"
	wait "$orch" 2>/dev/null || true
	touch go
	expect 0
	[ "$(git show orch/a:late)" = late ]
	[ "$(find .orch/runs -name 'a.*.log' | wc -l)" -eq 1 ]
}

@test "a stream that takes the file .git of its worktree away, or puts another there, is told, and nobody's checkout is taken for it" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	gone:
	  rm .git; echo work >work
	other:
	  rm .git; git init -q; echo work >work; git add work; git commit -qm theirs
	fails:
	  rm .git; echo work >work; exit 3
	E
	before=$(git rev-parse HEAD; git symbolic-ref HEAD; git status --porcelain=v2; git for-each-ref refs/heads/main)
	expect 1 -k
	[[ "$output" == *"FAILED gone "*"it removed the file .git of its worktree"*"the file is there again"* ]]
	[[ "$output" == *"FAILED other "*"it replaced the file .git of its worktree"*"what it put there is now '"*"/other.git-1'"* ]]
	[ "$(git rev-parse HEAD; git symbolic-ref HEAD; git status --porcelain=v2; git for-each-ref refs/heads/main)" = "$before" ]
	for stream in gone other fails; do
		[ "$(git show refs/orch/wip/$stream/1:work)" = work ]
		[ "$(git -C .orch/worktrees/$stream symbolic-ref HEAD)" = refs/heads/orch/$stream ]
	done
	git -C .orch/worktrees/other.git-1 log -1 --format=%s | grep -qx theirs
	# between runs, too
	rm .orch/worktrees/gone/.git
	expect 2 reset gone
	[[ "$output" == *"'gone' is not reset"* ]]
	[ "$(cat .orch/worktrees/gone/work)" = work ]
	[ "$(git rev-parse HEAD; git symbolic-ref HEAD; git status --porcelain=v2; git for-each-ref refs/heads/main)" = "$before" ]
	sed -i 's/rm .git; //; s/git init -q; //; s/; exit 3//' Orchfile
	expect 0
	[ "$(git show orch/gone:work orch/other:work orch/fails:work | uniq -c | awk '{ print $1 $2 }')" = 3work ]
	git fsck --strict --no-dangling
}

@test "a worktree that was left on a branch without a commit: what to do is said, and does it" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  git checkout -q --orphan other; echo work >work; test -e ../../../ready
	E
	expect 1
	expect 1
	[[ "$output" == *"is no commit: check out 'orch/a' there, or 'orch --fresh a' keeps what is there and begins again"* ]]
	sed -i 's/git checkout -q --orphan other; //' Orchfile
	: >ready
	expect 0 --fresh a
	[ "$(git show orch/a:work)" = work ]
	git for-each-ref --format='%(refname)' refs/orch/wip/a | while read -r ref; do git show "$ref:work" 2>/dev/null || true; done | grep -qx work
}
