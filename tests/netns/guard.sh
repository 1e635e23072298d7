#!/bin/bash
# What arrives in the clear although an inbound policy wants it protected: it is dropped, for this host and for the nets
# behind it, and nothing else is. l has policies; r speaks in the clear with a racoon that has others, or none.
. "$(dirname "$0")/begin.sh"
[ "$kernel" = userspace ] || skip "is of kernel-userspace"
enter l nft list tables >/dev/null 2>&1 || skip "there is no nft, or no nf_tables"

# A host on the net behind l, to which l forwards.
ip netns add behind && ip link add inner netns l type veth peer name outer netns behind || exit 1
ip -batch - -n l <<'BATCH'
link set inner up
addr add 192.168.101.1/24 dev inner
addr add fd00:101::1/64 dev inner nodad
BATCH
ip -batch - -n behind <<'BATCH'
link set lo up
link set outer up
addr add 192.168.101.2/24 dev outer
addr add fd00:101::2/64 dev outer nodad
route add default via 192.168.101.1
route add default via fd00:101::1
BATCH
enter l sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -batch - -n r <<'BATCH'
route add 192.168.101.0/24 via 10.9.0.1 src 192.168.2.1
route add fd00:101::/64 via fd00:9::1 src fd00:2::1
BATCH

# Until the addresses may be used and neighbours have been found.
for far in 192.168.101.2 fd00:101::2; do wait_until 10 enter r ping -n -q -c 1 -W 1 $far >/dev/null; done

for host in l r; do
    racoon_configure $host policies=
    echo "sainfo anonymous { lifetime time 1 hour; encryption_algorithm aes 256; authentication_algorithm hmac_sha256; compression_algorithm deflate; }" \
        >>"$work/$host/racoon/racoon.conf"
done
quietly() { "$@" >/dev/null; }
setkey() { on "$1" "$racoon_home/sbin/setkey" "${@:2}"; }
policies() { # HOST: the commands on standard input are all there is
    { echo "spdflush;"; cat; } | setkey "$1" -c >"$work/setkey.out" 2>&1 && [ ! -s "$work/setkey.out" ] ||
        { cat "$work/setkey.out"; return 1; }
}
guards() { enter "$1" nft list tables | grep -c 'inet racoon-[1-9]'; }
guard_rules() { enter l nft list chain inet racoon-7261 policies 2>/dev/null | grep -c 'ip6\? '; }
rules_are() { [ "$(guard_rules)" = "$1" ]; }
# comes FROM TO: whether a packet of r gets there; the answer's way is another matter, so it is seen where it arrives.
arrivals() { # HOST FROM: echo requests from there that the host itself has taken
    enter "$1" cat /proc/net/snmp /proc/net/snmp6 | awk '
        $1 == "Icmp:" && !names { for (i = 2; i <= NF; i++) if ($i == "InEchos") at = i; names = 1; next }
        $1 == "Icmp:" { n += $at }
        $1 == "Icmp6InEchos" { n += $2 }
        END { print n + 0 }'
}
comes() { # FROM TO [HOST [OPTION...]]
    local host=${3:-l} before
    before=$(arrivals "$host")
    enter r ping -n -q -c 3 -i 0.02 -W 0.2 "${@:4}" -I "$1" "$2" >/dev/null 2>&1
    [ $(($(arrivals "$host") - before)) = 3 ]
}
stays_out() { # FROM TO [HOST [OPTION...]]: and not one of them
    local host=${3:-l} before
    before=$(arrivals "$host")
    enter r ping -n -q -c 3 -i 0.02 -W 0.2 "${@:4}" -I "$1" "$2" >/dev/null 2>&1
    [ "$(arrivals "$host")" = "$before" ]
}
listen_tcp() { # PORT: on l, for both families; says what connections it has taken
    enter_background l perl -MIO::Socket::IP -e '
        my $s = IO::Socket::IP->new(LocalHost => "::", LocalPort => $ARGV[0], Listen => 5, V6Only => 0, ReuseAddr => 1) or die "$!";
        $| = 1; print "listening\n"; while (my $c = $s->accept) { print "taken\n"; close $c }' "$1" >"$work/tcp.$1" 2>&1
    wait_line "$work/tcp.$1" listening 10
}
connects() { # TO PORT
    enter r perl -MIO::Socket::IP -e '
        exit !IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1], Timeout => 1)' "$1" "$2"
}

check "racoon starts on l" racoon_start l && pid_l=$racoon_pid
equal "without policies there is no guard" "$(guards l)" 0

# --- a tunnel ---

tunnels() { # OWN-NETS PEER-NETS OWN PEER LEVEL...: for both families
    local i
    for i in 4 6; do
        if [ $i = 4 ]; then set -- 192.168.101.0/24 192.168.2.0/24 10.9.0.1 10.9.0.2 "$level"
        else set -- fd00:101::/64 fd00:2::/64 fd00:9::1 fd00:9::2 "$level"; fi
        if [ "$host" = l ]; then
            echo "spdadd $1 $2 any -P out ipsec esp/tunnel/$3-$4/require; spdadd $2 $1 any -P in ipsec esp/tunnel/$4-$3/$5;"
        else
            echo "spdadd $2 $1 any -P out ipsec esp/tunnel/$4-$3/require; spdadd $1 $2 any -P in ipsec esp/tunnel/$3-$4/$5;"
        fi
    done
}
for family in 4 6; do
    [ $family = 4 ] && pair="192.168.2.1 192.168.101.1" far=192.168.101.2 || pair="fd00:2::1 fd00:101::1" far=fd00:101::2
    check "IPv$family: in the clear, before there are policies" comes $pair
    check "IPv$family: and forwarded" comes "${pair% *}" $far behind
done
host=l level=require
check "policies of a tunnel on l" policies l < <(tunnels)
check "l has a guard" wait_until 5 rules_are 2
for family in 4 6; do
    [ $family = 4 ] && pair="192.168.2.1 192.168.101.1" far=192.168.101.2 other=10.9.0.2 || pair="fd00:2::1 fd00:101::1" far=fd00:101::2 other=fd00:9::2
    check "IPv$family: what is for l stays out" stays_out $pair
    check "IPv$family: what is for the net behind it, too" stays_out "${pair% *}" $far behind
    check "IPv$family: and its fragments" stays_out "${pair% *}" $far behind -s 4000
    check "IPv$family: those for l as well" stays_out $pair l -s 4000
    check "IPv$family: another source comes in" comes $other "${pair#* }"
    check "IPv$family: and is forwarded" comes $other $far behind
done

check "racoon starts on r" racoon_start r && pid_r=$racoon_pid
host=r
check "policies of a tunnel on r" policies r < <(tunnels)
for family in 4 6; do
    [ $family = 4 ] && from=192.168.2.1 to="192.168.101.1 192.168.101.2" || from=fd00:2::1 to="fd00:101::1 fd00:101::2"
    for one in $to; do
        check "IPv$family: $one through the tunnel" ping_once r $from $one
        check "IPv$family: all of them" ping_all r $from $one 10
    done
    check "IPv$family: and from behind l" quietly enter behind ping -n -q -c 2 -W 2 $from
    check "IPv$family: what is fragmented" quietly enter r ping -n -q -c 2 -W 2 -s 4000 -I $from ${to#* }
done
check "r without policies" policies r </dev/null
check "in the clear it stays out still" stays_out 192.168.2.1 192.168.101.1

# --- the guard follows the policies ---

host=l level=use
check "level use" policies l < <(tunnels)
check "needs no guard" wait_until 5 eval '[ "$(guards l)" = 0 ]'
check "and lets it in" comes fd00:2::1 fd00:101::1
level=require
check "a bypass before it" policies l < <(tunnels
    echo "spdadd 192.168.2.0/24 192.168.101.2/32 any -P in prio def + 1 none;"
    echo "spdadd 10.9.0.2/32 192.168.101.0/24 any -P in discard;")
check "is in the guard" wait_until 5 rules_are 4
check "what it covers comes in" comes 192.168.2.1 192.168.101.2 behind
check "the rest stays out" stays_out 192.168.2.1 192.168.101.1
check "discard keeps it out" stays_out 10.9.0.2 192.168.101.2 behind
check "a policy goes" setkey l -c <<<"spddelete 192.168.2.0/24 192.168.101.0/24 any -P in;"
check "and its rule with it" wait_until 5 rules_are 3
check "it comes in now" comes 192.168.2.1 192.168.101.1

# --- somebody else ---

enter l nft -f - <<'NFT'
table inet somebody {
    chain c {
        type filter hook input priority 0
        ip saddr 203.0.113.1 drop
    }
}
table inet racoon-0077 {
}
table ip racoon-77 {
}
NFT
enter l ip xfrm policy add src 203.0.113.0/24 dst 198.51.100.0/24 dir in action block
foreign() { { enter l nft list ruleset | sed '/table inet racoon-7261/,/^}/d'; enter l ip xfrm policy; } | grep -cE '203\.0\.113|racoon-(0077|77)'; }
equal "what others have" "$(foreign)" 4
check "policies" policies l < <(tunnels)
check "a guard" wait_until 5 rules_are 2
enter l nft delete table inet racoon-7261
check "who takes it away gets it back" wait_until 5 rules_are 2
check "racoon says so" wait_line "$(log_of l)" 'had been taken away, and is there again' 5
enter l nft flush chain inet racoon-7261 policies
check "rules, too" wait_until 5 rules_are 2

# --- transport mode ---

transport() { # OPTION...: a policy on $host for what comes to l
    local i
    for i in 4 6; do
        if [ $i = 4 ]; then set -- 10.9.0.1 10.9.0.2; else set -- fd00:9::1 fd00:9::2; fi
        if [ "$host" = l ]; then
            echo "spdadd $1[80] $2[any] tcp -P out ipsec esp/transport//require; spdadd $2[any] $1[80] tcp -P in ipsec esp/transport//require;"
        else
            echo "spdadd $1[80] $2[any] tcp -P in ipsec esp/transport//require; spdadd $2[any] $1[80] tcp -P out ipsec esp/transport//require;"
        fi
    done
}
any_transport() { # PROTECTION
    local i
    for i in 4 6; do
        if [ $i = 4 ]; then set -- 10.9.0.1 10.9.0.2 "$1"; else set -- fd00:9::1 fd00:9::2 "$3"; fi
        [ "$host" = l ] || set -- "$2" "$1" "$3"
        echo "spdadd $1 $2 any -P out ipsec $3; spdadd $2 $1 any -P in ipsec $3;"
    done
}
listen_tcp 80 && listen_tcp 81
check "port 80 in the clear" connects 10.9.0.1 80
check "policies for TCP port 80" policies l < <(transport)
check "are in the guard" wait_until 5 rules_are 2
for address in 10.9.0.1 fd00:9::1; do
    refute "port 80 of $address can be reached in the clear" connects $address 80
    check "port 81 can" connects $address 81
done
check "so can ping" comes fd00:9::2 fd00:9::1
host=r
check "the same policies on r" policies r < <(transport)
for address in 10.9.0.1 fd00:9::1; do check "port 80 of $address, protected" wait_until 20 connects $address 80; done

for protection in esp/transport//require ah/transport//require "ipcomp/transport//require esp/transport//require"; do
    for host in l r; do check "everything by $protection on $host" policies $host < <(any_transport "$protection"); done
    for family in 4 6; do
        addresses r $family
        # Neighbours are looked for in the clear.
        for host in l r; do enter $host ip neigh flush all nud permanent 2>/dev/null; enter $host ip neigh flush all; done
        check "IPv$family: a ping" ping_once r $own $peer
        check "IPv$family: all of them" ping_all r $own $peer 10
        check "IPv$family: and from l" ping_all l $peer $own 10
        check "IPv$family: what is fragmented" quietly enter r ping -n -q -c 2 -W 2 -s 4000 -I $own $peer
    done
done
check "r without policies" policies r </dev/null
check "in the clear nothing comes in" stays_out 10.9.0.2 10.9.0.1
check "in IPv6, too" stays_out fd00:9::2 fd00:9::1
refute "nor does TCP" connects 10.9.0.1 81

# --- its end ---

stop_process "$pid_l" KILL
equal "after kill -9 it stands" "$(guards l)" 1
check "and keeps it out" stays_out 10.9.0.2 10.9.0.1
check "racoon starts again" racoon_start l && pid_l=$racoon_pid
check "without policies it goes" wait_until 5 eval '[ "$(guards l)" = 0 ]'
check "it comes in" comes 10.9.0.2 10.9.0.1
host=l
check "policies" policies l < <(tunnels)
check "a guard" wait_until 5 rules_are 2
stop_process "$pid_l" KILL
sed -i '1i module "kernel-userspace" { table 7262; }' "$work/l/racoon/racoon.conf"
sed -i '2i module "crypto-openssl"; module "auth-psk";' "$work/l/racoon/racoon.conf"
check "racoon starts with another table" racoon_start l && pid_l=$racoon_pid
equal "what the killed one left is gone" "$(guards l)" 0
check "policies" policies l < <(tunnels)
check "a guard" wait_until 5 eval '[ "$(guards l)" = 1 ]'
stop_process "$pid_l"
equal "racoon on l ends orderly, status" $? 0
equal "nothing is left" "$(guards l)" 0
equal "what others have" "$(foreign)" 4
check "no complaint" eval '! grep -E "let in|left behind|does not come again" "$(log_of l)"'

sed -i '1s/.*/module "kernel-userspace" { guard off; }/' "$work/l/racoon/racoon.conf"
check "racoon starts with guard off" racoon_start l && pid_l=$racoon_pid
check "policies" policies l < <(tunnels)
check "what they cover comes in" comes 192.168.2.1 192.168.101.1
equal "there is no guard" "$(guards l)" 0
stop_process "$pid_l"
stop_process "$pid_r"
finish
