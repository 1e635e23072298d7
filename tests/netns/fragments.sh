#!/bin/bash
# IKE messages too large for a datagram go in pieces where both ends have ike_frag on, in each mode, through a NAT's
# port too; and another program's idea of the protocol finds nothing wrong with any message.
. "$(dirname "$0")/begin.sh"
command -v tshark >/dev/null || skip "there is no tshark"

try() { # LABEL, MODE, IKE_FRAG OF L, IKE_FRAG OF R, FURTHER LINES
    local label=$1 file=$work/$2.$3.$4.pcap decoded=$work/decoded
    racoon_configure l kernel="$kernel" families=4 mode="$2" group=modp4096 pfs=modp4096 remote="ike_frag $3; ${5-}"
    racoon_configure r kernel="$kernel" families=4 mode="$2" group=modp4096 pfs=modp4096 remote="ike_frag $4; ${5-}"
    rm -f "$(log_of l)" "$(log_of r)"
    capture_start "$file" || exit 1
    start_both
    check "$label: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
    check "$label: 10 pings" ping_all l 192.168.1.1 192.168.2.1 10
    racoon_ctl l show-keys >"$work/keys"
    stop_process "$pid_l"
    stop_process "$pid_r"
    capture_stop
    fragments=$(capture_count "$file" fragment)
    capture_decoded "$file" "$work/keys" >"$decoded"
    at_least "$label: ISAKMP messages that tshark shows" "$(wc -l <"$decoded")" 8
    equal "$label: malformed ones" "$(grep -ci malformed "$decoded")" 0 || grep -i malformed "$decoded"
    at_least "$label: messages that are encrypted" "$(capture_sealed "$file" | wc -l)" 3
    equal "$label: of them, unreadable with our keys" "$(capture_sealed "$file" "$work/keys")" ""
}

for mode in main aggressive base; do
    try "$mode mode" $mode on on
    # Aggressive mode's first two messages go before the peer has shown that it gets them.
    [ $mode = aggressive ] && least=4 || least=8
    at_least "$mode mode: pieces" "$fragments" $least
done
try "behind a NAT" main on on "nat_traversal force;"
at_least "behind a NAT: pieces" "$fragments" 8
at_least "behind a NAT: packets of port 4500" "$(capture_count "$work/main.on.on.pcap" natt)" 8
try "one end without" main on off
equal "one end without: pieces" "$fragments" 0
try "forced upon one that takes them" main force on
at_least "forced upon one that takes them: pieces" "$fragments" 8
finish
