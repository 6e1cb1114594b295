# Commands about streams' work in git: clean, diff, conflicts, reset, --fresh. Real repositories, real git.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	git_setup
	repository
}

teardown() {
	git_teardown
}

@test "clean: what the base has goes, what nothing else has stays, each with the reason" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  keep = always
	  echo a >a
	b: a
	  echo b >b
	c:
	  echo c >c; git add c; git commit -qm c; echo half >half; exit 1
	d:
	  :
	E
	expect 1 -k -j4
	expect 0 clean --dry-run
	says '^remove  worktree \.orch/worktrees/a: all its work is on branch' \
		'^kept    worktree \.orch/worktrees/c: .*not committed.*orch reset c' \
		"^kept    branch orch/a: 1 commit that 'main' has not: 'orch merge a'" \
		'^kept    branch orch/c: it is checked out in' \
		"^remove  branch orch/d: all of it is in 'main'" \
		'^kept    saved refs/orch/wip/c/1: 1 file as nothing else has them' \
		'^2 to be removed'
	# nothing was
	[ -d .orch/worktrees/a ]
	[ -d .orch/worktrees/c ]
	git rev-parse -q --verify orch/d
	expect 0 clean
	[ ! -e .orch/worktrees/a ]
	[ -e .orch/worktrees/c/half ]
	run ! git rev-parse -q --verify orch/d
	git rev-parse -q --verify orch/a
	git merge -q orch/b
	expect 0 clean
	says "^removed branch orch/a: all of it is in 'main'" "^removed branch orch/b: all of it is in 'main'" '^kept    branch orch/c'
	# what is complete stays so
	expect 1 -k
	[ "$(find .orch/runs -name 'b.*.log' | wc -l)" -eq 1 ]
	git fsck --strict --no-dangling
}

@test "clean: squashed work, a branch of another name, a directory of nobody's, no repository, a run under way" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >a; git add a; git commit -qm one; echo b >>a
	mine:
	  branch = topic
	  echo m >m
	wait:
	  touch ../../../waits; until test -e ../../../go; do sleep 0.02; done
	E
	expect 0 a mine
	git merge -q --squash orch/a
	git commit -qm squashed
	git update-ref refs/orch/merged/a orch/a
	mkdir -p .orch/worktrees/a.aside-1
	expect 0 clean -n
	says '^remove  branch orch/a: it was squashed' '^kept    branch topic: the Orchfile names it' \
		'^kept    directory \.orch/worktrees/a\.aside-1: it is no worktree' '^kept    saved refs/orch/merged/a'
	"$ORCH" wait >out 2>&1 &
	orch=$!
	until_there waits
	expect 3 clean
	expect 0 clean -n
	says '^kept    worktree \.orch/worktrees/wait: a run is under way' '^kept    branch orch/wait: a run is under way'
	touch go
	wait "$orch"
	expect 0 clean
	run ! git rev-parse -q --verify orch/a
	git rev-parse -q --verify refs/orch/merged/a
	git rev-parse -q --verify topic
	mkdir "$BATS_TEST_TMPDIR/plain"
	cp Orchfile "$BATS_TEST_TMPDIR/plain"
	cd "$BATS_TEST_TMPDIR/plain"
	GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR expect 0 clean
	[[ "$output" == *'nothing is there to be removed'* ]]
}

@test "clean: saved work whose files the base has goes, and JSON says the same" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  test -e "$ORCH_DIR/half" && exit 0
	  echo half >half; exit 1
	E
	expect 1
	expect 0
	[ "$(git show refs/orch/wip/a/1:half)" = half ]
	expect 0 clean
	says '^removed saved refs/orch/wip/a/1: every file in it is' '^kept    branch orch/a'
	git merge -q orch/a
	expect 0 clean --json -n
	python3 - "$output" <<-'E'
	import json, sys
	doc = json.loads(sys.argv[1])
	assert doc["v"] == 1 and doc["dry_run"] is True
	items = {(i["kind"], i["name"]): i for i in doc["items"]}
	branch = items[("branch", "orch/a")]
	assert branch["removed"] and not branch["failed"] and branch["stream"] == "a" and "main" in branch["why"]
	assert any(i["kind"] == "run" and not i["removed"] for i in doc["items"])
	E
	git rev-parse -q --verify orch/a
}

@test "a repository of its own: diff, conflicts, clean and reset look there" {
	orchfile <<-'E'
	project:
	  repository = work
	defaults:
	  isolate = worktree
	work:
	  isolate = none
	  git init -q work; git -C work commit -q --allow-empty -m begin
	a: work
	  echo a >a
	b: work
	  echo b >a
	E
	expect 0 conflicts
	expect 0 clean
	expect 2 diff a
	[[ "$output" == *"there is no repository '$PWD/work' yet"* ]]
	expect 0 reset a
	expect 0
	refs=$(git for-each-ref)
	expect 0 diff a
	says '^\+a$'
	expect 1 conflicts
	[[ "$output" == *'a and b: a' ]]
	git -C work merge -q orch/a
	expect 0 clean
	says "^removed branch orch/a: all of it is in 'main'"
	expect 0 reset b
	[ -z "$(git -C work for-each-ref refs/heads/orch)" ]
	[ "$(git for-each-ref)" = "$refs" ]
}

@test "clean keeps what an attempt that outlived its orch works in" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  detach = yes
	  echo $$ >../../../pid; until test -e ../../../go; do sleep 0.02; done; echo a >a
	E
	"$ORCH" >out 2>&1 &
	orch=$!
	until_there pid
	kill -KILL "$orch"
	wait "$orch" 2>/dev/null || true
	expect 0 clean
	says '^kept    worktree .*an attempt in it goes on' '^kept    branch orch/a: an attempt'
	expect 2 reset a
	[[ "$output" == *"orch stop a"* ]]
	touch go
	expect 0
	[ "$(git show orch/a:a)" = a ]
}

@test "diff: a stream that completed, one that failed with work uncommitted, one that runs, and none" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >>shared
	b: a
	  echo b >b
	c:
	  keep = never
	  echo c >c; exit 1
	d:
	  echo d >d; git add d; git commit -qm d; echo more >e; touch ../../../waits
	  until test -e ../../../go; do sleep 0.02; done
	none:
	  :
	plain:
	  isolate = none
	  :
	E
	"$ORCH" -k -j5 >out 2>&1 &
	orch=$!
	until_there waits
	expect 0 diff d
	says '^diff --git a/d b/d' '^\+more' '^\+d'
	touch go
	wait "$orch" || true
	# the base has moved since
	echo other >other
	git add other
	git commit -qm other
	run --separate-stderr "$ORCH" diff a
	[ "$output" = "$(git diff --no-color "$(git merge-base main orch/a)" orch/a)" ]
	expect 0 diff b --stat
	says ' b \| 1 \+'
	[[ "$output" != *shared* ]]
	[[ "$output" != *other* ]]
	expect 0 diff c
	says '^\+c'
	expect 0 diff none
	[[ "$output" == *'none has changed nothing'* ]]
	expect 2 diff plain
	[[ "$output" == *'isolate = worktree'* ]]
	expect 0 reset a
	expect 2 diff nobody
}

@test "diff and the changes that are looked at are the stream's own, also when its base has moved while it went on" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  touches = mine
	  test -e mine || { echo mine >mine; exit 1; }
	  echo again >>mine
	E
	expect 1
	echo theirs >theirs
	git add theirs
	git commit -qm theirs
	expect 0
	[[ "$output" != *touches* ]]
	expect 0 diff a --stat
	says ' mine \| 2 \+'
	[[ "$output" != *theirs* ]]
}

@test "conflicts: committed and uncommitted work of streams that run and that have ended, and the base" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >shared; echo a >"a file"
	b:
	  echo b >shared; touch ../../../waits; until test -e ../../../go; do sleep 0.02; done
	c: a
	  echo c >c
	d:
	  echo d >d
	E
	expect 0 conflicts
	[[ "$output" == *'no stream has anything'* ]]
	"$ORCH" -j4 a c d b >out 2>&1 &
	orch=$!
	until_there waits
	until_true grep -q 'done   c ' out
	until_true grep -q 'done   d ' out
	before=$(git for-each-ref)
	expect 1 conflicts
	[[ "$output" == *'a and b: shared'* ]]
	[[ "$output" == *'b and c: shared'* ]]
	[[ "$output" != *'d:'* ]]
	[[ "$output" != *'and d'* ]]
	[ "$(git for-each-ref)" = "$before" ]
	touch go
	wait "$orch"
	git merge -q orch/a
	run --separate-stderr "$ORCH" conflicts --json
	[ "$status" -eq 1 ]
	python3 - "$output" <<-'E'
	import json, sys
	doc = json.loads(sys.argv[1])
	assert doc["v"] == 1 and {"branches": ["main", "orch/b"], "streams": ["b"], "files": ["shared"]} in doc["conflicts"]
	# what main has is not compared any more
	assert not any("a" in c["streams"] for c in doc["conflicts"]) and doc["compared"] == 4, doc
	E
	git reset -q --hard HEAD~2 2>/dev/null || git reset -q --hard "$(git rev-list --max-parents=0 HEAD)"
	expect 0 reset b
	expect 0 conflicts
	[[ "$output" == *'they go together'* ]]
}

@test "reset: the branch and the worktree go, what was in them is kept, the stream begins again" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  test ! -e a; echo a >a
	b:
	  test ! -e b; echo b >b; git add b; git commit -qm b; echo loose >loose; exit 1
	E
	expect 1 -k
	old=$(git rev-parse orch/a)
	expect 0 reset a b
	[[ "$output" == *'a: what it had made is kept as refs/orch/wip/a/1'* ]]
	[ "$(git rev-parse refs/orch/wip/a/1)" = "$old" ]
	run ! git rev-parse -q --verify orch/a
	run ! git rev-parse -q --verify orch/b
	[ ! -e .orch/worktrees/b ]
	[ ! -e .orch/stamps/a ]
	git for-each-ref --format='%(refname)' refs/orch/wip/b/ | while read -r ref; do git ls-tree -r --name-only "$ref"; done | grep -qx loose
	expect 1 -k
	[[ "$output" != *'test ! -e'* ]]
	[ "$(git show orch/a:a)" = a ]
	# somebody has it checked out
	expect 0 a
	git worktree add -q ../theirs orch/a
	expect 2 reset a
	[[ "$output" == *"'a' is not reset: branch 'orch/a' is checked out in"* ]]
	[ -e .orch/stamps/a ]
	git worktree remove ../theirs
	expect 0 reset -s a
	[ -z "$output" ]
}

@test "--resume goes on with what is left, --fresh begins again once, retries go on" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  retries = 1
	  backoff = 10ms
	  echo x >>count; ! grep -c x count; exit "$(cat "$OUTSIDE")"
	E
	export OUTSIDE=$PWD/status
	echo 1 >status
	expect 1
	[ "$(wc -l <.orch/worktrees/a/count)" -eq 2 ]
	expect 1 --resume
	[ "$(wc -l <.orch/worktrees/a/count)" -eq 4 ]
	# a retry of the same run goes on
	expect 1 --fresh
	[ "$(wc -l <.orch/worktrees/a/count)" -eq 2 ]
	git for-each-ref --format='%(refname)' refs/orch/wip/a | while read -r ref; do git show "$ref:count" | wc -l; done | grep -qx 4
	echo 0 >status
	expect 0
	[ "$(git show orch/a:count | wc -l)" -eq 3 ]
	expect 2 --fresh --resume
	expect 2 --fresh -t
}

@test "what orch merge has brought home is safe to remove, merged or squashed" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	  keep = always
	a:
	  echo a >a; git add a; git commit -qm one; echo more >>a
	b: a
	  echo b >b
	c:
	  echo c >c; git add c; git commit -qm one; echo more >>c
	E
	git add Orchfile
	git commit -qm Orchfile
	expect 0
	expect 0 merge b
	expect 0 merge --squash c
	expect 0 conflicts
	expect 0 clean
	says "^removed branch orch/a: all of it is in 'main'" "^removed branch orch/b: all of it is in 'main'" \
		'^removed branch orch/c: it was squashed' '^removed worktree \.orch/worktrees/c' '^kept    saved refs/orch/merged/c'
	[ -z "$(git for-each-ref refs/heads/orch)" ]
	[ "$(git worktree list | wc -l)" -eq 1 ]
	[ "$(git show main:a main:b main:c | tr '\n' ' ')" = 'a more b c more ' ]
	expect 0
	[[ "$output" == *'nothing to do'* ]]
	expect 0 clean
	says '^0 removed'
	# what depends on one whose branch is gone starts from its commit all the same
	sed -i 's/echo b >b/cat a >b/' Orchfile
	expect 0
	[ "$(git show orch/b:b | tr '\n' ' ')" = 'a more ' ]
}

@test "worktrees that are removed at the same time do not get into each other's way" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	  keep = always
	for n in 1 2 3 4 5 6 7 8 9 10 11 12:
	  s{{n}}:
	    :
	E
	git add Orchfile
	git commit -qm Orchfile
	expect 0
	expect 0 clean
	[ "$(git worktree list | wc -l)" -eq 1 ]
	[ ! -e .git/orch/removed ]
}

@test "commits that were made and left are kept when their worktree or their branch goes" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  keep = always
	  echo old >a; git add a; git commit -qm one; echo new >a; git commit -qa --amend -m one
	b:
	  isolate = worktree
	  keep = always
	  echo old >b; git add b; git commit -qm one; echo new >b; git commit -qa --amend -m one
	E
	expect 0
	expect 0 clean -n
	says '^remove  worktree \.orch/worktrees/a: what no branch has of its work would be saved'
	git worktree remove --force --force .orch/worktrees/b
	expect 0 merge a
	expect 0 clean
	says '^removed worktree \.orch/worktrees/a: its work is saved as refs/orch/wip/a/1' '^removed branch orch/a' \
		"^kept    branch orch/b: its log has 1 commit that no branch has; 'git reflog orch/b'"
	[ "$(git show refs/orch/wip/a/1^:a)" = old ]
	expect 0 reset b
	[ -z "$(git for-each-ref refs/heads/orch)" ]
	git for-each-ref --format='%(refname)' refs/orch/wip/b | while read -r ref; do git show "$ref:b"; done | grep -qx old
}
