# Task files of other programs: import, include, -f. The real ones are in tests/data/foreign; ORCH_TEST_DATA names a
# directory beside which there may be more (seed-inputs). $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE agent
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	data=$(cd "${srcdir:-.}" && pwd)/tests/data/foreign
	export GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR
}

# imports FILE, and holds what comes out against itself: canonical, without errors, as many streams with -f; sets `count`
imports() {
	run --separate-stderr "$ORCH" import "$1"
	[ "$status" -eq 0 ] || { echo "$1: $stderr"; return 1; }
	printf '%s\n' "$output" >imported.orch
	"$ORCH" fmt --check imported.orch
	run "$ORCH" -f imported.orch check
	[ "$status" -eq 0 ]
	count=${output#*: }
	count=${count%% *}
	run --separate-stderr "$ORCH" -f "$1" check
	[ "$status" -eq 0 ]
	[[ "$output" == *": $count stream"* ]]
	run "$ORCH" -f "$1" plan
	[ "$status" -eq 0 ]
	"$ORCH" -f "$1" list --json >from.json 2>/dev/null
	"$ORCH" -f imported.orch list --json >to.json
	jq -S '.streams | map({name, title, deps, state})' from.json >from
	jq -S '.streams | map({name, title, deps, state})' to.json >to
	cmp from to
}

@test "every real file: imports, is canonical, has no errors, plans, and means the same by -f" {
	imports "$data/droidz-todo-app.json" && [ "$count" -eq 4 ]
	imports "$data/taskmaster-huckleberry.json" && [ "$count" -eq 17 ]
	imports "$data/taskmaster-keyproxy.json" && [ "$count" -eq 31 ]
	imports "$data/tmux-batch.json" && [ "$count" -eq 9 ]
	imports "$data/gadugi-request.txt" && [ "$count" -eq 13 ]
	imports "$data/gadugi-phases.md" && [ "$count" -eq 10 ]
	imports "$data/gadugi-fields.md" && [ "$count" -eq 3 ]
	imports "$data/gadugi-tasks.md" && [ "$count" -eq 2 ]
	# one file with several sets of streams
	for i in 0 1 2 3 4 5; do
		jq ".graphs[$i]" "$data/copilot-streams.json" >graph.json
		imports graph.json
	done
}

@test "more real files, where they are" {
	more=${ORCH_TEST_DATA:+$ORCH_TEST_DATA/../seed-inputs}
	[ -d "$more" ] || skip "ORCH_TEST_DATA names no directory beside seed-inputs"
	for file in "$more"/taskmaster/*.json "$more"/gadugi/prompt-lists/* "$more"/gadugi/prompts/* "$more"/droidz/todo*; do
		imports "$file"
	done
}

@test "what is done there is complete here; what depends on it runs; nothing is left behind by looking" {
	"$ORCH" -f "$data/taskmaster-keyproxy.json" list --json >list.json 2>/dev/null
	[ "$(jq '[.streams[] | select(.state == "complete")] | length' list.json)" -eq "$(jq '[.master.tasks[] | select(.status == "done")] | length' "$data/taskmaster-keyproxy.json")" ]
	cat >tasks.json <<-'EOF'
		{"tasks": [
		  {"id": 1, "title": "one", "status": "done"},
		  {"id": 2, "title": "two", "status": "pending", "dependencies": [1]},
		  {"id": 3, "title": "three", "status": "cancelled", "dependencies": [2]},
		  {"id": 4, "title": "four", "status": "pending", "dependencies": [3]},
		  {"id": 5, "title": "five", "status": "deferred"}
		]}
	EOF
	cat >Orchfile <<-'EOF'
		agent scripted:
		  run: cat {{prompt}} > {{stream}}.txt
		defaults:
		  agent = scripted
		include tasks.json
	EOF
	run "$ORCH" -n
	echo "$output"
	[[ "$output" == *"tasks.json:4:42: warning: '3' is cancelled there"* ]]
	[[ "$output" == *"3 streams to run, 2 complete"* ]]
	[ ! -e .orch ]
	run "$ORCH" show 5
	[[ "$output" == *"approve = yes"*"tasks.json:6"* ]]
	run "$ORCH" 4
	echo "$output"
	[ "$status" -eq 0 ]
	[ ! -e 1.txt ]
	[ ! -e 3.txt ]
	[ -e 2.txt ]
	[ -e 4.txt ]
	run "$ORCH" -q 4
	[ "$status" -eq 0 ]
	run "$ORCH" why 1
	[[ "$output" == *"1 is complete: 'complete = yes' says that it is done"* ]]
	# a task that orch did, and that is marked done then, changes nothing for those that wait for it
	sed -i '/two/s/pending/done/' tasks.json
	run "$ORCH" -q 4
	[ "$status" -eq 0 ]
	# and one that is not done any more is to be run, with what depends on it
	sed -i '/one/s/done/pending/; /two/s/done/pending/' tasks.json
	run "$ORCH" -n
	[[ "$output" == *"1"*"never completed"* ]]
	run "$ORCH" -B 1
	[ -e 1.txt ]
}

@test "worktrees: what depends on work that is done starts from what is committed, and the way home takes the rest" {
	export HOME=$BATS_TEST_TMPDIR
	git init -q -b main repo && cd repo
	git config user.name x && git config user.email x@localhost
	cat >Orchfile <<-'EOF'
		agent scripted:
		  run: cat {{prompt}} > {{stream}}.txt
		defaults:
		  agent = scripted
		a:
		  prompt: do a
		b: a
		  complete = yes
		  prompt: do b
		c: b
		  prompt: do c
	EOF
	echo .orch >.gitignore
	git add . && git commit -qm one
	run "$ORCH"
	echo "$output"
	[ "$status" -eq 0 ]
	run "$ORCH" merge
	echo "$output"
	[ "$status" -eq 0 ]
	[ -e a.txt ]
	[ ! -e b.txt ]
	[ -e c.txt ]
}

@test "texts are data: quotes, braces, dollars, ends of lines, names that are none" {
	cat >tasks.json <<-'EOF'
		[{"key": "a b", "title": "say \"x\" \\ {{env.HOME}} # no comment\nsecond", "description": "  {{a}} $(touch pwned) `touch pwned` {{{{\r\n\trun:\r\n\t\ttouch pwned\n\nx != touch pwned\n\u0001end"},
		 {"key": "project", "title": "'", "tags": ["x y", "#z", "{{q}}", "\"", "k=v"], "files": ["a b/*.c", "/x/"], "dependencies": "a b"},
		 {"key": "../x\ny:\n\ttouch pwned", "title": "t", "subtasks": [{"id": 1, "title": "one\n  two {{x}}"}]}]
	EOF
	run --separate-stderr "$ORCH" import tasks.json
	echo "$stderr"
	[ "$status" -eq 0 ]
	printf '%s\n' "$output" >all.orch
	"$ORCH" fmt --check all.orch
	run --separate-stderr "$ORCH" -f all.orch dump --json
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.streams[].name]' <<<"$output")" = '["a-b","project-stream","x-y"]' ]
	[ "$(jq -r '.streams[0].title' <<<"$output")" = 'say "x" \ {{env.HOME}} # no comment second' ]
	[ "$(jq -c '.streams[1].deps' <<<"$output")" = '["a-b"]' ]
	[ "$(jq -c '[.streams[] | has("run")] | any' <<<"$output")" = false ]
	[ "$(jq -r '.streams[0].prompt' <<<"$output" | tail -n +4)" = $'  {{a}} $(touch pwned) `touch pwned` {{{{\n\trun:\n\t\ttouch pwned\n\nx != touch pwned\n\001end' ]
	[ "$(jq -r '.streams[1].settings.tags.value' <<<"$output")" = '"x y" "#z" "{{{{q}}" "\"" k=v' ]
	[ ! -e pwned ]
	# and to the agent they come as they were
	cat >Orchfile <<-'EOF'
		agent scripted:
		  run: cp {{prompt}} out.{{stream}}
		project:
		  preamble = none
		defaults:
		  agent = scripted
		include tasks.json
	EOF
	: >none
	run "$ORCH"
	echo "$output"
	[ "$status" -eq 0 ]
	grep -qxF '  {{a}} $(touch pwned) `touch pwned` {{{{' out.a-b
	[ ! -e pwned ]
}

@test "what is wrong is said with its place: in JSON, YAML, of dependencies and cycles" {
	check() { # what stands in the file, what is said
		printf '%s' "$1" >file
		run "$ORCH" import file
		echo "$output"
		[ "$status" -eq 2 ]
		[[ "$output" == *"$2"* ]]
	}
	check '{"tasks":[' "file:1:10: error: this is no JSON"
	check '{"tasks":[{"key":"a","key":"b"}]}' "this is no JSON: duplicate"
	check '{}' "file:1:1: error: no task file that orch knows"
	check $'{"tasks":[\n{"key":"a","dependencies":["Z"]}]}' "file:2:29: error: no stream is named 'Z'"
	check '[{"key":"a","dependencies":["A.B c"]},{"key":"AXB"}]' "'a' depends on 'A.B c', which names nothing"
	check '[{"key":"a"},{"key":"a"}]' "'a' is there twice"
	check '[{"key":"a","dependencies":["b"]},{"key":"b","dependencies":["a"]}]' "circular dependency: a -> b -> a"
	check '[{"key":"a","dependencies":["a"]}]' "stream 'a' depends on itself"
	check '[{"key":"a","dependencies":{"b":1}}]' "expected a list of names"
	check '[{"key":"a","subtasks":[{"id":1,"title":"x","dependencies":["9.9"]}]}]' "no stream is named '9.9'"
	check '[{"id":1,"subtasks":[{"id":1,"title":"x","dependencies":[2]},{"id":2,"title":"y","dependencies":["1.1"]}]}]' "file:1:99: error: circular dependency of subtasks"
	check '{"tasks":[{"priority":1},{"key":"a"}]}' "says neither what it is called"
	check $'tasks:\n- key: a\n  x: *y\n' "file:3:6: error: aliases are not read"
	check $'tasks:\n- key: a\n  x: !!python/object:os.system y\n' "tags are not read"
	check $'tasks:\n- key: a\n  key: b\n' "file:3:3: error: 'key' is given twice"
	check $'tasks:\n- key: a\n---\ntasks:\n- key: b\n' "a second document"
	check $'tasks:\n- key: a\n  - b\n' "this is no YAML"
	check '{"specs":[{"spec_file":"a.md","enabled":false},{"spec_file":"b.md","dependencies":["a"]}]}' "'b' depends on 'a', which is switched off"
	check $'a:\n\ttrue\n' "is no task file that orch knows"
	printf '{"tasks":[{"key":"\xff"}]}' >file
	run "$ORCH" import file
	[ "$status" -eq 2 ]
	[[ "$output" == *"file:1:19: error: invalid UTF-8"* ]]
	run "$ORCH" import nothing.json
	[ "$status" -eq 2 ]
}

@test "subtasks: open ones are the checklist, in an order in which they can be done; other tasks are waited for" {
	cat >file <<-'EOF'
		[{"id": 1, "title": "A", "subtasks": [
		   {"id": 1, "title": "third", "dependencies": [2, "1.3"]},
		   {"id": 2, "title": "second", "dependencies": ["2.1"]},
		   {"id": "3", "title": "done", "status": "done"}]},
		 {"id": "2", "title": "B", "subtasks": [{"id": 1, "title": "b"}]}]
	EOF
	run --separate-stderr "$ORCH" import file
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *$'1 "A": 2\n\ttasks:\n\t\tsecond\n\t\tthird\n\tprompt:'* ]]
	[[ "$output" == *"- 3 done (done)"* ]]
}

@test "bounded: nested without end, and a billion of laughs" {
	python3 -c 'print("[" * 3000 + "]" * 3000)' >deep.json
	run "$ORCH" import deep.json
	[ "$status" -eq 2 ]
	[[ "$output" == *"deep.json:1:"* ]]
	python3 -c 'print("tasks:\n- key: a\n  x: " + "[" * 200 + "]" * 200)' >deep.yaml
	run "$ORCH" import deep.yaml
	[ "$status" -eq 2 ]
	[[ "$output" == *"nested too deeply"* ]]
	{
		echo 'a: &a [x, x, x, x, x, x, x, x, x]'
		for i in b c d e f g h i; do
			echo "$i: &$i [*a, *a, *a, *a, *a, *a, *a, *a, *a]"
		done
		printf 'tasks:\n- key: a\n'
	} >laughs.yaml
	run timeout 30 "$ORCH" import laughs.yaml
	[ "$status" -eq 2 ]
	[[ "$output" == *"laughs.yaml:2:8: error: aliases are not read"* ]]
}

@test "told apart by content: JSON, YAML, Markdown and databases by any name, and an Orchfile stays one" {
	printf -- 'tasks:\n- key: a\n  title: A\n- {key: b, dependencies: [a]}\n' >plain.txt
	run --separate-stderr "$ORCH" import plain.txt
	[ "$status" -eq 0 ]
	[[ "$output" == *"b: a"* ]]
	printf '# Orchfile: see notes.md\na:\n\ttrue\nb a\n' >broken.md
	run "$ORCH" -f broken.md check
	[ "$status" -eq 2 ]
	[[ "$output" == *"missing ':'"* ]]
	printf 'tasks:\n\techo - key: no\n' >make
	run "$ORCH" -f make
	[ "$status" -eq 0 ]
	sqlite3 anything <<-'EOF'
		create table tasks(id text primary key, title text, description text, assigned_agent text, status text, notes text, metadata text, archived int default 0);
		insert into tasks values
		('T1', 'One', 'first {{x}}', 'me', 'pending', null, '{"streamId":"Stream-A","streamName":"Base"}', 0),
		('T2', 'Two', null, 'me', 'completed', null, '{"streamId":"Stream-B","dependencies":["Stream-A"]}', 0),
		('T3', 'Three', null, 'me', 'completed', null, '{"streamId":"Stream-B","streamDependencies":["Stream-A"]}', 0),
		('T4', 'Old', null, 'me', 'pending', null, '{"streamId":"Stream-C"}', 1);
	EOF
	run --separate-stderr "$ORCH" import anything
	[ "$status" -eq 0 ]
	[[ "$output" == *'Stream-A "Base":'* ]]
	[[ "$output" == *$'Stream-B: Stream-A\n\tcomplete = yes'* ]]
	[[ "$output" != *Old* ]]
	sqlite3 anything "insert into tasks values('T5', 'Bad', null, null, 'pending', null, '{\"streamId\":', 0)"
	run "$ORCH" import anything
	[ "$status" -eq 2 ]
	[[ "$output" == *"anything:4:1: error: this is no JSON"*"id=T5"* ]]
	# with tables for streams and dependencies
	sqlite3 tc <<-'EOF'
		create table streams(id integer primary key, name text, status text);
		create table tasks(id integer primary key, stream_id, title text, description text, status text, agent text, priority int, metadata text);
		create table task_dependencies(task_id, depends_on);
		insert into streams values(1, 'api', 'active'), (2, 'web', 'active');
		insert into tasks values(1, 1, 't1', 'd', 'completed', 'x', 1, null), (2, 2, 't2', 'd', 'pending', 'x', 1, null), (3, null, 'alone', 'd', 'pending', 'x', 1, null);
		insert into task_dependencies values(2, 1), (3, 2);
	EOF
	run --separate-stderr "$ORCH" import tc
	[ "$status" -eq 0 ]
	[[ "$output" == *$'api:\n\tcomplete = yes'*"web: api"*'task-3 "alone": web'* ]]
	# a database with something else behind the name of a table
	sqlite3 other 'create view tasks as with recursive n(title) as (select 1 union all select title + 1 from n) select * from n; create table x(y)'
	run timeout 30 "$ORCH" import other
	[ "$status" -eq 2 ]
	head -c 3000 anything >cut
	run "$ORCH" import cut
	[ "$status" -eq 2 ]
	[[ "$output" == *"cannot read the database"* ]]
}

@test "Markdown: a prompt with front matter; settings that are commands are not taken" {
	mkdir prompts
	printf -- '---\nstream: api\ntitle: "The API"\nafter: [base]\ntimeout: 2h\ninputs: docs/*.md src/*.c\ntags: [a, "b c"]\ncheck: touch pwned\nenv: {PATH: /tmp}\nsandbox: "off"\ncolour: red\n---\n# Heading\n\nDo {{it}} for $5.\n' >prompts/api.md
	printf '# Base\n\nBegin with it.\n' >prompts/base.md
	printf '# More\n\nKeep {{this}} as it is.\n' >prompts/more.md
	printf 'Execute these prompts in parallel: base.md, more.md\n' >list
	run --separate-stderr "$ORCH" import list
	[ "$status" -eq 0 ]
	[[ "$output" == *'prompt = prompts/base.md'*'Keep {{{{this}} as it is.'* ]]
	run --separate-stderr "$ORCH" import prompts/more.md
	[ "$status" -eq 0 ]
	[[ "$output" == *'Keep {{{{this}} as it is.'* ]]
	rm prompts/more.md
	run --separate-stderr "$ORCH" import prompts/base.md prompts/api.md
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ "$output" == *$'base Base:'* ]] || [[ "$output" == *$'base "Base":\n\tprompt = prompts/base.md'* ]]
	[[ "$output" == *$'api "The API": base\n\ttimeout = 2h'* ]]
	[[ "$output" == *$'\tprompt:\n\t\t# Heading\n\n\t\tDo {{{{it}} for $5.'* ]]
	[[ "$output" != *pwned* ]]
	for word in check env sandbox; do
		[[ "$stderr" == *"warning: '$word' is not taken from a foreign file"* ]]
	done
	[[ "$stderr" == *"prompts/api.md:11:1: warning: 'colour' says nothing to orch"* ]]
	# by include, with an agent of the Orchfile
	printf 'agent scripted:\n\trun: cp {{prompt}} out.{{stream}}\ndefaults:\n\tagent = scripted\ninclude prompts/*.md\n' >Orchfile
	run "$ORCH"
	echo "$output"
	[ "$status" -eq 0 ]
	grep -qF 'Do {{it}} for $5.' out.api
	[ -e out.base ]
}

@test "Markdown: lists of prompts in the shapes that people write" {
	mkdir prompts
	for i in a b c d e f; do echo "Do $i." >"prompts/$i.md"; done
	printf 'Execute these prompts in parallel: a.md, b.md and `prompts/c.md`\n' >one
	run --separate-stderr "$ORCH" import one
	[ "$status" -eq 0 ]
	[ "$(grep -c 'prompt = prompts/' <<<"$output")" -eq 3 ]
	printf 'Execute these prompts in parallel:\n\n1. a.md - the first\n2) `b.md`: the second\n**c.md**\n## d.md\n* e.md, f.md\n' >many
	run --separate-stderr "$ORCH" import many
	[ "$status" -eq 0 ]
	[ "$(grep -c 'prompt = prompts/' <<<"$output")" -eq 6 ]
	[[ "$output" == *'a "the first":'*'b "the second":'* ]]
	printf '**Phase 1: base (sequential)**\n- a.md\n- b.md\n\n**Phase 2: parallel**\n- c.md\n- d.md\n\n**Phase 3**\n- e.md\n' >phases
	run --separate-stderr "$ORCH" import phases
	[ "$status" -eq 0 ]
	[[ "$output" == *"b: a"*"c: b"*"d: b"*'phase-2 "Phase 2: parallel": c d'*"e: phase-2"* ]]
}

@test "init writes what import prints, of files and of directories of prompts, and never over anything" {
	mkdir prompts
	printf '# One\n\nDo the first thing.\n' >prompts/one.md
	printf -- '---\nafter: one\n---\nDo the second thing.\n' >prompts/two.md
	run "$ORCH" init prompts "$data/droidz-todo-app.json"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"wrote 'Orchfile'"* ]]
	"$ORCH" fmt --check
	run "$ORCH" check
	[ "$output" = 'Orchfile: 6 streams, no errors' ]
	"$ORCH" import prompts/one.md prompts/two.md "$data/droidz-todo-app.json" 2>/dev/null | cmp - Orchfile
	run "$ORCH" init prompts
	[ "$status" -eq 2 ]
	mkdir empty
	run "$ORCH" init -f Other empty
	[ "$status" -eq 2 ]
	[ ! -e Other ]
	run "$ORCH" init -f Other Orchfile
	[ "$status" -eq 2 ]
	[ ! -e Other ]
}

@test "the agent is said once: by default, on the command line, in the environment" {
	printf '[{"key":"a","title":"A"}]' >tasks.json
	run "$ORCH" -f tasks.json check
	[ "$status" -eq 0 ]
	[[ "$output" == *"warning: this does not say who works on it: claude does"* ]]
	run "$ORCH" -f tasks.json check agent=codex
	[ "$output" = 'tasks.json: 1 stream, no errors' ]
	run "$ORCH" -f tasks.json show a agent=codex
	[[ "$output" == *"agent = codex"* ]]
	agent=gemini run "$ORCH" -f tasks.json show a
	[[ "$output" == *"agent = gemini"* ]]
	# in a file that is included there is none
	echo 'include tasks.json' >Orchfile
	run "$ORCH" check
	[ "$status" -eq 2 ]
	[[ "$output" == *"tasks.json:1:2: error: stream 'a' has a prompt, but no agent"* ]]
}
