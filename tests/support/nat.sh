# Sourced after hosts.sh: a third host, nat, that masquerades for l. l moves to 10.8.0.1 behind it; towards r
# everything of l comes from 10.9.0.1, which is nat's now.
# shellcheck shell=bash

wire_port=wn
# nftables cannot do it in the guest, iptables' old tables not everywhere else.
nat_tool=nft
[ -z "${RACOON_GUEST-}" ] || nat_tool=iptables-legacy
command -v $nat_tool >/dev/null || skip "there is no $nat_tool"

nat_up() {
    ip netns add nat || return 1
    ip -n wire link set wl nomaster && ip -n wire link set wl netns nat name inner || return 1
    ip link add outer netns nat address 02:00:00:00:00:01 type veth peer name wn netns wire || return 1
    enter nat sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 2>/dev/null
    enter wire sysctl -q -w net.ipv6.conf.wn.disable_ipv6=1 2>/dev/null
    ip -n wire link set wn addrgenmode none master bridge up
    ip -batch - -n l <<BATCH || return 1
addr del 10.9.0.1/24 dev vl
addr add 10.8.0.1/24 dev vl
route replace default via 10.8.0.254
route replace 192.168.2.0/24 via 10.8.0.254 src 192.168.1.1
BATCH
    ip -batch - -n nat <<BATCH || return 1
link set lo up
link set inner addrgenmode none
link set inner up
link set outer addrgenmode none
link set outer up
addr add 10.8.0.254/24 dev inner
addr add 10.9.0.1/24 dev outer
BATCH
    enter nat sysctl -q -w net.ipv4.ip_forward=1 || return 1
    if [ $nat_tool = nft ]; then
        enter nat nft add table ip nat || return 1
        enter nat nft add chain ip nat post '{ type nat hook postrouting priority 100 ; }' || return 1
    fi
    nat_ports 20000-29999
}

# A second one, before r: r moves to 10.6.0.1, and what comes to 10.9.0.2 for IKE is led there.
nat_before_r() {
    ip netns add nat2 || return 1
    ip -n wire link set wr nomaster && ip -n wire link set wr netns nat2 name inner || return 1
    ip link add outer netns nat2 address 02:00:00:00:00:02 type veth peer name wn2 netns wire || return 1
    enter nat2 sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 2>/dev/null
    enter wire sysctl -q -w net.ipv6.conf.wn2.disable_ipv6=1 2>/dev/null
    ip -n wire link set wn2 addrgenmode none master bridge up
    ip -batch - -n r <<BATCH || return 1
addr del 10.9.0.2/24 dev vr
addr add 10.6.0.1/24 dev vr
route replace default via 10.6.0.254
route replace 192.168.1.0/24 via 10.6.0.254 src 192.168.2.1
BATCH
    ip -batch - -n nat2 <<BATCH || return 1
link set lo up
link set inner up
link set outer up
addr add 10.6.0.254/24 dev inner
addr add 10.9.0.2/24 dev outer
BATCH
    enter nat2 sysctl -q -w net.ipv4.ip_forward=1 || return 1
    if [ $nat_tool = nft ]; then
        enter nat2 nft -f - <<'RULES'
table ip nat {
    chain pre {
        type nat hook prerouting priority -100;
        iifname "outer" udp dport { 500, 4500 } dnat to 10.6.0.1
    }
    chain post {
        type nat hook postrouting priority 100;
        oifname "outer" masquerade
    }
}
RULES
    else
        enter nat2 iptables-legacy-restore <<'RULES'
*nat
-A PREROUTING -i outer -p udp --dport 500 -j DNAT --to-destination 10.6.0.1
-A PREROUTING -i outer -p udp --dport 4500 -j DNAT --to-destination 10.6.0.1
-A POSTROUTING -o outer -j MASQUERADE
COMMIT
RULES
    fi || return 1
    r_address=10.6.0.1
}

# Another client of the NAT before l: m at 10.7.0.1, protects 192.168.3.0/24.
nat_second_client() {
    ip netns add m && mkdir -p "$work/m/run" || return 1
    ip link add vm netns m type veth peer name inner2 netns nat || return 1
    ip -batch - -n nat <<BATCH || return 1
link set inner2 up
addr add 10.7.0.254/24 dev inner2
BATCH
    ip -batch - -n m <<BATCH || return 1
link set lo up
link set vm up
addr add 10.7.0.1/24 dev vm
addr add 192.168.3.1/24 dev lo
route add default via 10.7.0.254
route add 192.168.2.0/24 via 10.7.0.254 src 192.168.3.1
BATCH
    ip -n r route add 192.168.3.0/24 via 10.9.0.1 src 192.168.2.1
    enter m sysctl -q -w net.ipv4.ping_group_range='0 0' 2>/dev/null
    return 0
}

nat_ports() { # FROM-TO: where new mappings lie
    # At once: what begins meanwhile would leave with its own address, and go on so.
    if [ $nat_tool = nft ]; then
        enter nat nft -f - <<RULES
flush chain ip nat post
add rule ip nat post oifname outer ip protocol udp masquerade to :$1
add rule ip nat post oifname outer masquerade
RULES
    else
        enter nat iptables-legacy-restore <<RULES
*nat
-A POSTROUTING -o outer -p udp -j MASQUERADE --to-ports $1
-A POSTROUTING -o outer -j MASQUERADE
COMMIT
RULES
    fi
}

# The kernel forgets the mappings of a link that goes down; the next packet gets a new one.
nat_renew() { # FROM-TO
    nat_ports "$1" && ip -n nat link set outer down && ip -n nat link set outer up
}

addresses() { # as in hosts.sh, with l and m behind the NAT
    own_net=192.168.1.0/24 peer_net=192.168.2.0/24 own_inner=192.168.1.1 peer_inner=192.168.2.1
    case $1 in
        l) own=10.8.0.1 peer=10.9.0.2 ;;
        m) own=10.7.0.1 peer=10.9.0.2 own_net=192.168.3.0/24 own_inner=192.168.3.1 ;;
        *)
            own=${r_address:-10.9.0.2} peer=10.9.0.1 own_net=192.168.2.0/24 peer_net=192.168.1.0/24
            own_inner=192.168.2.1 peer_inner=192.168.1.1
            ;;
    esac
}
