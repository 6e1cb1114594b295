# the smallest useful file
fetch:
	curl -fsS -o data.csv "$URL"

report: fetch
	python3 report.py data.csv > report.html
--------
fetch:
	run: curl -fsS -o data.csv "$URL"
report: fetch
	run: python3 report.py data.csv > report.html
========
A B "Both of them":
    echo {{stream}}
    cat <<EOF
      deeper {{title}}
    # not a comment

    EOF
C: A | B
all: A B C   # a group
colon:
	:
--------
A "Both of them":
	run: echo A\ncat <<EOF\n  deeper Both of them\n# not a comment\n\nEOF
B "Both of them":
	run: echo B\ncat <<EOF\n  deeper Both of them\n# not a comment\n\nEOF
C: A |B
all: A B C
colon:
	run: :
========
a:
	timeout = 5m
	retries = 2
	tags = one "two words" three
	env = A=1 B="x y" C='z'
	check: make test # text
	run:
		#!/bin/sh

		echo hi
b: \
	a
	after = a
	inputs = src/**/*.c \
		include/*.h  # comment
	when = failure
	kill = INT 5s TERM 5s KILL
	backoff = 1s 1m
	rerun = recipe inputs
	tasks:
		first
		second
	true
--------
a:
	timeout = 5m
	retries = 2
	tags = one "two words" three
	env = A=1 B="x y" C=z
	run: #!/bin/sh\n\necho hi
	check: make test # text
b: a a
	inputs = src/**/*.c include/*.h
	when = failure
	kill = INT 5s TERM 5s KILL
	backoff = 1s 1m
	rerun = recipe inputs
	tasks = first second
	run: true
========
x:
	env:
		A=1
		# comment
		B=two words
	echo
--------
x:
	env = A=1 B="two words"
	run: echo
========
a:
	echo one
# a comment in column 1
	echo two

# about b
b:
	echo
--------
a:
	run: echo one\n# a comment in column 1\necho two
b:
	run: echo
========
Stream-A:
	echo v=1 >> "$ORCH_OUTPUT"
B: Stream-A
	echo {{Stream-A.v}} {{attempt}} {{{{x}} {{dir}}
C: B
	env = V={{Stream-A.v}} W=2
	echo {{quote(Stream-A.v)}} {{raw(B.summary)}}
--------
Stream-A:
	run: echo v=1 >> "$ORCH_OUTPUT"
B: Stream-A
	run (late): echo {{Stream-A.v}} {{attempt}} {{{{x}} .
C: B
	env = V={{Stream-A.v}} W=2
	env V is late
	run (late): echo {{quote(Stream-A.v)}} {{raw(B.summary)}}
========
a:
	timeout = 1h
	# a comment
	#!/usr/bin/env python3
	# of the script
	print("x")
b: a
	#!/bin/sh
	true
# after
for x in 1:
	# in a for
	c{{x}}:
		true
--------
a:
	timeout = 1h
	run: #!/usr/bin/env python3\n# of the script\nprint("x")
b: a
	run: #!/bin/sh\ntrue
c1:
	run: true
