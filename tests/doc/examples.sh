#!/bin/sh
# The manuals and the README say what is so: every Orchfile in them has no errors, every option and setting of the program is in them and the
# other way round. TAP.
set -u
orch=${ORCH:-./orch}
case $orch in /*) ;; *) orch=$PWD/$orch ;; esac
top=$(cd "${srcdir:-.}" && pwd)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT INT TERM
export LC_ALL=C

# NAME.orchfile below $work/orchfiles for each example; NAME says where it stands
mkdir -p "$work/orchfiles" "$work/project/text"
echo one two >"$work/project/text/one.txt"
for page in orch.1 Orchfile.5; do
	awk -v to="$work/orchfiles" -v page="$page" '
	/^\.\\" orchfile: / { file = to "/" page "-" $3 ".orchfile"; printf "" > file; next }
	/^\.\\" end/ { if (file) close(file); file = ""; next }
	file == "" || /^\.(Bd|Ed)/ { next }
	# as roff shows it
	{ gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\-/, "-"); print > file }' "$top/doc/$page"
done
# other Markdown too, where there is an Orchfile in it
for text in README.md doc/HACKING.md doc/agents.md doc/events.md doc/git.md doc/notify.md examples/quickstart/README.md; do
	[ -f "$top/$text" ] || continue
	awk -v to="$work/orchfiles" -v page="$(echo "$text" | tr / -)" '
	/^```orchfile/ { file = to "/" page "-" (++n) ".orchfile"; printf "" > file; next }
	/^```/ { if (file) close(file); file = "" }
	file != "" { print > file }' "$top/$text"
done
for file in "$top"/Orchfile "$top"/examples/*/Orchfile; do
	[ -f "$file" ] && echo "$file"
done >"$work/whole"
ls "$work/orchfiles" >"$work/examples"

echo "1..$(($(wc -l <"$work/examples") + 2 * $(wc -l <"$work/whole") + 14))"
n=0
failed=0
result() { # text, what is wrong
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf '%s\n' "$2" | sed 's/^/#   /'
		failed=1
	fi
}
messages() { # command...: what it printed, if it failed or warned of something
	if ! "$@" >"$work/messages" 2>&1; then
		cat "$work/messages"
		echo "exit status not 0: $*"
	else
		grep -i 'warning' "$work/messages"
	fi
	return 0
}

result 'there are examples in the manuals and in the README' \
	"$(for page in orch.1 Orchfile.5 README.md; do grep -q "^$page-" "$work/examples" || echo "none in $page"; done)"
while read -r name; do
	cp "$work/orchfiles/$name" "$work/project/$name"
	result "example $name has no errors" "$(messages "$orch" -C "$work/project" check -f "$name")"
done <"$work/examples"
while read -r file; do
	result "${file#"$top"/} has no errors" "$(messages "$orch" check -f "$file")"
	result "${file#"$top"/} is in the canonical form" "$(messages "$orch" fmt --check "$file")"
done <"$work/whole"

# options and commands
commands=$("$orch" help | awk '/^  [a-z]+  +[A-Z]/ { print $1 }')
options=$(for command in $commands; do "$orch" "$command" --help; done | grep -oE '^ +(-[A-Za-z], )?--[a-z-]+' | grep -oE -e '--[a-z-]+|-[A-Za-z]\b' | sort -u)
sed 's/\\-/-/g' "$top/doc/orch.1" | tr -d '\\' >"$work/orch.1"
result 'orch help names commands and their options' "$([ "$(echo "$options" | wc -l)" -ge 20 ] || echo "found only: $options")"
result 'every command of orch is in orch.1' "$(for command in $commands; do
	grep -qE "^\.It Nm (Oo )?Cm $command\b" "$work/orch.1" || echo "$command"
done)"
# `.Fl -jobs` and `.Fl j` in mdoc; `, B , W ,` on a line of .Fl
flags=$(awk '/Fl / { for (i = 1; i <= NF; i++) { if ($i == "Fl") on = 1; else if (on && $i ~ /^-?-?[A-Za-z][a-z-]*$/ && $i !~ /^(Ns|Op|Oo|Oc|Ar|Cm|Pq)$/) print "-" $i; else if ($i != ",") on = 0 } on = 0 }' "$work/orch.1" | sort -u)
result 'every option of orch is in orch.1' "$(for option in $options; do
	echo "$flags" | grep -qx -e "$option" || echo "$option"
done)"
result 'every option in orch.1 is one of orch' "$(for flag in $flags; do
	echo "$options" | grep -qx -e "$flag" || echo "$flag"
done)"

# settings
settings=$("$orch" help settings | awk '/^  [a-z]/ { print $1 }' | sort -u)
described=$(sed -n 's/^\.It Ic //p' "$top/doc/Orchfile.5" | sed 's/ No .*//' | tr -d ' ' | tr , '\n' | sort -u)
result 'every setting of orch help settings is in Orchfile.5' "$(for setting in $settings; do
	echo "$described" | grep -qx "$setting" || echo "$setting"
done)"
planner=$top/src/cli/assets/draft.md
result 'the example in what a planning agent is told has no errors' "$(cd "$work/project" && messages "$orch" draft --agent claude --check "$planner")"
result 'every setting in what a planning agent is told is one of orch help settings' "$(
	named=$(sed -n 's/^- `\([a-z-]*\)[: ].*/\1/p' "$planner")
	[ "$(echo "$named" | wc -l)" -ge 5 ] || echo "found only: $named"
	for setting in $named; do
		echo "$settings" | grep -qx "$setting" || echo "$setting"
	done
)"
result 'every setting in Orchfile.5 is one of orch help settings' "$(for setting in $described; do
	echo "$settings" | grep -qx "$setting" || echo "$setting"
done)"

# agents and rules that ship
result 'every agent of orch agents is in doc/agents.md' "$(cd "$work/project" && "$orch" agents | while read -r name _; do
	grep -qx "### $name" "$top/doc/agents.md" || echo "$name"
done)"
result 'every rule that ships is in doc/agents.md' "$(sed -n 's/^recover \(.*\):$/\1/p' "$top/src/lang/agents.orch" | while read -r name; do
	grep -qE "^\|.*\`$name\`.*\|" "$top/doc/agents.md" || echo "$name"
done)"

result 'what the manuals refer to is installed with them' "$(sed -n 's/^\.Pa \(doc\/[a-z]*\.md\).*/\1/p' "$top/doc/orch.1" "$top/doc/Orchfile.5" | sort -u | while read -r file; do
	sed -n '/^dist_doc_DATA/,/[^\\]$/p' "$top/Makefile.am" | grep -qw "$file" || echo "$file"
done)"

if command -v mandoc >/dev/null 2>&1; then
	for page in orch.1 Orchfile.5; do
		# a page that is not installed yet cannot be found by the other one
		result "mandoc -Tlint doc/$page" "$(mandoc -Tlint "$top/doc/$page" 2>&1 | grep -v 'referenced manual not found' | grep -v '^mandoc: outdated')"
	done
else
	for page in orch.1 Orchfile.5; do
		n=$((n + 1))
		echo "ok $n - mandoc -Tlint doc/$page # SKIP no mandoc here"
	done
fi
exit $failed
