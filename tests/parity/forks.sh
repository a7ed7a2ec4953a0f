#!/bin/bash
# What the README says of training in Debian's Darknet, shown with that program.
cd "$(dirname "$0")/../.." || exit 1
if ! [ -x /usr/bin/darknet ]; then
    echo "skip - faults of Debian's Darknet: it is not installed"
elif ! command -v python3 >/dev/null; then
    echo "skip - faults of Debian's Darknet: python3 is not installed"
else
    exec python3 tests/parity/forks.py
fi
