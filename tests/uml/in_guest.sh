#!/bin/bash
# in_guest.sh SCRIPT [ARGUMENT...]: runs a test script in a guest, with kernel-xfrm unless RACOON_KERNEL names another.
# The guest sees the sources and the build tree where they are, whatever hides them there (/tmp), and its clock counts as
# in the host. RACOON_GUEST_TIME: seconds (580). RACOON_GUEST_OPTIONS: more options of run-in-uml.
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
# Without a C compiler the tests are only slower.
enter=$RACOON_BUILD/enter
if [ "$enter" -nt "$root/tests/support/enter.c" ] || cc -static -O1 -o "$enter" "$root/tests/support/enter.c" 2>/dev/null; then
    export RACOON_ENTER=$enter
fi
export RACOON_KERNEL=${RACOON_KERNEL:-xfrm}
eval "options=(${RACOON_GUEST_OPTIONS-})"
exec "$root/tests/uml/run-in-uml" -t "${RACOON_GUEST_TIME:-580}" -w "$root" -w "$RACOON_BUILD" \
    ${options[@]+"${options[@]}"} bash "$@"
