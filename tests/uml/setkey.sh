#!/bin/bash
# setkey.sh pfkey|xfrm: setkey on a real kernel, by this way to it. What it installs carries traffic, is dumped as
# scripts read it, and goes again. What the other way shows of the same SAs and policies is the same.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
way=${1:-xfrm}
other_way=$([ "$way" = xfrm ] && echo pfkey || echo xfrm)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
# As a program: the first line of a script names it.
setkey=$folder/setkey by_other=$folder/setkey_by_other
printf '#!/bin/sh\nexec %s --kernel %s "$@"\n' "$RACOON_BUILD/sbin/setkey" "$way" >"$setkey"
printf '#!/bin/sh\nexec %s --kernel %s "$@"\n' "$RACOON_BUILD/sbin/setkey" "$other_way" >"$by_other"
chmod +x "$setkey" "$by_other"
has() { grep -qF -- "$1" "$2" || { echo "missing: $1"; cat "$2"; return 1; }; }
hasnt() { ! grep -qF -- "$1" "$2" || { echo "should not be there: $1"; cat "$2"; return 1; }; }

"$setkey" -D >"$folder/out"; check "an empty SAD has a text" has "No SAD entries." "$folder/out"
"$setkey" -DP >"$folder/out"; check "an empty SPD has a text" has "No SPD entries." "$folder/out"

# A boot script, run by its first line.
cat >"$folder/boot" <<END
#!$setkey -f
flush;
spdflush;
add 10.7.0.1 10.7.0.2 esp 0x1001 -m transport -u 7 -lh 3600 -ls 2880
	-E aes-cbc 0x000102030405060708090a0b0c0d0e0f
	-A hmac-sha1 "this is the test key";	# a comment
add 10.7.0.2 10.7.0.1 esp 0x1002 -m transport -u 7
	-E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-sha1 "this is the test key";
add 10.7.0.1 10.7.0.2 ah 0x1003 -A hmac-md5 "1234567890123456";
add 10.7.0.1 10.7.0.2 ipcomp 0x200 -C deflate;
spdadd 10.7.0.1 10.7.0.2 any -P out prio def + 10 ipsec esp/transport//unique:7;
spdadd 10.7.0.2 10.7.0.1 any -P in ipsec esp/transport//unique:7;
spdadd fd07::/64 fd08::/64[80] tcp -P out ipsec esp/tunnel/fd09::1-fd09::2/require;
END
chmod +x "$folder/boot"
"$folder/boot" 2>"$folder/err"; equal "a boot script runs" $? 0
check "and says nothing" test ! -s "$folder/err" || cat "$folder/err"
"$setkey" -D >"$folder/sad"
check "SA: protocol, mode, SPI, request id" has "	esp mode=transport spi=4097(0x00001001) reqid=7(0x00000007)" "$folder/sad"
check "SA: encryption key" has "	E: aes-cbc  00010203 04050607 08090a0b 0c0d0e0f" "$folder/sad"
check "SA: authentication key" has "	A: hmac-sha1  74686973 20697320 74686520 74657374 206b6579" "$folder/sad"
check "SA: lifetimes" has "hard: 3600(s)	soft: 2880(s)" "$folder/sad"
check "SA: compression" has "	C: deflate" "$folder/sad"
check "SA: state" has "state=mature" "$folder/sad"
"$setkey" -DP >"$folder/spd"
check "policy: selector" has "10.7.0.1[any] 10.7.0.2[any] any" "$folder/spd"
check "policy: priority" has "	out prio def + 10 ipsec" "$folder/spd"
check "policy: rule" has "	esp/transport//unique:7" "$folder/spd"
check "policy: in means fwd, too" has "	fwd prio def ipsec" "$folder/spd"
check "policy: IPv6, a tunnel" has "	esp/tunnel/fd09::1-fd09::2/require" "$folder/spd"
check "policy: prefix and port" has "fd07::/64[any] fd08::/64[80] tcp" "$folder/spd"
ip xfrm state >"$folder/ip"
check "another tool sees the same SA" has "proto esp spi 0x00001001 reqid 7 mode transport" "$folder/ip"

# Traffic between two namespaces through what was set up by hand.
ip netns add other && ip link add v0 type veth peer name v1 netns other
ip addr add 10.7.0.1/24 dev v0 && ip link set v0 up
ip -n other addr add 10.7.0.2/24 dev v1 && ip -n other link set v1 up && ip -n other link set lo up
sed -e 's/10\.7\.0\.1 10\.7\.0\.2 any -P out/10.7.0.1 10.7.0.2 any -P XX/; s/10\.7\.0\.2 10\.7\.0\.1 any -P in/10.7.0.2 10.7.0.1 any -P out/; s/-P XX/-P in/' \
    "$folder/boot" >"$folder/other"
ip netns exec other "$setkey" -f "$folder/other" || failed "setkey -f on the other host"
check "a ping goes through" ping -q -c 3 -i 0.2 -W 3 10.7.0.2
"$setkey" -D >"$folder/sad"
check "and was counted" has "	allocated: 3" "$folder/sad"

# Two ways to one kernel: whichever installed something, both show the same of it. What changes by itself is left out, and
# how often a policy is referred to, which netlink does not tell.
normal() {
    sed -E 's/ pid=[0-9]+//; s/refcnt=[0-9]+//; s/(created: .*)\tcurrent: .*/\1/; s/diff: [0-9]+\(s\)//; s/allocated: [0-9]+//' "$1"
}
# both_show WHAT OPTION
both_show() {
    "$setkey" "$2" >"$folder/one" && "$by_other" "$2" >"$folder/two" || failed "$1: a dump failed"
    check "$1 has something to show" [ "$(wc -l <"$folder/one")" -gt 20 ]
    if [ "$(normal "$folder/one")" = "$(normal "$folder/two")" ]; then pass "$1"; else
        failed "$1"
        diff <(normal "$folder/one") <(normal "$folder/two")
    fi
}
# Times of creation, and numbers that the kernel gives, are another's.
timeless() { normal "$1" | sed -E 's/created: .*//; s/spid=[0-9]+//; s/unique#[0-9]+/unique#/'; }
key=0x000102030405060708090a0b0c0d0e0f
both_show "$way and $other_way show the same SAs" -D
both_show "$way and $other_way show the same policies" -DP
cat >"$folder/many" <<END
flush; spdflush;
add 10.5.0.1 10.5.0.2 esp 0x501 -m tunnel -r 4 -u 9 -lh 3600 -ls 2880 -bh 1000000 -bs 800000 -E aes-cbc $key -A hmac-md5 $key;
add 10.5.0.1 10.5.0.2 esp 0x502 -m transport -r 32 -E aes-cbc ${key}0001020304050607 -A hmac-sha1 ${key}00010203;
add 10.5.0.1 10.5.0.2 esp 0x503 -E 3des-cbc 0x0123456789abcdeffedcba98765432100112233445566778 -A hmac-sha256 $key${key#0x};
add 10.5.0.1 10.5.0.2 esp 0x504 -E des-cbc 0x0123456789abcdef -A hmac-sha384 $key${key#0x}${key#0x};
add 10.5.0.1 10.5.0.2 esp 0x505 -E blowfish-cbc $key -A hmac-sha512 $key${key#0x}${key#0x}${key#0x};
add 10.5.0.1 10.5.0.2 esp 0x506 -E cast128-cbc $key -A aes-xcbc-mac $key;
add 10.5.0.1 10.5.0.2 esp 0x507 -E camellia-cbc $key -A null;
add 10.5.0.1 10.5.0.2 esp 0x508 -E aes-ctr ${key}00010203;
add 10.5.0.1 10.5.0.2 esp 0x509 -E null -A hmac-sha1 ${key}00010203;
add 10.5.0.1 10.5.0.2 ah 0x50a -m tunnel -A hmac-sha256 $key${key#0x};
add fd05::1 fd05::2 ah 0x50b -A hmac-md5 $key;
add fd05::1 fd05::2 esp 0x50c -m tunnel -E aes-cbc $key -A hmac-sha1 ${key}00010203;
add 10.5.0.1 10.5.0.2 ipcomp 0x50d -C deflate;
add 10.5.0.1[4500] 10.5.0.2[61000] esp-udp 0x50e -E aes-cbc $key -A hmac-sha1 ${key}00010203;
getspi 10.5.0.1 10.5.0.2 esp 0x50f -m tunnel -u 3;
update 10.5.0.1 10.5.0.2 esp 0x502 -u 11 -m transport -E aes-cbc $key -A hmac-sha1 ${key}00010203;
spdadd 10.5.0.1 10.5.0.2 any -P out prio low - 5 ipsec ipcomp/transport//use esp/transport//require;
spdadd 10.5.0.0/16 10.6.0.0/16[80] tcp -P out prio high ipsec esp/tunnel/10.5.0.1-10.5.0.2/unique:8;
spdadd 10.6.0.0/16[80] 10.5.0.0/16 tcp -P in ipsec esp/tunnel/10.5.0.2-10.5.0.1/unique;
spdadd 10.5.0.1[500] 10.5.0.2[500] udp -P out none;
spdadd 10.5.0.1 10.5.0.3 icmp 8,0 -P out discard;
spdadd 10.5.0.1 10.5.0.3 gre 1.2.3.4 -P out discard;
spdadd ::/0 fd00::/8 icmp6 135,0 -P in prio 77 none;
spdadd 10.5.0.1 10.5.0.4 any -P fwd discard;
spdadd fd05::/64 fd06::/64 any -P out ipsec esp/tunnel/10.5.0.1-10.5.0.2/default ah/tunnel/10.5.0.1-10.5.0.2/require;
spdupdate 10.5.0.1[500] 10.5.0.2[500] udp -P out prio 3 discard;
END
for by in "$setkey" "$by_other"; do
    "$by" -f "$folder/many" >"$folder/said.$(basename "$by")" 2>&1
    name=$([ "$by" = "$setkey" ] && echo "$way" || echo "$other_way")
    both_show "what $name installs, SAs" -D
    timeless "$folder/one" >"$folder/sas.$(basename "$by")"
    both_show "what $name installs, policies" -DP
    timeless "$folder/one" >"$folder/policies.$(basename "$by")"
done
check "SAs: all are there" [ "$(grep -c ' mode=' "$folder/sas.setkey")" = 15 ]
check "policies: all are there" [ "$(grep -c ' prio ' "$folder/policies.setkey")" = 11 ]
check "both ways install the same SAs" diff "$folder/sas.setkey" "$folder/sas.setkey_by_other"
check "both ways install the same policies" diff "$folder/policies.setkey" "$folder/policies.setkey_by_other"
check "and say the same meanwhile" diff <(timeless "$folder/said.setkey" | sed 's/^[^:]*: //; s/sadb_seq=[0-9]*//') \
    <(timeless "$folder/said.setkey_by_other" | sed 's/^[^:]*: //; s/sadb_seq=[0-9]*//')

# A refusal has one text, whichever way it came.
cat >"$folder/refused" <<END
add 10.5.0.1 10.5.0.2 esp 0x501 -E aes-cbc $key;
add 10.5.0.1 10.5.0.2 esp 0x601 -E twofish-cbc $key;
add 10.5.0.1 10.5.0.2 esp 0x601 -E aes-cbc $key -A keyed-md5 $key;
add 10.5.0.1 10.5.0.2 tcp 0x1000 -A tcp-md5 "secret";
update 10.5.0.1 10.5.0.2 esp 0x601 -E aes-cbc $key;
get 10.5.0.1 10.5.0.2 esp 0x601;
delete 10.5.0.1 10.5.0.2 esp 0x601;
getspi 10.5.0.1 10.5.0.2 esp 0x501;
spdadd 10.5.0.1 10.5.0.4 any -P fwd discard;
spddelete 10.5.0.1 10.5.0.99 any -P out;
spdadd 10.5.0.1 10.5.0.98 any -P out bypass;
END
for by in "$setkey" "$by_other"; do
    "$by" -f "$folder/refused" 2>&1 | sed 's/^[^:]*: //' >"$folder/said.$(basename "$by")"
done
equal "each refusal is told" "$(wc -l <"$folder/said.setkey")" 11
check "and in the same words" diff "$folder/said.setkey" "$folder/said.setkey_by_other"

# A socket's own policy.
python3 -c 'import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(0, 16, struct.pack("HHHBBII", 2, 18, 4, 2, 0, 0, 0))  # IP_IPSEC_POLICY: out bypass
time.sleep(60)' & holder=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do ip xfrm policy | grep -q "^ *socket" && break; sleep 0.5; done
both_show "policies of sockets, too" -DP
check "and what they are" has "(per-socket policy) " "$folder/one"
check "with their direction" has "	out(socket) " "$folder/one"
"$setkey" -DPN >"$folder/out"
check "-N leaves them out" hasnt "(per-socket" "$folder/out"
check "and counts them" has "1 per-socket policies are not shown." "$folder/out"
kill "$holder"

# What PF_KEY has no words for.
if [ "$way" = xfrm ]; then
    "$setkey" -F; "$setkey" -FP
    ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x901 mode tunnel mark 0x5 mask 0xff if_id 7 \
        aead 'rfc4106(gcm(aes))' ${key}00010203 128 replay-window 128 flag esn output-mark 0x9
    ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x902 mode transport enc 'cbc(aes)' $key \
        auth-trunc 'hmac(sha256)' $key${key#0x} 128 sel src 10.9.0.1 dst 10.9.0.2 proto tcp dport 80
    ip xfrm policy add src 10.9.0.0/24 dst 10.8.0.0/24 proto tcp sport 8 dev lo dir out mark 6 mask 0xf if_id 7 \
        tmpl src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x901 mode tunnel
    "$setkey" -D >"$folder/sad"; "$setkey" -DP >"$folder/spd"
    check "a combined algorithm" has "	E: aes-gcm-16  00010203 04050607 08090a0b 0c0d0e0f 00010203" "$folder/sad"
    check "a large window" has "replay=128 " "$folder/sad"
    check "ESN, marks, if_id" has "	beyond PF_KEY: esn mark=0x5/0xff if_id=0x7 output_mark=0x9/0xffffffff" "$folder/sad"
    check "SHA2-256 as RFC 4868 has it" has "	A: hmac-sha256-128  00010203" "$folder/sad"
    check "an SA's selector" has "	beyond PF_KEY: selector=10.9.0.1-10.9.0.2[80]/6" "$folder/sad"
    check "a policy's device, mark, if_id and SPI" has \
        "	beyond PF_KEY: rule1:spi=0x00000901 dev=lo mark=0x6/0xf if_id=0x7" "$folder/spd"
    "$by_other" -D >"$folder/sad"; check "PF_KEY shows nothing of it" hasnt "aes-gcm" "$folder/sad"
    echo 'get 10.9.0.1 10.9.0.2 esp 0x901;' | "$setkey" -c >"$folder/out"
    check "an SA with a mark is found" has "spi=2305(0x00000901)" "$folder/out"
    echo 'deleteall 10.9.0.1 10.9.0.2 esp;' | "$setkey" -c
    "$setkey" -D >"$folder/sad"; check "and removed" has "No SAD entries." "$folder/sad"
    echo "add 10.9.0.1 10.9.0.2 esp 0x903 -r 200 -E aes-cbc $key -A hmac-md5 $key;
        add 10.9.0.1 10.9.0.2 esp-udp 10.9.0.3 0x904 -E aes-cbc $key;" | "$setkey" -f -
    "$setkey" -D >"$folder/sad"; check "a window of its own size" has "replay=200 " "$folder/sad"
    check "the original address" has "	NAT OA=10.9.0.3" "$folder/sad"
fi
"$folder/boot"

# One by one.
echo 'get 10.7.0.1 10.7.0.2 esp 0x1001;' | "$setkey" -c >"$folder/out"
check "get" has "spi=4097(0x00001001)" "$folder/out"
"$setkey" -c >"$folder/out" 2>"$folder/err" <<END
delete 10.7.0.1 10.7.0.2 esp 0x1001;
delete 10.7.0.1 10.7.0.2 esp 0x1001;
deleteall 10.7.0.1 10.7.0.2 ah;
getspi 10.7.0.1 10.7.0.2 esp 0x3000;
spddelete 10.7.0.2 10.7.0.1 any -P in;
END
equal "-c ends with 0" $? 0
check "a refusal is told with its place" has "input:2:1: delete: No such process; there is no such SA" "$folder/err"
check "getspi" has "spi=12288(0x00003000)" "$folder/out"
"$setkey" -D >"$folder/sad"
check "delete" hasnt "0x00001001" "$folder/sad"
check "deleteall" hasnt "0x00001003" "$folder/sad"
check "deleteall leaves the others" has "0x00001002" "$folder/sad"
check "a larval SA is shown" has "state=larval" "$folder/sad"
"$setkey" -DP >"$folder/spd"
check "spddelete takes fwd with it" hasnt "fwd" "$folder/spd"
echo 'spdadd 10.7.0.1 10.7.0.2 any -P out discard;' | "$setkey" -f - 2>"$folder/err"
equal "a kernel's refusal leaves the status alone" $? 0
check "and says what to do" has "spdupdate replaces it" "$folder/err"
echo 'spdupdate 10.7.0.1 10.7.0.2 any -P out discard;' | "$setkey" -f -
"$setkey" -DP >"$folder/spd"; check "spdupdate" has "	out prio def discard" "$folder/spd"

# Typed commands: behind a mistake, and from one line to the next.
printf 'nonsense; spdadd 10.6.0.1 10.6.0.2\n any -P out none; spdadd 10.6.0.2 10.6.0.1 any -P out none;' |
    "$setkey" -c >"$folder/out" 2>&1
check "what is wrong is told with its place" has 'input:1:1: unknown command "nonsense"' "$folder/out"
"$setkey" -DP >"$folder/spd"
check "what follows it is carried out, over two lines" has "10.6.0.1[any] 10.6.0.2[any] any" "$folder/spd"
check "and to the end" has "10.6.0.2[any] 10.6.0.1[any] any" "$folder/spd"

# The short dump that repeats, until somebody ends it.
echo 'add 10.4.0.1 10.4.0.2 esp 0x4001 -lh 3600 -E aes-cbc 0x000102030405060708090a0b0c0d0e0f;' | "$setkey" -c
timeout 3 "$setkey" -Dl >"$folder/out"
check "-Dl has a head" has "time p      s spi      ltime   src -> dst" "$folder/out"
check "and a line for each SA" grep -qE '^ *[0-9]+ esp +[A-Z] 00004001 +3[0-9]{3} +10\.4\.0\.1 -> 10\.4\.0\.2' "$folder/out" ||
    cat "$folder/out"
check "again and again" [ "$(grep -c '^time' "$folder/out")" -ge 2 ]
echo 'delete 10.4.0.1 10.4.0.2 esp 0x4001;' | "$setkey" -c

# -k: as it is written.
echo 'spdadd 10.8.0.1 10.8.0.2 any -P in none;' | "$setkey" -k -f -
"$setkey" -DP >"$folder/spd"; check "-k installs no fwd" hasnt "	fwd" "$folder/spd"

# A mistake ends a file there, with what came before carried out.
printf 'spdadd 10.9.0.1 10.9.0.2 any -P out none;\nspdad;\nspdflush;\n' >"$folder/bad"
"$setkey" -f "$folder/bad" 2>"$folder/err"
equal "a mistake gives 1" $? 1
check "with file, line and column" has "bad:2:1: unknown command" "$folder/err"
"$setkey" -DP >"$folder/spd"; check "what came before is there" has "10.9.0.1" "$folder/spd"

"$setkey" -x >"$folder/watched" & watcher=$!
sleep 1
"$setkey" -c <<END
spdflush;
add 10.4.0.1 10.4.0.2 esp 0x4002 -lh 2 -ls 1 -E aes-cbc $key;
add 10.4.0.1 10.4.0.2 esp 0x4003 -E aes-cbc $key;
delete 10.4.0.1 10.4.0.2 esp 0x4003;
spdadd 10.4.0.1 10.4.0.2 any -P in none;
spdadd 10.7.0.1 10.7.0.9 any -P out ipsec esp/transport//unique:99;
spdupdate 10.7.0.1 10.7.0.9 any -P out ipsec esp/transport//unique:98;
END
ping -q -c 1 -W 1 10.7.0.9 >/dev/null
echo 'spddelete 10.7.0.1 10.7.0.9 any -P out;' | "$setkey" -c
sleep 2
echo 'flush esp;' | "$setkey" -v -c >"$folder/out"
sleep 1
kill "$watcher"
check "-v shows messages" has "type=9(flush)" "$folder/out"
check "-x shows those of others" has "type=9(flush)" "$folder/watched"
# The kernel asks only when somebody is there to answer: with netlink that is who listens, with PF_KEY who has registered.
acquire=$([ "$way" = xfrm ] && echo "6(acquire)" || echo "8(expire)")
for type in "3(add)" "4(delete)" "$acquire" "8(expire)" "14(spdadd)" "13(spdupdate)" "15(spddelete)" "19(spdflush)"; do
    check "-x shows type $type" has "type=$type" "$folder/watched"
done
# A file of messages as a socket carries them, here one FLUSH.
printf '\2\11\0\3\2\0\0\0\1\0\0\0\0\0\0\0' >"$folder/messages"
"$setkey" -H "$folder/messages" >"$folder/out"; equal "setkey FILE, status" $? 0
check "shows the messages of a file" has "type=9(flush) errno=0 satype=3" "$folder/out"
check "-H their bytes, too" has "0000: 02090003 02000000 01000000 00000000" "$folder/out"
printf '\2\11\0' >>"$folder/messages"
"$setkey" "$folder/messages" >"$folder/out" 2>"$folder/err"; equal "a file that breaks off, status" $? 1
check "with the place" has "messages: byte 16: " "$folder/err"
echo 'flush; dump esp;' | "$setkey" -n -f /dev/stdin >"$folder/out" 2>&1
equal "-f /dev/stdin reads a pipe, status" $? 0
"$setkey" -n -f "$folder/nowhere" 2>"$folder/out"
check "a file that is not there is named" has "$folder/nowhere: No such file" "$folder/out"
"$setkey" -n -F >"$folder/out" && "$setkey" -n -FP >>"$folder/out" && "$setkey" -n -D >>"$folder/out"
equal "-n says nothing" "$(cat "$folder/out")" ""
"$setkey" -D >"$folder/out"; check "-n -F removes nothing" hasnt "No SAD entries." "$folder/out"
"$setkey" -DP >"$folder/out"; check "-n -FP neither" hasnt "No SPD entries." "$folder/out"
"$setkey" -F && "$setkey" -FP
"$setkey" -D >"$folder/out"; check "-F" has "No SAD entries." "$folder/out"
"$setkey" -DP >"$folder/out"; check "-FP" has "No SPD entries." "$folder/out"
cases_end
