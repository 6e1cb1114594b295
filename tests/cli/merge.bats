# Work that comes home: orch merge, merge = auto, pull requests. Real repositories, a bare one as the remote, and stand-ins
# for gh and glab. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	git_setup
	git init -q
	printf 'one\n' >shared
	printf '/Orchfile\n/mine\n' >.gitignore
	git add shared .gitignore
	git commit -qm first
}

state() {
	git for-each-ref --format='%(refname) %(objectname)' refs/heads
	git status --porcelain=v2 --branch
	cat shared
}

two_leaves() {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a "The base":
	  echo a >a
	b "One side": a
	  check: test -e b
	  echo b >b
	c: a
	  echo c >c
	E
	expect 0
}

@test "the leaves come home, with what they carry, into the branch the run began on" {
	two_leaves
	before=$(git rev-parse main)
	expect 0 merge -n
	[[ "$output" == *'would merge b: orch/b into main'* ]]
	[ "$(git rev-parse main)" = "$before" ]
	git switch -q -c elsewhere
	expect 0 merge
	[[ "$output" == *'merged      b: orch/b into main, which is '* ]]
	# that is checked out nowhere
	[[ "$output" != *'also in'* ]]
	[ "$(git symbolic-ref --short HEAD)" = elsewhere ]
	[ "$(git rev-parse elsewhere)" = "$before" ]
	[ ! -e a ]
	[ "$(git ls-tree --name-only main | tr '\n' ' ')" = '.gitignore a b c shared ' ]
	[ "$(git log --first-parent --format=%s main | tr '\n' '|')" = 'Merge c|Merge b: One side|first|' ]
	[ "$(git rev-list --parents -1 main | wc -w)" -eq 3 ]
	git log -1 --format=%B main~1 | grep -qx 'With the work of a.'
	git log -1 --format=%B main~1 | grep -qx 'Orch-Stream: b'
	git log -1 --format=%B main~1 | grep -q '^Orch-Run: 20'
	expect 0 merge
	[[ "$output" == *'nothing     b: main has all of orch/b'* ]]
	git fsck --strict --no-dangling
}

@test "a clean checkout of that branch is brought along, one with changes is not touched" {
	two_leaves
	echo mine >mine
	echo untracked >untracked
	echo two >>shared
	before=$(state)
	expect 1 merge
	[[ "$output" == *"b: 'main' is checked out in"*'with uncommitted changes'* ]]
	[[ "$output" == *'c: not tried'* ]]
	[ "$(state)" = "$before" ]
	git checkout -q shared
	expect 0 merge
	[[ "$output" == *"also in $PWD"* ]]
	[ "$(cat a b c untracked mine | tr '\n' ' ')" = 'a b c untracked mine ' ]
	[ -z "$(git status --porcelain -uno)" ]
	# an untracked file in the way is one reason more to stay as it is
	git reset -q --hard HEAD~2
	echo precious >c
	before=$(state)
	expect 1 merge c
	[ "$(state)" = "$before" ]
	[ "$(cat c)" = precious ]
}

@test "squash: one commit without the branch's own, and the second time there is nothing" {
	two_leaves
	expect 0 merge --squash
	[ "$(git log --format=%s main | tr '\n' '|')" = 'c|b: One side|first|' ]
	[ "$(git show main:b)" = b ]
	expect 0 merge --squash
	[[ "$output" == *'nothing     b'*'nothing     c'* ]]
}

@test "named: one stream, a group, into a branch of that name, one without a branch, none there" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >a
	b: a
	  echo b >b
	plain:
	  isolate = none
	  :
	all: b plain
	E
	expect 0
	git branch release
	expect 0 merge --into release a
	[ "$(git ls-tree --name-only release | tr '\n' ' ')" = '.gitignore a shared ' ]
	expect 0 merge --into release all
	[ "$(git show release:b)" = b ]
	[ "$(git log --format=%s main)" = first ]
	expect 1 merge --into nowhere b
	[[ "$output" == *"there is no branch 'nowhere'"* ]]
	expect 2 merge plain
	[[ "$output" == *'no stream that is named works in a worktree'* ]]
	expect 2 merge nothing-of-that-name
}

@test "what is not complete stays away, what is stale comes when it is named" {
	two_leaves
	sed -i 's/echo c >c/echo cc >c; exit 3/' Orchfile
	expect 0 merge
	[[ "$output" == *"c: not complete any more: recipe changed; 'orch merge c' merges it as it is"* ]]
	[ ! -e c ]
	expect 0 merge c
	[ "$(cat c)" = c ]
	expect 1
	expect 1 merge c
	[[ "$output" == *'c: it has not completed'* ]]
}

@test "a conflict changes nothing, and says how to go on" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >shared
	b:
	  echo b >shared
	c:
	  echo c >c
	E
	expect 0
	expect 1 merge -n
	[[ "$output" == *'would merge a'*'conflict'* || "$output" == *'conflict'*'would merge a'* ]]
	expect 1 merge
	[[ "$output" == *'b: conflict: main and orch/b do not go together in shared; both are as they were'* ]]
	[[ "$output" == *"'git merge orch/b' on main"* ]]
	[[ "$output" == *'c: not tried'* ]]
	[ "$(cat shared)" = a ]
	[ -z "$(git status --porcelain)" ]
	[ "$(git show orch/b:shared)" = b ]
	# as it says
	run ! git merge -q orch/b
	echo both >shared
	git commit -qam resolved
	expect 0 merge
	[ "$(cat shared c | tr '\n' ' ')" = 'both c ' ]
	git fsck --strict --no-dangling
}

@test "what a person added to the branch comes too; a branch that went elsewhere does not" {
	two_leaves
	git worktree add -q ../b orch/b
	echo more >../b/more
	git -C ../b add more
	git -C ../b commit -qm more
	git worktree remove ../b
	git branch -f orch/c main
	expect 0 merge
	[ "$(cat more c | tr '\n' ' ')" = 'more c ' ]
}

@test "a detached checkout: no branch to go to, unless one is named" {
	git switch -q --detach
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo a >a
	E
	expect 0
	expect 1 merge
	[[ "$output" == *'a: its run began on no branch: name one by --into'* ]]
	expect 0 merge --into main
	[ "$(git show main:a)" = a ]
}

@test "merge = auto: at the end of a run that succeeded, and after changes again" {
	orchfile <<-'E'
	project:
	  merge = auto
	defaults:
	  isolate = worktree
	a:
	  echo 1 >a
	b: a
	  cat a >b
	c:
	  echo c >c
	E
	expect 0 --json
	[ "$(grep -c '"type":"merged"' <<<"$output")" -eq 2 ]
	[[ "$output" == *'"type":"merged"'*'"type":"run_finished"'* ]]
	[ "$(cat a b c | tr '\n' ' ')" = '1 1 c ' ]
	[ "$(git log --first-parent --format=%s main | tr '\n' '|')" = 'Merge c|Merge b|first|' ]
	sed -i 's/echo 1/echo 2/' Orchfile
	# b is cut from a's new work; what came home before is no conflict
	expect 0
	[ "$(cat a b c | tr '\n' ' ')" = '2 2 c ' ]
	expect 0
	[[ "$output" == *'nothing to do'* ]]
	# only what stands behind it runs again: from the base, where what it depends on is
	sed -i 's/cat a >b/cat a a >b/' Orchfile
	expect 0
	[ "$(cat b | tr '\n' ' ')" = '2 2 ' ]
	git fsck --strict --no-dangling
}

@test "merge = squash; nothing after a failure; what cannot be merged makes the run a failed one" {
	orchfile <<-'E'
	project:
	  merge = squash
	defaults:
	  isolate = worktree
	a:
	  echo 1 >a; echo more >>a; git add a; git commit -qm own; echo 2 >two
	b:
	  test -e ../../../ready; echo b >b
	E
	expect 1 -k
	[ "$(git log --format=%s main)" = first ]
	: >ready
	echo two >>shared
	expect 1
	[[ "$output" == *"not merged: 'main' is checked out in"*"'orch merge' tries again"* ]]
	[ "$(git log --format=%s main)" = first ]
	[ "$(tail -1 shared)" = two ]
	git checkout -q shared
	expect 0 merge --squash
	[ "$(git log --format=%s main | tr '\n' '|')" = 'b|a|first|' ]
	[ "$(cat a two b | tr '\n' ' ')" = '1 more 2 b ' ]
}

@test "merge = auto: orch killed before it merges, and while it does: the next one brings the work home" {
	# a git that kills the orch whose number it is given, before the command that is named, or at a change of main
	mkdir bin
	cat >bin/git <<-E
	#!/bin/sh
	[ -e '$PWD/armed' ] && [ "\$1" = "\$(cat '$PWD/armed')" ] && rm '$PWD/armed' && kill -KILL "\$(cat '$PWD/pid')"
	exec $(command -v git) "\$@"
	E
	cat >.git/hooks/reference-transaction <<-E
	#!/bin/sh
	grep -q ' refs/heads/main\$' && [ -e '$PWD/armed' ] && rm '$PWD/armed' && kill -KILL "\$(cat '$PWD/pid')"
	exit 0
	E
	chmod +x bin/git .git/hooks/reference-transaction
	printf '/bin/\n/armed\n/pid*\n' >>.git/info/exclude
	orchfile <<-'E'
	project:
	  merge = auto
	defaults:
	  isolate = worktree
	a:
	  echo '' >a; until [ -s ../../../pid ]; do sleep 0.02; done
	b: a
	  cat a >b
	E
	for at in merge-tree 'a change of main'; do
		echo "$at" >armed
		sed -i "s/echo .* >a;/echo '$at' >a;/" Orchfile
		PATH=$PWD/bin:$PATH "$ORCH" -s 3>&- & pid=$!
		echo $pid >pid.new
		mv pid.new pid
		status=0
		wait $pid || status=$?
		[ "$status" -eq 137 ]
		[ ! -e armed ]
		rm pid
		# nothing is to run, but what completed is not where it was to be
		expect 1 -q
		# nor is it with a target that has nothing to bring home
		expect 0 a
		expect 1 -q
		expect 0
		[ "$(cat a b)" = "$at"$'\n'"$at" ]
		[ -z "$(git status --porcelain)" ]
		expect 0 -q
		expect 0
		[[ "$output" == *'nothing to do'* ]]
	done
	git fsck --strict --no-dangling
}

@test "a project without worktrees has nothing to merge, wherever it is" {
	cd "$BATS_TEST_TMPDIR"
	printf 'project:\n\tmerge = auto\na:\n\ttrue\n' >Orchfile
	GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR expect 0
	GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR expect 2 merge
	[[ "$output" == *'no stream works in a worktree'* ]]
}

@test "a repository of its own, made by a stream: that of the Orchfile gets nothing" {
	refs=$(git for-each-ref)
	orchfile <<-'E'
	project:
	  repository = work
	  merge = auto
	work:
	  git init -q work
	  git -C work commit -q --allow-empty -m begin
	a: work
	  isolate = worktree
	  pwd; echo a >a
	E
	printf '/work/\n' >>.gitignore
	expect 0
	[ "$(cat work/a)" = a ]
	[[ "$output" == *"$PWD/.orch/worktrees/a"* ]]
	[ "$(git -C work log --first-parent --format=%s main | tr '\n' '|')" = 'Merge a|begin|' ]
	[ "$(git for-each-ref)" = "$refs" ]
	expect 0
	[[ "$output" == *'nothing to do'* ]]
}

@test "work that is not in the repository any more is named" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >a
	b:
	  echo b >b
	c: a b
	  echo c >c
	E
	expect 0 a b
	b=$(git rev-parse orch/b)
	git branch -q -D orch/b
	rm -f .git/objects/"${b:0:2}/${b:2}"
	expect 1
	[[ "$output" == *"the work of orch/b, ${b:0:10}, is not in the repository any more: 'orch reset' makes that stream run again"* ]]
	expect 0 reset b
	expect 0
	[ "$(git show orch/c:b)" = b ]
}

# --- pull requests ---

stand_in() { # NAME EXIT-STATUS TEXT: notes its arguments and standard input, and says TEXT
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/$1" <<-E
	#!/bin/sh
	{ pwd; for word; do printf '<%s>\n' "\$word"; done; } >>"$BATS_TEST_TMPDIR/$1.arguments"
	cat >>"$BATS_TEST_TMPDIR/$1.body"
	echo "$3"
	exit $2
	E
	chmod +x "$BATS_TEST_TMPDIR/bin/$1"
	export PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

remote() { # DIRECTORY: a bare repository as the remote
	git init -q --bare "$BATS_TEST_TMPDIR/$1"
	git remote add origin "$BATS_TEST_TMPDIR/$1"
	git push -q -u origin main
}

@test "--pr: pushes each branch, and gh opens a request with a text from the run" {
	stand_in gh 0 'Creating pull request...
https://forge.example/pull/7'
	remote there.git
	two_leaves
	expect 0 merge --pr -n b
	[[ "$output" == *"would push  b: orch/b"*"would open  b: a pull request into main with gh: One side"*'| `a` | The base |'* ]]
	[ ! -e "$BATS_TEST_TMPDIR/gh.arguments" ]
	[ -z "$(git -C "$BATS_TEST_TMPDIR/there.git" for-each-ref refs/heads/orch)" ]
	expect 0 merge --pr b
	[[ "$output" == *'pushed      b: orch/b'*'opened      b: https://forge.example/pull/7'* ]]
	[ "$(git -C "$BATS_TEST_TMPDIR/there.git" rev-parse orch/b)" = "$(git rev-parse orch/b)" ]
	[ "$(git rev-parse main)" = "$(git -C "$BATS_TEST_TMPDIR/there.git" rev-parse main)" ]
	[ "$(cat "$BATS_TEST_TMPDIR/gh.arguments" | tr '\n' ' ')" = \
		"$PWD <pr> <create> <--head> <orch/b> <--base> <main> <--title> <One side> <--body-file> <-> " ]
	cat "$BATS_TEST_TMPDIR/gh.body"
	grep -qE '^\| `a` \| The base \| none \| 1 \| [0-9.]+s \|  \|$' "$BATS_TEST_TMPDIR/gh.body"
	grep -qE '^\| `b` \| One side \| passed \| 1 \| [0-9.]+s \|  \|$' "$BATS_TEST_TMPDIR/gh.body"
	grep -qE '^2 streams, [0-9.]+s of work; completed in run 20' "$BATS_TEST_TMPDIR/gh.body"
}

@test "--pr: glab by the address; one that is open already; one that fails; a branch there that has more" {
	stand_in glab 1 'Another open merge request already exists for this source branch: https://gitlab.example/mr/3'
	stand_in gh 4 'you are not logged in'
	remote gitlab.git
	two_leaves
	expect 0 merge --pr b
	[[ "$output" == *'updated     b: https://gitlab.example/mr/3'* ]]
	grep -qx '<--target-branch>' "$BATS_TEST_TMPDIR/glab.arguments"
	grep -q '^| `b` | One side | passed' "$BATS_TEST_TMPDIR/glab.arguments"
	[ ! -e "$BATS_TEST_TMPDIR/gh.arguments" ]
	git -C "$BATS_TEST_TMPDIR" clone -q gitlab.git clone
	git -C "$BATS_TEST_TMPDIR/clone" switch -q orch/b
	git -C "$BATS_TEST_TMPDIR/clone" commit -q --allow-empty -m theirs
	git -C "$BATS_TEST_TMPDIR/clone" push -q
	expect 1 merge --pr b
	[[ "$output" == *"cannot push 'orch/b' to 'origin'"* ]]
	git clone -q --bare "$BATS_TEST_TMPDIR/gitlab.git" "$BATS_TEST_TMPDIR/other.git"
	git remote set-url origin "$BATS_TEST_TMPDIR/other.git"
	expect 1 merge --pr c
	[[ "$output" == *"c: 'orch/c' is pushed, but there is no pull request for it: 'gh pr create' ended with status 4: you are not logged in"* ]]
}

@test "--pr: with what an agent has cost" {
	stand_in gh 0 https://forge.example/pull/8
	remote there.git
	orchfile <<-'E'
	agent paid:
	  cost = /^cost (?<cost>[0-9.]+)$/
	  run:
	    echo cost 1.25; cp {{prompt}} told
	a:
	  agent  = paid
	  prompt: Do it.
	b: a
	  isolate = worktree
	  echo b >b
	E
	expect 0
	expect 0 merge --pr
	cat "$BATS_TEST_TMPDIR/gh.body"
	grep -qE '^\| `a` \|  \| none \| 1 \| [0-9.]+s \| 1\.25 \|$' "$BATS_TEST_TMPDIR/gh.body"
	grep -qE '^2 streams, [0-9.]+s of work, cost 1\.25; completed' "$BATS_TEST_TMPDIR/gh.body"
}

@test "--pr: no program for it, no remote" {
	two_leaves
	mkdir "$BATS_TEST_TMPDIR/few"
	for program in git sh; do
		ln -s "$(command -v $program)" "$BATS_TEST_TMPDIR/few/$program"
	done
	PATH=$BATS_TEST_TMPDIR/few expect 2 merge --pr
	[[ "$output" == *'neither is installed'* ]]
	stand_in gh 0 fine
	expect 1 merge --pr
	[[ "$output" == *"no remote to push 'orch/b' to"* ]]
	expect 2 merge --pr --squash
}
