#!/bin/bash
# quickstart.sh root|user: the quickstart on a copy of what was built, owned by who runs it; it must end with
# status 0, show the table and the counted packets, and leave no process, interface, namespace or file.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
[ "$(id -u)" = 0 ] || skip "changing to root or to an ordinary user needs root"
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
[ -x "$RACOON_BUILD/sbin/racoon" ] || skip "there is no racoon in $RACOON_BUILD"
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/build/release" "$copy/tests" "$copy/tmp"
cp -r "$root/packaging" "$copy"
cp -r "$root/tests/support" "$copy/tests"
cp -r "$RACOON_BUILD/sbin" "$RACOON_BUILD/lib" "$copy/build/release"
as=()
if [ "$1" = user ]; then
    chown -R nobody "$copy"
    chmod 755 "$copy"
    as=(setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs)
    "${as[@]}" unshare --map-root-user true 2>/dev/null || skip "this kernel gives ordinary users no user namespaces"
fi
state() { ip -o link | cut -d: -f2; ip netns list; ls /run; ls "$copy/tmp"; }
before=$(state)
started=$SECONDS
TMPDIR=$copy/tmp "${as[@]}" bash "$copy/packaging/quickstart" --no-build >"$copy/out" 2>&1
equal "exit status as $1" $? 0
at_least "seconds left of two minutes" $((120 - (SECONDS - started))) 0
sed 's/^/      /' "$copy/out"
check "it names the backend" grep -qE 'with kernel-(xfrm|userspace) because' "$copy/out"
check "it shows the negotiated SAs" grep -qE '[0-9a-f]{16}:[0-9a-f]{16}' "$copy/out"
check "the control: without racoon the payload is readable" grep -q 'without racoon: .* readable: yes' "$copy/out"
check "with it, it is not" grep -qE 'IKE, [0-9]+ of ESP, 0 of anything else; .* readable: no' "$copy/out"
equal "what is left behind" "$(diff <(echo "$before") <(state))" ""
cases_end
