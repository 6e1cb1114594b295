# `orch watch` as a terminal shows it: real runs, each in a tmux of its own. ORCH: the program.

setup() {
	: "${ORCH:=$BATS_TEST_DIRNAME/../../orch}"
	command -v tmux >/dev/null # it is what the screen is
	dir=$(mktemp -d)
	socket=orch-watch-$$-$BATS_TEST_NUMBER
	cd "$dir"
	export XDG_STATE_HOME="$dir/state" XDG_CONFIG_HOME="$dir/config"
}

teardown() {
	touch "$dir/go"
	"$ORCH" stop --now >/dev/null 2>&1 || true
	tmux -L "$socket" kill-server 2>/dev/null || true
	cd /
	rm -rf "$dir"
}

# watch COLUMNS ROWS [ARGUMENT]...: what follows it on the screen is "end STATUS"; its process is in the file pid
watch() {
	local columns=$1 rows=$2
	shift 2
	printf '%s\n' "echo before" "sh -c 'echo \$\$ >pid; exec \"$ORCH\" watch $*'" 'echo "end $?"' 'exec sleep 1000' >sh
	LC_ALL=C.UTF-8 env -u CI -u NO_COLOR -u TMUX -u CLICOLOR_FORCE \
		tmux -f /dev/null -L "$socket" new-session -d -x "$columns" -y "$rows" "sh ./sh"
}

keys() {
	tmux -L "$socket" send-keys "$@"
}

# the screen with every time and run made the same
screen() {
	tmux -L "$socket" capture-pane -p | sed -E 's/run [0-9]{8}-[0-9]{6}[-0-9]*/run ID/; s/ +([0-9]+m)?[0-9.]+s\b/ TIME/g; s/, about TIME left//; s/ +$//'
}

# shows PATTERN: waits until a line of the screen matches
shows() {
	local i
	for i in $(seq 300); do
		screen | grep -qE -- "$1" && return
		sleep 0.1
	done
	echo "nothing like '$1' on the screen:"
	screen
	return 1
}

# hides PATTERN: waits until no line of the screen matches
hides() {
	local i
	for i in $(seq 300); do
		screen | grep -qE -- "$1" || return 0
		sleep 0.1
	done
	echo "'$1' is still on the screen:"
	screen
	return 1
}

# is: the screen is what standard input says, before too long
is() {
	local want i
	want=$(cat)
	for i in $(seq 100); do
		[ "$(screen)" = "$want" ] && return
		sleep 0.1
	done
	printf 'wanted:\n%s\nhave:\n%s\n' "$want" "$(screen)"
	return 1
}

# the terminal is as it was before: cursor, screen, mouse, wrapping and modes; before too long, since whoever gives it back is not waited for
is_restored() {
	local i flags modes
	for i in $(seq 100); do
		flags=$(tmux -L "$socket" display -p '#{cursor_flag} #{alternate_on} #{mouse_any_flag} #{wrap_flag} #{keypad_cursor_flag}')
		modes=$(stty -F "$(tmux -L "$socket" display -p '#{pane_tty}')" -a | grep -o -e '-icanon' -e '-echo\>' || true)
		[ "$flags $modes" = '1 0 0 1 0 ' ] && return
		sleep 0.1
	done
	echo "flags $flags, modes $modes"
	return 1
}

# job: two that wait for the file go, one that fails, one that needs it
job() {
	cat >Orchfile <<-'END'
		project:
		  name = shop
		  jobs = 4

		build "Build the shop":
		  printf 'first\n\033[32mgreen\033[0m line\nthird\n'
		  until [ -e go ]; do sleep 0.05; done

		lint:
		  echo linting; until [ -e go ]; do sleep 0.05; done

		test:
		  echo "1 test failed"; exit 3

		ship: test
		  echo never
	END
	"$ORCH" -k --detach 2>started
}

settled() {
	local i
	for i in $(seq 300); do
		[ "$("$ORCH" status --json | grep -cE '"(skipped|running)": ')" = 2 ] &&
			"$ORCH" status --json | grep -q '"skipped": 1' && "$ORCH" status --json | grep -q '"running": 2' && return
		sleep 0.1
	done
	"$ORCH" status
	return 1
}

@test "80 columns, 24 rows: streams above, the log below" {
	job
	settled
	watch 80 24
	shows '^third'
	is <<-'END'
		 shop  run ID TIME
		 [2/4] 1 failed 2 running 1 skipped  4 at once
		  stream   state        time  try                                all, as started
		▸ build    running TIME      third
		▸ lint     running TIME      linting
		✗ test     failed TIME      exit status 3
		– ship     skipped                depends on test, which failed
		 log of build, attempt 1                                                follows
		first
		green line
		third












		 q leave  ? help  Enter log  / filter  f show  o order  s stop  r retry  p pause
	END
	tmux -L "$socket" capture-pane -p -e | grep -q $'\033\\[32mgreen'
	keys q
	shows '^end 0'
	is_restored
}

@test "300 columns, 80 rows: the log beside the streams" {
	job
	settled
	watch 300 80
	shows 'log of build.*follows$'
	shows 'linting +green line'
	[ "$(screen | sed -n 4p | awk '{print $NF}')" = first ]
	[ "$(screen | grep -c .)" = 8 ]
	keys Down Down
	shows '1 test failed'
	keys q
	shows '^end 0'
	is_restored
}

@test "how far work says it is has a column" {
	cat >Orchfile <<-END
		a:
		  tasks:
		    one
		    two
		    three
		  "$ORCH" report done 2
		  echo talking; until [ -e go ]; do sleep 0.05; done

		b:
		  "$ORCH" report progress 45%
		  echo working; until [ -e go ]; do sleep 0.05; done
	END
	"$ORCH" -j2 --detach 2>started
	watch 100 24
	shows '^ +stream +state +time +try +done +'
	shows '^> a +running +TIME +1/3 +talking$|^▸ a +running TIME +1/3 +talking$'
	shows '^▸ b +running TIME +45% +working$'
	touch go
	keys q
	shows 'end 0'
}

@test "the log over the whole screen, searched; help" {
	cat >Orchfile <<-'END'
		many:
		  i=1; while [ $i -le 3000 ]; do echo "line number $i"; i=$((i + 1)); done
	END
	"$ORCH" -s
	watch 120 30
	shows 'finished in TIME, exit status 0'
	shows 'line number 3000'
	keys Enter
	shows 'line number 2975'
	keys / "number 12.5\$" Enter
	shows 'line number 1295'
	keys n
	shows 'line number 1285'
	keys N N
	shows 'no match behind this'
	keys Home
	shows 'line 1 of 3000'
	keys G
	shows 'follows'
	keys / '(' Enter
	shows 'parenthesis'
	keys '?'
	shows 'Ctrl-L +draw the screen anew'
	shows '^ q leave  any other key: back'
	keys x Escape
	shows '^✓ many +completed'
	keys q
	shows '^end 0'
}

@test "keys filter, stop, retry, pause, change jobs; the run goes on without the view" {
	job
	settled
	watch 80 24
	shows '^third'
	keys / lin Enter
	hides '^▸ build'
	shows '^▸ lint'
	keys s
	shows 'Stop lint\? .*\[y/N\]'
	keys n
	hides 'Stop lint'
	keys s y
	shows '^– lint +cancelled'
	keys r
	shows '^▸ lint +running +TIME +#2'
	keys Escape f f
	hides '^▸ build'
	shows '^✗ test'
	keys Escape p
	shows 'ID TIME  paused$'
	keys p
	hides 'ID TIME  paused$'
	keys +
	shows '5 at once'
	keys -
	shows '4 at once'
	keys S n q
	shows '^end 0'
	"$ORCH" status --json | grep -q '"running": 2'
	touch go
}

@test "keys approve, and say something to who works there" {
	cat >Orchfile <<-'END'
		agent listener:
		  run:
		    until grep -qs '^stop' "$ORCH_INBOX"; do sleep 0.02; done; cat "$ORCH_INBOX"
		work:
		  agent = listener
		  isolate = none
		  prompt: Listen.
		ship:
		  approve = yes
		  touch shipped
	END
	"$ORCH" --detach 2>started
	watch 80 24
	shows '^▸ work +running'
	shows 'm message'
	# what is not its turn is said
	keys a
	shows 'Approve of work\? It starts then\. \[y/N\]'
	keys y
	shows "work needs no approval: it has no 'approve = yes'"
	keys Down
	shows "^‖ ship +held +approval: 'orch approve ship'"
	shows 'a approve'
	keys m
	shows 'it does not run: nobody is there to read a message'
	keys a n
	hides 'Approve of'
	[ ! -e shipped ]
	keys a y
	shows '^✓ ship +completed'
	# a line with a cursor in it; what is pasted keeps its lines, and is no key
	keys Up m 'secnd' Left Left o End ' line' Home 'a ' C-e
	shows 'message to work: a second line$'
	tmux -L "$socket" set-buffer "$(printf 'x\nsyq\n\033[31mé')"
	tmux -L "$socket" paste-buffer -p
	shows 'message to work: a second linex↵syq↵.*é$'
	keys Enter
	shows 'work was told'
	grep -qx 'a second linex' .orch/runs/*/attempts/work.1.inbox
	grep -qx 'syq' .orch/runs/*/attempts/work.1.inbox
	# outside of a line nothing that is pasted counts
	tmux -L "$socket" paste-buffer -p
	keys m 'not sent' C-u 'nor this' Escape
	hides 'message to'
	keys m stop Enter
	shows '^✓ work +completed'
	[ "$(grep -c -- '^--- from' .orch/runs/*/attempts/work.1.inbox)" -eq 2 ]
	keys q
	shows '^end 0'
	is_restored
}

@test "a run that ends, one that begins later, one that is killed" {
	printf 'a:\n\techo done\n' >Orchfile
	watch 80 24
	shows 'nothing has run here yet'
	"$ORCH" -s
	shows 'finished in TIME, exit status 0'
	keys s
	shows 'the run is over'
	job
	shows '▸ build +running'
	pid=$(sed -n 's/.*process \([0-9]*\);.*/\1/p' started)
	kill -9 "$pid"
	shows 'crashed after TIME'
	shows '^▸ build +running TIME +was ended when the run crashed'
	keys q
	shows '^end 0'
	[ "$("$ORCH" history | grep -c .)" -ge 2 ]
	first=$(ls .orch/runs | head -1)
	tmux -L "$socket" kill-server
	watch 80 24 "$first"
	shows 'finished in TIME, exit status 0'
	shows '^✓ a '
}

@test "where .orch was removed, the next run is shown" {
	printf 'gone:\n\techo done\n' >Orchfile
	"$ORCH" -s
	watch 80 24
	shows '^✓ gone '
	rm -rf .orch
	shows 'nothing has run here yet'
	hides 'gone'
	printf 'next:\n\techo done\n' >Orchfile
	"$ORCH" -s
	shows '^✓ next '
	keys q
	shows '^end 0'
}

@test "hostile output does not disturb the screen" {
	printf '\033[2J\033[1;1Hhome\033]0;title\007 \377\376 \033[31mred\033[0m \23331m\nhalf \342\202\n' >hostile
	printf '10%%\r20%%\r\033[?1049h\033[?1000h30%%\b\016\033(0\n\344\270\255\346\226\207 wide\033[8mhidden\n' >>hostile
	awk 'BEGIN { for (i = 0; i < 300000; i++) printf "long "; print "end" }' >>hostile
	printf 'no newline \360\237' >>hostile
	printf 'project:\n\tname = hostile\na "A \\e[2J title":\n\tcat hostile; exit 1\n' >Orchfile
	"$ORCH" -s 2>/dev/null || true
	watch 80 24
	shows '^✗ a +failed TIME +exit status 1'
	shows '^no newline'
	screen >first
	grep -q '^ hostile  run ID  finished in TIME' first
	# nothing came through: a title, another screen, a mode, a place
	[ "$(tmux -L "$socket" display -p '#{alternate_on} #{pane_title}')" = "1 $(tmux -L "$socket" display -p '#{host}')" ]
	diff - <(sed -n '6,$p' first | grep . | sed '$d' | cut -c 1-59) <<-'END'
		home �� red �31m
		half �
		30%
		中文 widehidden
		long long long long long long long long long long long long
		no newline �
	END
	keys Enter
	shows '^home'
	keys Right Right Escape q
	shows '^end 0'
	is_restored
}

@test "1 000 streams while the window changes its size" {
	{
		echo 'project:'
		printf '\tjobs = 40\nnumbers ='
		seq -s ' ' 1000 | sed 's/^/ /'
		printf 'for i in {{numbers}}:\n\ts{{i}}:\n\t\techo out {{i}}\n\t\t[ {{i}} != 1000 ] || until [ -e go ]; do sleep 0.05; done\n'
	} >Orchfile
	watch 80 24
	"$ORCH" --detach 2>/dev/null
	for size in '300 80' '20 5' '1 1' '81 25' '160 50' '10 3' '120 40'; do
		tmux -L "$socket" resize-window -x "${size% *}" -y "${size#* }"
		sleep 0.2
	done
	shows '^ \[999/1000\] 1 running 999 completed'
	[ "$(screen | grep -c '^✓ s')" -ge 16 ]
	keys G
	shows '^▸ s1000 +running TIME +out 1000'
	keys o
	shows '^▸ s1000 +running TIME'
	touch go
	shows 'finished in TIME, exit status 0'
	keys q
	shows '^end 0'
	is_restored
}

@test "killed in every way, it leaves the terminal as it was" {
	job
	settled
	# a sanitizer would take SIGSEGV for an error of its own
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_segv=0
	for how in 'TERM parent 143' 'KILL copy 137' 'SEGV copy 139' 'HUP copy 129' 'INT copy 0' 'KILL parent 137'; do
		set -- $how
		rm -f pid
		watch 80 24
		shows '^third'
		pid=$(cat pid)
		[ "$2" = parent ] || pid=$(ps -o pid= --ppid "$pid" | tr -d ' ')
		kill -"$1" "$pid"
		# where who waited is killed, the shell goes on before the screen is given back
		[ "$how" = 'KILL parent 137' ] || shows "^end $3"
		is_restored || { echo "after $how:"; screen; return 1; }
		tmux -L "$socket" kill-server
	done
	"$ORCH" status --json | grep -q '"running": 2'
}

@test "stopped and continued by the shell" {
	job
	settled
	printf '%s\n' 'set -m' "\"$ORCH\" watch" 'echo "stopped $?"' 'until [ -e again ]; do sleep 0.1; done' fg 'echo "end $?"' 'exec sleep 1000' >sh
	LC_ALL=C.UTF-8 env -u CI -u NO_COLOR -u TMUX tmux -f /dev/null -L "$socket" new-session -d -x 80 -y 24 "bash ./sh"
	shows '^third'
	keys C-z
	shows '^stopped 1'
	is_restored
	touch again
	shows '^third'
	keys q
	shows '^end 0'
	is_restored
}

@test "without a terminal it says so" {
	job
	run "$ORCH" watch </dev/null
	[ "$status" = 2 ]
	[[ "$output" == *"orch watch needs a terminal"* ]]
	run script -qec "env TERM=no-such-terminal '$ORCH' watch" /dev/null </dev/null
	[ "$status" = 2 ]
	[[ "$output" == *"no-such-terminal"* ]]
	run "$ORCH" watch 20000101-000000
	[ "$status" = 2 ]
}
