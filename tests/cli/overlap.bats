# Streams that may run at the same time and expect to change the same files. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME" "$BATS_TEST_TMPDIR/project"
	cd "$BATS_TEST_TMPDIR/project" || return 1
}

overlaps() { grep -c 'may run at the same time' <<<"$output" || true; }

@test "a pair that may run together is named before it starts; what is ordered, or elsewhere, is not" {
	orchfile <<-'E'
	a:
	  touches = src/**
	  true
	b:
	  touches = doc/b.txt src/b.c
	  true
	after-both: a b
	  touches = **
	  true
	order-only: | after-both
	  touches = src/a.c
	  true
	elsewhere:
	  touches = test/*.c
	  true
	not-wanted:
	  touches = test/x.c
	  true
	E
	expect 0 order-only elsewhere a
	[[ "$output" == *"warn   a: it and 'b' may run at the same time, and expect to change the same files: 'src/**' and 'src/b.c'; a dependency between them would keep them apart"* ]]
	[[ "$output" == *"after-both: it and 'elsewhere' may"* ]]
	[ "$(overlaps)" -eq 2 ]
	[[ "${output%%orch: start*}" == *'may run at the same time'* ]]
	# what is complete does not run
	expect 0
	[[ "$output" != *"it and 'b'"* ]]
}

@test "the same glob; and more pairs than are told" {
	{ for i in 1 2 3 4 5 6 7; do printf 's%d:\n\ttouches = shared.txt\n\ttrue\n' "$i"; done; } >Orchfile
	expect 0
	[[ "$output" == *"s1: it and 's2' may run at the same time, and both expect to change 'shared.txt'"* ]]
	[ "$(overlaps)" -eq 11 ]
	[[ "$output" == *'not all of them were compared'* ]]
	# a chain of them is in order
	{ printf 's0:\n\ttouches = shared.txt\n\ttrue\n'; for i in 1 2 3 4 5 6 7; do printf 's%d: s%d\n\ttouches = shared.txt\n\ttrue\n' "$i" "$((i - 1))"; done; } >Orchfile
	expect 0 -B
	[ "$(overlaps)" -eq 0 ]
}

@test "globs that meet, and that do not" {
	while read -r want one other; do
		printf 'a:\n\ttouches = %s\n\ttrue\nb:\n\ttouches = %s\n\ttrue\n' "$one" "$other" >Orchfile
		rm -rf .orch
		expect 0
		[ "$(overlaps)" -eq "$want" ]
	done <<-'E'
	1 a.c a.c
	0 a.c b.c
	1 *.c a*
	0 *.c *.h
	0 *.c sub/a.c
	1 **/a.c sub/deep/a.c
	1 **/a.c a.c
	1 src/** src/x/y
	0 src/** doc/**
	1 src/?.c src/a.*
	0 src/?.c src/ab.c
	1 [ab].c a.c
	1 a/*/c a/b/*
	0 a/*/c a/c
	1 **/*.c src/**
	0 src/*.c src/**/x.h
	E
}

@test "serialize: such streams do not run at the same time, others do" {
	{
		printf 'project:\n\toverlap = serialize\npool one = 1\n'
		for i in 1 2 3 4 5 6; do
			printf 's%d:\n\ttouches = shared.txt\n\tretries = 1\n\tbackoff = 10ms\n' "$i"
			[ "$i" -gt 3 ] || printf '\tpool = one\n'
			# each fails once: it waits for its next try without a place of its own
			printf '\tmkdir lock\n\tsleep 0.02\n\trmdir lock\n\ttest -e tried%d || { touch tried%d; exit 1; }\n' "$i" "$i"
		done
		# in the pool too: not kept waiting by those that wait for each other
		printf 'free:\n\ttouches = other.txt\n\tpool = one\n\ttrue\n'
	} >Orchfile
	expect 0 -j8
	[ "$(overlaps)" -eq 0 ]
	[ "$(ls tried* | wc -l)" -eq 6 ]
	[ ! -e lock ]
}

@test "serialize: two that both meet a third, and not each other, run at the same time" {
	cat >Orchfile <<-'E'
		project:
		  overlap = serialize
		meet = for n in $(seq 3000); do test -e "$other" && exit 0; sleep 0.01; done; exit 1
		a:
		  touches = x
		  mkdir middle-or-a && touch a
		  other=c; {{meet}}
		middle:
		  touches = x y
		  priority = -1
		  mkdir middle
		  test -e a && test -e c
		c:
		  touches = y
		  touch c
		  other=a; {{meet}}
	E
	expect 0 -j4
	# what is first for another reason is first here: the one in the middle keeps both waiting
	sed -i 's/priority = -1/priority = 1/; s/test -e a \&\& test -e c/test ! -e a \&\& test ! -e c/' Orchfile
	rm -rf .orch a c middle middle-or-a
	expect 0 -j4
}

@test "serialize: stopping, failing and what is skipped leave nobody waiting" {
	cat >Orchfile <<-'E'
		project:
		  overlap = serialize
		bad:
		  touches = x
		  exit 1
		after: bad
		  touches = x
		  true
		one:
		  touches = x
		  true
		two:
		  touches = x
		  true
	E
	expect 1 -k -j4
	[[ "$output" == *"2 completed"* ]]
	expect 1 -j4 -B
}
