# What runs again and what does not: stamps, targets, the options that change the answer, and that looking changes
# nothing. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	plain_setup
	cd "$BATS_TEST_TMPDIR" || return 1
	export LOG=$BATS_TEST_TMPDIR/log
	: >"$LOG"
}

# ran "STREAM..." ARGUMENT...: a run that succeeds, in which exactly those ran (sorted)
ran() {
	local want=$1 got
	shift
	: >"$LOG"
	expect 0 "$@"
	got=$(sort "$LOG" | tr '\n' ' ')
	echo "ran '${got% }', wanted '$want'"
	[ "${got% }" = "$want" ]
}

# a chain with a side arm: src -> a -> b -> c, b -> d; every one tells and copies what it is made of
chain() {
	orchfile <<-'END'
		a "First":
		  inputs = src.txt
		  outputs = a.out
		  timeout = 1h
		  echo a >>"$LOG"
		  grep -v '^#' src.txt >a.out
		b: a
		  inputs = a.out "side*.txt"
		  outputs = b.out
		  echo b >>"$LOG"
		  cat a.out side*.txt >b.out
		c: b
		  outputs = c.out
		  echo c >>"$LOG"
		  cp b.out c.out
		d: | b
		  echo d >>"$LOG"
	END
	echo one >src.txt
	echo side >side1.txt
	ran "a b c d"
}

@test "inputs that changed while the stream ran are said to be the reason" {
	echo one >in.txt
	printf 'a:\n\tinputs = in.txt\n\techo two >in.txt\n' >Orchfile
	"$ORCH" -s >/dev/null
	run "$ORCH" -n
	[[ "${lines[0]}" == "a  its inputs changed while it last ran" ]]
	run "$ORCH" why a
	[[ "${lines[0]}" == "a would run: its inputs changed while it last ran" ]]
	"$ORCH" -s >/dev/null
	run "$ORCH" -q
	[ "$status" -eq 0 ]
}

@test "a second run does nothing, nor after touch of a file" {
	chain
	ran ""
	[[ "$output" == *"nothing to do"* ]]
	touch src.txt side1.txt
	ran ""
	cp src.txt copy
	mv copy src.txt
	ran ""
	expect 0 -q
}

@test "changed content runs exactly who depends on it" {
	chain
	echo two >>src.txt
	ran "a b c"
	ran ""
	echo other >>side1.txt
	expect 1 -q
	ran "b c"
	# same size, same time: found by the rest of what is known of a file
	touch -r src.txt stamp
	sed -i 's/two/owt/' src.txt
	touch -r stamp src.txt
	ran "a b c"
}

@test "early cut-off: who made the same as before makes nobody stale" {
	chain
	echo '# comment' >>src.txt
	ran "a"
	ran ""
	echo more >>src.txt
	ran "a b c"
}

@test "a glob's new and removed files count" {
	chain
	echo new >side2.txt
	ran "b c"
	rm side2.txt
	ran "b c"
	orchfile <<-'END'
		s:
		  inputs = "src/**/*.c"
		  echo s >>"$LOG"
	END
	mkdir -p src/deep/er
	echo 1 >src/deep/one.c
	ran "s"
	ran ""
	echo 2 >src/deep/er/two.c
	ran "s"
	echo 3 >src/deep/er/three.h
	ran ""
	mv src/deep/er/two.c src/deep/er/zwei.c
	ran "s"
}

@test "a changed recipe runs, a changed comment, title, timeout or order does not" {
	chain
	sed -i 's/^a "First"/# comment\na "Another title"/; s/timeout = 1h/timeout = 2h\n\tretries = 1 # tried twice/' Orchfile
	ran ""
	sed -i 's/cp b.out c.out/cp  b.out c.out/' Orchfile
	ran "c"
	orchfile <<-'END'
		word = one
		s:
		  env = A={{word}}
		  check: test {{word}}
		  echo s >>"$LOG"
	END
	ran "s"
	ran ""
	ran "s" word=two
	ran "s"
	printf 'other = unused\n' | cat - Orchfile >New && mv New Orchfile
	ran ""
}

@test "an output that is gone is made again" {
	chain
	rm b.out
	expect 1 -q
	ran "b"
	ran ""
	rm a.out c.out
	ran "a c"
}

@test "without outputs or values, dependents of what ran run" {
	orchfile <<-'END'
		a:
		  inputs = in
		  echo a >>"$LOG"
		b: a
		  echo b >>"$LOG"
		g: a
		c: g
		  echo c >>"$LOG"
		v:
		  inputs = in
		  echo v >>"$LOG"
		  echo key=same >>"$ORCH_OUTPUT"
		w: v
		  echo w >>"$LOG"
	END
	echo 1 >in
	ran "a b c v w"
	ran ""
	echo 2 >in
	ran "a b c v"
	ran ""
}

@test "a value that changed makes its readers run" {
	orchfile <<-'END'
		v:
		  inputs = in
		  echo v >>"$LOG"
		  echo "key=$(cat in)" >>"$ORCH_OUTPUT"
		w: v
		  echo w {{v.key}} >>"$LOG"
	END
	echo 1 >in
	ran "v w 1"
	echo 2 >in
	ran "v w 2"
}

@test "order-only dependencies are waited for and make nobody stale" {
	chain
	echo two >>src.txt
	ran "a b c"
	sed -i 's/^d: | b/d: | b c/' Orchfile
	ran ""
	sed -i 's/^d: | b c/d: b/' Orchfile
	ran "d"
}

@test "another dependency, or another name of it, is another" {
	orchfile <<-'END'
		a z:
		  outputs = {{stream}}.out
		  echo {{stream}} >>"$LOG"
		  echo same >{{stream}}.out
		b: a
		  echo b >>"$LOG"
	END
	ran "a b z"
	sed -i 's/^b: a/b: z/' Orchfile
	ran "b"
	sed -i 's/^a z:/a y:/; s/^b: z/b: y/' Orchfile
	ran "b y"
	sed -i 's/^b: y/b: y a/' Orchfile
	ran "b"
	sed -i 's/^b: y a/b: a y/' Orchfile
	ran ""
	# one that is gone from the file leaves no trace in the others
	sed -i 's/^b: a y/b: a/' Orchfile
	ran "b"
}

@test "rerun chooses what counts" {
	for what in "recipe inputs deps" recipe inputs deps missing; do
		rm -rf .orch ./*.out
		write() {
			orchfile <<-END
				d:
				  inputs = d.in
				  outputs = d.out
				  cp d.in d.out
				s: d
				  rerun = $what
				  inputs = in
				  outputs = s.out
				  : $1
				  echo s >>"\$LOG"
				  touch s.out
			END
		}
		echo 1 >in
		echo 1 >d.in
		write one
		ran "s"
		write two
		case $what in *recipe*) ran "s" ;; *) ran "" ;; esac
		echo 2 >in
		case $what in *inputs*) ran "s" ;; *) ran "" ;; esac
		echo 2 >d.in
		case $what in *deps*) ran "s" ;; *) ran "" ;; esac
		rm s.out
		ran "s"
		ran ""
	done
}

@test "deleting a stamp says again" {
	chain
	rm .orch/stamps/a
	ran "a"
	rm .orch/stamps/b .orch/stamps/d
	ran "b d"
	rm -r .orch
	ran "a b c d"
}

@test "stamps of many short streams share a file: one is taken out of it like any other, and a kill loses none" {
	local first last i
	for i in $(seq 150); do
		printf 's%d:\n\techo s%d >>"$LOG"\n\tsleep 0.01\n' "$i" "$i"
	done >Orchfile
	expect 0 -s -j4
	[ "$(wc -l <"$LOG")" = 150 ]
	[ ! -e .orch/stamps/s150 ]
	[ $(($(find .orch/stamps -name 's*' -type f | wc -l) + $(grep -c '^stream ' .orch/stamps/_pack))) = 150 ]
	ran ""
	# by its own command, and by hand
	first=$(sed -n '1,/^stream /s/^stream //p' .orch/stamps/_pack)
	last=$(sed -n 's/^stream //p' .orch/stamps/_pack | tail -n 1)
	expect 0 reset "$last"
	sed -i "/^stream $first\$/,/^end /d" .orch/stamps/_pack
	ran "$(printf '%s\n' "$first" "$last" | sort | xargs)"
	expect 0 why "$first"
	# all of them again, and killed in the middle
	: >"$LOG"
	"$ORCH" -s -B -j4 &
	until [ "$(wc -l <"$LOG")" -gt 100 ]; do sleep 0.01; done
	kill -9 $!
	wait $! || true
	"$ORCH" list --json | awk -F'"' '$2 == "name" { name = $4 } $2 == "state" && $4 == "complete" { print name }' | sort >complete
	[ "$(wc -l <complete)" -gt 64 ]
	: >"$LOG"
	expect 0 -s -j4
	[ -z "$(sort "$LOG" | comm -12 - complete)" ]
	[ "$(sort "$LOG" complete | uniq | wc -l)" = 150 ]
	# without its index, and without the file
	rm .orch/stamps.index
	ran ""
	rm .orch/stamps/_pack
	expect 1 -q
}

@test "a damaged stamp is none" {
	chain
	cp .orch/stamps/b kept
	for damage in "truncate -s 20" "truncate -s 0" "sed -i 5s/./x/" "cp /dev/null" "cp Orchfile"; do
		if [ "${damage%% *}" = cp ]; then
			rm .orch/stamps/b
		fi
		# shellcheck disable=SC2086
		$damage .orch/stamps/b
		rm -f .orch/stamps.index
		expect 1 -q
		ran "b"
	done
	# of another stream
	cp .orch/stamps/c .orch/stamps/b
	rm -f .orch/stamps.index
	ran "b"
	head -c 100 /dev/urandom >.orch/stamps.index
	ran ""
	mkdir .orch/stamps/x
	ran ""
}

@test "-B, -t, -q, -W" {
	chain
	ran "a b c d" -B
	ran "a b" -B b
	expect 1 -q -B
	ran "b c" -W side1.txt || ran "b" -W side1.txt
	expect 2 -W no-such-file
	[[ "$output" == *no-such-file* ]]
	echo two >>src.txt
	ran "" -t a
	expect 0 -q a
	# what it made is not known to be another
	ran ""
	echo three >>src.txt
	expect 0 -t
	ran ""
	expect 0 -q
}

@test "touch and reset" {
	chain
	expect 0 reset b
	expect 1 -q
	expect 0 touch b
	expect 0 -q
	expect 0 reset b c
	ran "b c"
	expect 0 reset '*'
	ran "a b c d"
	expect 2 reset no-such
	# what is not there cannot be called complete
	rm b.out
	expect 2 touch a b
	[[ "$output" == *"'b'"*"b.out"*"does not exist"* ]]
	expect 2 -t
	ran "b"
	sed -i 's/cp b.out/cp  b.out/' Orchfile
	expect 0 touch c
	ran ""
}

@test "targets: group, glob, pattern, tag, STREAM+, --only, --except" {
	orchfile <<-'END'
		api-one api-two:
		  tags = back slow
		  echo {{stream}} >>"$LOG"
		web-one: api-one
		  tags = front
		  echo {{stream}} >>"$LOG"
		web-two: api-two
		  echo {{stream}} >>"$LOG"
		web: web-one web-two
		done: web
		  echo {{stream}} >>"$LOG"
	END
	ran "api-one" -B api-one
	ran "api-one api-two" -B 'api-*'
	ran "api-one web-one" -B /-one$/
	ran "api-one api-two" -B tag:back
	ran "api-one web-one" -B tag:front
	ran "api-one api-two web-one web-two" -B web
	ran "web-one" -B --only web-one
	ran "api-two web-two" -B --only '*-two'
	ran "api-one api-two done web-two" -B --except web-one
	ran "api-one api-two" -B --except 'web*' --except 'done'
	ran "api-one api-two done web-one web-two" -B api-one+
	ran "api-one api-two web-one" -B web-one api-two
	expect 2 'zzz*'
	expect 2 tag:none
	expect 2 '/zzz/'
	expect 2 '/(/'
}

@test "a state directory of a newer format is refused" {
	chain
	echo 99 >.orch/format
	: >"$LOG"
	for words in "" "-n" "-q" list status "why a" "reset a"; do
		# shellcheck disable=SC2086
		run "$ORCH" $words
		echo "$words: status $status: $output"
		[ "$status" -eq 2 ]
		[[ "$output" == *newer* ]]
	done
	[ ! -s "$LOG" ]
	[ "$(cat .orch/format)" = 99 ]
}

@test "a state directory that is a symbolic link or a file is refused" {
	orchfile <<-'END'
		a:
		  echo a >>"$LOG"
	END
	mkdir elsewhere
	ln -s elsewhere .orch
	expect 2
	[[ "$output" == *.orch*"symbolic link"* || "$output" == *.orch*symlink* ]]
	[ -z "$(ls -A elsewhere)" ]
	rm .orch
	ln -s nowhere .orch
	expect 2
	[ ! -e nowhere ]
	rm .orch
	echo mine >.orch
	expect 2
	[ "$(cat .orch)" = mine ]
	rm .orch
	mkdir .orch
	ln -s ../elsewhere .orch/stamps
	expect 2
	[ -z "$(ls -A elsewhere)" ]
	[ ! -s "$LOG" ]
}

# all there is, with its times
listing() {
	find . -path ./log -prune -o -printf '%p %y %s %T@ %C@ %i %m\n' | sort
}

@test "looking writes nothing" {
	chain
	echo two >>src.txt
	sed -i 's/cp b.out/cp  b.out/' Orchfile
	sleep 0.01
	listing >"$BATS_TEST_TMPDIR.before"
	for words in "-n" "-n -B" "-n --json" "-q" "list" "list --json" "why a" "why d" "plan" "plan --json" "status" \
		"status --json" "status a" "logs" "logs a" "history" "history --json" "graph" "graph --format dot" "show a" \
		"check" "dump" "dump --json" "fmt --check"; do
		# shellcheck disable=SC2086
		run "$ORCH" $words
		echo "$words: status $status: $output"
		[ "$status" -le 1 ]
		listing >"$BATS_TEST_TMPDIR.after"
		diff "$BATS_TEST_TMPDIR.before" "$BATS_TEST_TMPDIR.after"
	done
	rm -r .orch
	listing >"$BATS_TEST_TMPDIR.before"
	for words in "-n" "-q" "list" "why a" "plan" "status" "logs a" "history" "graph" "show a" "check" "reset a"; do
		# shellcheck disable=SC2086
		run "$ORCH" $words
		echo "$words: status $status: $output"
		[ "$words" = "reset a" ] && break
		[ ! -e .orch ]
	done
}

@test "a stream that changes its own inputs is stale once more" {
	orchfile <<-'END'
		s:
		  inputs = in
		  echo s >>"$LOG"
		  test "$(wc -l <in)" -ge 3 || echo more >>in
	END
	echo 1 >in
	ran "s"
	ran "s"
	ran "s"
	ran ""
}

@test "an input that nobody makes" {
	orchfile <<-'END'
		s:
		  inputs = none.txt
		  echo s >>"$LOG"
	END
	expect 1
	[[ "$output" == *"'none.txt'"* ]]
	[ ! -s "$LOG" ]
	echo 1 >none.txt
	ran "s"
	# made by a dependency just before
	orchfile <<-'END'
		m:
		  echo m >>"$LOG"
		  echo made >made.txt
		s: m
		  inputs = made.txt
		  echo s >>"$LOG"
	END
	ran "m s"
	ran ""
}
