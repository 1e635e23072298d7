#!/bin/bash
# A gateway that has no policies of its own makes them for its peer, in each form that generate_policy has, and takes
# them away with the peer's last SA.
. "$(dirname "$0")/begin.sh"
suite=()
[ "$kernel" != pfkey ] || suite=(esp_auth=hmac_sha1)
of_kernel() { # those of l; userspace keeps its own
    [ "$kernel" != userspace ] || { racoon_spis l | wc -w; return; }
    enter l ip xfrm policy | grep -c 'proto esp'
}
has() { [ "$(of_kernel)" = "$1" ]; }
[ "$kernel" = userspace ] && whole=2 || whole=3 # two SAs; policies out, in and fwd

racoon_configure r kernel="$kernel" families=4 "${suite[@]}"
check "racoon starts on r" racoon_start r && pid_r=$racoon_pid
for form in on require unique; do
    racoon_configure l kernel="$kernel" families=4 policies= remote="passive on; generate_policy $form;" "${suite[@]}"
    check "$form: racoon starts on l" racoon_start l && pid_l=$racoon_pid
    equal "$form: nothing is there before" "$(of_kernel)" 0
    check "$form: the peer's ping makes a tunnel" ping_once r 192.168.2.1 192.168.1.1
    check "$form: and it is there at l" wait_until 5 has $whole
    check "$form: pings from the peer" ping_all r 192.168.2.1 192.168.1.1 5
    check "$form: pings to the peer" ping_all l 192.168.1.1 192.168.2.1 5
    if [ "$kernel" != userspace ]; then
        reqid=$(enter l ip xfrm policy | sed -n 's/.*proto esp.*reqid \([0-9]*\).*/\1/p' | sort -u)
        equal "$form: one request id for all three" "$(wc -w <<<"$reqid")" 1
        equal "$form: which the SAs have" "$(enter l ip xfrm state | grep -c "reqid $reqid ")" 2
        [ $form != unique ] || check "unique: one that setkey can name" [ "$reqid" -le 16383 ]
    fi
    racoon_ctl r flush-sa ipsec
    check "$form: with the peer's SAs it goes" wait_until 10 has 0
    check "$form: and comes again with its next packet" ping_once r 192.168.2.1 192.168.1.1
    stop_process "$pid_l"
    equal "$form: racoon on l ends orderly, status" $? 0
    equal "$form: what is left of it" "$(of_kernel 2>/dev/null)" 0
    no_sa_of_r() { [ -z "$(racoon_spis r)" ]; }
    check "$form: nor has the peer any SA" wait_until 10 no_sa_of_r
done

# PF_KEY cannot say where the sequence numbers of an SA begin, so that none comes back.
[ "$kernel" != pfkey ] || finish

# Killed, and started with -B: the policy comes back with its SAs, and no peer has to negotiate.
racoon_configure l kernel="$kernel" families=4 policies= remote="passive on; generate_policy on;" "${suite[@]}" \
    top="path backupsa \"$work/l/racoon/sa\";"
check "-B: racoon starts on l" racoon_start l && pid_l=$racoon_pid
check "-B: the peer's ping makes a tunnel" ping_once r 192.168.2.1 192.168.1.1
check "-B: and it is there at l" wait_until 5 has $whole
before=$(racoon_pairs r) spis=$(racoon_spis l)
kill -KILL "$pid_l"
wait "$pid_l" 2>/dev/null
check "-B: racoon starts again" racoon_start l -B && pid_l=$racoon_pid
equal "-B: with the same SAs" "$(racoon_spis l)" "$spis"
check "-B: and with the policy" has $whole
check "-B: pings from the peer" ping_all r 192.168.2.1 192.168.1.1 5
check "-B: pings to the peer" ping_all l 192.168.1.1 192.168.2.1 5
equal "-B: negotiations of the peer since then" "$(racoon_pairs r)" "$before"
stop_process "$pid_l"
equal "-B: what is left at the end" "$(of_kernel 2>/dev/null)" 0
stop_process "$pid_r"
finish
