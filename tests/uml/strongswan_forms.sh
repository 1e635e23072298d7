#!/bin/bash
# In the guest: strongSwan on r and racoon on l. Transport mode, AH, extended sequence numbers, each
# begun by either end.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up || exit 1
racoon_install || exit 1
ike=aes256-sha256-modp2048

ping_ends() { # HOST
    case $scope-$1 in
    nets-l) echo 192.168.1.1 192.168.2.1 ;; nets-r) echo 192.168.2.1 192.168.1.1 ;;
    hosts-l) echo 10.9.0.1 10.9.0.2 ;; hosts-r) echo 10.9.0.2 10.9.0.1 ;;
    esac
}
form() { # NAME RULES SCOPE INITIATOR WHAT-SWANCTL-SHOWS
    local name=$1 rules=$2 initiator=$4 shown=$5
    scope=$3
    charon_reload r || { check "$name: strongSwan takes the configuration" false; return; }
    racoon_configure l kernel=xfrm families=4 phase1="48 hour" phase2="48 hour" rules="$rules" scope=$scope \
        sainfo="$sainfo_words" esp_auth="$integrity"
    check "$name: racoon starts" racoon_start l || return
    if [ $initiator = l ]; then
        check "$name: racoon begins" ping_once l $(ping_ends l)
    else
        check "$name: strongSwan begins" charon_initiate r || cat "$work/r/initiate.out"
    fi
    check "$name: 5 pings from l" ping_all l $(ping_ends l) 5
    check "$name: 5 pings from r" ping_all r $(ping_ends r) 5
    check "$name: large pings" eval 'enter r ping -n -q -c 3 -i 0.1 -W 2 -s 1200 -p 00 -I $(ping_ends r) | grep -q " 3 received"'
    charon_sas r >"$work/sas"
    check "$name: agreed: $shown" grep -qE "$shown" "$work/sas"
    if [ $failures != 0 ]; then
        cat "$work/sas"
        tail -n 60 "$work/r/charon.log"
        racoon_log l
        enter l ip xfrm policy
        enter l ip xfrm state
    fi
    swan r --terminate --ike peer >/dev/null
    check "$name: the delete took racoon's SAs" wait_until 10 eval '[ -z "$(enter l ip xfrm state)" ]'
    stop_process "$racoon_pid"
    enter r ip xfrm state flush
}

sainfo_words= integrity=hmac_sha256
charon_configure r $ike aes256-sha256
charon_start r || { cat "$work"/r/charon.*; exit 1; }

# HMAC-SHA2-256 cut to 96 bits, by both.
child_sha256_96=yes charon_configure r $ike aes256-sha256
integrity=hmac_sha256_96
form "96 bits of SHA-256" "esp/tunnel/A-B/require" nets l 'TUNNEL.*ESP:AES_CBC-256/HMAC_SHA2_256'
integrity=hmac_sha256
# What strongSwan has behind it is a range and no net: our policy is for the net around it.
child_local_ts=192.168.2.1-192.168.2.99 charon_configure r $ike aes256-sha256
form "a range" "esp/tunnel/A-B/require" nets r '192.168.2.1..192.168.2.99'
for initiator in r l; do
    [ $failures = 0 ] || break
    scope=hosts
    charon_configure r $ike aes256-sha256
    form "transport mode, $initiator" "esp/transport//require" hosts $initiator 'TRANSPORT.*ESP:AES_CBC-256'
    [ $failures = 0 ] || break
    scope=nets
    child_proposals=ah_proposals charon_configure r $ike sha256
    form "AH tunnel, $initiator" "ah/tunnel/A-B/require" nets $initiator 'TUNNEL.*AH:HMAC_SHA2_256_128'
    [ $failures = 0 ] || break
    charon_configure r $ike aes256-sha256-esn
    sainfo_words="esn on;"
    form "extended sequence numbers, $initiator" "esp/tunnel/A-B/require" nets $initiator 'ESP:AES_CBC-256/HMAC_SHA2_256_128/ESN'
    sainfo_words=
    [ $failures = 0 ] || break
done
cases_end
