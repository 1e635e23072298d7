#!/bin/bash
# In the guest: strongSwan on r and the daemon under test on l, main mode with a pre-shared key, each side
# once as initiator, two suites, with PFS and without, and ESP of the kernel both ways.
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

suite() { # NAME PFS
    local strong_pfs= pfs=
    case $1 in
    strong) ike=aes256-sha256-modp2048 esp=aes256-sha256 group=modp2048
        words=("cipher=aes 256" hash=sha256 group=modp2048 "esp_cipher=aes 256" esp_auth=hmac_sha256) ;;
    old) ike=aes128-sha1-modp1024 esp=aes128-sha1 group=modp1024
        words=("cipher=aes 128" hash=sha1 group=modp1024 "esp_cipher=aes 128" esp_auth=hmac_sha1) ;;
    esac
    [ "$2" = no-pfs ] || { strong_pfs=-$group pfs=$group; }
    charon_configure r "$ike" "$esp$strong_pfs"
    if [ "$under_test" = charon ]; then
        charon_configure l "$ike" "$esp$strong_pfs"
    else
        # strongSwan asks for a day and a bit; proposal_check strict takes what is not longer than ours
        racoon_configure l kernel=xfrm families=4 pfs=$pfs phase1="48 hour" phase2="48 hour" "${words[@]}"
    fi
}
start_l() {
    if [ "$under_test" = charon ]; then
        charon_reload l
    else
        rm -f "$work/l/racoon/log"
        racoon_start l
    fi
}
stop_l() {
    if [ "$under_test" = charon ]; then
        swan l --terminate --ike peer >/dev/null
    else
        stop_process "$racoon_pid"
        equal "racoon ends orderly, status" $? 0
    fi
}
initiate_from_l() {
    if [ "$under_test" = charon ]; then charon_initiate l; else ping_once l 192.168.1.1 192.168.2.1; fi
}

charon_configure r aes256-sha256-modp2048 aes256-sha256
charon_configure l aes256-sha256-modp2048 aes256-sha256
charon_start r || { cat "$work"/r/charon.*; exit 1; }
if [ "$under_test" = charon ]; then charon_start l || exit 1; fi

for name in strong old; do
    for pfs in no-pfs pfs; do
        for initiator in l r; do
            [ $initiator = l ] && who=$under_test || who=strongSwan
            label="$name, $pfs, $who initiates"
            suite $name $pfs
            charon_reload r || exit 1
            check "$label: daemon under test starts" start_l || continue
            capture_start "$work/wire.pcap"
            if [ $initiator = l ]; then
                check "$label: the tunnel comes up" initiate_from_l || cat "$work"/l/*.out
            else
                check "$label: the tunnel comes up" charon_initiate r || cat "$work/r/initiate.out"
            fi
            check "$label: 10 pings from l" ping_all l 192.168.1.1 192.168.2.1 10
            check "$label: 10 pings from r" ping_all r 192.168.2.1 192.168.1.1 10
            capture_stop
            charon_sas r >"$work/sas"
            note "$(grep -E 'AES_CBC' "$work/sas" | tr -s ' ' | tr '\n' ';')"
            equal "$label: packets in the clear" "$(capture_count "$work/wire.pcap" plain)" 0
            at_least "$label: ESP packets" "$(capture_count "$work/wire.pcap" esp)" 40
            case $name in
            strong) check "$label: what was agreed" grep -q 'AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048' "$work/sas"
                esp_agreed=AES_CBC-256/HMAC_SHA2_256_128 ;;
            old) check "$label: what was agreed" grep -q 'AES_CBC-128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024' "$work/sas"
                esp_agreed=AES_CBC-128/HMAC_SHA1_96 ;;
            esac
            [ $pfs = no-pfs ] || esp_agreed=$esp_agreed/${group/modp/MODP_}
            check "$label: ESP as agreed: $esp_agreed" grep -q "ESP:$esp_agreed\$" "$work/sas"
            stop_l
            check "$label: strongSwan's SAs are gone after the delete" wait_until 10 charon_has_no_sa r
            enter r ip xfrm state flush
            [ $failures = 0 ] || break 3
        done
    done
done
if [ $failures != 0 ]; then
    cat "$work/sas"
    tail -n 80 "$work/r/charon.log"
    [ "$under_test" = charon ] || racoon_log l
fi
cases_end
