#!/bin/bash
# In the guest: if_id, mark and output_mark of racoon.conf, in what the kernel holds and in what it lets through.
# A VTI device marks its packets, so that they are the tunnel's while others are not; if_id is that of an XFRM
# interface, which this kernel may not have: then nothing but a packet through one would meet its policies.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up || exit 1
racoon_install || exit 1
finish() {
    local host
    [ $failures = 0 ] || for host in l r; do racoon_log $host; done
    cases_end
}
states() { ip -n "$1" xfrm state; }
policies() { ip -n "$1" xfrm policy | grep -v '^ *socket'; }
# per_sa HOST PATTERN: in how many of its SAs, or policies, a line matches
per_sa() { states "$1" | grep -cE "$2"; }
per_policy() { policies "$1" | grep -cE "$2"; }
other_spis() { local now; now=$(racoon_spis "$1"); [ -n "$now" ] && [ "$now" != "$2" ]; }
received() { ip -n "$1" -s link show "$2" | awk '/RX:/ {getline; print $2}'; }
nothing_left() { [ -z "$(states "$1")$(policies "$1")" ]; }
stop_both() {
    local host pid
    for host in l r; do
        pid=pid_$host
        stop_process "${!pid}"
        equal "$1: left in the kernel of $host" "$({ states $host; policies $host; } | head -c 300)" ""
    done
}

# --- marks, through a VTI device ---

for host in l r; do
    addresses $host
    ip -n $host link add vti1 type vti local "$own" remote "$peer" key 7 && ip -n $host link set vti1 up ||
        skip "this kernel has no VTI devices"
    ip -n $host route replace "$peer_net" dev vti1 src "$own_inner"
    racoon_configure $host kernel=xfrm families=4 phase2="20 sec" \
        sainfo="mark 7; output_mark 0x20/0xf0;"
    check "racoon starts on $host" racoon_start $host && eval "pid_$host=$racoon_pid"
    equal "policies of $host with the mark" "$(per_policy $host 'mark 0x7/0xffffffff')" 3
done
capture_start "$work/vti.pcap"
addresses l
check "a packet through the device makes l negotiate" ping_once l $own_inner $peer_inner
check "more of them pass" ping_all l $own_inner $peer_inner 5
check "and from r" ping_all r $peer_inner $own_inner 5
capture_stop
at_least "ESP packets" "$(capture_count "$work/vti.pcap" esp)" 20
equal "packets in the clear" "$(capture_count "$work/vti.pcap" plain)" 0
at_least "packets out of the device of r" "$(received r vti1)" 11
# On a slow machine they are renewed already.
at_least "outbound SAs of l with the mark" "$(per_sa l 'mark 0x7/0xffffffff')" 1
at_least "outbound SAs of l with the mark to set" "$(per_sa l 'output-mark 0x20/0xf0')" 1
check "no larval SA stays" wait_until 20 eval '[ "$(per_sa l "proto esp spi 0x00000000")" = 0 ]'
before=$(racoon_spis l)
check "the SAs are renewed" wait_until 40 other_spis l "$before"
ping_start l $own_inner $peer_inner
check "and once more" wait_until 40 other_spis l "$(racoon_spis l)"
ping_stop
at_least "pings meanwhile" "$ping_received" 20
equal "pings lost" "$ping_lost" 0
check "the new outbound SA has the mark" eval '[ "$(per_sa l "mark 0x7/0xffffffff")" -ge 1 ]'
# What does not go through the device is not the tunnel's.
for host in l r; do
    addresses $host
    ip -n $host route replace "$peer_net" via "$peer" src "$own_inner"
done
capture_start "$work/past.pcap"
check "packets past the device go in the clear" ping_all l 192.168.1.1 192.168.2.1 3
capture_stop
at_least "packets in the clear" "$(capture_count "$work/past.pcap" plain)" 6
equal "ESP packets" "$(capture_count "$work/past.pcap" esp)" 0
stop_both "marks"

# --- an engine of its own for each: what a crash leaves is found by its mark ---

for host in l r; do
    addresses $host
    ip -n $host route replace "$peer_net" dev vti1 src "$own_inner"
    check "racoon starts again on $host" racoon_start $host && eval "pid_$host=$racoon_pid"
done
check "a packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
# By their SPIs, which r does not choose again when it renews its SAs meanwhile.
left_spis() { states l | grep -oE 'spi 0x[0-9a-f]{8}' | sort -u; }
stop_process "$pid_l" KILL
left=$(left_spis)
check "a crash leaves SAs and policies" eval '[ "$(per_sa l "mark 0x7/")" -ge 1 ] && [ "$(per_policy l "mark 0x7/")" = 3 ]'
check "racoon starts after it" racoon_start l && pid_l=$racoon_pid
equal "of the SAs none is left" "$(left_spis | grep -Fxf <(echo "$left"))" ""
equal "and the policies are its own" "$(per_policy l 'mark 0x7/0xffffffff')" 3
stop_both "after a crash"

# --- if_id ---

with_interfaces=yes
for host in l r; do
    addresses $host
    ip -n $host link del vti1
    if ip -n $host link add ipsec7 type xfrm dev v$host if_id 7 2>/dev/null; then
        ip -n $host link set ipsec7 up
        ip -n $host route replace "$peer_net" dev ipsec7 src "$own_inner"
    else
        with_interfaces=
        ip -n $host route replace "$peer_net" via "$peer" src "$own_inner"
    fi
    racoon_configure $host kernel=xfrm families=4 policies= phase2="20 sec" \
        remote="$([ $host = r ] || echo "start on;")" \
        top="policy spdadd $own_net $peer_net any -P out if_id 7 ipsec esp/tunnel/$own-$peer/require;
policy spdadd $peer_net $own_net any -P in if_id 7 ipsec esp/tunnel/$peer-$own/require;"
done
for host in r l; do
    check "racoon with if_id starts on $host" racoon_start $host && eval "pid_$host=$racoon_pid"
done
for host in l r; do
    has_if_id() { [ "$(per_sa $host 'if_id 0x7')" -ge 2 ]; }
    check "the SAs of $host come up with the if_id" wait_until 20 has_if_id
    equal "policies of $host with it" "$(per_policy $host 'if_id 0x7')" 3
done
addresses l
if [ -n "$with_interfaces" ]; then
    check "packets through the interface pass" ping_all l $own_inner $peer_inner 5
else
    note "this kernel has no XFRM interfaces: packets without one meet no policy"
    capture_start "$work/none.pcap"
    check "they go in the clear" ping_all l $own_inner $peer_inner 3
    capture_stop
    equal "ESP packets" "$(capture_count "$work/none.pcap" esp)" 0
fi
before=$(racoon_spis l)
check "the SAs are renewed" wait_until 40 other_spis l "$before"
at_least "SAs of l with the if_id" "$(per_sa l 'if_id 0x7')" 2
all_with_it() { [ "$(states l | grep -c '^src')" = "$(per_sa l 'if_id 0x7')" ]; }
check "and none without stays" wait_until 20 all_with_it
stop_both "if_id"
finish
