#!/bin/sh
# `orch watch` during a run of the quick start, as text, into the README between its marks: part of `make pictures`. ORCH is the program.
set -eu
: "${ORCH:=./orch}" "${srcdir:=.}"
case $ORCH in /*) ;; *) ORCH=$PWD/$ORCH ;; esac
readme=$(cd "$srcdir" && pwd)/README.md
dir=$(mktemp -d)
socket=orch-picture-$$
trap 'touch "$dir/stop"; "$ORCH" stop --now 2>/dev/null || true; tmux -L "$socket" kill-server 2>/dev/null || true; rm -rf "$dir"' EXIT
cp -R "$srcdir/examples/quickstart" "$dir/quickstart"
cd "$dir/quickstart"
rm -rf .orch out
export XDG_STATE_HOME="$dir/state"
unset CI TMUX NO_COLOR
# a run before, so that times are known
"$ORCH" -s -j4
"$ORCH" -j4 -B --detach 2>/dev/null
LC_ALL=C.UTF-8 tmux -f /dev/null -L "$socket" new-session -d -x 100 -y 22 "'$ORCH' watch"
i=0
until tmux -L "$socket" capture-pane -p >"$dir/screen" && grep -q '\[[3-7]/.*running' "$dir/screen"; do
	i=$((i + 1))
	[ $i -lt 300 ]
	sleep 0.1
done
# what runs stands first in the order by state; the third of them has said something
tmux -L "$socket" send-keys o g j j
sleep 0.5
tmux -L "$socket" capture-pane -p | sed 's/ *$//' >"$dir/screen"
awk -v screen="$dir/screen" '
/<!-- watch:begin -->/ { print; print "```"; while ((getline line < screen) > 0) print line; print "```"; off = 1; next }
/<!-- watch:end -->/ { off = 0 }
!off' "$readme" >"$dir/readme"
cat "$dir/readme" >"$readme"
