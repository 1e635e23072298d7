#!/bin/bash
# A ping makes two racoons negotiate; IPv4 and IPv6, from either end; on the wire there is only IKE and ESP;
# when one end is shut down, its deletes take the other end's SAs away.
. "$(dirname "$0")/begin.sh"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"

suite=()
# Both are in the file, and only the other can come about.
[ "$kernel" != pfkey ] || suite=(esp_auth="hmac_sha256, hmac_sha1")
for host in l r; do racoon_configure $host kernel="$kernel" "${suite[@]}"; done
capture_start "$work/wire.pcap" || exit 1
start_both
ask() { enter l ping -n -q -c 10 -i 0.05 -W 2 -p $pattern -I "$1" "$2" | grep -q ' 10 received'; }

for family in 4 6; do
    addresses l $family
    check "IPv$family: the first packet makes l negotiate" ping_once l $own_inner $peer_inner
    check "IPv$family: 10 pings from l" ask $own_inner $peer_inner
    check "IPv$family: 10 pings from r" ping_all r $peer_inner $own_inner 10
    check "IPv$family: one ISAKMP SA on l" wait_line "$(log_of l)" "ISAKMP-SA established ${own//./\\.}\[" 5
    check "IPv$family: the same on r" wait_line "$(log_of r)" "ISAKMP-SA established ${peer//./\\.}\[" 5
done
check "packets larger than the link pass" enter l ping -n -q -c 2 -i 0.1 -W 2 -s 3000 -I 192.168.1.1 192.168.2.1
capture_stop
for kind in all isakmp esp link plain; do
    note "$kind packets on the wire: $(capture_count "$work/wire.pcap" $kind)"
done
# (pairs of) main mode's six packets and quick mode's three
at_least "IKE packets" "$(capture_count "$work/wire.pcap" isakmp)" 18
at_least "ESP packets" "$(capture_count "$work/wire.pcap" esp)" 80
equal "packets in the clear" "$(capture_count "$work/wire.pcap" plain)" 0
refute "the ping's payload is readable" capture_holds "$work/wire.pcap" $pattern

for host in l r; do
    racoon_ctl $host show-sa isakmp >"$work/isakmp.$host"
    racoon_ctl $host show-sa ipsec >"$work/ipsec.$host"
    sed "s/^/      $host: /" "$work/isakmp.$host" "$work/ipsec.$host"
done
equal "ISAKMP SAs on l" "$(grep -c ':' <(tail -n +2 "$work/isakmp.l"))" 2
cookies() { grep -oE '[0-9a-f]{16}:[0-9a-f]{16}' "$1" | sort; }
equal "both ends name the same ISAKMP SAs" "$(cookies "$work/isakmp.l" | tr '\n' ' ')" "$(cookies "$work/isakmp.r" | tr '\n' ' ')"
same_spis() { [ "$(racoon_spis l)" = "$(racoon_spis r)" ]; }
check "both ends hold the same SPIs" wait_until 20 same_spis
# Where both ends began at once there is a second pair for a while, until it is settled which one stays.
two_tunnels() { [ "$(racoon_spis l | wc -w)" = 4 ] && [ "$(racoon_spis l)" = "$(racoon_spis r)" ]; }
check "two SAs for each tunnel" wait_until 90 two_tunnels

stop_process "$pid_l"
equal "racoon on l ends orderly, status" $? 0
no_sas() { [ -z "$(racoon_spis r)" ] && [ -z "$(racoon_ctl r show-sa isakmp | cookies /dev/stdin)" ]; }
check "its deletes took the SAs of r away" wait_until 10 no_sas
check "r's log tells so" wait_line "$(log_of r)" 'purged IPsec-SA|ISAKMP-SA deleted' 5
stop_process "$pid_r"
equal "racoon on r ends orderly, status" $? 0

# As a service is started: whoever comes after the command that returned may rely on it.
rm -f "$(log_of l)"
for host in l r; do
    check "racoon starts in the background on $host" racoon_daemon $host
    eval "pid_$host=$racoon_pid"
done
if [ "$kernel" != userspace ]; then # Linux drops packets while an SA is being negotiated
    enter l ping -n -q -c 1 -W 1 -I 192.168.1.1 192.168.2.1 >/dev/null
    check "the first packet already made them negotiate" wait_line "$(log_of l)" 'IPsec-SA established' 10
else
    check "the first packet already gets its answer" enter l ping -n -q -c 1 -W 10 -I 192.168.1.1 192.168.2.1
fi
check "racoonctl shutdown ends it" racoon_ctl l shutdown
check "and it is gone" wait_until 10 process_gone "$pid_l"
stop_process "$pid_r"
check "both removed their control sockets" test ! -e "$work/l/racoon/racoon.sock" -a ! -e "$work/r/racoon/racoon.sock"

left() { ip -n "$1" xfrm state; ip -n "$1" xfrm policy | grep -v socket; ip -n "$1" -o link | grep -vE ': (lo|v[lr]@)'; }
for host in l r; do
    equal "left behind in the kernel of $host" "$(left $host | head -c 300)" ""
done
finish
