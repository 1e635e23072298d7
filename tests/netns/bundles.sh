#!/bin/bash
# AH, and bundles of ESP, AH and IPComp, in transport and tunnel mode, over IPv4 and IPv6: negotiated by the first packet, with
# nothing else on the wire, small packets and such that do not fit the link. Then the level `use`: in the clear until
# the peer answers.
. "$(dirname "$0")/begin.sh"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"

ends() { # HOST FAMILY: sets own_end and peer_end for the scope
    addresses "$1" "$2"
    [ "$scope" = hosts ] && { own_end=$own peer_end=$peer; } || { own_end=$own_inner peer_end=$peer_inner; }
}
ask() { # HOST FAMILY COUNT OPTION...: whether so many pings are all answered
    ends "$1" "$2"
    enter "$1" ping -n -q -c "$3" -i 0.05 -W 2 -p $pattern "${@:4}" -I "$own_end" "$peer_end" | grep -q " $3 received"
}
first() { ends "$1" "$2" && ping_once "$1" "$own_end" "$peer_end"; }
run_both() { # NAME
    check "$1: racoon starts on l" racoon_start l && pid_l=$racoon_pid
    check "$1: racoon starts on r" racoon_start r && pid_r=$racoon_pid
}
stop_both() {
    stop_process "$pid_l"
    equal "$1: racoon on l ends orderly, status" $? 0
    stop_process "$pid_r"
}

send_options() { # FROM TO HEX: whether a datagram with this header of hop-by-hop options arrives
    addresses "$1" 6
    enter_background "$2" perl -MIO::Socket::IP -e 'alarm 10; $s = IO::Socket::IP->new(LocalHost => $ARGV[0],
        LocalPort => 7001, Proto => "udp") or die $!; $s->recv($x, 100) // die $!; print "$x\n"' \
        "$peer" >"$work/received" 2>&1
    local receiver=$!
    wait_until 5 enter "$2" sh -c 'ss -Hlun | grep -q :7001'
    enter "$1" perl -MIO::Socket::IP -e '$s = IO::Socket::IP->new(LocalHost => $ARGV[0], PeerHost => $ARGV[1],
        PeerPort => 7001, Proto => "udp") or die $!; setsockopt($s, 41, 54, pack("H*", $ARGV[2])) or die $!; # IPV6_HOPOPTS
        $s->send("racoon") or die $!' "$own" "$peer" "$3"
    wait $receiver
    grep -q racoon "$work/received"
}

# name | nets or hosts | rules | what is outermost | whether the payload can be read | integrity, if another one
forms='
AH in transport mode|hosts|ah/transport//require|ah|readable
AH as a tunnel|nets|ah/tunnel/A-B/require|ah|readable
ESP and AH in transport mode|hosts|esp/transport//require ah/transport//require|ah|hidden
an ESP tunnel in AH|nets|esp/tunnel/A-B/require ah/transport//require|ah|hidden
IPComp and ESP in transport mode|hosts|ipcomp/transport//use esp/transport//require|esp|hidden
an IPComp tunnel in ESP|nets|ipcomp/tunnel/A-B/use esp/transport//require|esp|hidden
IPComp, ESP and AH in transport mode|hosts|ipcomp/transport//use esp/transport//require ah/transport//require|ah|hidden
'
# Linux has no GMAC in AH.
[ "$kernel" = userspace ] && forms+='AH with GMAC as a tunnel|nets|ah/tunnel/A-B/require|ah|readable|aes_256_gmac
'
begins=r
while IFS='|' read -r name scope rules outermost payload integrity; do
    [ -n "$name" ] || continue
    [ $begins = l ] && begins=r answers=l || begins=l answers=r
    for host in l r; do racoon_configure $host kernel="$kernel" scope=$scope rules="$rules" \
        esp_auth="${integrity:-hmac_sha256}"; done
    capture_start "$work/wire.pcap" || exit 1
    run_both "$name"
    for family in 4 6; do
        check "$name, IPv$family: the first packet makes $begins negotiate" first $begins $family
        check "$name, IPv$family: pings from $begins" ask $begins $family 5
        check "$name, IPv$family: pings from $answers" ask $answers $family 5
        # The device's packets are longer than the link with that much around them, which either end of IPv6 has to learn first.
        check "$name, IPv$family: what does not fit the link" wait_until 20 ask $begins $family 2 -s 4000
    done
    if [ "$name" = "AH in transport mode" ]; then
        check "$name: an IPv4 packet that records its route" ask $begins 4 1 -R
        check "$name: an IPv6 packet with router alert" send_options $begins $answers 0000050200000100
        check "$name: an IPv6 packet with an option that may change" send_options $begins $answers 00003e0200000100
    fi
    capture_stop
    [ $outermost = ah ] && inner=esp || inner=ah
    at_least "$name: packets of $outermost" "$(capture_count "$work/wire.pcap" $outermost)" 44
    equal "$name: packets with nothing outside" "$(capture_count "$work/wire.pcap" plain)" 0
    equal "$name: packets of $inner outermost" "$(capture_count "$work/wire.pcap" $inner)" 0
    if [ $payload = hidden ]; then
        refute "$name: the payload is readable" capture_holds "$work/wire.pcap" $pattern
    else
        check "$name: AH hides nothing" capture_holds "$work/wire.pcap" $pattern
    fi
    case $rules in
    ipcomp*)
        capture_start "$work/small.pcap" || exit 1
        check "$name: packets that get smaller" ask $begins 4 10 -s 1200
        capture_stop
        # Uncompressed they would be more than 24,000 bytes.
        at_least "$name: bytes saved of 24,000" $((24000 - $(stat -c %s "$work/small.pcap"))) 14000
        ;;
    esac
    equal "$name: negotiations on $begins" "$(grep -c 'initiate new phase 2' "$(log_of $begins)")" 2
    stop_both "$name"
    [ $failures = 0 ] || finish
done <<<"$forms"

name="the level use" scope=hosts
for host in l r; do racoon_configure $host kernel="$kernel" scope=$scope rules=esp/transport//use; done
sed -i 's/require/use/' "$work"/[lr]/racoon/policies.conf
capture_start "$work/wire.pcap" || exit 1
check "$name: racoon starts on l" racoon_start l && pid_l=$racoon_pid
check "$name: IPv4 in the clear while nobody answers" ask l 4 3
check "$name: IPv6 in the clear while nobody answers" ask l 6 3
capture_stop
equal "$name: ESP so far" "$(capture_count "$work/wire.pcap" esp)" 0
check "$name: it was sent in the clear" capture_holds "$work/wire.pcap" $pattern
check "$name: racoon starts on r" racoon_start r && pid_r=$racoon_pid
for family in 4 6; do
    protected() {
        capture_start "$work/wire.pcap" && ask r $family 2 && capture_stop &&
            [ "$(capture_count "$work/wire.pcap" esp)" -ge 4 ]
    }
    check "$name: IPv$family under ESP, once there is an SA" wait_until 20 protected
done
stop_both "$name"
finish
