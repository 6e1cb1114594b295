# Streams in worktrees of repositories of every kind. Real repositories, real git.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	# for tests/lib/lsan.supp: libgit2 is on the stack of what it loses only if the stack is unwound as a debugger does
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}fast_unwind_on_malloc=0
	git_setup
}

# two streams, one on top of the other; the checkout is as it was, git finds nothing wrong, everything can be looked at and cleaned up
two_streams() {
	local before
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a >a; echo two >>shared
	b: a
	  test "$(cat a)" = a; echo b >b
	E
	before=$(git rev-parse HEAD; git status --porcelain=v2; cat shared)
	expect 0 "$@"
	[ "$(git rev-parse HEAD; git status --porcelain=v2; cat shared)" = "$before" ]
	[ "$(git show orch/b:a)$(git show orch/b:b)" = ab ]
	expect 0 diff b --stat
	says ' b \| 1 \+'
	expect 0 conflicts
	git fsck --strict --no-dangling
	expect 0 clean -n
	says '^kept    branch orch/a: 1 commit' '^kept    branch orch/b: 2 commits'
	expect 0 reset a b
	[ -z "$(git for-each-ref refs/heads/orch)" ]
	[ -n "$(git for-each-ref refs/orch/wip)" ]
}

teardown() {
	git_teardown
}

@test "a bare repository: none to work in; a worktree of one: as any other" {
	repository
	git clone -q --bare . ../bare.git
	cd ../bare.git
	orchfile <<-'E'
	a:
	  isolate = worktree
	  :
	E
	expect 1
	[[ "$output" == *'this is a bare repository: there is no checkout to work from'* ]]
	git worktree add -q ../checkout main
	cd ../checkout
	two_streams
}

@test "a linked worktree, a shallow clone, SHA-256, a detached HEAD" {
	repository
	git worktree add -q ../linked -b linked
	(
		cd ../linked
		two_streams
		# its state is its own, and so are its worktrees
		[ -d .orch ]
		[ ! -e ../project/.orch ]
	)
	echo more >>shared
	git commit -qam second
	git clone -q --depth 1 "file://$PWD" ../shallow
	(
		cd ../shallow
		[ -f .git/shallow ]
		two_streams
	)
	mkdir ../sha256
	(
		cd ../sha256
		repository --object-format=sha256
		two_streams
	)
	git checkout -q --detach HEAD~1
	two_streams
}

@test "submodules: a stream can change one's commit, and what it did in it is not lost" {
	mkdir ../lib
	(
		cd ../lib
		repository
	)
	repository
	git -c protocol.file.allow=always submodule --quiet add "$PWD/../lib" lib
	git commit -qm submodule
	two_streams
	git config --global protocol.file.allow always
	orchfile <<-'E'
	sub:
	  isolate = worktree
	  git submodule --quiet update --init
	  cd lib; git checkout -q -b mine; echo sub >sub; git add sub; git commit -qm sub; echo loose >loose
	E
	expect 0
	new=$(git rev-parse orch/sub:lib)
	[ "$new" != "$(git rev-parse main:lib)" ]
	# the commit is in the submodule's own repository, which went with the worktree: a ref of ours has it
	git cat-file -e "$new^{commit}"
	git for-each-ref --format='%(refname)' refs/orch/wip/sub | while read -r ref; do git show "$ref:lib/loose" 2>/dev/null; done | grep -qx loose
}

@test "a repository that was moved or copied with its worktrees: what is in them goes on" {
	repository
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	goes-on:
	  echo line >>work; test -e ../../../ready
	given-up:
	  echo line >>work; false
	elsewhere:
	  git checkout -q -B side; echo line >>work; test -e ../../../ready
	E
	expect 1 -k
	for stream in goes-on given-up elsewhere; do
		echo mine >>.orch/worktrees/$stream/work
	done
	cp -a . ../copy
	links() { cat .orch/worktrees/*/.git .git/worktrees/*/gitdir; }
	before=$(links)
	# what the copy does to its own does nothing to the original's
	cd ../copy
	: >ready
	expect 0 goes-on elsewhere
	[ "$(git show orch/goes-on:work | tr '\n' ' ')" = 'line mine line ' ]
	[ "$(git show orch/elsewhere:work | tr '\n' ' ')" = 'line mine line ' ]
	expect 0 reset given-up
	[ "$(git show "$(git for-each-ref --sort=-refname --count=1 --format='%(refname)' refs/orch/wip/given-up)":work | tr '\n' ' ')" = 'line mine ' ]
	[ "$(git worktree list | wc -l)" -eq 1 ]
	git fsck --strict --no-dangling
	cd ../project
	[ "$(links)" = "$before" ]
	cd ..
	mv project moved
	cd moved
	: >ready
	expect 0 goes-on elsewhere
	[ "$(git show orch/goes-on:work | tr '\n' ' ')" = 'line mine line ' ]
	[ "$(git show orch/elsewhere:work | tr '\n' ' ')" = 'line mine line ' ]
	expect 0 reset given-up
	[ "$(git show "$(git for-each-ref --sort=-refname --count=1 --format='%(refname)' refs/orch/wip/given-up)":work | tr '\n' ' ')" = 'line mine ' ]
	[ "$(git worktree list | wc -l)" -eq 1 ]
	git fsck --strict --no-dangling
}

@test "filters as LFS has them, autocrlf, attributes, executables, links" {
	repository
	git config filter.fake.clean "sed 's/^big/pointer/'"
	git config filter.fake.smudge "sed 's/^pointer/big/'"
	git config filter.fake.required true
	git config core.autocrlf true
	echo '*.bin filter=fake -text' >.gitattributes
	echo 'big one' >one.bin
	printf 'crlf\r\n' >dos
	printf '#!/bin/sh\n' >script
	chmod +x script
	ln -s shared link
	git add . 2>/dev/null
	git commit -qm more
	[ "$(git cat-file -p HEAD:one.bin)" = 'pointer one' ]
	orchfile <<-'E'
	a:
	  isolate = worktree
	  grep -q '^big one' one.bin; test -x script; test -L link
	  printf 'crlf\r\n' | cmp - dos
	  echo 'big two' >two.bin; printf 'new\r\n' >new
	E
	expect 0
	[ "$(git cat-file -p orch/a:two.bin)" = 'pointer two' ]
	[ "$(git cat-file -p orch/a:new)" = new ]
	[ "$(git diff --name-only main orch/a | tr '\n' ' ')" = 'new two.bin ' ]
	# a filter that is needed and fails: said, and nothing half made is taken for a worktree later
	git config filter.fake.smudge false
	expect 1 -B
	[[ "$output" == *'a: '*'smudge'* || "$output" == *'filter'* ]]
	git config filter.fake.smudge "sed 's/^pointer/big/'"
	expect 0
	git fsck --strict --no-dangling
}

@test "hooks: one that refuses, one that changes, one that fails after a checkout" {
	repository
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo a >a
	E
	printf '#!/bin/sh\necho not like this >&2\nexit 1\n' >.git/hooks/commit-msg
	chmod +x .git/hooks/commit-msg
	expect 1
	[[ "$output" == *'not like this'* ]]
	[ "$(git show refs/orch/wip/a/1:a)" = a ]
	printf '#!/bin/sh\necho "Reviewed-by: hook" >>"$1"\n' >.git/hooks/commit-msg
	expect 0
	git log -1 --format=%B orch/a | grep -qx 'Reviewed-by: hook'
	printf '#!/bin/sh\necho no checkout today >&2\nexit 1\n' >.git/hooks/post-checkout
	chmod +x .git/hooks/post-checkout
	expect 1 -B
	[[ "$output" == *'no checkout today'* ]]
	rm .git/hooks/post-checkout
	expect 0
}

@test "names that differ in case only, of streams and of files" {
	repository
	echo lower >name
	echo upper >NAME
	git add .
	git commit -qm names
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo small >>name
	A:
	  echo large >>NAME
	both: a A
	  cat name NAME >all
	E
	expect 0 -j2
	[ "$(git show orch/both:all | tr '\n' ' ')" = 'lower small upper large ' ]
	expect 0 reset a
	git rev-parse -q --verify orch/A
}

@test "no commit yet, somebody else's, in the middle of a merge, of a rebase" {
	git init -q
	orchfile <<-'E'
	a:
	  isolate = worktree
	  echo a >a
	E
	expect 1
	[[ "$output" == *"branch 'main' has no commit yet, so there is nothing to work from: make a first commit"* ]]
	expect 0 clean
	expect 0 conflicts
	repository
	GIT_TEST_ASSUME_DIFFERENT_OWNER=1 expect 1
	[[ "$output" == *'safe.directory'* ]]
	GIT_TEST_ASSUME_DIFFERENT_OWNER=1 expect 2 clean
	[[ "$output" == *'safe.directory'* ]]
	git config --global safe.directory '*'
	GIT_TEST_ASSUME_DIFFERENT_OWNER=1 expect 0
	git checkout -q -b side
	echo side >shared
	git commit -qam side
	git checkout -q main
	echo main >shared
	git commit -qam main
	run git merge -q side
	[ -e .git/MERGE_HEAD ]
	before=$(git status --porcelain=v2; cat .git/MERGE_HEAD shared)
	expect 0 -B
	[[ "$output" == *'a merge is under way in the checkout: the streams start from the last commit'* ]]
	[ "$(git status --porcelain=v2; cat .git/MERGE_HEAD shared)" = "$before" ]
	git merge --abort
	run git rebase -q side
	[ -d .git/rebase-merge ]
	before=$(git status --porcelain=v2; cat shared)
	expect 0 -B
	[[ "$output" == *'a rebase is under way'* ]]
	[ "$(git status --porcelain=v2; cat shared)" = "$before" ]
	git rebase --abort
}

@test "paths with blanks, quotes, newlines and what is not ASCII" {
	mkdir "../a 'b' \"c\" täglich"
	cd "../a 'b' \"c\" täglich"
	repository
	mkdir -p $'dir\nwith newline'
	echo x >$'dir\nwith newline/a "b" \'c\' ü\tt'
	git add .
	git commit -qm paths
	orchfile <<-'E'
	a:
	  isolate = worktree
	  touches = "new *"
	  for file in dir*/*; do echo y >>"$file"; done
	  echo new >"$(printf 'new \n"ü')"
	b:
	  isolate = worktree
	  for file in dir*/*; do echo z >>"$file"; done
	E
	expect 0
	[ "$(git ls-tree -rz --name-only orch/a | tr '\0\n' ';,')" = 'Orchfile;dir,with newline/a "b" '\''c'\'' ü'$'\t''t;new ,"ü;shared;' ] ||
		[ "$(git ls-tree -rz --name-only orch/a | tr '\0\n' ';,')" = 'dir,with newline/a "b" '\''c'\'' ü'$'\t''t;new ,"ü;shared;' ]
	expect 1 conflicts
	[ "$(wc -l <<<"$output")" -eq 1 ]
	expect 1 conflicts --json
	expect 0 clean -n
	expect 0 reset a b
	[ -z "$(ls .orch/worktrees)" ]
	git fsck --strict --no-dangling
}

@test "5000 files, and a hundred streams at once" {
	repository
	for d in {1..50}; do
		mkdir "d$d"
		for f in {1..100}; do echo "$d $f" >"d$d/f$f"; done
	done
	git add .
	git commit -qm many
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	first:
	  test "$(ls d*/* | wc -l)" -eq 5000; rm -r d1; echo new >d2/f1
	E
	expect 0
	[ "$(git diff --name-only main orch/first | wc -l)" -eq 101 ]
	mkdir ../hundred
	cd ../hundred
	repository
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	for n in 0 1 2 3 4 5 6 7 8 9:
	  for m in 0 1 2 3 4 5 6 7 8 9:
	    s{{n}}{{m}}:
	      echo {{n}}{{m}} >f{{n}}{{m}}
	E
	sed -i 's/^\t\t  /\t\t\t/' Orchfile
	expect 0 -j16
	[[ "$output" == *'100 streams: 100 completed'* ]]
	[ "$(git for-each-ref refs/heads/orch | wc -l)" -eq 100 ]
	[ "$(git show orch/s42:f42)" = 42 ]
	[ -z "$(ls .orch/worktrees)" ]
	[ "$(git worktree list | wc -l)" -eq 1 ]
	git fsck --strict --no-dangling
}

@test "a diamond with and without conflict, an octopus of twenty" {
	repository
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	top:
	  echo top >top
	left: top
	  echo left >left; echo left >both
	right: top
	  echo right >right
	bottom: left right
	  cat top left right >bottom
	twenty: p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11 p12 p13 p14 p15 p16 p17 p18 p19 p20
	  cat p* | sort -n >all
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20:
	  p{{n}}:
	    echo {{n}} >p{{n}}
	E
	expect 0 -j8
	[ "$(git show orch/bottom:bottom | tr '\n' ' ')" = 'top left right ' ]
	[ "$(git show orch/twenty:all | wc -l)" -eq 20 ]
	[ "$(git rev-list --parents -1 orch/twenty~1 | wc -w)" -eq 21 ]
	# now both sides make the same file
	sed -i 's/echo right >right/echo right >right; echo right >both/' Orchfile
	expect 1 bottom
	[[ "$output" == *'conflict: the work of orch/left and of orch/right does not go together in both'* ]]
	expect 1 conflicts
	[[ "$output" == *'left and right: both'* ]]
	expect 1 bottom
	expect 0 clean
	says '^kept    worktree \.orch/worktrees/bottom'
	git fsck --strict --no-dangling
}

@test "two at a time, in two checkouts of one repository" {
	repository
	git worktree add -q ../other -b other
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	for n in 1 2 3 4 5 6 7 8:
	  a{{n}}:
	    echo {{n}} >a{{n}}
	same:
	  keep = always
	  touch "$OUTSIDE/one"; until test -e "$OUTSIDE/go"; do sleep 0.02; done
	E
	sed 's/a{{n}}/b{{n}}/' Orchfile >../other/Orchfile
	export OUTSIDE=$BATS_TEST_TMPDIR
	"$ORCH" -k -j9 >out 2>&1 &
	orch=$!
	until_there "$OUTSIDE/one"
	expect 1 -C ../other -k -j9
	[[ "$output" == *"branch 'orch/same' is checked out in '$PWD/.orch/worktrees/same'"* ]]
	[[ "$output" == *'9 streams: 8 completed, 1 failed'* ]]
	touch "$OUTSIDE/go"
	wait "$orch"
	[ "$(git for-each-ref refs/heads/orch | wc -l)" -eq 17 ]
	# each looks after its own
	expect 0 -C ../other clean -n
	says "^kept    worktree $PWD/.orch/worktrees/same: it is another project's"
	git fsck --strict --no-dangling
}

@test "no room while a worktree is filled: it fails and says why; with room it completes, and nothing is left of the first" {
	repository
	head -c 2000000 /dev/zero >large
	git add large
	git commit -qm large
	orchfile <<-'E'
	a:
	  isolate = worktree
	  test "$(wc -c <large)" -eq 2000000; echo a >a
	E
	run bash -c 'ulimit -f 1000; exec "$ORCH"'
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *'its worktree: cannot check out'* ]]
	expect 0
	[ "$(git diff --name-only main orch/a)" = a ]
	[ -z "$(ls .orch/worktrees)" ]
	[ "$(git worktree list | wc -l)" -eq 1 ]
	git fsck --strict --no-dangling
}
