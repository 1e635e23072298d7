#!/bin/bash
# guest.sh PROGRAM [ARG...]: runs a test program in a User Mode Linux guest, or skips it with the reason.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
command -v linux.uml >/dev/null || skip "there is no linux.uml (package user-mode-linux)"
[ "$(uname -m)" = x86_64 ] || skip "User Mode Linux is for x86-64"
exec "$root/tests/uml/run-in-uml" -t ${RACOON_GUEST_TIME:-580} -w "$(dirname "$1")" "$@"
