#!/bin/bash
# kill -9 of keeper, engine and data process at random moments of a pair that negotiates and rekeys. After each
# restart, with and without -B, traffic flows again, the kernel has no SA that the daemon does not know, and what
# others have in the kernel is still there.
#
#     crash.sh [NUMBER [SEED]]        how many kills (RACOON_KILLS, else 10)
. "$(dirname "$0")/begin.sh"
kills=${1:-${RACOON_KILLS:-10}}
seed=${2:-$RANDOM}
RANDOM=$seed
note "$kills kills, seed $seed"

# Lifetimes of which the shortest renewal comes every few seconds, and a peer that is missed soon.
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 phase1="40 sec" phase2="15 sec" \
        top="path backupsa \"$work/$host/racoon/sa\";" \
        remote="dpd on; dpd_delay 2; dpd_retry 1; dpd_maxfail 2;"
done

# What somebody else has: it must outlive everything here.
plant() {
    local host=$1 n=$2
    if [ "$kernel" = userspace ]; then
        ip -n "$host" route add 203.0.113.0/24 dev "v$host" table 999
        ip -n "$host" rule add to 203.0.113.0/24 lookup 999 priority 31000
    else
        ip -n "$host" xfrm state add src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x77 reqid 77 mode tunnel \
            enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth 'hmac(sha256)' "0x$(printf '%064d' 1)"
        ip -n "$host" xfrm policy add src 203.0.113.0/24 dst "198.51.100.$n/32" dir out \
            tmpl src 203.0.113.1 dst 203.0.113.2 proto esp reqid 77 mode tunnel
    fi
}
planted() {
    if [ "$kernel" = userspace ]; then
        ip -n "$1" route show table 999 | grep -q '203.0.113.0/24' && ip -n "$1" rule | grep -q '203.0.113.0/24'
    else
        ip -n "$1" xfrm state | grep -q 'spi 0x00000077' && ip -n "$1" xfrm policy | grep -q 'src 203.0.113.0/24'
    fi
}
plant l 1
plant r 2

# The SPIs of whole SAs in the kernel, and those that the daemon shows; larval SAs have no algorithm yet.
kernel_spis() {
    ip -n "$1" xfrm state | awk '
        /^src/ { foreign = $2 == "203.0.113.1" }
        $1 == "proto" { spi = $4 }
        ($1 == "enc" || $1 == "aead") && !foreign { print spi }' | while read -r spi; do printf '%d\n' "$spi"; done | sort
}
daemon_spis() { racoon_ctl "$1" show-sa ipsec | grep -oE 'spi=[0-9]+' | cut -d= -f2 | sort; }
# An SA may come up or go between the two looks: they agree soon, or never.
agree() { [ "$(kernel_spis "$1")" = "$(daemon_spis "$1")" ]; }

family() { # PID NAME: the child of that name
    local child
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        if tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -q "racoon: $2"; then echo "$child"; fi
    done
}
family_gone() { local child; for child in "$@"; do process_gone "$child" || return 1; done; }
victims="keeper keeper engine"
[ "$kernel" != userspace ] || victims="$victims data"
# Each engine that dies waits longer for the next one, so a daemon that has lost two goes itself.
declare -A engines=([l]=0 [r]=0) killed=([keeper]=0 [engine]=0 [data]=0) pid restored=([with]=0 [without]=0)

start_both
pid[l]=$pid_l pid[r]=$pid_r
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
for ((i = 1; i <= kills && failures == 0; i++)); do
    [ $((RANDOM % 2)) = 0 ] && host=l other=r || host=r other=l
    set -- $victims
    shift $((RANDOM % $#))
    victim=$1
    [ "$victim" != engine ] || [ "${engines[$host]}" -lt 2 ] || victim=keeper
    addresses $host
    # Traffic in both directions, so that renewals and acquires are under way.
    ping_start $host "$own_inner" "$peer_inner" 0.05
    sleep "0.$((RANDOM % 1000))"
    [ $((RANDOM % 3)) != 0 ] || sleep $((RANDOM % 6))
    all=$(cat "/proc/${pid[$host]}/task/"*/children)
    what="kill $i: $victim of $host"
    killed[$victim]=$((killed[$victim] + 1))
    case $victim in
    keeper)
        kill -KILL "${pid[$host]}"
        wait "${pid[$host]}" 2>/dev/null
        wait_until 10 family_gone $all || check "$what: its processes end" false
        option=
        [ $((RANDOM % 2)) = 0 ] || option=-B
        [ -n "$option" ] && restored[with]=$((restored[with] + 1)) || restored[without]=$((restored[without] + 1))
        what="$what, started with '$option'"
        racoon_start $host $option && pid[$host]=$racoon_pid || check "$what: it starts again" false
        engines[$host]=0
        ;;
    *)
        one=$(family "${pid[$host]}" "$victim")
        if [ -n "$one" ]; then kill -KILL "$one"; fi
        [ "$victim" != engine ] || engines[$host]=$((engines[$host] + 1))
        ;;
    esac
    stop_process "$ping_pid" INT
    ping_once $host "$own_inner" "$peer_inner" 40 || check "$what: traffic flows again" false
    addresses $other
    ping_once $other "$own_inner" "$peer_inner" 40 || check "$what: traffic flows again the other way" false
    for one in l r; do
        planted $one || check "$what: what others have on $one is there" false
        [ "$kernel" = userspace ] || wait_until 20 agree $one || {
            check "$what: kernel and daemon of $one have the same SAs" false
            note "kernel: $(kernel_spis $one | tr '\n' ' ')"
            note "daemon: $(daemon_spis $one | tr '\n' ' ')"
        }
    done
done
check "$((i - 1)) kills: keeper ${killed[keeper]} (started with -B ${restored[with]}, without ${restored[without]}), \
engine ${killed[engine]}, data ${killed[data]}" [ $failures = 0 ]
for host in l r; do
    stop_process "${pid[$host]}"
    check "$host ends in good order, and its file is empty" [ ! -s "$work/$host/racoon/sa" ]
    if [ "$kernel" != userspace ]; then equal "SAs of ours that are left on $host" "$(kernel_spis $host)" ""; fi
    check "what others have on $host is there" planted $host
done
finish
