#! name=cmdline other=1
name = file
name += more
a = 1
a += 2
b ?= given
b ?= again
ORCH_TEST_VALUE ?= x
c = "  quoted # text "  # comment
d != echo shell; echo out
e = {{a}}-{{d}} {{env.ORCH_TEST_VALUE}} {{env.ORCH_TEST_NOTHING or none}}
f = a\
  b \
  c
--------
name = cmdline
other = 1
a = 1 2
b = given
ORCH_TEST_VALUE = from the environment
c =   quoted # text 
d = shell
out
e = 1 2-shell
out from the environment none
f = a b c
========
p = x/y.tar.gz
q = it's
g = {{stem(p)}} {{file(p)}} {{dir(p)}} {{quote(q)}}
n = note.txt
r = {{read(n)}}
--------
p = x/y.tar.gz
q = it's
g = y.tar y.tar.gz x 'it'\''s'
n = note.txt
r = one
two
========
a = {{modle}} {{later}}
model = x
later = 1
s:
	echo {{strem}} {{atempt}} {{nofun(model)}} {{env.ORCH_TEST_NOTHING}}
	timeout = {{attempt}}
b = {{stream}}
c = {{unclosed
d != exit 3
e != kill -9 $$
f = "unterminated
g = {{stem(x/y)}}
--------
Orchfile:1:7: error: unknown variable 'modle'; did you mean 'model'?
    1 | a = {{modle}} {{later}}
      |       ^~~~~
Orchfile:1:17: error: unknown variable 'later': it is defined further down, and a variable is expanded when it is read
    1 | a = {{modle}} {{later}}
      |                 ^~~~~
Orchfile:3:1: note: defined here
    3 | later = 1
      | ^~~~~
Orchfile:5:9: error: unknown variable 'strem'; did you mean 'stream'?
    5 | 	echo {{strem}} {{atempt}} {{nofun(model)}} {{env.ORCH_TEST_NOTHING}}
      | 	       ^~~~~
Orchfile:5:19: error: unknown variable 'atempt'; did you mean 'attempt'?
    5 | 	echo {{strem}} {{atempt}} {{nofun(model)}} {{env.ORCH_TEST_NOTHING}}
      | 	                 ^~~~~~
Orchfile:5:30: error: unknown function 'nofun'; there are stem, file, dir, quote, read and raw
    5 | 	echo {{strem}} {{atempt}} {{nofun(model)}} {{env.ORCH_TEST_NOTHING}}
      | 	                            ^~~~~
Orchfile:5:47: error: the environment has no 'ORCH_TEST_NOTHING'; '{{env.ORCH_TEST_NOTHING or TEXT}}' gives it a default
    5 | 	echo {{strem}} {{atempt}} {{nofun(model)}} {{env.ORCH_TEST_NOTHING}}
      | 	                                             ^~~~~~~~~~~~~~~~~~~~~
Orchfile:6:2: warning: this line looks like the setting 'timeout', but it is a command: settings go before the commands
    6 | 	timeout = {{attempt}}
      | 	^~~~~~~
Orchfile:7:7: error: 'stream' can be used only in a stream and in defaults
    7 | b = {{stream}}
      |       ^~~~~~
Orchfile:8:5: error: '{{' without '}}' on the same line; a literal '{{' is written '{{{{'
    8 | c = {{unclosed
      |     ^~~~~~~~~~
Orchfile:9:6: error: the command failed with status 3
    9 | d != exit 3
      |      ^~~~~~
Orchfile:10:6: error: the command was ended by signal 9 (Killed)
   10 | e != kill -9 $$
      |      ^~~~~~~~~~
Orchfile:11:5: error: unterminated quote
   11 | f = "unterminated
      |     ^~~~~~~~~~~~~
Orchfile:12:5: error: expected a name between '{{' and '}}'; a literal '{{' is written '{{{{'
   12 | g = {{stem(x/y)}}
      |     ^~~~~~~~~~~~~
