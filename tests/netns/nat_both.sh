#!/bin/bash
# A NAT before each end, and l begins: r can be reached because its NAT leads the two ports to it.
. "$(dirname "$0")/begin.sh"
. "$support/nat.sh"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"
nat_up && nat_before_r || skip "this kernel cannot masquerade"

for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 remote="nat_traversal on;"
done
capture_start "$work/wire.pcap" || exit 1
start_both
check "the first packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
check "20 pings from l" ping_all l 192.168.1.1 192.168.2.1 20
check "20 pings from r" ping_all r 192.168.2.1 192.168.1.1 20
for host in l r; do
    check "$host knows of both NATs" wait_line "$(log_of $host)" 'NAT detected: ME PEER' 5
done
enter l ping -n -q -c 3 -i 0.05 -W 2 -p $pattern -I 192.168.1.1 192.168.2.1 >/dev/null
capture_stop
equal "ESP without UDP" "$(capture_count "$work/wire.pcap" esp)" 0
refute "the payload of the pings is readable" capture_holds "$work/wire.pcap" $pattern
stop_process "$pid_l"
no_sas() { [ -z "$(racoon_spis r)" ]; }
check "the deletes of l reached r" wait_until 10 no_sas
stop_process "$pid_r"
finish
