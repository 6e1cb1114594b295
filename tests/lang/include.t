include sub/*.orch
include? nothing.orch nothing/*
x:
	true
--------
from-a: x
	run: echo a
x:
	run: true
========
include cycle-a.orch
--------
In file included from cycle-a.orch:3:9,
                 from Orchfile:1:9:
cycle-b.orch:1:9: error: circular include: cycle-a.orch -> cycle-b.orch -> cycle-a.orch
    1 | include cycle-a.orch
      |         ^~~~~~~~~~~~
========
include sub/chain.inc
--------
In file included from sub/chain.inc:1:9,
                 from Orchfile:1:9:
sub/../broken.orch:2:2: error: unknown setting 'timeuot'; did you mean 'timeout'?
    2 | 	timeuot = 3
      | 	^~~~~~~
========
include nothing.orch nothing/*.orch sub
include tasks.json
--------
Orchfile:1:9: error: cannot include 'nothing.orch': cannot open 'nothing.orch': No such file or directory
    1 | include nothing.orch nothing/*.orch sub
      |         ^~~~~~~~~~~~
Orchfile:1:22: error: no file matches 'nothing/*.orch'
    1 | include nothing.orch nothing/*.orch sub
      |                      ^~~~~~~~~~~~~~
Orchfile:1:37: error: cannot include 'sub': cannot read 'sub': Is a directory
    1 | include nothing.orch nothing/*.orch sub
      |                                     ^~~
In file included from Orchfile:2:9:
tasks.json:1:1: warning: there is nothing to do in it: no stream comes of it
    1 | {"tasks": []}
      | ^
