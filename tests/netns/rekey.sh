#!/bin/bash
# Both phases are renewed while 1,000 packets a second pass each way: by the end that began, by the other one,
# and by both at once. Not one packet may be lost.
. "$(dirname "$0")/begin.sh"
command -v nft >/dev/null || skip "there is no nft (package nftables)"
perl -MTime::HiRes -MIO::Socket::INET -e 1 2>/dev/null || skip "this perl is too small (package perl)"
rate=1000

configure() { # SECONDS: that SAs of either phase live
    local host
    for host in l r; do
        racoon_configure $host kernel="$kernel" families=4 pfs=modp2048 phase1="$1 sec" phase2="$1 sec"
    done
}
count() { grep -c "$2" "$(log_of "$1")"; } # HOST REGEX
counts_to() { [ "$(count "$1" "$2")" -ge "$3" ]; }
renewed() { # HOST PHASE TIMES
    wait_until 60 counts_to "$1" "renegotiating phase$2" "$3"
}
flow_start() {
    # A device of 500 packets is half a second of a machine that does something else.
    ip -n l link set racoon0 txqueuelen 10000 2>/dev/null
    ip -n r link set racoon0 txqueuelen 10000 2>/dev/null
    enter_background r perl "$support/flow.pl" echo 192.168.2.1 7 >"$work/echo.out"
    echo_pid=$!
    wait_line "$work/echo.out" echoing
    enter_background l perl "$support/flow.pl" send 192.168.1.1 192.168.2.1 7 $rate >"$work/flow.out"
    flow_pid=$!
}
flow_goes_on() {
    local before
    kill -USR1 "$flow_pid"
    wait_line "$work/flow.out" answered 5 || return 1
    before=$(sed -n 's/.*answered //p' "$work/flow.out" | tail -n 1)
    wait_until 20 flow_answered $((before + rate / 2))
}
flow_answered() {
    kill -USR1 "$flow_pid"
    [ "$(sed -n 's/.*answered //p' "$work/flow.out" | tail -n 1)" -ge "$1" ]
}
report_loss() { # WHAT
    check "$1: packets pass" flow_goes_on
    stop_process "$flow_pid" INT
    stop_process "$echo_pid"
    at_least "$1: packets" "$(sed -n 's/^sent \([0-9]*\) lost.*/\1/p' "$work/flow.out")" $((4 * rate))
    equal "$1: packets lost" "$(sed -n 's/^sent .* lost //p' "$work/flow.out")" 0 || grep '^lost' "$work/flow.out"
}
stop_both() { stop_process "$pid_l"; stop_process "$pid_r"; }

# Who began renews first, by a twentieth of the lifetime at least; a machine that stands still for longer than that would
# have the other end begin.
for host in l r; do
    [ $host = l ] && other=r || other=l
    configure 20
    start_both
    addresses $host
    check "$host begins: the tunnel comes up" ping_once $host $own_inner $peer_inner
    flow_start
    check "$host renews phase 2, twice" renewed $host 2 2
    check "$host renews phase 1" renewed $host 1 1
    report_loss "$host renews"
    equal "$host renews: what $other began" "$(count $other 'renegotiating phase')" 0
    stop_both
done

# Neither hears of the other's renewal before it has begun its own: IKE is held back, ESP is not.
configure 24
start_both
check "both: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
flow_start
enter l nft -f - <<'RULES'
table ip hold {
    chain out { type filter hook output priority 0; udp dport 500 drop; }
    chain in { type filter hook input priority 0; udp dport 500 drop; }
}
RULES
for host in l r; do
    check "both: $host renews phase 1" renewed $host 1 1
    check "both: $host renews phase 2" renewed $host 2 1
done
enter l nft delete table ip hold
pairs_before=$(racoon_pairs l)
more_pairs() { [ "$(racoon_pairs l)" -gt "$pairs_before" ]; }
check "both: a new pair comes up" wait_until 20 more_pairs
report_loss "both renew at once"
same_spis() { [ "$(racoon_spis l)" = "$(racoon_spis r)" ]; }
check "both: they hold the same SAs" wait_until 60 same_spis
stop_both
finish
