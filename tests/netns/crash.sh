#!/bin/bash
# kill -9 of keeper, engine and data process at random moments of a pair that negotiates and rekeys. After each
# restart, with and without -B, traffic flows again, the kernel has no SA, policy, rule or route that the daemon does
# not know, no process is left over, and what others have in the kernel is still there.
#
#     crash.sh [NUMBER [SEED]]        how many kills (RACOON_KILLS, else 10)
. "$(dirname "$0")/begin.sh"
kills=${1:-${RACOON_KILLS:-10}}
seed=${2:-$RANDOM}
RANDOM=$seed
note "$kills kills, seed $seed"

# Renewals come often, a peer is missed soon, and an SA that nobody knows outlives the time that it is looked for.
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 phase1="50 sec" phase2="30 sec" \
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
plant l 1
plant r 2

# What the kernel has: SPIs of whole SAs, SPIs that were drawn and have no SA (an acquire's, which the kernel makes itself,
# has none), and policies that are not a socket's; or rules, routes and the device. What somebody else has is "foreign".
in_kernel() {
    if [ "$kernel" = userspace ]; then
        enter "$1" ip rule show | awk '/proto 114/; /203\.0\.113\.0/ { print "foreign rule" }'
        enter "$1" ip -6 rule show | grep 'proto 114'
        enter "$1" ip route show table all | awk '/table 7261/; /203\.0\.113\.0.*table 999/ { print "foreign route" }'
        enter "$1" ip -6 route show table 7261
        enter "$1" ip -br link show type tun | cut -d' ' -f1
        return
    fi
    enter "$1" ip xfrm state | awk '
        function told() {
            if (foreign) print "foreign SA"
            else if (spi != "" && spi != "0x") print (whole ? "spi " : "larval ") spi
        }
        /^src/ { told(); whole = 0; spi = ""; foreign = $2 == "203.0.113.1" }
        $1 == "proto" { spi = $4; sub(/^0x0*/, "0x", spi) }
        $1 == "enc" || $1 == "aead" { whole = 1 }
        END { told() }'
    enter "$1" ip xfrm policy | awk '
        /^src/ { what = $2 " " $4; foreign = $2 == "203.0.113.0/24" }
        $1 == "dir" { print foreign ? "foreign policy" : "policy " what " " $2 }'
}
daemon_spis() { [ "$kernel" = userspace ] || racoon_ctl "$1" show-sa ipsec | sed -n 's/.* spi=[0-9]*(0x0*\([0-9a-f]*\)).*/spi 0x\1/p'; }
# What the daemon is asked between two looks at the kernel: an SA that both of them show and it does not is nobody's.
# What is not an SA is as it was. Sets off: what is wrong.
settled() {
    local first daemon second
    first=$(in_kernel "$1") daemon=$(daemon_spis "$1") second=$(in_kernel "$1")
    off=$(awk '
        FNR == 1 { list++ }
        NF == 0 { next }
        list == 1 { first[$0] }
        list == 2 { daemon[$0] }
        list == 3 { second[$0]++ }
        list == 4 { before[$0]++ }
        END {
            for (x in second) {
                if (x !~ /^(spi|larval) /) { if (second[x] != before[x]) print "changed: " x }
                else if (x in first && !(x in daemon)) print "only in the kernel: " x
            }
            for (x in before) if (!(x in second)) print "gone: " x
            for (x in daemon) if (!(x in first) && !(x in second)) print "only in the daemon: " x
        }' <(echo "$first") <(echo "$daemon") <(echo "$second") <(echo "${rest[$1]}"))
    [ -z "$off" ] || { nap 0.4; return 1; }
}
without_sas() { in_kernel "$1" | grep -v '^spi\|^larval' | sort; }
processes() {
    grep -aoh 'racoon: [a-z]*' /proc/[0-9]*/cmdline 2>/dev/null | sort | uniq -c | awk '{ printf "%s%s ", $3, $1 }'
}
all_there() { [ "$(processes)" = "$family" ]; }

child_named() { # PID NAME
    local child
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        if tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -q "racoon: $2"; then echo "$child"; fi
    done
}
family_gone() { local child; for child in "$@"; do process_gone "$child" || return 1; done; }
victims="keeper keeper engine"
[ "$kernel" != userspace ] || victims="$victims data"
# Each engine that dies waits longer for the next one, so a daemon that has lost two goes itself.
declare -A engines=([l]=0 [r]=0) killed=([keeper]=0 [engine]=0 [data]=0) pid restored=([with]=0 [without]=0) rest
larval_lifetime=/proc/sys/net/core/xfrm_acq_expires
lifetime_before=$([ "$kernel" = userspace ] || enter l cat $larval_lifetime)

# In the middle of a negotiation, soon after one, or while a renewal may be due.
wait_for_moment() { # HOST
    case $((RANDOM % 4)) in
    0 | 1)
        racoon_ctl "$1" flush-sa "$([ $((RANDOM % 2)) = 0 ] && echo isakmp || echo ipsec)" >/dev/null 2>&1
        nap "0.$(printf %03d $((RANDOM % 150)))"
        ;;
    2) nap "0.$(printf %03d $((RANDOM % 1000)))" ;;
    3) nap "$((RANDOM % 4)).$(printf %03d $((RANDOM % 1000)))" ;;
    esac
}
# The first answer of a stream of pings.
answers() { enter "$1" ping -n -q -c 1 -i 0.1 -w 40 -I "$2" "$3" >/dev/null 2>&1; }

start_both
pid[l]=$pid_l pid[r]=$pid_r
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
family=$(processes)
for host in l r; do
    rest[$host]=$(without_sas $host)
    equal "what others have on $host" "$(grep -c foreign <<<"${rest[$host]}")" 2
done
for ((i = 1; i <= kills && failures == 0; i++)); do
    [ $((RANDOM % 2)) = 0 ] && host=l other=r || host=r other=l
    set -- $victims
    shift $((RANDOM % $#))
    victim=$1
    [ "$victim" != engine ] || [ "${engines[$host]}" -lt 2 ] || victim=keeper
    addresses $host
    # Traffic in both directions, so that renewals and acquires are under way.
    ping_start $host "$own_inner" "$peer_inner" 0.1
    [ $((RANDOM % 2)) = 0 ] && wait_for_moment $host || wait_for_moment $other
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
        one=$(child_named "${pid[$host]}" "$victim")
        if [ -n "$one" ]; then kill -KILL "$one"; fi
        [ "$victim" != engine ] || engines[$host]=$((engines[$host] + 1))
        ;;
    esac
    stop_process "$ping_pid" INT
    answers $host "$own_inner" "$peer_inner" || check "$what: traffic flows again" false
    addresses $other
    answers $other "$own_inner" "$peer_inner" || check "$what: traffic flows again the other way" false
    wait_until 20 all_there || check "$what: the processes are $(processes)" false
    for one in l r; do
        wait_until 20 settled $one || {
            check "$what: the kernel of $one has what the daemon knows, and what others have" false
            note "${off//$'\n'/, }"
        }
    done
    [ $((i % 10)) != 0 ] || note "$i of $kills kills after $SECONDS s"
done
check "$((i - 1)) kills: keeper ${killed[keeper]} (started with -B ${restored[with]}, without ${restored[without]}), \
engine ${killed[engine]}, data ${killed[data]}" [ $failures = 0 ]
for host in l r; do
    stop_process "${pid[$host]}"
    check "$host ends in good order, and its file is empty" [ ! -s "$work/$host/racoon/sa" ]
    equal "what is left on $host" "$(in_kernel $host | grep -vc foreign)" 0
    equal "what others have on $host" "$(in_kernel $host | grep -c foreign)" 2
    [ "$kernel" = userspace ] ||
        equal "the life of larval SAs on $host, as it was" "$(enter $host cat $larval_lifetime)" "$lifetime_before"
done
finish
