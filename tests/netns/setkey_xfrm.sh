#!/bin/bash
# setkey by netlink on this host's own kernel, in a network namespace: its policies, and what it says of SAs that the kernel
# cannot have. With neither ESP nor PF_KEY that is all there is, and all of it has to work.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
if [ -z "${IN_NAMESPACE-}" ]; then
    unshare -n true 2>/dev/null || skip "no network namespaces: not root"
    IN_NAMESPACE=1 exec unshare -n bash "$0" "$@"
fi
ip xfrm policy >/dev/null 2>&1 || skip "this kernel has no XFRM"
real=$RACOON_BUILD/sbin/setkey
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
setkey() { "$real" --kernel xfrm "$@"; }
has() { grep -qF -- "$1" "$2" || { echo "missing: $1"; cat "$2"; return 1; }; }

setkey -DP >"$folder/out"; check "an empty SPD has a text" has "No SPD entries." "$folder/out"
setkey -D >"$folder/out"; check "an empty SAD, too" has "No SAD entries." "$folder/out"
"$real" -DP >"$folder/out"; check "unasked it takes XFRM" has "No SPD entries." "$folder/out"
if [ ! -e /proc/net/pfkey ]; then
    "$real" --kernel pfkey -D 2>"$folder/err"; equal "a kernel without PF_KEY, status" $? 1
    check "and the remedy" has "this kernel has no PF_KEY: CONFIG_NET_KEY" "$folder/err"
fi
"$real" --kernel xfrm -x >"$folder/watched" & watcher=$! # not by the function, whose shell would be killed instead
# This namespace has no other socket that has joined a group of XFRM (protocol 6).
until_seen() { for _ in $(seq 100); do "$@" && return; sleep 0.1; done; }
until_seen awk '$2 == 6 && $4 !~ /^0+$/ { found = 1 } END { exit !found }' /proc/net/netlink
cat >"$folder/policies" <<'END'
spdadd 10.7.0.1 10.7.0.2 any -P out prio def + 10 ipsec esp/transport//unique:7;
spdadd 10.7.0.2 10.7.0.1 any -P in ipsec esp/transport//unique;
spdadd fd07::/64 fd08::/64[80] tcp -P out ipsec esp/tunnel/fd09::1-fd09::2/require;
spdadd 10.0.0.0/8 10.1.0.1 icmp 8,0 -P out discard;
spdadd 10.0.0.0/8 10.1.0.1 gre 1.2.3.4 -P fwd none;
END
setkey -f "$folder/policies" 2>"$folder/err"; check "policies are taken" test ! -s "$folder/err" || cat "$folder/err"
setkey -DP >"$folder/spd"
for text in "10.7.0.1[any] 10.7.0.2[any] any" "	out prio def + 10 ipsec" "	esp/transport//unique:7" "	fwd prio def ipsec" \
    "fd07::/64[any] fd08::/64[80] tcp" "	esp/tunnel/fd09::1-fd09::2/require" "10.0.0.0/8[any] 10.1.0.1[any] icmp 8,0" \
    "10.0.0.0/8[any] 10.1.0.1[any] gre 1.2.3.4" "	esp/transport//unique#16384"; do
    check "shown: ${text#	}" has "$text" "$folder/spd"
done
equal "as many as ip(8) knows" "$(grep -c "spid=" "$folder/spd")" "$(ip xfrm policy | grep -c '^src')"
ip xfrm policy >"$folder/ip"
check "ip(8) sees the rule" has "proto esp reqid 7 mode transport" "$folder/ip"
check "and the type of ICMP" has "proto icmp type 8" "$folder/ip"

setkey -f "$folder/policies" 2>"$folder/err"
equal "the same again is refused each time" "$(grep -c "spdupdate replaces it" "$folder/err")" 6
echo 'spdupdate 10.7.0.1 10.7.0.2 any -P out discard; spddelete 10.7.0.2 10.7.0.1 any -P in;
    spddelete 10.7.0.2 10.7.0.1 any -P out;' | setkey -f - 2>"$folder/err"
check "what is not there is told" has "spddelete: No such file or directory; there is no such policy" "$folder/err"
setkey -DP >"$folder/spd"
check "spdupdate" has "	out prio def discard" "$folder/spd"
equal "spddelete takes fwd with it" "$(grep -c '10.7.0.2.any. 10.7.0.1' "$folder/spd")" 0

ip xfrm policy add src 10.9.0.0/24 dst 10.8.0.0/24 proto tcp sport 8 dev lo dir out mark 6 mask 0xf if_id 7 \
    tmpl src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x901 mode tunnel
setkey -DP >"$folder/spd"
check "what PF_KEY has no words for" has \
    "	beyond PF_KEY: rule1:spi=0x00000901 dev=lo mark=0x6/0xf if_id=0x7" "$folder/spd"

# Seven rules are one more than the kernel takes.
rules=$(printf 'esp/tunnel/10.0.0.%s-10.1.0.1/require ' 1 2 3 4 5 6 7)
echo "spdadd 10.7.0.1 10.7.0.3 any -P out ipsec $rules;" | setkey -f - 2>"$folder/err"
check "too many rules are told" has "the kernel takes policies of up to 6 rules" "$folder/err"
echo 'add 10.7.0.1 10.7.0.2 esp 0x1001 -E aes-cbc "0123456789abcdef" -A keyed-md5 "0123456789abcdef";' |
    setkey -f - 2>"$folder/err"
check "an algorithm that Linux has not" has "this kernel has no such algorithm" "$folder/err"
echo 'add 10.7.0.1 10.7.0.2 esp 0x1001 -E null;' | setkey -f - 2>"$folder/err"
if [ -s "$folder/err" ]; then
    check "a kernel without ESP: the remedy" has "this kernel has no ESP: CONFIG_INET_ESP" "$folder/err"
fi
echo 'getspi 10.7.0.1 10.7.0.2 esp 0x1235; getspi 10.7.0.1 10.7.0.2 esp 0x1234;
    delete 10.7.0.1 10.7.0.2 esp 0x1234;' | setkey -f - >"$folder/out"
check "an SPI is reserved" has "spi=4660(0x00001234)" "$folder/out"
echo 'spdflush; getspi 10.7.0.1 10.7.0.2 esp 0x1236 -u 16384;
    spdadd 10.7.0.1 10.7.0.4 any -P out ipsec esp/transport//unique ah/transport//unique;' | setkey -f - >"$folder/out"
setkey -DP >"$folder/spd"
check "a request id that an SA has is not unique" has "	esp/transport//unique#16385" "$folder/spd"
check "and each rule has its own" has "	ah/transport//unique#16386" "$folder/spd"
setkey -FP; setkey -F
setkey -DP >"$folder/out"; check "-FP" has "No SPD entries." "$folder/out"
setkey -D >"$folder/out"; check "-F" has "No SAD entries." "$folder/out"
until_seen grep -qF "type=9(flush)" "$folder/watched"
kill "$watcher"
for type in "14(spdadd)" "13(spdupdate)" "15(spddelete)" "19(spdflush)" "9(flush)"; do
    check "-x has shown type $type" has "type=$type" "$folder/watched"
done
if command -v setpriv >/dev/null; then
    cp "$real" "$folder/setkey" && chmod 755 "$folder" "$folder/setkey"
    setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all "$folder/setkey" -D 2>"$folder/err"
    equal "without privilege, status" $? 1
    check "and what it takes" has "run it as root (CAP_NET_ADMIN)" "$folder/err"
fi
cases_end
