# Sourced after hosts.sh: two NATs besides the direct link, one before l and one before r, and an address for
# each way, so that nothing moves from one cell to the next:
#
#   who is behind a NAT   l            l as r sees it   r            r as l sees it
#   none                  10.9.0.1     the same         10.9.0.2     the same
#   l ("we")              10.8.0.1     10.9.0.11        10.9.0.22    the same
#   r ("peer")            10.9.0.21    the same         10.6.0.1     10.9.0.12
#   both                  10.8.0.1     10.9.0.14        10.6.0.1     10.9.0.13
#
# Each NAT leads the two ports of IKE to the host behind it, so that either end can begin.
# shellcheck shell=bash

site_up() {
    site_nat l 8 natl "10.9.0.11 10.9.0.14" "10.9.0.22:10.9.0.11 10.9.0.13:10.9.0.14" &&
        site_nat r 6 natr "10.9.0.12 10.9.0.13" "10.9.0.21:10.9.0.12 10.9.0.14:10.9.0.13" || return 1
    ip -n l addr add 10.9.0.21/24 dev vl && ip -n r addr add 10.9.0.22/24 dev vr
}

# site_nat HOST NET NAME OUTER-ADDRESSES WAYS: HOST gets 10.NET.0.1 behind the NAT; WAYS say as which of its
# addresses it goes to whom.
site_nat() {
    local host=$1 net=10.$2.0 nat=$3 outer=$4 ways=$5 way address
    ip netns add "$nat" || return 1
    ip link add "n$host" netns "$host" type veth peer name inner netns "$nat" || return 1
    ip link add outer netns "$nat" type veth peer name "w$nat" netns wire || return 1
    ip -n wire link set "w$nat" addrgenmode none master bridge up
    ip -batch - -n "$nat" <<BATCH || return 1
link set lo up
link set inner addrgenmode none
link set inner up
link set outer addrgenmode none
link set outer up
addr add $net.254/24 dev inner
$(for address in $outer; do echo "addr add $address/24 dev outer"; done)
BATCH
    ip -batch - -n "$host" <<BATCH || return 1
link set n$host addrgenmode none
link set n$host up
addr add $net.1/24 dev n$host
$(for way in $ways; do echo "route add ${way%:*}/32 via $net.254 src $net.1"; done)
BATCH
    enter "$nat" sysctl -q -w net.ipv4.ip_forward=1 || return 1
    for way in $ways; do site_translate "$nat" "$net.1" "${way%:*}" "${way#*:}" || return 1; done
}

# The ports of what goes out change; nftables cannot do it in the guest, iptables' old tables not everywhere else.
site_translate() { # NAT INSIDE TO AS
    if [ -n "${RACOON_GUEST-}" ]; then
        enter "$1" iptables-legacy -t nat -A POSTROUTING -o outer -p udp -d "$3" -j SNAT --to-source "$4:20000-29999" &&
            enter "$1" iptables-legacy -t nat -A PREROUTING -i outer -p udp -d "$4" -j DNAT --to-destination "$2"
    else
        enter "$1" nft -f - <<RULES
table ip nat {
    chain pre { type nat hook prerouting priority -100; }
    chain post { type nat hook postrouting priority 100; }
}
add rule ip nat pre iifname outer ip daddr $4 udp dport { 500, 4500 } dnat to $2
add rule ip nat post oifname outer ip daddr $3 ip protocol udp snat to $4:20000-29999
RULES
    fi
}

# Mappings of one cell would lead the packets of the next one astray.
site_forget() {
    local nat
    for nat in natl natr; do enter $nat conntrack -F >/dev/null 2>&1 || return 1; done
}

addresses() { # as in hosts.sh, for the cell's nat and scope
    local l r l_seen r_seen
    case $nat in
    none) l=10.9.0.1 l_seen=$l r=10.9.0.2 r_seen=$r ;;
    we) l=10.8.0.1 l_seen=10.9.0.11 r=10.9.0.22 r_seen=$r ;;
    peer) l=10.9.0.21 l_seen=$l r=10.6.0.1 r_seen=10.9.0.12 ;;
    both) l=10.8.0.1 l_seen=10.9.0.14 r=10.6.0.1 r_seen=10.9.0.13 ;;
    esac
    if [ "$1" = l ]; then
        own=$l peer=$r_seen own_net=192.168.1.0/24 peer_net=192.168.2.0/24 own_inner=192.168.1.1 peer_inner=192.168.2.1
    else
        own=$r peer=$l_seen own_net=192.168.2.0/24 peer_net=192.168.1.0/24 own_inner=192.168.2.1 peer_inner=192.168.1.1
    fi
    peer=$peer
    [ "$scope" = nets ] || own_net=$own peer_net=$peer own_inner=$own peer_inner=$peer
}
