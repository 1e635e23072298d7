#!/bin/bash
# No NAT between l and r: with nat_traversal on nothing changes, with force all goes in UDP.
. "$(dirname "$0")/begin.sh"

for natt in on force; do
    for host in l r; do
        racoon_configure $host kernel="$kernel" families=4 remote="nat_traversal $natt;"
    done
    capture_start "$work/$natt.pcap" || exit 1
    start_both
    check "$natt: the first packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
    check "$natt: 20 pings from l" ping_all l 192.168.1.1 192.168.2.1 20
    check "$natt: 20 pings from r" ping_all r 192.168.2.1 192.168.1.1 20
    capture_stop
    esp=$(capture_count "$work/$natt.pcap" esp)
    udp=$(capture_count "$work/$natt.pcap" natt)
    note "$natt: $esp packets of ESP, $udp on the NAT-T port"
    if [ $natt = on ]; then
        at_least "on: ESP packets" "$esp" 80
        equal "on: packets on the NAT-T port" "$udp" 0
    else
        equal "force: ESP packets" "$esp" 0
        at_least "force: packets on the NAT-T port" "$udp" 80
    fi
    equal "$natt: packets in the clear" "$(capture_count "$work/$natt.pcap" plain)" 0
    stop_process "$pid_l"
    stop_process "$pid_r"
    [ $failures != 0 ] || rm -f "$(log_of l)" "$(log_of r)"
done
finish
