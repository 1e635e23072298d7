#!/bin/bash
# Transport mode between the two hosts themselves, IPv4 and IPv6: negotiated by the first packet, and with datagrams
# that do not fit the link.
. "$(dirname "$0")/begin.sh"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"

for host in l r; do
    racoon_configure $host kernel="$kernel"
    : >"$work/$host/racoon/policies.conf"
    for family in 4 6; do
        addresses $host $family
        cat >>"$work/$host/racoon/policies.conf" <<POLICY
spdadd $own $peer any -P out ipsec esp/transport//require;
spdadd $peer $own any -P in ipsec esp/transport//require;
POLICY
    done
    cat >>"$work/$host/racoon/racoon.conf" <<CONF
sainfo anonymous { lifetime time 1 hour; encryption_algorithm aes 256; authentication_algorithm hmac_sha256, hmac_sha1;
    compression_algorithm deflate; }
CONF
done
capture_start "$work/wire.pcap" || exit 1
start_both
ask() { # COUNT OPTION...: whether so many pings from l are all answered
    enter l ping -n -q -c "$1" -i 0.05 -W 2 -p $pattern "${@:2}" -I "$own" "$peer" | grep -q " $1 received"
}
for family in 4 6; do
    addresses l $family
    check "IPv$family: the first packet makes l negotiate" ping_once l "$own" "$peer"
    check "IPv$family: 10 pings from l" ask 10
    check "IPv$family: 10 pings from r" ping_all r "$peer" "$own" 10
    check "IPv$family: datagrams that do not fit the link" ask 2 -s 4000
done
capture_stop
at_least "ESP packets" "$(capture_count "$work/wire.pcap" esp)" 80
refute "the ping's payload is readable" capture_holds "$work/wire.pcap" $pattern
racoon_ctl l show-sa ipsec >"$work/ipsec.l"
check "the SAs are in transport mode" grep -qi transport "$work/ipsec.l" || cat "$work/ipsec.l"
stop_process "$pid_l"
equal "racoon on l ends orderly, status" $? 0
stop_process "$pid_r"
finish
