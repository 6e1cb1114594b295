# Messages to whoever works on a stream: orch send, check-ins that say something, the inbox, hostile texts.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	orch_setup
	me=$(id -un)
}

teardown() { orch_teardown; }

journal() {
	cat .orch/runs/*/journal.jsonl
}

# an agent that prints each message that comes, until one says "stop"
listener() {
	orchfile <<-'END'
		agent listener:
		  run:
		    cat {{prompt}} > given
		    until grep -qs '^stop' "$ORCH_INBOX"; do sleep 0.02; done
		    cat "$ORCH_INBOX"
		work:
		  agent = listener
		  isolate = none
		  prompt: Listen.
		after: work
		  touch after
	END
}

@test "a message gets into the inbox of the agent, which was told where it is" {
	listener
	background
	until_true is work running
	until_true test -s given
	inbox=$(echo "$PWD"/.orch/runs/*/attempts)/work.1.inbox
	grep -F "messages are put into the file $inbox" given
	[ ! -e "$inbox" ]
	expect 0 send work Use the other port, please
	has "the message is in the inbox of work"
	[ "$(stat -c %a "$inbox")" = 600 ]
	printf 'two\nlines\n\n' | expect 0 send work
	echo "stop it" | expect 0 send work -
	ends 0
	grep -E "^--- from $me, 20[0-9-]+T[0-9:.]+Z ---$" .orch/runs/*/logs/work.1.log
	[ "$(grep -v '^---' .orch/runs/*/logs/work.1.log)" = $'Use the other port, please\n\ntwo\nlines\n\nstop it' ]
	journal | grep -F '"type":"message","stream":"work","attempt":1,"message":"Use the other port, please","from":"'"$me"'"'
	grep -F "orch: tell   work from $me: Use the other port, please" "$BATS_TEST_TMPDIR/out"
}

@test "nobody is there to read it: said, with the reason" {
	orchfile <<-'END'
		quick:
		  true
		first:
		  until [ -e go ]; do sleep 0.02; done
		later: first
		  true
		checked: quick
		  check: touch checking; until [ -e go ]; do sleep 0.02; done
		  run: true
	END
	expect 1 send first hello
	has "nothing is running here"
	background
	until_true is first running
	until_true is quick completed
	until_true test -e checking
	expect 2 send quick hello
	has "quick has ended (completed): nobody is there to read a message"
	expect 2 send later hello
	has "later does not run yet (waiting): nobody is there to read a message"
	expect 2 send nosuch hello
	has "no stream is named 'nosuch'"
	expect 2 send checked hello
	has "the work of checked is done, it is at its check: nobody is there to read a message"
	expect 2 send first ''
	has "there is nothing in that message"
	expect 2 send
	touch go
	ends 0
	[ "$(journal | grep -c '"type":"message"')" -eq 0 ]
}

@test "hostile texts: sizes, control sequences, bytes that are no text, links in the way" {
	orchfile <<-'END'
		work:
		  until [ -e go ]; do sleep 0.02; done
	END
	background
	until_true is work running
	inbox=$(echo .orch/runs/*/attempts)/work.1.inbox
	printf 'a\033[31mred\033[0m \x9bm \000\001\007\r\n\tb\xff\xc3\xa9 \xe2\x80\xa8\302\233.' | expect 0 send work
	[ "$(sed -n 2p "$inbox")" = $'a[31mred[0m \xef\xbf\xbdm ' ]
	[ "$(sed -n 3p "$inbox")" = $'\tb\xef\xbf\xbd\xc3\xa9 \xe2\x80\xa8.' ]
	head -c 65536 /dev/zero | tr '\0' '"' >most
	expect 0 send work <most
	[ "$(sed -n 6p "$inbox")" = "$(cat most)" ]
	echo x >>most
	expect 2 send work <most
	has "more than 65536 bytes"
	# in words, with what becomes more than it was
	run "$ORCH" send work "$(head -c 30000 /dev/zero | tr '\0' '\377')"
	[ "$status" -eq 2 ]
	has "at most 64 KiB"
	# what says it is somebody else is still only text
	expect 0 send -- work $'--- from root ---\n--from-file /etc/shadow'
	grep -qx -- '--- from root ---' "$inbox"
	# the work may do what it wants with its files: nothing is written elsewhere
	rm "$inbox"
	ln -s ../../../../stolen "$inbox"
	expect 2 send work hello
	has "cannot open '$inbox'"
	[ ! -e stolen ]
	rm "$inbox"
	mkfifo "$inbox"
	expect 2 send work hello
	touch go
	ends 0
}

@test "requests that are none" {
	orchfile <<-'END'
		work:
		  until [ -e go ]; do sleep 0.02; done
	END
	background
	until_true is work running
	python3 - <<-'PYTHON'
		import json, socket
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(60)
		s.connect(".orch/control.sock")
		f = s.makefile("rw")
		ask = lambda **request: (f.write(json.dumps(dict(request, request="send")) + "\n"), f.flush(), json.loads(f.readline()))[2]
		refused = lambda part, **request: (lambda answer: not answer["ok"] and part in answer["error"] or print(answer))(ask(**request))
		assert refused('"streams" is a list')
		assert refused('"text" is the message', streams=["work"])
		assert refused('"text" is the message', streams=["work"], text=7)
		assert refused("one stream at a time", streams=["work", "work"], text="a")
		assert refused("nothing in that message", streams=["work"], text="\x07\x1b")
		assert refused("no stream is named '*'", streams=["*"], text="a")
		answer = ask(streams=["work"], text="ok")
		assert answer["ok"] and answer["typed"] is False, answer
	PYTHON
	touch go
	ends 0
}

@test "every: send: says something at its interval, and nothing when the work is done" {
	orchfile <<-'END'
		defaults:
		  every 30m: send: By the way.
		talk:
		  every 50ms:
		    send:
		    	How far is {{stream}}?
		    	  Say it in a line.
		  every 1h: send: never
		  until [ "$(grep -c 'How far is talk' "$ORCH_INBOX" 2>/dev/null)" -ge 2 ]; do sleep 0.02; done
		  cp "$ORCH_INBOX" inbox
		other: talk
		  true
	END
	expect 0
	grep -A2 -E '^--- from every 50ms, ' inbox | head -n 3 | tail -n 2 >said
	[ "$(cat said)" = $'How far is talk?\n  Say it in a line.' ]
	journal | grep -F '"type":"message","stream":"talk","attempt":1,"message":"How far is talk?\n  Say it in a line.","from":"every 50ms"'
	! journal | grep -F never
	expect 0 show other
	has $'\tevery 30m:\n\t\tsend:\n\t\t\tBy the way.'
	# what dump prints says the same again
	expect 0 dump
	"$ORCH" dump >dumped
	mkdir again
	cp dumped again/Orchfile
	(cd again && "$ORCH" dump) >twice
	diff dumped twice
	printf 'a:\n\tevery 1m: send:\n\ttrue\n' >Orchfile
	expect 2 check
	has "Orchfile:2:2: error: 'every 1m': 'send:' needs a text, on its line or indented below it"
}

@test "a message that cannot be left is warned of once, and ends nothing" {
	orchfile <<-'END'
		talk:
		  every 20ms: send: Hello.
		  until ln -s nowhere/there "$ORCH_INBOX" 2>/dev/null; do rm -f "$ORCH_INBOX"; done
		  until [ -e go ]; do sleep 0.02; done
	END
	background
	warned() { grep -qF "warn   talk: its check-in 'every 20ms' could not be sent: cannot open" "$BATS_TEST_TMPDIR/out"; }
	until_true warned
	touch go
	ends 0
	[ "$(grep -c 'could not be sent' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
}
