# The dashboard's server as programs see it: who gets in, what it tells, what can be asked of a run, what is out of bounds.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE http_proxy HTTP_PROXY all_proxy ALL_PROXY
	: "${ORCH:?names the program to test}"
	command -v curl >/dev/null || {
		echo "curl is missing; ./bootstrap installs it"
		return 1
	}
	export HOME=$BATS_TEST_TMPDIR/home XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
	mkdir "$HOME" "$BATS_TEST_TMPDIR/project"
	cd "$BATS_TEST_TMPDIR/project" || return 1
	server= run=
}

# only what a test itself started, by its id
teardown() {
	[ -z "${server:-}" ] || kill -TERM "$server" 2>/dev/null || :
	[ -z "${run:-}" ] || kill -KILL "$run" 2>/dev/null || :
}

# the Orchfile is standard input; two blanks stand for a tab
orchfile() {
	sed 's/^    /\t\t/; s/^  /\t/' >Orchfile
}

# until COMMAND...: waits until it succeeds, 30 s at most
until_true() {
	local end=$((SECONDS + 30))
	while ((SECONDS < end)); do
		if "$@" 2>/dev/null; then
			return 0
		fi
		sleep 0.05
	done
	echo "did not come true: $*"
	return 1
}

serve() {
	rm -f "$BATS_TEST_TMPDIR/address"
	"$ORCH" serve --port 0 "$@" >"$BATS_TEST_TMPDIR/address" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
	server=$!
	until_true test -s "$BATS_TEST_TMPDIR/address"
	address=$(cat "$BATS_TEST_TMPDIR/address")
	base=${address%%/#*}
	token=${address##*token=}
}

# get PATH [OPTION...]: with the token; the status is printed behind the answer
get() {
	local path=$1
	shift
	curl -sS -m 30 -w '\n%{http_code}' -H "Authorization: Bearer $token" "$@" "$base$path"
}

project() {
	get /api/hello | sed -n 's/.*"here":"\([0-9a-f]*\)".*/\1/p'
}

# follows PATH into FILE, with curl's id in $follower
follow() {
	curl -sSN -m 60 -H "Authorization: Bearer $token" "$base$1" >"$2" 2>/dev/null 3>&- &
	follower=$!
}

act() { # JSON [OPTION...]
	local body=$1
	shift
	get "/api/act?project=$project" -H 'Content-Type: application/json' --data "$body" "$@"
}

run_id() {
	"$ORCH" status --json | sed -n '/"run":/{s/.*"run": "\([^"]*\)".*/\1/p;q}'
}

state_is() { # WORD
	"$ORCH" status --json | tr -d ' \n' | grep -q "$1"
}

@test "the address is printed, with a token that is another one each time; a signal ends it well" {
	serve
	[[ "$address" =~ ^http://127\.0\.0\.1:[0-9]+/#token=[0-9a-f]{64}$ ]]
	first=$token
	curl -sS "$base/" | grep -q '<title>orch</title>'
	kill -TERM "$server"
	wait "$server"
	serve
	[ "$token" != "$first" ]
	kill -TERM "$server"
	wait "$server"
	server=
}

@test "where .orch was removed, the next run is told all the same" {
	printf 'a:\n\techo done\n' >Orchfile
	"$ORCH" -s -O none
	serve
	follow /api/projects told
	until_true grep -q '"last"' told
	rm -rf .orch
	until_true sh -c 'tail -n 2 told | grep -q "^data: " && ! tail -n 2 told | grep -q "\"last\""'
	"$ORCH" -s -O none
	until_true sh -c 'tail -n 2 told | grep -q "\"last\""'
	kill -TERM "$follower"
}

@test "a port that is taken is said so, and no port is no number" {
	serve
	run -2 "$ORCH" serve --port "${base##*:}"
	[[ "$output" == *"in use"*"--port 0"* ]]
	run -2 "$ORCH" serve --port 70000
	run -2 "$ORCH" serve extra
}

@test "without the token there is no data, whatever is wrong with it" {
	serve
	for header in "X: y" "Authorization: Bearer" "Authorization: Bearer ${token}0" "Authorization: Bearer ${token%?}" \
		"Authorization: Basic $token" "Cookie: token=$token"; do
		for path in /api/hello /api/projects "/api/run?project=x" /api/nothing "/api/hello?token=$token"; do
			[ "$(curl -sS -o /dev/null -w '%{http_code}' -H "$header" "$base$path")" = 401 ]
		done
		[ "$(curl -sS -o /dev/null -w '%{http_code}' -H "$header" -X POST -d '{}' "$base/api/act")" = 401 ]
	done
	[[ "$(get /api/hello)" == *$'\n200' ]]
}

@test "another Host, another Origin, another site: refused" {
	serve
	for host in evil.example "127.0.0.1.evil.example" "evil.example:${base##*:}" ""; do
		run -0 get /api/hello -H "Host: $host"
		[[ "$output" == *$'\n403' || "$output" == *$'\n400' ]]
		run -0 get / -H "Host: $host"
		[[ "$output" == *$'\n403' || "$output" == *$'\n400' ]]
	done
	for origin in http://evil.example null "https://127.0.0.1:${base##*:}" http://127.0.0.1:1; do
		[[ "$(get /api/hello -H "Origin: $origin")" == *$'\n403' ]]
	done
	for site in cross-site same-site; do
		[[ "$(get /api/hello -H "Sec-Fetch-Site: $site")" == *$'\n403' ]]
		[[ "$(get /app.js -H "Sec-Fetch-Site: $site")" == *$'\n403' ]]
	done
	[[ "$(get /api/hello -H "Origin: $base" -H 'Sec-Fetch-Site: same-origin')" == *$'\n200' ]]
	# by a tunnel with another port
	[[ "$(get /api/hello -H 'Host: localhost:8080' -H 'Origin: http://localhost:8080')" == *$'\n200' ]]
}

@test "every answer forbids what a page does not need" {
	serve
	for path in / /app.js /app.css /icon.svg /api/hello /nothing; do
		curl -sS -o /dev/null -D "$BATS_TEST_TMPDIR/head" -H "Authorization: Bearer $token" "$base$path"
		grep -qi "^Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';.*frame-ancestors 'none'" "$BATS_TEST_TMPDIR/head"
		! grep -qi "unsafe" "$BATS_TEST_TMPDIR/head"
		grep -qi '^X-Content-Type-Options: nosniff' "$BATS_TEST_TMPDIR/head"
		grep -qi '^Cache-Control: no-store' "$BATS_TEST_TMPDIR/head"
		! grep -qi '^Access-Control-Allow' "$BATS_TEST_TMPDIR/head"
	done
	# nothing from outside, nothing inline
	! curl -sS "$base/" | grep -E 'https?://|<script>|style=|onclick'
}

@test "what is out of bounds is refused, and nobody else notices" {
	orchfile <<-'END'
	a:
	  echo a
	END
	"$ORCH" >/dev/null
	serve
	project=$(project)
	head -c 100000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/long"
	[[ "$(act "@$BATS_TEST_TMPDIR/long")" == *$'\n413' ]]
	[[ "$(get /api/hello -X DELETE)" == *$'\n405' ]]
	[[ "$(get /api/hello -X POST -d x)" == *$'\n405' ]]
	[[ "$(get /api/act)" == *$'\n405' ]]
	[[ "$(get /api/nothing)" == *$'\n404' ]]
	[[ "$(get /../../../etc/passwd --path-as-is)" == *$'\n404' ]]
	[[ "$(get '/api/runs?project=../..')" == *$'\n404' ]]
	[[ "$(get /api/runs)" == *$'\n404' ]]
	[[ "$(get "/api/run?project=$project&run=../../x")" == *$'\n404' ]]
	[[ "$(get "/api/run?project=$project&run=")" == *$'\n404' ]]
	[[ "$(get "/api/log?project=$project&stream=nobody")" == *$'\n404' ]]
	[[ "$(get "/api/part?project=$project&stream=a&attempt=99999999999999999999")" == *$'\n200' ]]
	[[ "$(get "/api/part?project=$project&stream=a&attempt=7")" == *$'\n404' ]]
	[[ "$(get "/api/log?project=$project")" == *$'\n400' ]]
	[[ "$(act 'no json')" == *$'\n400' ]]
	[[ "$(act '{}')" == *$'\n400' ]]
	[[ "$(act '{"run":"x","request":"format"}')" == *$'\n400' ]]
	[[ "$(act '{"run":"x","request":"stop","streams":[7]}')" == *$'\n400' ]]
	[[ "$(get "/api/act?project=$project" -d '{"run":"x","request":"stop"}')" == *$'\n415' ]]
	run -0 act '{"run":"x","request":"stop"}'
	[[ "$output" == *"nothing is running here any more"*$'\n404' ]]
	[[ "$(get /api/hello)" == *$'\n200' ]]
	grep -c . "$BATS_TEST_TMPDIR/said" | grep -qx 1
}

@test "a run is told from its start to its end, and its log as it grows" {
	orchfile <<-'END'
	first "The first":
	  tasks:
	    this
	    that
	  "$OWN" report done 2
	  "$OWN" report progress 3/7
	  "$OWN" report note at work
	  echo one
	  until test -e go; do sleep 0.05; done
	  echo two
	second: first
	  echo three
	END
	export OWN=$ORCH
	serve
	"$ORCH" --progress quiet >/dev/null 2>&1 3>&- &
	run=$!
	until_true test -e .orch/control.sock
	project=$(project)
	follow "/api/run?project=$project" "$BATS_TEST_TMPDIR/run"
	run_follower=$follower
	until_true grep -q '"n":"first","s":"running","t":"The first"' "$BATS_TEST_TMPDIR/run"
	until_true grep -q '"l":"one"' "$BATS_TEST_TMPDIR/run"
	until_true grep -q '"y":"at work","k":\[1,2\],"q":\[3,7\]' "$BATS_TEST_TMPDIR/run"
	grep -q '"n":"second","s":"waiting"' "$BATS_TEST_TMPDIR/run"
	follow "/api/log?project=$project&stream=first" "$BATS_TEST_TMPDIR/log"
	until_true grep -qF '"text":"one\n"' "$BATS_TEST_TMPDIR/log"
	! grep -q two "$BATS_TEST_TMPDIR/log"
	touch go
	until_true grep -qF '"text":"two\n"' "$BATS_TEST_TMPDIR/log"
	until_true grep -q '"state":"completed"' "$BATS_TEST_TMPDIR/run"
	until_true grep -q '"n":"second","s":"completed"' "$BATS_TEST_TMPDIR/run"
	wait "$run"
	run=
	[[ "$(get "/api/graph?project=$project")" == *'"edges":[[1,0]]'* ]]
	[[ "$(get "/api/runs?project=$project")" == *'"state":"completed"'*'"completed":2'* ]]
	[[ "$(get "/api/part?project=$project&stream=first")" == *'"at":0,"end":8,"text":"one\ntwo\n"'* ]]
	# the next run is told to who looks at this one
	echo '# changed' >>Orchfile
	"$ORCH" -B --progress quiet >/dev/null 2>&1
	until_true grep -q '^event: newer' "$BATS_TEST_TMPDIR/run"
	kill "$run_follower" "$follower"
}

@test "all projects are told, as they change, and a run that is killed" {
	orchfile <<-'END'
	project:
	  name = one
	a:
	  until test -e go; do sleep 0.05; done
	END
	mkdir ../other
	printf 'project:\n\tname = two\nb:\n\ttrue\n' >../other/Orchfile
	(cd ../other && "$ORCH" >/dev/null)
	serve
	follow /api/projects "$BATS_TEST_TMPDIR/all"
	until_true grep -q '"state":"completed","project":"two"' "$BATS_TEST_TMPDIR/all"
	! grep -q '"project":"one"' "$BATS_TEST_TMPDIR/all"
	"$ORCH" --progress quiet >/dev/null 2>&1 3>&- &
	run=$!
	until_true grep -q '"state":"running","project":"one"' "$BATS_TEST_TMPDIR/all"
	# it changes no file when it dies
	kill -KILL "$run"
	wait "$run" || :
	run=
	until_true grep -q '"state":"crashed","project":"one"' "$BATS_TEST_TMPDIR/all"
	kill "$follower"
	kill "$server"
	wait "$server"
	serve --here
	follow /api/projects "$BATS_TEST_TMPDIR/here"
	until_true grep -q '"project":"one"' "$BATS_TEST_TMPDIR/here"
	! grep -q '"project":"two"' "$BATS_TEST_TMPDIR/here"
	kill "$follower"
}

@test "stop, retry, pause, resume and jobs get to the run that is meant, and to no other" {
	orchfile <<-'END'
	project:
	  jobs = 1
	a:
	  until test -e go; do sleep 0.05; done
	b:
	  test -e better
	c:
	  echo c
	END
	serve
	"$ORCH" -k -j2 --progress quiet >/dev/null 2>&1 3>&- &
	run=$!
	until_true state_is '"failed":1'
	project=$(project)
	id=$(run_id)
	[[ "$(act "{\"run\":\"$id\",\"request\":\"pause\"}")" == '{"ok":true}'$'\n200' ]]
	state_is '"paused":'
	[[ "$(act "{\"run\":\"$id\",\"request\":\"resume\"}")" == *$'\n200' ]]
	[[ "$(act "{\"run\":\"$id\",\"request\":\"jobs\",\"jobs\":3}")" == *$'\n200' ]]
	until_true state_is '"jobs":3'
	touch better
	[[ "$(act "{\"run\":\"$id\",\"request\":\"retry\",\"streams\":[\"b\"]}")" == '{"ok":true,"count":1}'$'\n200' ]]
	run -0 act '{"run":"20000101-000000","request":"stop"}'
	[[ "$output" == *"another one is under way"*$'\n409' ]]
	run -0 act "{\"run\":\"$id\",\"request\":\"stop\",\"streams\":[\"nobody\"]}"
	[[ "$output" == *$'\n409' ]]
	kill -0 "$run"
	[[ "$(act "{\"run\":\"$id\",\"request\":\"stop\",\"streams\":[\"a\"]}")" == *$'\n200' ]]
	wait "$run" || :
	run=
	state_is '"completed":2'
}

@test "read-only: everything is shown, nothing is done" {
	orchfile <<-'END'
	a:
	  until test -e go; do sleep 0.05; done
	END
	serve --read-only
	"$ORCH" --progress quiet >/dev/null 2>&1 3>&- &
	run=$!
	until_true test -e .orch/control.sock
	project=$(project)
	[[ "$(get /api/hello)" == *'"acts":[]'* ]]
	id=$(run_id)
	run -0 act "{\"run\":\"$id\",\"request\":\"stop\"}"
	[[ "$output" == *"read-only"*$'\n403' ]]
	[[ "$(get "/api/runs?project=$project")" == *'"state":"running"'* ]]
	touch go
	wait "$run"
	run=
}

@test "a server that is killed harms no run" {
	orchfile <<-'END'
	a:
	  until test -e go; do sleep 0.05; done
	  echo fine
	END
	serve
	"$ORCH" --progress quiet >/dev/null 2>&1 3>&- &
	run=$!
	until_true test -e .orch/control.sock
	project=$(project)
	follow "/api/run?project=$project" "$BATS_TEST_TMPDIR/run"
	until_true grep -q running "$BATS_TEST_TMPDIR/run"
	kill -KILL "$server"
	wait "$server" || :
	server=
	touch go
	wait "$run"
	run=
	"$ORCH" logs a | grep -qx fine
}

@test "a journal that names another file does not open it" {
	orchfile <<-'END'
	a:
	  echo mine
	END
	"$ORCH" >/dev/null
	log=$(echo .orch/runs/*/logs/a.1.log)
	echo secret >"$BATS_TEST_TMPDIR/secret"
	rm "$log"
	ln -s "$BATS_TEST_TMPDIR/secret" "$log"
	serve
	project=$(project)
	run -0 get "/api/part?project=$project&stream=a"
	[[ "$output" != *secret$'\n'* && "$output" == *'"ok":false'* ]]
	rm "$log"
	mkfifo "$log"
	run -0 get "/api/log?project=$project&stream=a"
	[[ "$output" == *'"ok":false'* ]]
	rm "$log"
	run -0 get "/api/log?project=$project&stream=a"
	[[ "$output" == *gone*$'\n404' ]]
}

@test "what agents cost, and the account that is held, are in the picture of a run" {
	orchfile <<-'END'
	agent paid:
	  cost  = /^cost (?<cost>[0-9.]+)/
	  tokens = /^tokens (?<tokens>[0-9]+)/
	  own   = /^limit/
	  run: cat {{prompt}} >/dev/null; echo "cost 1.25"; echo "tokens 30"; test "$ORCH_STREAM" = a || { echo "limit in 3 hours"; exit 1; }
	recover limit:
	  match = /^limit (?<until>.*)/
	  wait  = {{until}}
	  scope = account
	defaults:
	  isolate = none
	a:
	  agent  = paid
	  prompt: x
	b: a
	  agent  = paid
	  prompt: x
	END
	serve
	"$ORCH" --budget 10 --progress quiet >/dev/null 2>&1 3>&- &
	run=$!
	until_true state_is '"held":1'
	project=$(project)
	follow "/api/run?project=$project&run=$(run_id)" picture
	until_true grep -q '"n":"a","s":"completed".*"ag":"paid","c":1250000,"tk":30' picture
	until_true grep -qE '"cost":2500000,"budget":10000000,"tokens":60,"left":1[0-9]*,"holds":"account .paid. is held until ' picture
	kill "$follower" || true
	kill -TERM "$run"
	wait "$run" || true
	run=
}
