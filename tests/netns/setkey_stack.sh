#!/bin/bash
# setkey with kernel-userspace: an ordinary setkey.conf, with nothing said of which stack it is for. First the policies
# come from it, and racoon negotiates for them; then SAs by hand, without a word between the daemons.
. "$(dirname "$0")/begin.sh"
[ "$kernel" = userspace ] || skip "is of kernel-userspace"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"

setkey() { on "$1" "$racoon_home/sbin/setkey" "${@:2}"; }
# has HOST OPTION TEXT: what setkey OPTION shows has that text
has() { setkey "$1" "$2" >"$work/shown" && grep -qF -- "$3" "$work/shown" || { sed 's/^/    /' "$work/shown"; false; }; }
lacks() { ! has "$@" >/dev/null; }
ask() { enter l ping -n -q -c 10 -i 0.05 -W 2 -p $pattern -I "$1" "$2" | grep -q ' 10 received'; }
rules_of() { { ip -n "$1" rule; ip -n "$1" -6 rule; } | grep -c 'proto 114'; }

for host in l r; do
    racoon_configure $host policies= families=4
    addresses $host 4
    cat >"$work/$host/setkey.conf" <<CONF
#!$racoon_home/sbin/setkey -f
flush;
spdflush;
spdadd $own_net $peer_net any -P out prio def + 10 ipsec esp/tunnel/$own-$peer/unique;
spdadd $peer_net $own_net any -P in prio def + 10 ipsec esp/tunnel/$peer-$own/unique;
spdadd $own_net 172.16.9.0/24 any -P out none;
CONF
    chmod +x "$work/$host/setkey.conf"
done
start_both
bare=$(rules_of l)
check "an empty SAD has its text" has l -D "No SAD entries."
check "an empty SPD has its text" has l -DP "No SPD entries."

# --- policies by setkey, SAs by racoon ---

for host in l r; do
    check "a boot script runs on $host" on $host "$work/$host/setkey.conf" 2>"$work/err"
    equal "and says nothing" "$(cat "$work/err")" ""
done
check "policy: selector" has l -DP "192.168.1.0/24[any] 192.168.2.0/24[any] any"
check "policy: priority and action" has l -DP "	out prio def + 10 ipsec"
check "policy: rule, with a request id of its own" has l -DP "	esp/tunnel/10.9.0.1-10.9.0.2/unique#16384"
check "policy: in means fwd, too" has l -DP "	fwd prio def + 10 ipsec"
check "policy: when it came" has l -DP "	created: $(LC_ALL=C date '+%b %e')"
check "no policy is a socket's" lacks l -DP "per-socket"
at_least "rules of routing for them" "$(($(rules_of l) - bare))" 2
capture_start "$work/wire.pcap" || exit 1
check "a ping makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
check "10 pings from l" ask 192.168.1.1 192.168.2.1
check "and from r" ping_all r 192.168.2.1 192.168.1.1 5
capture_stop
at_least "ESP packets" "$(capture_count "$work/wire.pcap" esp)" 30
equal "packets in the clear" "$(capture_count "$work/wire.pcap" plain)" 0
setkey l -D >"$work/sad"
spis() { grep -oE 'spi=[0-9]+' | sort | tr '\n' ' '; }
equal "setkey -D has the SAs that racoonctl shows" "$(spis <"$work/sad")" "$(racoon_spis l)"
check "SA: its ends" grep -qx '10\.9\.0\.1 10\.9\.0\.2 ' "$work/sad"
check "SA: protocol, mode, request id" grep -qE '^	esp mode=tunnel spi=[0-9]+\(0x[0-9a-f]{8}\) reqid=16384\(0x00004000\)$' "$work/sad"
check "SA: encryption, with no key" grep -qx '	E: aes-cbc ' "$work/sad"
check "SA: authentication, with no key" grep -qx '	A: hmac-sha256 ' "$work/sad"
check "SA: state" grep -q 'state=mature$' "$work/sad"
check "SA: lifetimes" grep -qE 'hard: 3600\(s\)	soft: [0-9]+\(s\)' "$work/sad"
check "SA: when it was used last" grep -qE "^	last: $(LC_ALL=C date '+%b %e')" "$work/sad"
check "SA: packets" grep -qE '^	allocated: (1[6-9]|[2-9][0-9])	' "$work/sad"
check "SA: bytes" grep -qE '^	current: [1-9][0-9]{3}\(bytes\)' "$work/sad"
spi=$(grep -A1 '^10\.9\.0\.1 ' "$work/sad" | grep -oE 'spi=[0-9]+' | head -1)
check "get" eval 'echo "get 10.9.0.1 10.9.0.2 esp ${spi#*=};" | setkey l -c | grep -q "$spi("'

check "policy: when it was used last" has l -DP "  lastused: $(LC_ALL=C date '+%b %e')"

# --- as a kernel answers ---

answers() { # COMMANDS TEXT: it refuses them so
    setkey l -c <<<"$1" >"$work/shown" 2>&1
    grep -qF -- "$2" "$work/shown" || { cat "$work/shown"; return 1; }
}
check "a policy that is there" answers 'spdadd 192.168.1.0/24 192.168.2.0/24 any -P out none;' "File exists; there is a policy for this traffic"
check "one that is not there" answers 'spddelete 192.168.1.0/24 192.168.9.0/24 any -P out;' "there is no such policy"
check "an SA that is not there" answers 'delete 10.9.0.1 10.9.0.2 esp 0x1077;' "No such process; there is no such SA"
check "an algorithm that is not there" answers 'add 10.9.0.1 10.9.0.2 esp 0x1078 -E des-cbc "12345678";' "Function not implemented; the stack has no such algorithm"
check "getspi" answers 'getspi 10.9.0.2 10.9.0.1 esp 0x3000;' "spi=12288(0x00003000)"
check "a larval SA is shown" has l -D "state=larval"
refute "a user may speak to the socket" on l setpriv --reuid 65534 --clear-groups "$racoon_home/sbin/setkey" -D 2>/dev/null
check "--socket names it" eval 'setkey l --socket /run/racoon/stack.sock -D | grep -q state=mature'
equal "garbage does no harm" "$(on l python3 - <<'PY'
import socket, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("/run/racoon/stack.sock")
answers = 0
for size in (1, 15, 16, 17, 24, 64, 4096, 40000):
    s.send(bytes([2, 3, 0, 3, size // 8 & 255, size // 8 >> 8]) [:size] + os.urandom(max(0, size - 6)))
    answers += size >= 16 and len(s.recv(65536)) == 16
print(answers)
PY
)" 6

check "update of an SA of racoon's" answers "update 10.9.0.1 10.9.0.2 esp ${spi#*=} -E null -A hmac-md5 \"1234567890123456\";" "racoon has negotiated this SA"

# --- what racoon hears of it ---

racoon_pairs_before=$(racoon_pairs l)
check "deleteall takes SAs of racoon's" setkey l -c <<<'deleteall 10.9.0.1 10.9.0.2 esp;'
check "which notices" wait_until 10 eval '[ "$(racoon_spis l | wc -w)" -le 1 ]'
check "flush takes the rest" setkey l -F
check "and racoon has none" wait_until 10 eval '[ -z "$(racoon_spis l)" ]'
setkey r -F
check "a ping brings up others" ping_once l 192.168.1.1 192.168.2.1
at_least "negotiated anew" "$(($(racoon_pairs l) - racoon_pairs_before))" 1
for host in l r; do check "setkey -FP on $host" setkey $host -FP; done
check "none is left" has l -DP "No SPD entries."
check "racoon has noticed" wait_line "$(log_of l)" ' 0 are served' 10
equal "rules of routing left" "$(rules_of l)" "$bare"
capture_start "$work/clear.pcap" || exit 1
check "now a ping goes in the clear" ping_all l 192.168.1.1 192.168.2.1 2
capture_stop
equal "ESP packets" "$(capture_count "$work/clear.pcap" esp)" 0
for host in l r; do setkey $host -F; done

# --- all by hand ---

negotiated=$(racoon_pairs l)
: >"$work/watched"
on_background l "$racoon_home/sbin/setkey" -x >"$work/watched" 2>&1
watcher=$!
sleep 0.5
for host in l r; do
    addresses $host 4
    cat >"$work/$host/manual.conf" <<CONF
add 10.9.0.1 10.9.0.2 esp 0x1001 -m tunnel -u 7 -E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-sha1 "this is the test key";
add 10.9.0.2 10.9.0.1 esp 0x1002 -m tunnel -u 7 -E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-sha1 "this is the test key";
add 10.9.0.1 10.9.0.2 ah 0x1003 -A hmac-md5 "1234567890123456";
add 10.9.0.2 10.9.0.1 ah 0x1004 -A hmac-md5 "1234567890123456";
spdadd $own_net $peer_net any -P out ipsec esp/tunnel/$own-$peer/unique:7;
spdadd $peer_net $own_net any -P in ipsec esp/tunnel/$peer-$own/unique:7;
spdadd $own $peer icmp -P out ipsec ah/transport//require;
spdadd $peer $own icmp -P in ipsec ah/transport//require;
CONF
    check "setkey -f on $host" setkey $host -f "$work/$host/manual.conf" 2>"$work/err"
    equal "and says nothing" "$(cat "$work/err")" ""
done
capture_start "$work/manual.pcap" || exit 1
check "a ping through ESP, both ways" ask 192.168.1.1 192.168.2.1
check "a ping through AH" ping_all l 10.9.0.1 10.9.0.2 5
capture_stop
equal "ESP packets" "$(capture_count "$work/manual.pcap" esp)" 20
equal "IKE packets" "$(capture_count "$work/manual.pcap" isakmp)" 0
refute "the ping's payload is readable" capture_holds "$work/manual.pcap" $pattern
check "they were counted" has l -D "	allocated: 10"
check "with their request id" has l -D "spi=4097(0x00001001) reqid=7(0x00000007)"
check "AH, too" has l -D "	ah mode=transport spi=4099(0x00001003)"
check "no key is shown" lacks l -D "00010203"
equal "negotiated" "$(($(racoon_pairs l) - negotiated))" 0
check "one that is there" answers 'add 10.9.0.1 10.9.0.2 esp 0x1001 -E null -A hmac-md5 "1234567890123456";' "File exists; there is an SA"
check "a peer that begins with 1 again is no replay" setkey r -c <<'END'
delete 10.9.0.2 10.9.0.1 esp 0x1002;
add 10.9.0.2 10.9.0.1 esp 0x1002 -m tunnel -u 7 -E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-sha1 "this is the test key";
END
check "pings go on" ask 192.168.1.1 192.168.2.1
check "spdupdate" setkey l -c <<<'spdupdate 192.168.1.0/24 192.168.2.0/24 any -P out discard;'
check "changes it" has l -DP "	out prio def discard"
refute "nothing goes any more" ask 192.168.1.1 192.168.2.1
check "an SA that ends by its lifetime" setkey l -c <<<'add 10.9.0.1 10.9.0.2 esp 0x1009 -lh 2 -ls 1 -E null -A hmac-md5 "1234567890123456";'
check "delete" setkey l -c <<<'delete 10.9.0.1 10.9.0.2 ah 0x1003;'
check "it is gone" lacks l -D "0x00001003"
check "the other is gone, too" wait_until 10 lacks l -D "0x00001009"
wait_until 10 grep -qF "(expire)" "$work/watched"
stop_process $watcher
for event in add delete expire spdadd spdupdate; do
    check "-x shows $event" grep -qE "type=[0-9]+\($event\)" "$work/watched"
done
refute "-x shows a key" grep -q '0001 *0203' "$work/watched"
stop_process "$pid_l"
equal "racoon on l ends orderly, status" $? 0
refute "the socket is gone" on l test -e /run/racoon/stack.sock
equal "rules of routing at the end" "$(rules_of l)" 0
check "setkey says that nobody listens" eval 'setkey l --kernel userspace -D 2>&1 | grep -q "no daemon with a stack of its own listens at /run/racoon/stack.sock"'

# --- after a crash ---

check "racoon starts on l" racoon_start l && pid_l=$racoon_pid
check "setkey -f" setkey l -f "$work/l/setkey.conf"
stop_process "$pid_l" KILL
at_least "rules of routing left by a crash" "$(rules_of l)" 1
check "racoon starts after it" racoon_start l && pid_l=$racoon_pid
equal "rules of routing" "$(rules_of l)" "$bare"
check "the socket is its own" has l -DP "No SPD entries."
stop_process "$pid_l"
stop_process "$pid_r"
finish
