#!/bin/bash
# A NAT before l: everything goes in UDP over port 4500; the mapping may change while SAs are up, and the
# tunnel is renewed across it. Without a NAT, force encapsulates all the same.
. "$(dirname "$0")/begin.sh"
. "$support/nat.sh"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"
nat_up || skip "this kernel cannot masquerade"

for mode in main aggressive base; do
    for host in l r; do
        racoon_configure $host kernel="$kernel" families=4 mode=$mode \
            remote="nat_traversal on; dpd_delay 20;" top="timer { natt_keepalive 5 sec; }"
    done
    capture_start "$work/$mode.pcap" || exit 1
    start_both
    check "$mode mode: the first packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
    check "$mode mode: 20 pings" ping_all l 192.168.1.1 192.168.2.1 20
    check "$mode mode: l knows that it is behind a NAT" wait_line "$(log_of l)" 'NAT detected: ME' 5
    check "$mode mode: r knows that its peer is" wait_line "$(log_of r)" 'NAT detected: PEER' 5
    check "$mode mode: r answers to the mapped port" wait_line "$(log_of r)" 'established .*10\.9\.0\.1\[2[0-9]{4}\]' 5
    enter l ping -n -q -c 3 -i 0.05 -W 2 -p $pattern -I 192.168.1.1 192.168.2.1 >/dev/null
    capture_stop
    at_least "$mode mode: packets in UDP" "$(capture_count "$work/$mode.pcap" natt)" 40
    equal "$mode mode: ESP without UDP" "$(capture_count "$work/$mode.pcap" esp)" 0
    refute "$mode mode: the payload of the pings is readable" capture_holds "$work/$mode.pcap" $pattern

    if [ $mode = main ]; then
        ping_start l 192.168.1.1 192.168.2.1 0.05
        sleep 2
        check "the mapping is dropped" nat_renew 30000-39999
        check "r follows the new mapping" wait_line "$(log_of r)" 'mapping changed from .* to 10\.9\.0\.1\[3[0-9]{4}\]' 5
        sleep 2
        ping_stop
        note "pings: $ping_sent sent, $ping_lost lost while the mapping changed"
        check "few pings are lost" test "$ping_lost" -le 40
        check "20 pings over the new mapping" ping_all l 192.168.1.1 192.168.2.1 20
        nat_ports 20000-29999
    fi
    stop_process "$pid_l"
    equal "$mode mode: racoon on l ends orderly, status" $? 0
    no_sas() { [ -z "$(racoon_spis r)" ]; }
    check "$mode mode: its deletes reached r" wait_until 10 no_sas
    stop_process "$pid_r"
    [ $failures != 0 ] || rm -f "$(log_of l)" "$(log_of r)"
    nat_renew 20000-29999
done
finish
