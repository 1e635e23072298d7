#!/bin/bash
# setkey on a real kernel: what it installs carries traffic, is dumped as scripts read it, and goes again.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
setkey=$RACOON_BUILD/sbin/setkey
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
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
echo 'flush esp;' | "$setkey" -v -c >"$folder/out"
sleep 1
kill "$watcher"
check "-v shows messages" has "type=9(flush)" "$folder/out"
check "-x shows those of others" has "type=9(flush)" "$folder/watched"
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
