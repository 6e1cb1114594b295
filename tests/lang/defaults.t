a:
	true
defaults:
	timeout = 1h
	tags = common
	env = X=1 Y=2
b:
	tags += mine
	env = Y=3 Z=4
	timeout = 2h
	true
c:
	retries = 1
	true
--------
a:
	timeout = 1h (defaults)
	tags = common (defaults)
	env = X=1 Y=2 (defaults)
	run: true
b:
	tags = common mine
	env = X=1 Y=3 Z=4
	timeout = 2h
	run: true
c:
	retries = 1
	timeout = 1h (defaults)
	tags = common (defaults)
	env = X=1 Y=2 (defaults)
	run: true
========
v = one
defaults:
	outputs = out/{{stream}}.{{v}}
	check: test -e {{title}} {{attempt}}
v = two
a "A title":
	true
b:
	retries = 1
	true
--------
v = two
a "A title":
	outputs = out/a.one (defaults)
	run: true
	check (late): test -e A title {{attempt}}
b:
	retries = 1
	outputs = out/b.one (defaults)
	run: true
	check (late): test -e  {{attempt}}
========
defaults:
	run: no
	prompt = x
	tasks: y
	after = a
	timeuot = 1
	timeout = never
	echo
--------
Orchfile:2:2: error: unknown block 'run'; it belongs in a stream
    2 | 	run: no
      | 	^~~
Orchfile:3:2: error: unknown setting 'prompt'; it belongs in a stream
    3 | 	prompt = x
      | 	^~~~~~
Orchfile:4:2: error: unknown block 'tasks'; it belongs in a stream
    4 | 	tasks: y
      | 	^~~~~
Orchfile:5:2: error: unknown setting 'after'; it belongs in a stream
    5 | 	after = a
      | 	^~~~~
Orchfile:6:2: error: unknown setting 'timeuot'; did you mean 'timeout'?
    6 | 	timeuot = 1
      | 	^~~~~~~
Orchfile:7:12: error: 'timeout = never': expected a duration such as 90s, 45m or 1h30m
    7 | 	timeout = never
      | 	          ^~~~~
Orchfile:8:2: error: expected 'NAME = VALUE' in defaults:; commands can stand only in a stream
    8 | 	echo
      | 	^~~~
