Stream-A:
	timout = 5m
	retries = 2000
	timeout = soon
	foo: bar
	timeout: 5m
	check = make
	weight = x
	outputs = ../out /abs ok
	pool = nett
	when = allways
	approve = maybe
	jobs = 3
	true
pool net = 1
--------
Orchfile:2:2: error: unknown setting 'timout'; did you mean 'timeout'?
    2 | 	timout = 5m
      | 	^~~~~~
Orchfile:3:12: error: 'retries = 2000': expected a number from 0 to 1000
    3 | 	retries = 2000
      | 	          ^~~~
Orchfile:4:12: error: 'timeout = soon': expected a duration such as 90s, 45m or 1h30m
    4 | 	timeout = soon
      | 	          ^~~~
Orchfile:5:2: error: unknown block 'foo'
    5 | 	foo: bar
      | 	^~~
note: a command that looks like this goes below 'run:'
Orchfile:6:2: error: 'timeout' is a setting: write 'timeout = VALUE'
    6 | 	timeout: 5m
      | 	^~~~~~~
Orchfile:7:2: error: 'check' is a block: write 'check: TEXT', or 'check:' and the text below, indented
    7 | 	check = make
      | 	^~~~~
Orchfile:8:11: error: 'weight = x': expected a number from 1 to 1000
    8 | 	weight = x
      | 	         ^
Orchfile:9:12: error: 'outputs = ../out': expected a path inside the project
    9 | 	outputs = ../out /abs ok
      | 	          ^~~~~~~~~~~~~~
Orchfile:10:2: error: unknown pool 'nett'; did you mean 'net'?
   10 | 	pool = nett
      | 	^~~~
Orchfile:11:9: error: 'when = allways': expected success, failure or always; did you mean 'always'?
   11 | 	when = allways
      | 	       ^~~~~~~
Orchfile:12:12: error: 'approve = maybe': expected yes or no
   12 | 	approve = maybe
      | 	          ^~~~~
Orchfile:13:2: error: unknown setting 'jobs'; it belongs in project:
   13 | 	jobs = 3
      | 	^~~~
========
incldue x
a b c
a: b: c
a "t" "u": b
a: "late title"
x y = 3
a "open: b
{{x: y
a ! b: c
defaults: x
include
agent
pool x 3
--------
Orchfile:1:1: error: unknown statement 'incldue'; did you mean 'include'?
    1 | incldue x
      | ^~~~~~~
Orchfile:2:6: error: missing ':' behind the name of a stream
    2 | a b c
      |      ^
note: a line at the top level is NAME = VALUE, a statement, or NAME... ["title"]: [DEPS...] [| ORDER-ONLY...]
Orchfile:3:5: error: expected the end of the line, found ':'
    3 | a: b: c
      |     ^
note: the form is: NAME... ["title"]: [DEPS...] [| ORDER-ONLY...]
Orchfile:4:7: error: expected ':', found a title in quotes
    4 | a "t" "u": b
      |       ^~~
note: the form is: NAME... ["title"]: [DEPS...] [| ORDER-ONLY...]
Orchfile:5:4: error: a title goes between the names and the ':'
    5 | a: "late title"
      |    ^~~~~~~~~~~~
Orchfile:6:5: error: unexpected '='; an assignment is one name of letters, digits, '_' and '-', then '='
    6 | x y = 3
      |     ^
Orchfile:7:3: error: unterminated quote: its line ends without the closing one
    7 | a "open: b
      |   ^~~~~~~~
Orchfile:8:1: error: unexpected character '{'
    8 | {{x: y
      | ^
Orchfile:9:3: error: '!' cannot be the name of a stream: a name is letters, digits, '.', '_' and '-', and starts with a letter or digit
    9 | a ! b: c
      |   ^
Orchfile:10:11: error: nothing may stand behind the ':'; the settings go below, indented
   10 | defaults: x
      |           ^
Orchfile:11:1: error: 'include' alone says nothing
   11 | include
      | ^~~~~~~
Orchfile:12:1: error: 'agent' alone says nothing
   12 | agent
      | ^~~~~
Orchfile:13:8: error: expected '=', found a word
   13 | pool x 3
      |        ^
note: the form is: pool NAME = N
========
a:
	true
b:
	true
a:
	false
-bad:
	x
a/b: c
nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn:
	x
--------
Orchfile:5:1: error: stream 'a' is declared twice
    5 | a:
      | ^
Orchfile:1:1: note: the first declaration is here
    1 | a:
      | ^
Orchfile:7:1: error: '-bad' cannot be the name of a stream: a name is letters, digits, '.', '_' and '-', and starts with a letter or digit
    7 | -bad:
      | ^~~~
Orchfile:9:1: error: 'a/b' cannot be the name of a stream: a name is letters, digits, '.', '_' and '-', and starts with a letter or digit
    9 | a/b: c
      | ^~~
Orchfile:10:1: error: this name of a stream has 129 bytes; at most 128 can be
   10 | nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn:
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
========
a:
	run:
		one
	two
b:
	run:
c:
	retries = 1
	retries = 2
d:
	check: one
		two
	true
--------
Orchfile:4:2: error: commands beside 'run:': a stream has one or the other
    4 | 	two
      | 	^~~
Orchfile:6:2: error: the block 'run' is empty: its text goes on the same line, or below it, indented
    6 | 	run:
      | 	^~~
Orchfile:9:2: error: setting 'retries' is given twice
    9 | 	retries = 2
      | 	^~~~~~~
Orchfile:8:2: note: the first time is here
    8 | 	retries = 1
      | 	^~~~~~~
Orchfile:12:3: error: this line is indented, but nothing above it takes indented lines
   12 | 		two
      | 		^
========
a:
		deep
	shallow
b:
	if x; then
	  y
 z
c:
	true
--------
Orchfile:3:2: error: this line goes back to a depth that was never opened
    3 | 	shallow
      | 	^
Orchfile:2:3: note: the line that set the indentation
    2 | 		deep
      | 		^
Orchfile:7:2: error: this line goes back to a depth that was never opened
    7 |  z
      |  ^
Orchfile:5:2: note: the line that set the indentation
    5 | 	if x; then
      | 	^
========
x = 1
	y = 2
	z = 3
a:
	true
--------
Orchfile:2:2: error: this line is indented, but nothing above it takes indented lines
    2 | 	y = 2
      | 	^
========
a:
	one
        two
b:
    	one
	two
c:
	run:
		x
    	    y
--------
Orchfile:3:1: error: tabs and spaces are mixed: how deep this line is depends on the width of a tab
    3 |         two
      | ^~~~~~~~
Orchfile:2:2: note: compared with the indentation of this line
    2 | 	one
      | 	^
Orchfile:6:1: error: tabs and spaces are mixed: how deep this line is depends on the width of a tab
    6 | 	two
      | ^
Orchfile:5:6: note: compared with the indentation of this line
    5 |     	one
      |     	^
Orchfile:10:10: error: this line goes back to a depth that was never opened
   10 |     	    y
      |     	    ^
Orchfile:9:3: note: the line that set the indentation
    9 | 		x
      | 		^
========
a:
	timeout 5m
	retries = 3
	check: x
--------
Orchfile:3:2: warning: this line looks like the setting 'retries', but it is a command: settings go before the commands
    3 | 	retries = 3
      | 	^~~~~~~
Orchfile:4:2: warning: this line looks like the setting 'check', but it is a command: settings go before the commands
    4 | 	check: x
      | 	^~~~~
a:
	run: timeout 5m\nretries = 3\ncheck: x
========
a:
	timeout=5m
--------
Orchfile:2:2: warning: this is a command; a setting has white space on both sides of the sign: timeout = ...
    2 | 	timeout=5m
      | 	^~~~~~~
a:
	run: timeout=5m
========
a: b
	echo {{nope.x}}
b:
	true
--------
Orchfile:2:9: error: there is no stream 'nope' to take a value from
    2 | 	echo {{nope.x}}
      | 	       ^~~~~~
========
a: b
	echo {{c.x}} {{d.x}} {{a.x}}
b: d
	true
c:
	true
d:
	true
--------
Orchfile:2:9: error: stream 'a' uses a value of 'c', which is not among its dependencies; write it behind the ':'
    2 | 	echo {{c.x}} {{d.x}} {{a.x}}
      | 	       ^~~
Orchfile:2:25: error: stream 'a' cannot use a value of its own
    2 | 	echo {{c.x}} {{d.x}} {{a.x}}
      | 	                       ^~~
========
a: a
	true
b: d
	true
d: b
	true
--------
Orchfile:1:4: error: stream 'a' depends on itself
    1 | a: a
      |    ^
Orchfile:3:1: error: circular dependency: b -> d -> b
    3 | b: d
      | ^
========
a:
	agent = claude
	prompt: do it
	every 5m: send: hello
	orchfile = x
	isolate = none
	sandbox = off
	approve = no
	commit = auto
	keep = failed
	changes = optional
	orchfile = y
b:
	prompt = x.md
--------
Orchfile:5:2: error: stream 'a' is another project, and so has no commands or prompt of its own
    5 | 	orchfile = x
      | 	^~~~~~~~
Orchfile:12:2: error: setting 'orchfile' is given twice
   12 | 	orchfile = y
      | 	^~~~~~~~
Orchfile:5:2: note: the first time is here
    5 | 	orchfile = x
      | 	^~~~~~~~
Orchfile:13:1: error: stream 'b' has a prompt, but no agent that works on it: 'agent = NAME', here or in 'defaults:'
   13 | b:
      | ^
========
#! inspect
project:
	redact = /x/
a:
	agent = claude
	prompt: do it
--------
project: redact = /x/
a:
	agent = claude
	prompt: do it
========
a:
	echo {{}} {{x {{a b}} {{f(}}
--------
Orchfile:2:7: error: nothing between '{{' and '}}'
    2 | 	echo {{}} {{x {{a b}} {{f(}}
      | 	     ^~~~
Orchfile:2:12: error: expected a name between '{{' and '}}'; a literal '{{' is written '{{{{'
    2 | 	echo {{}} {{x {{a b}} {{f(}}
      | 	          ^~~~~~~~~~~
Orchfile:2:24: error: '(' without ')'
    2 | 	echo {{}} {{x {{a b}} {{f(}}
      | 	                      ^~~~~~
========
a:
	tags = "open
	env = 1A=2 B
	env = C="open
	kill = NOSUCH
	backoff = 5m 5s
	rerun = missing deps
	memory = lots
	priority = 9999999
	inputs += *.c
	timeout += 3s
--------
Orchfile:2:9: error: unterminated quote
    2 | 	tags = "open
      | 	       ^~~~~
Orchfile:3:8: error: 'env': expected NAME=value, found '1A=2'
    3 | 	env = 1A=2 B
      | 	      ^~~~
Orchfile:4:8: error: unterminated quote
    4 | 	env = C="open
      | 	      ^~~~~~~
Orchfile:5:9: error: 'kill = NOSUCH': expected signals and waits in turn, such as INT 5s TERM 5s KILL
    5 | 	kill = NOSUCH
      | 	       ^~~~~~
Orchfile:6:12: error: 'backoff = 5m 5s': expected the longest wait to be at least the first one
    6 | 	backoff = 5m 5s
      | 	          ^~~~~
Orchfile:7:10: error: 'rerun = missing deps': expected 'missing' alone, or some of recipe, inputs, deps
    7 | 	rerun = missing deps
      | 	        ^~~~~~~~~~~~
Orchfile:8:11: error: 'memory = lots': expected a size such as 512M or 2G, and maybe 'rlimit' behind it
    8 | 	memory = lots
      | 	         ^~~~
Orchfile:9:13: error: 'priority = 9999999': expected a number from -1000000 to 1000000
    9 | 	priority = 9999999
      | 	           ^~~~~~~
Orchfile:11:2: error: 'timeout' takes one value: write 'timeout = VALUE'
   11 | 	timeout += 3s
      | 	^~~~~~~
========
project:
	redact = /(/ /ok/ /a\
		b/ /[/
pol x = 3
a:
	true
--------
Orchfile:2:13: error: 'redact': missing closing parenthesis
    2 | 	redact = /(/ /ok/ /a\
      | 	           ^
Orchfile:2:20: error: 'redact': a pattern stands on one line
    2 | 	redact = /(/ /ok/ /a\
      | 	                  ^
Orchfile:3:8: error: 'redact': missing terminating ] for character class
    3 | 		b/ /[/
      | 		     ^
Orchfile:4:1: error: unknown statement 'pol'; did you mean 'pool'?
    4 | pol x = 3
      | ^~~
========
a:
    timeout = 1m
	retries = 2
--------
Orchfile:3:1: error: tabs and spaces are mixed: how deep this line is depends on the width of a tab
    3 | 	retries = 2
      | ^
Orchfile:2:5: note: compared with the indentation of this line
    2 |     timeout = 1m
      |     ^
========
defaults:
	keep = always
a:
	setup: make
	commit = auto
	changes = required
	true
b:
	isolate = worktree
	branch = other
--------
Orchfile:4:2: warning: 'setup' is about a worktree, and stream 'a' has none: it works where the Orchfile is, without 'isolate = worktree'
    4 | 	setup: make
      | 	^~~~~
Orchfile:6:2: warning: 'changes' is about a worktree, and stream 'a' has none: it works where the Orchfile is, without 'isolate = worktree'
    6 | 	changes = required
      | 	^~~~~~~
a:
	commit = auto
	changes = required
	keep = always (defaults)
	run: true
b:
	isolate = worktree
	branch = other
	keep = always (defaults)
========
defaults:
	copy = .env
a:
	true
--------
Orchfile:2:9: warning: 'copy' is about a worktree, and no stream has one: they work where the Orchfile is, without 'isolate = worktree'
    2 | 	copy = .env
      | 	       ^~~~
a:
	copy = .env (defaults)
	run: true
========
defaults:
	isolate = worktree
a:
	branch = feat/x
	true
b:
	branch = feat/x/y
	true
c:
	branch = feat/x
	true
d:
	branch = orch/e
	true
e:
	true
f:
	isolate = none
	true
g: a b
h:
	branch = feat/{{stream}}
	true
--------
Orchfile:7:2: error: branch 'feat/x/y' of stream 'b' cannot be there beside branch 'feat/x' of stream 'a': to git the one is a file where the other has a directory
    7 | 	branch = feat/x/y
      | 	^~~~~~
Orchfile:4:2: note: the other one is here
    4 | 	branch = feat/x
      | 	^~~~~~
Orchfile:10:2: error: streams 'a' and 'c' are on the same branch 'feat/x', and each needs one of its own: with '{{stream}}' in its name it is
   10 | 	branch = feat/x
      | 	^~~~~~
Orchfile:4:2: note: the other one is here
    4 | 	branch = feat/x
      | 	^~~~~~
Orchfile:15:1: error: streams 'd' and 'e' are on the same branch 'orch/e', and each needs one of its own: with '{{stream}}' in its name it is
   15 | e:
      | ^
Orchfile:13:2: note: the other one is here
   13 | 	branch = orch/e
      | 	^~~~~~
========
defaults:
	isolate = worktree
	branch = all
a:
	true
b: a
	true
c:
	true
--------
Orchfile:3:11: error: streams 'a' and 'b' are on the same branch 'all', and each needs one of its own: with '{{stream}}' in its name it is
    3 | 	branch = all
      | 	         ^~~
========
for 1x in a:
	b:
for {{x}}y in a:
	b:
--------
Orchfile:1:5: error: '1x' cannot be the variable of a loop: a name is letters, digits, '_' and '-', and starts with a letter or '_'
    1 | for 1x in a:
      |     ^~
Orchfile:3:5: error: '{{x}}y' cannot be the variable of a loop: a name is letters, digits, '_' and '-', and starts with a letter or '_'
    3 | for {{x}}y in a:
      |     ^~~~~~
