# The live view, as a terminal shows it. Each test plays a script (tests/lib/ui_demo.c) in a tmux of its own and looks at the screen where the script waits.
# UI_DEMO: the program.

setup() {
	: "${UI_DEMO:=$BATS_TEST_DIRNAME/../../tests/lib/ui_demo}"
	dir=$(mktemp -d)
	socket=orch-ui-$$-$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${dir-}" ] && return
	tmux -L "$socket" kill-server 2>/dev/null || true
	rm -rf "$dir"
}

# play [COLUMNS ROWS]: starts the script on standard input; what follows it on the screen is "end STATUS"
play() {
	cat >"$dir/script"
	printf '%s\n' "echo before" "'$UI_DEMO' '$dir/script' & echo \$! >'$dir/pid'; wait \$!" \
		'echo "end $?"' "exec sleep 1000" >"$dir/sh"
	TZ=UTC LC_ALL=C.UTF-8 env -u CI -u NO_COLOR -u TMUX -u CLICOLOR_FORCE -u XTERM_VERSION -u ORCH_STATUS -u ORCH_NOTIFY -u ORCH_TITLE \
		tmux -f /dev/null -L "$socket" new-session -d -x "${1:-80}" -y "${2:-24}" "sh '$dir/sh'"
}

screen() {
	tmux -L "$socket" capture-pane -p "$@"
}

# shows LINE: waits until the screen has a line that is exactly LINE
shows() {
	local i
	for i in $(seq 100); do
		screen | grep -qxF -- "$1" && return
		sleep 0.1
	done
	echo "no line '$1' on the screen:"
	screen
	return 1
}

# is: the screen, without empty lines at its end, is what standard input says
is() {
	local want have
	want=$(cat)
	have=$(screen)
	[ "$have" = "$want" ] || { printf 'wanted:\n%s\nhave:\n%s\n' "$want" "$have"; return 1; }
}

go_on() {
	kill -USR1 "$(cat "$dir/pid")"
}

@test "streams and the whole, then nothing left but what ended" {
	printf 'one\ntwo\n' >"$dir/log"
	play <<-END
		run 9 5
		task build waiting never completed
		task test waiting
		task lint waiting
		task doc waiting
		task pack waiting
		start build 1 $dir/log
		start lint 2 $dir/log
		output build Compiling main.c
		clock 65000
		expect build running 95000
		expect lint running 65000
		expect test waiting 0
		expect doc waiting 0
		expect pack waiting 0
		wait
		finish build success 0 65000
		task build completed
		start test 1 $dir/log
		finish lint exit 3 65000
		task lint failed exit
		task pack skipped depends on lint, which failed
		stop lint failed
		wait
		end
	END
	shows '[0/5] 2 running, 3 waiting  1m05s, about 30s left'
	is <<-'END'
		before
		▸ build  1m05s  Compiling main.c
		▸ lint   1m05s  attempt 2
		[0/5] 2 running, 3 waiting  1m05s, about 30s left
	END
	go_on
	shows '[3/5] 1 running, 1 waiting, 1 failed, 1 skipped  1m05s  stopping: lint failed'
	is <<-'END'
		before
		✓ build  1m05s
		✗ lint  attempt 2  exit status 3  1m05s
		    | one
		    | two
		    orch logs lint
		▸ test     0s
		[3/5] 1 running, 1 waiting, 1 failed, 1 skipped  1m05s  stopping: lint failed
	END
	[ "$(tmux -L "$socket" display -p '#{cursor_flag}')" = 0 ]
	go_on
	shows 'end 0'
	is <<-'END'
		before
		✓ build  1m05s
		✗ lint  attempt 2  exit status 3  1m05s
		    | one
		    | two
		    orch logs lint
		end 0
	END
	[ "$(tmux -L "$socket" display -p '#{cursor_flag} #{wrap_flag}')" = '1 1' ]
}

@test "200 running streams on 24 lines" {
	play <<-'END'
		run 200 200
		many 200
		wait
	END
	shows '[0/200] 200 running  0s'
	[ "$(screen | grep -c '^▸ stream-')" = 21 ]
	shows '  ... and 179 more'
	go_on
	shows 'end 0'
	is <<-'END'
		before
		end 0
	END
}

@test "narrower, lower, wider" {
	play 80 24 <<-'END'
		run 9 4
		start a-stream-with-a-rather-long-name 1
		start b 1
		output a-stream-with-a-rather-long-name a last line that is long enough to be cut in every window of the test
		output b another last line that is long enough to be cut in every window of the test
		wait
	END
	shows '[0/4] 2 running  0s'
	tmux -L "$socket" resize-window -x 40 -y 10
	shows '▸ a-stream-wit…     0s  a last line th…'
	# the terminal moved what was above into its history
	is <<-'END'
		▸ a-stream-wit…     0s  a last line th…
		▸ b                 0s  another last l…
		[0/4] 2 running  0s
	END
	tmux -L "$socket" resize-window -x 100 -y 24
	shows '▸ b                                    0s  another last line that is long enough to be cut in ever…'
	[ "$(screen | grep -c running)" = 1 ]
	tmux -L "$socket" resize-window -x 9 -y 3
	shows '[0/4] 2…'
	tmux -L "$socket" resize-window -x 80 -y 24
	shows '[0/4] 2 running  0s'
	go_on
	shows 'end 0'
	[ "$(screen | grep -c running)" = 0 ]
}

@test "wide characters fill a line and do not wrap" {
	play 40 10 <<-'END'
		run 2 2
		start 漢字漢字漢字漢字 1
		output 漢字漢字漢字漢字 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字
		start e 1
		output e 😀😀😀 é ü
		wait
	END
	shows '[0/2] 2 running  0s'
	is <<-'END'
		before
		▸ 漢字漢字漢字…     0s  漢字漢字漢字漢…
		▸ e                 0s  😀😀😀 é ü
		[0/2] 2 running  0s
	END
	go_on
	shows 'end 0'
}

@test "hostile output does not disturb the screen" {
	play <<-'END'
		run 2 2
		start a 1
		start b 1
		output a \e[2J\e[1;1Hhome\e]0;title\x07 \xff\xfe \e[31mred \x9b31m
		output b 10%\r20%\r\e[?1049h30%\x08\x0e\e(0
		warn a\nb\e[2J
		message two\nlines\e[5;5H
		wait
	END
	shows '[0/2] 2 running  0s'
	is <<-'END'
		before
		warning: a b
		two
		lines
		▸ a        0s  home �� red �31m
		▸ b        0s  30%
		[0/2] 2 running  0s
	END
	[ "$(tmux -L "$socket" display -p '#{alternate_on}')" = 0 ]
	go_on
	shows 'end 0'
}

@test "paused, the screen is free" {
	play <<-'END'
		run 2 2
		start a 1
		pause
		message while it is away
		wait
		resume
		wait
	END
	shows 'while it is away'
	is <<-'END'
		before
		while it is away
	END
	[ "$(tmux -L "$socket" display -p '#{cursor_flag}')" = 1 ]
	go_on
	shows '[0/2] 1 running  0s'
	go_on
	shows 'end 0'
}

@test "stopped and continued by the shell, the block is there once" {
	local i pid
	play <<-'END'
		run 2 2
		start a 1
		wait
		message gone on
		wait
	END
	shows '[0/2] 1 running  0s'
	pid=$(cat "$dir/pid")
	kill -TSTP "$pid"
	for i in $(seq 300); do
		grep -q '^State:.T' "/proc/$pid/status" && break
		sleep 0.1
	done
	is <<-'END'
		before
	END
	# the timer of the view, which comes each second, is due when it goes on
	sleep 1.2
	kill -CONT "$pid"
	shows '[0/2] 1 running  0s'
	go_on
	shows 'gone on'
	is <<-'END'
		before
		gone on
		▸ a        0s
		[0/2] 1 running  0s
	END
	go_on
	shows 'end 0'
}

@test "killed by a signal, the cursor is back" {
	play <<-'END'
		run 2 2
		start a 1
		wait
		die 6
	END
	shows '[0/2] 1 running  0s'
	go_on
	shows 'end 134'
	[ "$(tmux -L "$socket" display -p '#{cursor_flag} #{wrap_flag}')" = '1 1' ]
}

@test "a dumb terminal and CI get plain lines" {
	printf 'run 2 2\ntask a waiting x\nstart a 1\n' >"$dir/script"
	for setting in TERM=dumb CI=true; do
		run script -qec "env -u CI NO_COLOR=1 TERM=xterm $setting '$UI_DEMO' '$dir/script'" /dev/null </dev/null
		[ "$status" = 0 ]
		[ "${lines[1]%$'\r'}" = "orch: start  a (1/2): x" ]
			[[ "$output" != *$'\033['* ]]
	done
}

@test "held streams have their reasons; the title of the window counts" {
	play <<-'END'
		run 9 6
		start build 1
		task review held usage limit of claude until 14:05
		task ship held approval: 'orch approve ship'
		wait
		task review ready
		finish build success 0 1000
		task build completed
		wait
		end
	END
	shows '[0/6] 1 running, 2 held  0s'
	is <<-'END'
		before
		▸ build      0s
		‖ review   held  usage limit of claude until 14:05
		‖ ship     held  approval: 'orch approve ship'
		[0/6] 1 running, 2 held  0s
	END
	[ "$(tmux -L "$socket" display -p '#{pane_title}')" = 'orch 0/6' ]
	go_on
	shows '[1/6] 1 waiting, 1 held  0s'
	is <<-'END'
		before
		✓ build  1.00s
		‖ ship   held  approval: 'orch approve ship'
		[1/6] 1 waiting, 1 held  0s
	END
	[ "$(tmux -L "$socket" display -p '#{pane_title}')" = 'orch 1/6' ]
	go_on
	shows 'end 0'
	[ "$(tmux -L "$socket" display -p '#{pane_title}')" = "$(tmux -L "$socket" display -p '#{host}')" ]
}

@test "many held streams leave room for those that run" {
	{
		printf 'run 50 50\n'
		for i in $(seq 20); do echo "task wait-$i held approval"; done
		printf 'many 20\nwait\n'
	} >"$dir/lines"
	play 80 16 <"$dir/lines"
	shows '[0/50] 20 running, 20 held  0s'
	[ "$(screen | grep -c '^▸ stream-')" = 12 ]
	shows '  ... and 8 more'
	shows '  ... and 20 more held'
	go_on
	shows 'end 0'
}

@test "ORCH_STATUS is the line of the whole, ORCH_NOTIFY tells of the end of a long run" {
	printf '%s\n' 'run 9 4' 'start a 1' 'expect a running 90000' 'task b failed x' 'clock 30000' wait 'finish a success 0 30000' \
		'task a completed' end >"$dir/script"
	# notify VALUE: all that goes to the terminal, in the file typed
	notify() {
		local i
		rm -f "$dir/typed" "$dir/pid"
		printf '%s\n' "tmux -L '$socket' pipe-pane -t : 'cat >\"$dir/typed\"'" "'$UI_DEMO' '$dir/script' & echo \$! >'$dir/pid'; wait \$!" \
			'echo "end $?"' "exec sleep 1000" >"$dir/sh"
		LC_ALL=C.UTF-8 ORCH_STATUS='%d/%t %p%% %r+%w %f! %e %l %%%q' ORCH_NOTIFY="$1" \
			env -u CI -u NO_COLOR -u TMUX -u TERM_PROGRAM -u VTE_VERSION \
			tmux -f /dev/null -L "$socket" new-session -d -x 80 -y 24 "sh '$dir/sh'"
		shows '1/4 25% 1+0 1! 30s 1m00s %%q' || return 1
		go_on
		shows 'end 0' || return 1
		for i in $(seq 100); do
			grep -qa 'end 0' "$dir/typed" && break
			sleep 0.1
		done
		tmux -L "$socket" kill-server
	}
	notify bell,30s
	grep -qaF $'\aend 0' "$dir/typed"
	notify osc9,30s
	grep -qaF $'\033]9;orch: 1 failed, after 30.0s\a' "$dir/typed"
	notify osc777,30s
	grep -qaF $'\033]777;notify;orch;1 failed, after 30.0s\a' "$dir/typed"
	notify osc9,31s
	! grep -qaF $'\033]9;' "$dir/typed"
	notify none,1s
	! grep -qa $'\033]9;\|\033]777;' "$dir/typed"
	printf 'a:\n\ttrue\n' >"$dir/Orchfile"
	run script -qec "env -u CI TERM=xterm ORCH_NOTIFY=loud '${ORCH:-$BATS_TEST_DIRNAME/../../orch}' -C '$dir'" /dev/null </dev/null
	[ "$status" = 0 ]
	[[ "$output" == *'ORCH_NOTIFY is not auto'* ]]
}

@test "of a line only what changed is written, and the screen is right" {
	play 60 12 <<-'END'
		run 9 3
		start 漢字 1
		start b 2
		output 漢字 first 漢
		output b same
		wait
		clock 1000
		output 漢字 second é
		wait
		clock 9000
		output b x
		wait
		clock 60000
		output b wide 漢字漢字
		wait
	END
	shows '[0/3] 2 running  0s'
	go_on
	shows '[0/3] 2 running  1s'
	is <<-'END'
		before
		▸ 漢字     1s  second é
		▸ b        1s  attempt 2  same
		[0/3] 2 running  1s
	END
	go_on
	shows '[0/3] 2 running  10s'
	is <<-'END'
		before
		▸ 漢字    10s  second é
		▸ b       10s  attempt 2  x
		[0/3] 2 running  10s
	END
	go_on
	shows '[0/3] 2 running  1m10s'
	is <<-'END'
		before
		▸ 漢字  1m10s  second é
		▸ b     1m10s  attempt 2  wide 漢字漢字
		[0/3] 2 running  1m10s
	END
	# colours too: the name is bold, the time is not
	screen -e | grep -qF $'\033[1mb\033[0m'
	go_on
	shows 'end 0'
}

@test "agents and what they cost" {
	play <<-'END'
		run 9 3
		start a 1
		agent a claude
		output a reading
		start b 1
		spent b 1239999
		wait
		end
	END
	shows '[0/3] 2 running  0s, cost 1.23'
	is <<-'END'
		before
		▸ a        0s  claude  reading
		▸ b        0s
		[0/3] 2 running  0s, cost 1.23
	END
	go_on
	shows 'end 0'
}

@test "accounts that are held, and until when" {
	play <<-'END'
		run 9 3
		start a 1
		held claude 60000
		wait
		held codex 3600000
		wait
		free claude
		free codex
		held gemini 0
		wait
		free gemini
		clock 1000
		wait
		end
	END
	shows "[0/3] 1 running  0s  account 'claude' is held until 01:47:40"
	go_on
	shows '[0/3] 1 running  0s  2 accounts are held, the first until 01:47:40'
	go_on
	shows "[0/3] 1 running  0s  account 'gemini' is held until 'orch resume'"
	go_on
	shows '[0/3] 1 running  1s'
	go_on
	shows 'end 0'
}

@test "how far work says it is, and what an agent notes" {
	play <<-'END'
		run 9 3
		start a 1
		agent a claude
		ticks a 5 7
		progress a 1 2
		output a {"type":"assistant"}
		note a reading \e[31mthe code
		start b 1
		progress b 45 100
		output b compiling
		note b of a script
		start c 1
		progress c 3 7
		wait
		end
	END
	shows '[0/3] 3 running  0s'
	is <<-'END'
		before
		▸ a        0s  claude  5/7  reading the code
		▸ b        0s  45%  compiling
		▸ c        0s  3/7
		[0/3] 3 running  0s
	END
	go_on
	shows 'end 0'
}
