#!/bin/bash
# Drafts 00 and 01 of NAT traversal, by the module natt-legacy: a NAT before l, IKE and ESP on port 500 alone, and a
# mapping that changes while SAs are up. Where both ends know a later document, that one is spoken.
. "$(dirname "$0")/begin.sh"
. "$support/nat.sh"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"
nat_up || skip "this kernel cannot masquerade"

others='module "auth-psk"; module "credential-files"; module "crypto-openssl"; module "state-file";'
first_drafts="$others module \"kernel-$kernel\"; module \"natt-legacy\";"
all_of_them='module "standard"; module "natt-legacy";'
configure() { # MODULES-OF-L MODULES-OF-R [NAME=VALUE]...: as racoon_configure
    local host modules=$1
    for host in l r; do
        racoon_configure $host kernel="$kernel" families=4 remote="nat_traversal on; dpd_delay 20;" \
            top="timer { natt_keepalive 5 sec; } $modules" "${@:3}"
        modules=$2
    done
}
stop_both() {
    stop_process "$pid_l"
    equal "$1: racoon on l ends orderly, status" $? 0
    no_sas() { [ -z "$(racoon_spis r)" ]; }
    check "$1: its deletes reached r" wait_until 10 no_sas
    stop_process "$pid_r"
    [ $failures != 0 ] || rm -f "$(log_of l)" "$(log_of r)"
    nat_renew 20000-29999
}

for mode in main aggressive; do
    configure "$first_drafts" "$all_of_them" mode=$mode
    capture_start "$work/$mode.pcap" || exit 1
    start_both
    check "$mode mode: the first packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
    check "$mode mode: by draft 01" wait_line "$(log_of r)" 'Selected NAT-T version: draft-01' 5
    check "$mode mode: r answers to the mapped port" wait_line "$(log_of r)" \
        'established 10\.9\.0\.2\[500\]-10\.9\.0\.1\[2[0-9]{4}\]' 5
    check "$mode mode: 20 pings from l" ping_all l 192.168.1.1 192.168.2.1 20
    check "$mode mode: 20 pings from r" ping_all r 192.168.2.1 192.168.1.1 20
    enter l ping -n -q -c 10 -i 0.05 -W 2 -s 3000 -p $pattern -I 192.168.1.1 192.168.2.1 >"$work/long"
    check "$mode mode: 10 pings longer than the link" grep -q ' 10 received' "$work/long"
    if [ $mode = main ]; then
        ping_start l 192.168.1.1 192.168.2.1 0.05
        check "the mapping is dropped" nat_renew 30000-39999
        check "r follows the new mapping" wait_line "$(log_of r)" 'mapping changed from .* to 10\.9\.0\.1\[3[0-9]{4}\]' 10
        ping_stop
        note "pings: $ping_sent sent, $ping_lost lost while the mapping changed"
        check "20 pings over the new mapping" ping_all l 192.168.1.1 192.168.2.1 20
        nat_ports 20000-29999
    fi
    capture_stop
    at_least "$mode mode: packets of ESP on port 500" "$(capture_count "$work/$mode.pcap" marked)" 80
    equal "$mode mode: packets on the NAT-T port" "$(capture_count "$work/$mode.pcap" natt)" 0
    equal "$mode mode: ESP without UDP" "$(capture_count "$work/$mode.pcap" esp)" 0
    refute "$mode mode: the payload of the pings is readable" capture_holds "$work/$mode.pcap" $pattern
    stop_both "$mode mode"
done

configure "$all_of_them" "$all_of_them"
capture_start "$work/later.pcap" || exit 1
start_both
check "both know RFC 3947: the first packet makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
check "both know RFC 3947: 20 pings" ping_all l 192.168.1.1 192.168.2.1 20
capture_stop
equal "both know RFC 3947: packets of ESP on port 500" "$(capture_count "$work/later.pcap" marked)" 0
at_least "both know RFC 3947: packets on the NAT-T port" "$(capture_count "$work/later.pcap" natt)" 40
stop_both "both know RFC 3947"
finish
