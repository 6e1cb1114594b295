# Orchfile: comments stay


model   ?=   sonnet # trailing
other=1
defaults:
    timeout   = 2h   # long
    retries   =   3


    # last comment of the body
# about A
Stream-A   "Foundation" :   B C|D
    inputs = a \
             b
    # before the script
    check:   make test # text
    run:
          one
            two

          three
B C D:
    cmd1
# under-indented
    cmd2
    

# end
--------
# Orchfile: comments stay

model ?= sonnet # trailing
other = 1

defaults:
	timeout = 2h # long
	retries = 3

	# last comment of the body

# about A
Stream-A "Foundation": B C | D
	inputs = a \
		b
	# before the script
	check: make test # text
	run:
		one
		  two

		three

B C D:
	cmd1
	# under-indented
	cmd2

# end
========
for x in a b:
  # inside
  n-{{x}}: \
     dep
    echo {{x}}
  m-{{x}}:
    echo
# after
x = 1
include   a b
include?  c
pool  p=3
on  finish :  done
on start:

  # comment?
  one
agent  a :  b :
   limit = 3
group:   # nothing
every-x: a
  every   5m:   send: x
  key =
  key +=   v
x  !=  echo  a  #  b
--------
for x in a b:
	# inside
	n-{{x}}: \
		dep
		echo {{x}}

	m-{{x}}:
		echo

# after
x = 1
include a b
include? c
pool p = 3
on finish: done

on start:
	# comment?
	one

agent a: b:
	limit = 3

group: # nothing

every-x: a
	every 5m: send: x
	key =
	key += v

x != echo  a  #  b
========
only:
  a = 1
  x

  y
--------
only:
	a = 1
	x

	y
========
a b
--------
Orchfile:1:4: error: missing ':' behind the name of a stream
    1 | a b
      |    ^
note: a line at the top level is NAME = VALUE, a statement, or NAME... ["title"]: [DEPS...] [| ORDER-ONLY...]
========
a:
	echo 1

# about b
b: a
	echo 2
# about c, close to b


# and more about c
c:
	run:
		echo 3

		# of the script, at its end
	# of the body, behind the script
# about d
d:
  echo 4
 # less deep than the body

  # of the script
  # and again

# end
--------
a:
	echo 1

# about b
b: a
	echo 2

# about c, close to b

# and more about c
c:
	run:
		echo 3

		# of the script, at its end
	# of the body, behind the script

# about d
d:
	echo 4
	# less deep than the body

	# of the script
	# and again

# end
========
for x in 1 2:
	a{{x}}:
		echo 1

	# about b
	b{{x}}:
		# about the check

		check: true
		echo 1
		# of the script

# about c
c:
	# only a comment
d: c
--------
for x in 1 2:
	a{{x}}:
		echo 1

	# about b
	b{{x}}:
		# about the check

		check: true
		echo 1
		# of the script

# about c
c:
# only a comment
d: c
========
recover\
  limit:
	kind = check
for\
 x in a \
  b:
	{{x}}:
		true
--------
recover limit:
	kind = check

for x in a \
	b:
	{{x}}:
		true
