for x in a b "c d":
	n-{{x}}:
		echo {{x}}
--------
n-a:
	run: echo a
n-b:
	run: echo b
n-c:
	run: echo c d
d:
	run: echo c d
========
words = p q
for x in {{words}}:
	for y in 1 2:
		{{x}}{{y}} "T {{x}}": start | {{words}}
			echo {{stream}}
start:
	true
p q:
	true
--------
words = p q
p1 "T p": start |p |q
	run: echo p1
p2 "T p": start |p |q
	run: echo p2
q1 "T q": start |p |q
	run: echo q1
q2 "T q": start |p |q
	run: echo q2
start:
	run: true
p:
	run: true
q:
	run: true
========
for f in sub/*.orch:
	{{stem(f)}}:
		cat {{f}}
--------
a:
	run: cat sub/a.orch
========
for f in nothing/*:
	x:
		y
for x in a:
for in a:
	z:
		z
for x of a:
	z:
		z
for x in a b:
	x = 3
	same:
		true
after:
	true
--------
Orchfile:1:10: error: no file matches 'nothing/*'
    1 | for f in nothing/*:
      |          ^~~~~~~~~
Orchfile:4:1: error: this loop has no statements: they go below, indented
    4 | for x in a:
      | ^~~
Orchfile:5:8: error: expected 'in', found a word
    5 | for in a:
      |        ^
note: the form is: for NAME in WORDS:
Orchfile:8:7: error: expected 'in', found a word
    8 | for x of a:
      |       ^~
note: the form is: for NAME in WORDS:
Orchfile:12:2: error: 'x' is the name of a loop around this line: it cannot be assigned
   12 | 	x = 3
      | 	^
Orchfile:13:2: error: stream 'same' is declared twice
   13 | 	same:
      | 	^~~~
Orchfile:13:2: note: the first declaration is here
   13 | 	same:
      | 	^~~~
