project:
	name = demo
	jobs = 8
	default = a b
	shell = bash -eu
	merge = manual
pool net = 2
on finish: echo done
on stream-failure:
	one
	two
agent base:
	limit = 4
	session = /"session_id":"(?<session>[^"]+)"/
	cost    = /"cost":(?<cost>[0-9.]+)/  # comment
	run:
		base < {{prompt}}
	resume: base --resume {{session}}
agent reviewer: base:
	limit = 1
recover limit:
	match = /limit reached\|(?<until>\d+)/
	wait = {{until}}
	scope = account
	kind = exit signal
recover tests:
	kind = check
	agent = base
	retries = 2
	prompt:
		Mend {{stream}}.
		{{check.tail}}
a b:
	pool = net
	true
--------
project: name = demo
project: jobs = 8
project: default = a b
project: shell = bash -eu
project: merge = manual
pool net = 2
	finish: echo done
	stream-failure: one\ntwo
agent base:
	limit: 4
	session: "session_id":"(?<session>[^"]+)"
	cost: "cost":(?<cost>[0-9.]+)
	run (late): base < {{prompt}}
	resume (late): base --resume {{session}}
agent reviewer:
	session: "session_id":"(?<session>[^"]+)"
	cost: "cost":(?<cost>[0-9.]+)
	run (late): base < {{prompt}}
	resume (late): base --resume {{session}}
	limit: 1
recover limit:
	match: limit reached\|(?<until>\d+)
	wait (late): {{until}}
	scope: account
	kind: exit signal
recover tests:
	kind: check
	agent: base
	retries: 2
	prompt (late): Mend {{stream}}.\n{{check.tail}}
a:
	pool = net
	run: true
b:
	pool = net
	run: true
========
project:
	jobs = 0
	jobs2 = 3
	default = x
	default = y
	budget = 5
	runner = slrm
	merg = auto
	timeout = 3s
	jobs=4
pool a = 0
pool b = 2
pool b = 3
pool c
on start: x
on strat: y
on stop:
recover r:
	match = /a(b/
	match = /x/
recover s:
	match = /unterminated
	kind = chek
	wait = {{until}}
recover t:
	match = abc
recover t:
	fail = maybe
agent a: b:
	limit = x
agent c: c:
	limit = 1
--------
Orchfile:2:9: error: 'jobs = 0': expected a number from 1 to 10000
    2 | 	jobs = 0
      | 	       ^
Orchfile:3:2: error: unknown setting 'jobs2'; did you mean 'jobs'?
    3 | 	jobs2 = 3
      | 	^~~~~
Orchfile:5:2: error: setting 'default' is given twice
    5 | 	default = y
      | 	^~~~~~~
Orchfile:4:2: note: the first time is here
    4 | 	default = x
      | 	^~~~~~~
Orchfile:7:2: error: unknown runner 'slrm'; did you mean 'slurm'?
    7 | 	runner = slrm
      | 	^~~~~~
Orchfile:8:2: error: unknown setting 'merg'; did you mean 'merge'?
    8 | 	merg = auto
      | 	^~~~
Orchfile:9:2: error: unknown setting 'timeout'; it belongs in a stream
    9 | 	timeout = 3s
      | 	^~~~~~~
Orchfile:10:2: error: expected 'NAME = VALUE' in project:, with white space on both sides of the sign
   10 | 	jobs=4
      | 	^~~~~~
Orchfile:11:10: error: 'pool a = 0': expected a number of slots, at least 1
   11 | pool a = 0
      |          ^
Orchfile:13:6: error: pool 'b' is declared twice
   13 | pool b = 3
      |      ^
Orchfile:12:6: note: the first declaration is here
   12 | pool b = 2
      |      ^
Orchfile:14:7: error: expected '=', found the end of the line
   14 | pool c
      |       ^
note: the form is: pool NAME = N
Orchfile:16:4: error: unknown event 'strat'; did you mean 'start'?
   16 | on strat: y
      |    ^~~~~
Orchfile:17:4: error: the block 'stop' is empty: its text goes on the same line, or below it, indented
   17 | on stop:
      |    ^~~~
Orchfile:19:14: error: 'match': missing closing parenthesis
   19 | 	match = /a(b/
      | 	            ^
Orchfile:22:10: error: unterminated pattern: expected '/' at its end
   22 | 	match = /unterminated
      | 	        ^~~~~~~~~~~~~
Orchfile:23:9: error: 'kind = chek': expected exit, signal, timeout, stalled, check, spawn, merge, outputs, changes, memory, node, preempted or cancelled; did you mean 'check'?
   23 | 	kind = chek
      | 	       ^~~~
Orchfile:24:11: error: unknown variable 'until'
   24 | 	wait = {{until}}
      | 	         ^~~~~
Orchfile:26:10: error: 'match': expected a pattern between slashes, such as /error: .*/
   26 | 	match = abc
      | 	        ^~~
Orchfile:27:9: error: recovery rule 't' is declared twice
   27 | recover t:
      |         ^
Orchfile:25:9: note: the first declaration is here
   25 | recover t:
      |         ^
Orchfile:29:7: error: unknown agent 'b' to start from
   29 | agent a: b:
      |       ^
Orchfile:30:10: error: 'limit = x': expected a number from 1 to 10000
   30 | 	limit = x
      | 	        ^
Orchfile:31:7: error: agent 'c' starts from itself: there is none of that name among those that ship or in the user's agents.orch
   31 | agent c: c:
      |       ^
========
agent claude: claude:
	args = --model opus
	env = A=b
agent reviewer: claude:
	estimate = 0.5
	cost = /x(?<y>.)/
	tokens = /(?<input>a)/
agent bad:
	limit = 2
agent late:
	args = {{attempt}}
	resume: x {{session}}
	run: x {{prompt}}
recover r1:
	agent = claudee
	prompt: fix
	wait = foo
recover r2:
	fail = yes
	retries = 4
recover r3:
	agent = claude
recover r4:
	prompt: x
	run: y
recover r5:
	agent = shell
	prompt: x
	run: y
recover r6:
	scope = account
recover r7:
	wait = 3:45pm
	fresh = perhaps
x:
	true
--------
Orchfile:6:2: error: 'cost': the pattern needs the group (?<cost>...)
    6 | 	cost = /x(?<y>.)/
      | 	^~~~
Orchfile:7:2: error: 'tokens': the pattern needs the group (?<tokens>...), or (?<input>...) and (?<output>...)
    7 | 	tokens = /(?<input>a)/
      | 	^~~~~~
Orchfile:8:7: error: agent 'bad' has no 'run:': the command that starts it, which finds its prompt in {{prompt}}
    8 | agent bad:
      |       ^~~
Orchfile:10:7: error: agent 'late' has 'resume:', but nothing says which session: give it 'session', or {{session}} in 'run:'
   10 | agent late:
      |       ^~~~
Orchfile:11:2: error: 'args' must be known when the file is read: only commands, prompts, env and wait may hold what an attempt knows
   11 | 	args = {{attempt}}
      | 	^~~~
Orchfile:14:9: error: unknown agent 'claudee'; did you mean 'claude'?
   14 | recover r1:
      |         ^~
Orchfile:17:2: error: 'wait = foo': expected a duration, a time, or a group of the pattern such as {{until}}
   17 | 	wait = foo
      | 	^~~~
Orchfile:18:9: error: recovery rule 'r2' ends the stream ('fail = yes'): it cannot wait or try again
   18 | recover r2:
      |         ^~
Orchfile:21:9: error: recovery rule 'r3' has an agent, but no 'prompt:' for it
   21 | recover r3:
      |         ^~
Orchfile:23:9: error: recovery rule 'r4' has a prompt, but no 'agent' who works on it
   23 | recover r4:
      |         ^~
Orchfile:26:9: error: recovery rule 'r5' has both an agent and 'run:': it can be one of them
   26 | recover r5:
      |         ^~
Orchfile:30:9: error: recovery rule 'r6': 'scope = account' says who is held; it needs 'wait', or 'fail = yes'
   30 | recover r6:
      |         ^~
Orchfile:34:10: error: 'fresh = perhaps': expected yes or no
   34 | 	fresh = perhaps
      | 	        ^~~~~~~
========
#! inspect
project:
	budget = 5
agent codex: codex:
	estimate = 0.5
a:
	agent = claude codex
	prompt: x
b:
	agent = gemini
	prompt: x
--------
Orchfile:9:2: error: agent 'gemini' does not say what it costs, so the budget cannot be kept: 'estimate = AMOUNT' in 'agent gemini: gemini:' says what an attempt costs
    9 | 	agent = gemini
      | 	^~~~~
