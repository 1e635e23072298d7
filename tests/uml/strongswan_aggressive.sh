#!/bin/bash
# In the guest: strongSwan on r and racoon on l in aggressive mode with a pre-shared key, each side once as
# initiator, with addresses and with names as identities, and ESP of the kernel both ways.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up || exit 1
racoon_install || exit 1
ike_aggressive=yes

configure() { # addresses|names
    local remote= keys=
    ike_own_id= ike_peer_id=
    if [ "$1" = names ]; then
        ike_own_id=r.example ike_peer_id=l.example keys=r.example
        remote='my_identifier fqdn "l.example"; peers_identifier fqdn "r.example"; verify_identifier on;'
    fi
    charon_configure r aes256-sha256-modp2048 aes256-sha256
    # strongSwan asks for a day and a bit; proposal_check strict takes what is not longer than ours
    racoon_configure l kernel=xfrm families=4 phase1="48 hour" phase2="48 hour" mode="main, aggressive" \
        remote="$remote" keys="$keys"
    # As initiator, aggressive mode is what comes first.
    [ "$2" = r ] || sed -i 's/exchange_mode main, aggressive/exchange_mode aggressive, main/' "$work/l/racoon/racoon.conf"
    [ "$1" = addresses ] || sed -i '/^10\./d' "$work/l/racoon/psk.txt"
}

configure addresses r
charon_start r || { cat "$work"/r/charon.*; exit 1; }
for identities in addresses names; do
    for initiator in l r; do
        [ $initiator = l ] && who=racoon || who=strongSwan
        label="$identities, $who initiates"
        configure $identities $initiator
        charon_reload r || exit 1
        rm -f "$work/l/racoon/log"
        check "$label: racoon starts" racoon_start l || continue
        if [ $initiator = l ]; then
            check "$label: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
        else
            check "$label: the tunnel comes up" charon_initiate r || cat "$work/r/initiate.out"
        fi
        check "$label: 10 pings from l" ping_all l 192.168.1.1 192.168.2.1 10
        check "$label: 10 pings from r" ping_all r 192.168.2.1 192.168.1.1 10
        check "$label: in aggressive mode" wait_line "$work/l/racoon/log" 'begin Aggressive mode' 5
        equal "$label: ISAKMP SAs" "$(grep -c 'ISAKMP-SA established' "$work/l/racoon/log")" 1
        charon_sas r >"$work/sas"
        note "$(grep -E 'local|remote|AES_CBC' "$work/sas" | tr -s ' ' | tr '\n' ';')"
        stop_process "$racoon_pid"
        equal "$label: racoon ends orderly, status" $? 0
        check "$label: strongSwan's SAs are gone after the delete" wait_until 10 charon_has_no_sa r
        enter r ip xfrm state flush
        [ $failures = 0 ] || break 2
    done
done
if [ $failures != 0 ]; then
    cat "$work/sas"
    tail -n 80 "$work/r/charon.log"
    racoon_log l
fi
cases_end
