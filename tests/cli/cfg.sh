#!/bin/bash
# cfg check, help, expand and classifier summary as typed.
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ok() { echo "ok - $1"; }
not_ok() { echo "not ok - $1: $2"; }
# says NAME STATUS TEXT COMMAND...: exit status and a piece of what is printed
says() {
    local name=$1 status=$2 text=$3 got
    shift 3
    "$@" >"$work/out" 2>&1 </dev/null
    got=$?
    if [ $got -ne "$status" ]; then
        not_ok "$name" "status $got, expected $status: $(tail -1 "$work/out")"
    elif ! grep -qF -- "$text" "$work/out"; then
        not_ok "$name" "no \"$text\" in: $(tail -2 "$work/out" | tr '\n' ' ')"
    else ok "$name"; fi
}

for f in cfg/*.cfg; do says "check $f" 0 "ok:" ./darknet cfg check "$f"; done
printf '[net]\nwidth=8\nheight=8\n[convolutional]\nfilter=3\n' >"$work/bad.cfg"
says "check names line and suggestion" 1 "bad.cfg:5: [convolutional]: unknown key filter; did you mean filters?" \
    ./darknet cfg check "$work/bad.cfg"
says "check wants a file" 1 "expected one file" ./darknet cfg check
says "help lists sections" 0 "[expansion_residual]" ./darknet cfg help
says "help lists keys" 0 "groups of the middle convolution" ./darknet cfg help residual_x4
says "help net" 0 "learning_rate" ./darknet cfg help net
says "help suggests" 1 "did you mean [maxpool]?" ./darknet cfg help maxpol
says "an unknown command" 1 "no command explode" ./darknet cfg explode

says "summary table: parameters" 0 "14,159,682" ./darknet classifier summary cfg/thyronet.cfg
says "summary table: multiply-adds" 0 "2,558,578,688" ./darknet classifier summary cfg/thyronet.cfg
says "summary json" 0 '"parameters":10316966,"multiply_adds":1581649920' \
    ./darknet classifier summary cfg/googlenet.cfg -json
says "summary at another size" 0 "64 x 64 x 3" \
    ./darknet classifier summary cfg/baseline.cfg -net width=64 --net=height=64
says "summary of a missing cfg" 1 "no.cfg" ./darknet classifier summary no.cfg
says "summary draws" 0 "21,285,698" ./darknet classifier summary cfg/baseline.cfg -svg "$work/a.svg"
if grep -q '<svg' "$work/a.svg" && tail -1 "$work/a.svg" | grep -q '</svg>'; then ok "the drawing is whole"; else
    not_ok "the drawing is whole" "$(tail -c 80 "$work/a.svg")"
fi
says "a drawing that cannot be written" 1 "cannot be written" \
    ./darknet classifier summary cfg/baseline.cfg -svg "$work/none/a.svg"

says "expand" 0 "$work/x.cfg" ./darknet cfg expand cfg/thyronet.cfg "$work/x.cfg"
says "what is expanded is the same net" 0 "14159682 parameters" ./darknet cfg check "$work/x.cfg"
if grep -q 'residual\|grouped' <(grep '^\[' "$work/x.cfg"); then not_ok "stock sections only" "$(grep -m1 '^\[.*resid' "$work/x.cfg")"; else
    ok "stock sections only"
fi
says "-fold wants weights" 1 "-fold needs weights" ./darknet cfg expand -fold cfg/thyronet.cfg "$work/x.cfg"
says "expand keeps its input" 1 "the same file" ./darknet cfg expand "$work/x.cfg" "$work/x.cfg"
says "what has no stock counterpart" 1 "-fold leaves it out" ./darknet cfg expand cfg/googlenet.cfg "$work/y.cfg"
[ -e "$work/y.cfg" ] && not_ok "nothing half is left" "y.cfg" || ok "nothing half is left"
