#!/bin/bash
# kernel-userspace on l against strongSwan's own ESP in user space (kernel-libipsec) on r, which always goes in
# UDP: another implementation on a host whose kernel has no ESP either. Each end begins once.
. "$(dirname "$0")/begin.sh"
. "$support/strongswan.sh"
[ -x /usr/lib/ipsec/charon ] || skip "there is no strongSwan"
pattern=7261636f6f6e2d706c61696e74657874 # "racoon-plaintext"

charon_kernel=libipsec
charon_configure r aes256-sha256-modp2048 aes256-sha256
charon_start r || { cat "$work"/r/charon.*; exit 1; }
check "strongSwan's device takes the protected net" charon_tunnel r
capture_start "$work/wire.pcap" || exit 1

ask() { # COUNT OPTION...: whether so many pings from l are all answered
    enter l ping -n -q -c "$1" -i 0.05 -W 2 -p $pattern "${@:2}" -I 192.168.1.1 192.168.2.1 | grep -q " $1 received"
}

# tunnel NAME RACOON'S-ESP STRONGSWAN'S-ESP INITIATOR
tunnel() {
    local name=$1 initiator=$4
    charon_configure r aes256-sha256-modp2048 "$3"
    check "$name: strongSwan takes the configuration" charon_reload r
    racoon_configure l families=4 esp_cipher="$2" phase1="48 hour" phase2="48 hour" remote="nat_traversal force;"
    check "$name: racoon starts" racoon_start l || return
    if [ "$initiator" = l ]; then
        check "$name: racoon begins" ping_once l 192.168.1.1 192.168.2.1
    else
        check "$name: strongSwan begins" charon_initiate r || cat "$work/r/initiate.out"
    fi
    check "$name: 10 pings from l" ask 10
    check "$name: 10 pings from r" ping_all r 192.168.2.1 192.168.1.1 10
    check "$name: packets larger than the link" ask 2 -s 3000 -M dont
    swan r --terminate --ike peer >/dev/null
    stop_process "$racoon_pid"
}
tunnel "AES-256-CBC, HMAC-SHA2-256" "aes 256" aes256-sha256 l
tunnel "AES-128-GCM" "aes_gcm_16 128" aes128gcm16 r
capture_stop
at_least "packets on the NAT-T port" "$(capture_count "$work/wire.pcap" natt)" 80
equal "packets in the clear" "$(capture_count "$work/wire.pcap" plain)" 0
refute "the ping's payload is readable" capture_holds "$work/wire.pcap" $pattern
if [ $failures != 0 ]; then
    racoon_log l
    tail -n 60 "$work/r/charon.log"
fi
cases_end
