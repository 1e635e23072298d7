#!/bin/bash
# in_guest.sh SCRIPT: runs a test script in a guest, with kernel-xfrm unless RACOON_KERNEL names another. The guest sees the sources and the
# build tree where they are, whatever hides them there (/tmp), and its clock counts as in the host.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
command -v linux.uml >/dev/null || skip "there is no linux.uml (package user-mode-linux)"
[ "$(uname -m)" = x86_64 ] || skip "User Mode Linux is for x86-64"
case $1 in
*strongswan*) [ -x /usr/lib/ipsec/charon ] || skip "there is no charon (package strongswan-charon)" ;;
esac
if [ "${PEER_UNDER_TEST-racoon}" = racoon ] && [ ! -x "$RACOON_BUILD/sbin/racoon" ]; then
    skip "there is no racoon without sanitizers in $RACOON_BUILD (cmake --workflow --preset release makes one)"
fi
export RACOON_KERNEL=${RACOON_KERNEL:-xfrm}
exec "$root/tests/uml/run-in-uml" -t 580 -w "$root" -w "$RACOON_BUILD" bash "$@"
