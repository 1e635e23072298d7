# Sourced by tests and by the quickstart: two hosts, l and r, as network namespaces.
#
#   l  10.9.0.1  fd00:9::1   protects 192.168.1.0/24 and fd00:1::/64 (.1 and ::1 on lo)
#   r  10.9.0.2  fd00:9::2   protects 192.168.2.0/24 and fd00:2::/64
#
# A third namespace is the wire between them: a bridge, where packets are recorded. (A host's own interface
# is no place for that: there the kernel shows what it has just decrypted once more.) The wire can be cut.
#
# hosts_private re-runs the script in namespaces of its own (mounts, processes, network; a user
# namespace too for who is not root), so that nothing here touches the host it runs on, two scripts
# never meet, and whatever way the script ends, the kernel ends its processes with it.
# shellcheck shell=bash
support=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

hosts_private() { # "$0" "$@"
    if [ -z "${RACOON_GUEST-}${RACOON_PRIVATE-}" ]; then
        local user=()
        [ "$(id -u)" = 0 ] || user=(--map-root-user)
        RACOON_PRIVATE=1 exec unshare "${user[@]+"${user[@]}"}" --mount --net --pid --fork \
            --kill-child --mount-proc bash "$@"
    fi
    if [ -n "${RACOON_PRIVATE-}" ]; then
        mount -t tmpfs -o mode=755 run /run && mkdir /run/netns /run/lock || exit 1
    fi
    # Not below /run, which each host has covered with its own.
    work=/mnt
    mount -t tmpfs -o mode=755 work $work || exit 1
}

hosts_up() {
    local host other n net
    ip netns add wire && ip -n wire link add bridge type bridge mcast_snooping 0 || return 1
    ip -n wire link set bridge addrgenmode none up
    for host in l r; do
        [ $host = l ] && n=1 || n=2
        ip netns add $host || return 1
        mkdir -p "$work/$host/run"
        ip link add v$host netns $host address 02:00:00:00:00:0$n type veth peer name w$host netns wire || return 1
        ip -n wire link set w$host addrgenmode none master bridge up
    done
    for host in l r; do
        [ $host = l ] && { n=1 net=2 other=r; } || { n=2 net=1 other=l; }
        # No link-local address, no address detection, and the neighbour written down: then every packet
        # on the wire comes from somebody's traffic, and a test may ask about each one of them.
        ip -batch - -n $host <<BATCH || return 1
link set lo up
link set v$host addrgenmode none
link set v$host up
addr add 10.9.0.$n/24 dev v$host
addr add fd00:9::$n/64 dev v$host nodad
neigh replace 10.9.0.$net lladdr 02:00:00:00:00:0$net dev v$host nud permanent
neigh replace fd00:9::$net lladdr 02:00:00:00:00:0$net dev v$host nud permanent
addr add 192.168.$n.1/24 dev lo
addr add fd00:$n::1/64 dev lo nodad
route add 192.168.$net.0/24 via 10.9.0.$net src 192.168.$n.1
route add fd00:$net::/64 via fd00:9::$net src fd00:$n::1
BATCH
        enter $host sysctl -q -w net.ipv4.ping_group_range='0 0' 2>/dev/null
    done
    return 0
}

# addresses HOST [4|6]: sets own, peer, own_net, peer_net, own_inner, peer_inner as seen from that host
addresses() {
    local n=1 other=2
    [ "$1" = l ] || { n=2 other=1; }
    if [ "${2:-4}" = 4 ]; then
        own=10.9.0.$n peer=10.9.0.$other
        own_net=192.168.$n.0/24 peer_net=192.168.$other.0/24
        own_inner=192.168.$n.1 peer_inner=192.168.$other.1
    else
        own=fd00:9::$n peer=fd00:9::$other
        own_net=fd00:$n::/64 peer_net=fd00:$other::/64
        own_inner=fd00:$n::1 peer_inner=fd00:$other::1
    fi
}

enter() { (replaced enter "$@"); }  # HOST COMMAND...: in that host's network
on() { (replaced on "$@"); }        # HOST COMMAND...: the same with a /run of its own, for daemons with fixed paths there
wire_cut() { ip -n wire link set wr nomaster; }
wire_mend() { ip -n wire link set wr master bridge; }

enter_background() { replaced enter "$@" & } # $! is the command's own process
on_background() { replaced on "$@" & }

# By the small program of enter.c where RACOON_ENTER names it: in a guest nsenter is dear.
replaced() { # enter|on HOST COMMAND...: in place of this shell
    local way=$1 host=$2 run=-
    shift 2
    [ "$way" = enter ] || run=$work/$host/run
    if [ -n "${RACOON_ENTER-}" ]; then
        exec "$RACOON_ENTER" /run/netns/"$host" "$run" "$@"
    elif [ "$way" = enter ]; then
        exec nsenter --net=/run/netns/"$host" "$@"
    fi
    exec nsenter --net=/run/netns/"$host" unshare --mount \
        sh -c 'mount --bind "$0" /run && exec "$@"' "$run" "$@"
}

# --- waiting: for what happens, never for time to pass

wait_until() { # SECONDS COMMAND...: until the command succeeds
    local end=$((SECONDS + $1)) what
    shift
    what=$*
    until "$@"; do
        if [ $SECONDS -ge $end ]; then
            echo "    waited in vain for: $what" >&2
            return 1
        fi
        nap 0.1
    done
}
nap() { read -rt "$1" -u "$nap_pipe" || :; } # a sleep that starts no process
exec {nap_pipe}<> <(:)

wait_line() { # FILE REGEX [SECONDS [COUNT]]: until COUNT lines match (1)
    wait_until "${3:-30}" has_lines "$1" "$2" "${4:-1}"
}
has_lines() { [ "$(grep -cE -- "$2" "$1" 2>/dev/null)" -ge "$3" ]; }

stop_process() { # PID [SIGNAL [SECONDS]]: ends a child and waits; its exit status
    [ -n "${1-}" ] || return 0
    kill -"${2:-TERM}" "$1" 2>/dev/null
    wait_until "${3:-20}" process_gone "$1" || kill -KILL "$1"
    wait "$1" 2>/dev/null
}
process_gone() { ! kill -0 "$1" 2>/dev/null; }

# --- seeing: what went over the wire

capture_start() { # FILE: every packet on the wire, both ways
    enter_background wire perl "$support/capture.pl" record "${wire_port:-wl}" "$1" >"$1.out" 2>&1
    capture_pid=$!
    wait_line "$1.out" '^capturing' 10
}
capture_stop() { stop_process "${capture_pid-}"; capture_pid=; }

# capture_count FILE KIND: how many packets; kinds: all isakmp marked (ESP on port 500) esp natt link plain fragment
capture_count() { perl "$support/capture.pl" count "$1" "$2"; }
# capture_longest FILE KIND: bytes of the longest of them, with its IP header
capture_longest() { perl "$support/capture.pl" longest "$1" "$2"; }
# capture_holds FILE HEX: whether these bytes stand anywhere in the packets
capture_holds() { perl "$support/capture.pl" holds "$1" "$2"; }
# capture_decoded FILE [KEYS]: what tshark thinks of it, one line for each ISAKMP message; KEYS as `racoonctl
# show-keys` prints them. capture_sealed FILE [KEYS]: the messages that it could not decrypt.
capture_decoded() { capture_tshark "$1" "${2-}" isakmp; }
capture_sealed() { capture_tshark "$1" "${2-}" 'isakmp.flag_e == 1 && !isakmp.hash'; }
capture_tshark() {
    mkdir -p "$work/wireshark"
    cp "${2:-/dev/null}" "$work/wireshark/ikev1_decryption_table"
    WIRESHARK_CONFIG_DIR=$work/wireshark tshark -n -r "$1" -Y "$3" 2>/dev/null
}

# --- a ping that counts: what got lost between the first and the last answer

ping_start() { # HOST FROM TO [INTERVAL]
    ping_log=$work/ping.$((ping_number = ${ping_number:-0} + 1))
    enter_background "$1" ping -n -D -I "$2" -i "${4:-0.02}" -W 2 "$3" >"$ping_log" 2>&1
    ping_pid=$!
}

# Sets ping_sent, ping_received and ping_lost. What was under way when the ping was stopped is not lost;
# but a ping whose last answers are missing is one that got stuck, and those count.
ping_stop() {
    stop_process "${ping_pid-}" INT
    ping_pid=
    eval "$(perl -ne '
        $seen{$1} = 1, $last = $1 > $last ? $1 : $last if /icmp_seq=(\d+) .*time=/;
        $sent = $1 if /^(\d+) packets transmitted/;
        END {
            $got = keys %seen; $last += 0; $sent += 0;
            $lost = $last - $got;
            $lost += $sent - $last if $sent - $last > 5;
            print "ping_sent=$sent ping_received=$got ping_lost=$lost";
        }' "$ping_log")"
}

# kernel_has_esp: whether an ESP SA can be installed here (SPIs can be had even where ESP is missing)
kernel_has_esp() {
    local sa="src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x101"
    ip -n l xfrm state add $sa mode tunnel enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff \
        auth 'hmac(sha256)' "0x$(printf '%064d' 0)" 2>/dev/null && ip -n l xfrm state delete $sa
}

# ping_once HOST FROM TO [SECONDS]: until one answer came; the packets before it may wait for a tunnel
ping_once() {
    wait_until "${4:-30}" enter "$1" ping -n -q -c 1 -W 1 -I "$2" "$3" >/dev/null 2>&1
}
# ping_all HOST FROM TO COUNT: every one must be answered
ping_all() {
    enter "$1" ping -n -q -c "$4" -i 0.05 -W 2 -I "$2" "$3" | grep -q " $4 received"
}
