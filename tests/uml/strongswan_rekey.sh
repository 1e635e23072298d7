#!/bin/bash
# In the guest: strongSwan on r and the daemon under test on l. While a ping of 100 packets a second runs,
# both phases are renewed, first because strongSwan wants it, then because the lifetimes of the daemon under
# test end. Not one packet may be lost.
# PEER_UNDER_TEST=charon puts strongSwan on l as well, to prove the script itself.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/racoon.sh"
under_test=${PEER_UNDER_TEST:-racoon}
hosts_private "$0" "$@"
hosts_up || exit 1
[ "$under_test" = charon ] || racoon_install || exit 1

phase1s() { grep -c 'IKE_SA peer.* established between' "$work/r/charon.log"; }
phase2s() { grep -c 'CHILD_SA net.* established with' "$work/r/charon.log"; }
more_phase1s() { [ "$(phase1s)" -ge "$1" ]; }
more_phase2s() { [ "$(phase2s)" -ge "$1" ]; }
answers() { grep -c 'time=' "$ping_log"; }
more_answers() { [ "$(answers)" -ge "$1" ]; }
runs_on() { more_answers=$(($(answers) + $1)); wait_until 20 more_answers "$more_answers"; }

start_l() { # PHASE1 PHASE2, seconds
    if [ "$under_test" = charon ]; then
        ike_rekey=$1s child_rekey=$2s charon_configure l aes256-sha256-modp2048 aes256-sha256-modp2048
        if [ -z "${charon_on_l-}" ]; then charon_start l; charon_on_l=1; else charon_reload l; fi
    else
        racoon_configure l kernel=xfrm families=4 pfs=modp2048 phase1="$1 sec" phase2="$2 sec"
        racoon_start l
    fi
}
stop_l() {
    if [ "$under_test" = charon ]; then swan l --terminate --ike peer >/dev/null; else stop_process "$racoon_pid"; fi
    wait_until 10 charon_has_no_sa r
}
bring_up() {
    if [ "$under_test" = charon ]; then charon_initiate l; else ping_once l 192.168.1.1 192.168.2.1; fi
}
report_loss() { # WHAT
    ping_stop
    at_least "$1: answers to the ping" "$ping_received" 100
    equal "$1: packets lost" "$ping_lost" 0 || {
        tail -n 3 "$ping_log"
        for host in l r; do # which end dropped them, and why
            enter $host awk -v host=$host '$2 != 0 { print "    " host ": " $1, $2 }' /proc/net/xfrm_stat
        done
        perl -ne 'next unless /icmp_seq=(\d+)/; print "    none between $last and $1, until $_" if $1 > $last + 1; $last = $1' "$ping_log"
    }
}

charon_configure r aes256-sha256-modp2048 aes256-sha256-modp2048
charon_start r || { cat "$work"/r/charon.*; exit 1; }

check "daemon under test starts" start_l 172800 172800
check "the tunnel comes up" bring_up
ping_start l 192.168.1.1 192.168.2.1 0.01
runs_on 20
for round in 1 2 3; do
    before=$(phase2s)
    swan r --rekey --child net >/dev/null
    check "strongSwan renews phase 2, round $round" wait_until 20 more_phase2s $((before + 1))
    runs_on 30
done
for round in 1 2; do
    before=$(phase1s)
    swan r --rekey --ike peer >/dev/null
    check "strongSwan renews phase 1, round $round" wait_until 20 more_phase1s $((before + 1))
    runs_on 30
done
before=$(phase2s)
swan r --rekey --child net >/dev/null
check "phase 2 under the new phase 1" wait_until 20 more_phase2s $((before + 1))
runs_on 50
report_loss "strongSwan renews"
check "an orderly end" stop_l

first1=$(phase1s) first2=$(phase2s)
check "daemon under test starts with short lifetimes" start_l 25 10
check "the tunnel comes up" bring_up
ping_start l 192.168.1.1 192.168.2.1 0.01
check "$under_test renews phase 2 when its lifetime ends, three times" wait_until 60 more_phase2s $((first2 + 4))
check "$under_test renews phase 1 when its lifetime ends" wait_until 40 more_phase1s $((first1 + 2))
before=$(phase2s)
check "and phase 2 under the new phase 1" wait_until 30 more_phase2s $((before + 1))
runs_on 50
report_loss "$under_test renews"
note "phase 1 was negotiated $(phase1s) times in all, phase 2 $(phase2s) times"
check "an orderly end" stop_l

if [ $failures != 0 ]; then
    tail -n 150 "$work/r/charon.log"
    [ "$under_test" = charon ] || racoon_log l
fi
cases_end
