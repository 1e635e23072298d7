#!/bin/bash
# No NAT between l and r: with nat_traversal on nothing changes, with force all goes in UDP, and with esp_frag in
# packets of that size at most, whatever their sender made.
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

# As they come out of a NAT that passes no fragments.
large() { enter "$1" ping -n -q -c 10 -i 0.05 -W 2 -s "$2" -M "$3" -I "$4" "$5" | grep -q ' 10 received'; }
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 remote="nat_traversal force; esp_frag 900;"
    # Several datagrams that the kernel was given as one are one on these wires, too, unless the device says no.
    ip -n $host link set v$host gso_max_segs 1
done
start_both
capture_start "$work/bounded.pcap" || exit 1
check "esp_frag: the first packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
if [ "$kernel" = userspace ]; then
    check "esp_frag: pings that fit" large l 700 do 192.168.1.1 192.168.2.1
    check "esp_frag: longer ones" large l 1300 dont 192.168.1.1 192.168.2.1
    check "esp_frag: longer than any link" large r 3000 dont 192.168.2.1 192.168.1.1
    refute "esp_frag: longer ones that forbid fragments pass" large l 1300 do 192.168.1.1 192.168.2.1
    capture_stop
    longest=$(capture_longest "$work/bounded.pcap" natt)
    check "esp_frag: the longest packet on the NAT-T port has at most 900 bytes: $longest" test "$longest" -le 900
    at_least "esp_frag: and not much less" "$longest" 800
    equal "esp_frag: pieces of outer packets, and packets in the clear" "$(capture_count "$work/bounded.pcap" plain)" 0
else
    capture_stop
    for host in l r; do
        check "esp_frag: $host says that it has no effect" wait_line "$(log_of $host)" 'esp_frag has no effect' 5
    done
fi
stop_process "$pid_l"
stop_process "$pid_r"
finish
