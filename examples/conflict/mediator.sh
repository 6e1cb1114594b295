#!/bin/sh
# What an agent does: reads the prompt, works where it was started, says what it has done. This one knows one thing: where one
# side has put words before what was there, and the other side behind it, it keeps both.
set -eu
prompt=$1
cat "$prompt"

git diff --name-only --diff-filter=U | while read -r file; do
	git show ":1:$file" > "$file.base"
	awk '
	# what was there before, line by line
	FILENAME ~ /\.base$/ { base[$0]; next }
	/^<<<<<<< / { side = 1; next }
	/^=======$/ && side { side = 2; next }
	/^>>>>>>> / { print both(ours, theirs); side = 0; next }
	side == 1 { ours = $0; next }
	side == 2 { theirs = $0; next }
	{ print }
	function both(a, b,    was) {
		for (was in base) {
			if (was != "" && substr(a, length(a) - length(was) + 1) == was && index(b, was) == 1)
				return a substr(b, length(was) + 1)
			if (was != "" && substr(b, length(b) - length(was) + 1) == was && index(a, was) == 1)
				return b substr(a, length(was) + 1)
		}
		print "cannot tell what both want: " a " / " b | "cat >&2"
		exit 1
	}' "$file.base" "$file" > "$file.new"
	rm "$file.base"
	mv "$file.new" "$file"
	git add "$file"
	echo "$file has now: $(head -n 1 "$file")"
done
git -c user.name=mediator -c user.email=mediator@localhost commit -q --no-edit
