#!/bin/bash
# In the guest: strongSwan on r, which sends its IKE messages in pieces of a few hundred bytes, and the daemon under
# test on l, whose large messages go in pieces as well; each side once as initiator, in main and aggressive mode.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up || exit 1
racoon_install || exit 1

charon_fragment_size=300
suite=aes256-sha256-modp4096
charon_configure r $suite aes256-sha256-modp4096
charon_start r || { cat "$work"/r/charon.*; exit 1; }

for mode in main aggressive; do
    [ $mode = main ] && ike_aggressive=no || ike_aggressive=yes
    for initiator in l r; do
        # With force strongSwan would send the first message in pieces too. Those belong to no SA yet, and are kept
        # for nobody: in main mode it is small.
        [ $mode$initiator = aggressiver ] && ike_fragmentation=yes || ike_fragmentation=force
        charon_configure r $suite aes256-sha256-modp4096
        charon_reload r || exit 1
        [ $initiator = l ] && who=racoon || who=strongSwan
        label="$mode mode, $who initiates"
        racoon_configure l kernel=xfrm families=4 mode=$mode group=modp4096 pfs=modp4096 phase1="48 hour" \
            phase2="48 hour" "cipher=aes 256" hash=sha256 remote="ike_frag on;"
        rm -f "$work/l/racoon/log"
        check "$label: racoon starts" racoon_start l -d || break 2
        capture_start "$work/wire.pcap"
        if [ $initiator = l ]; then
            check "$label: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1 60
        else
            check "$label: the tunnel comes up" charon_initiate r 60 || cat "$work/r/initiate.out"
        fi
        check "$label: 10 pings from l" ping_all l 192.168.1.1 192.168.2.1 10
        check "$label: 10 pings from r" ping_all r 192.168.2.1 192.168.1.1 10
        capture_stop
        at_least "$label: pieces on the wire" "$(capture_count "$work/wire.pcap" fragment)" 4
        at_least "$label: messages that racoon put together" \
            "$(grep -c 'fragment [0-9]* completed' "$work/l/racoon/log")" 1
        at_least "$label: messages that racoon sent in pieces" \
            "$(grep -c 'sending [0-9]* bytes in [0-9]* fragments' "$work/l/racoon/log")" 1
        stop_process "$racoon_pid"
        check "$label: strongSwan's SAs are gone after the delete" wait_until 10 charon_has_no_sa r
        [ $failures = 0 ] || break 2
    done
done
if [ $failures != 0 ]; then
    tail -n 80 "$work/r/charon.log"
    racoon_log l
fi
cases_end
