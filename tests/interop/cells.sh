#!/bin/bash
# cells.sh FILE: runs cells of the interop matrix, whose lines (of cells.py words) are in FILE, between the hosts l,
# where racoon is, and r. For each it prints "cell NAME SECONDS ok", or what failed in place of "ok" after the logs.
# RACOON_VERBOSE=1 shows the logs of those that worked, too.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/libreswan.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up && . "$(dirname "$0")/site.sh" && site_up || { echo "cannot make two hosts and two NATs"; exit 1; }
racoon_install || { echo "there is no racoon in $RACOON_BUILD"; exit 1; }
pings=4 day="48 hour" # strongSwan asks for a day and a bit; proposal_check strict takes what is not longer than ours

# --- the other end

configure_peer() {
    case $with in
    racoon) configure_racoon r ;;
    strongswan)
        child_proposals=esp_proposals child_ipcomp=no ike_aggressive=no
        [ "$proto" != ah ] || child_proposals=ah_proposals
        [ "$proto" != ipcomp ] || child_ipcomp=yes
        [ "$mode" != aggressive ] || ike_aggressive=yes
        charon_configure r "$their_ike" "$their_phase2" && charon_reload r
        ;;
    libreswan)
        local lines=("pfs=$([ "$pfs" = pfs ] && echo yes || echo no)")
        [ "$proto" != ah ] || lines+=("phase2=ah")
        [ "$proto" != ipcomp ] || lines+=("compress=yes")
        [ "$mode" != aggressive ] || lines+=("aggressive=yes")
        [ "$form" != transport ] || lines+=("type=transport")
        # Who is behind a NAT has the address that it knows of itself as its name.
        case $nat in we | both) lines+=("rightid=10.8.0.1") ;; esac
        pluto_configure r "$their_ike" "$their_phase2" "${lines[@]}" && pluto_reload r
        ;;
    esac
}
configure_racoon() { # HOST
    local rules bundles= group_of_pfs=
    [ "$pfs" = nopfs ] || group_of_pfs=$group
    case $form-$proto in
    *-esp) rules="esp/$form//require" ;;
    *-ah) rules="ah/$form//require" ;;
    *-esp+ah) rules="esp/$form//require ah/transport//require" ;;
    *-ipcomp) rules="ipcomp/$form//use esp/transport//require" ;;
    esac
    # The others write one mode for a whole bundle, as complex_bundle off does.
    [ "$with" = racoon ] || bundles="complex_bundle off;"
    racoon_configure "$1" kernel="$kernel" families=4 mode="$mode" remote="nat_traversal on;" \
        rules="${rules//tunnel\/\//tunnel\/A-B\/}" scope="$scope" pfs="$group_of_pfs" phase1="$day" phase2="$day" \
        top="module \"crypto-openssl\"; module \"crypto-legacy\"; module \"auth-psk\"; module \"credential-files\";
            module \"natt\"; module \"kernel-$kernel\"; $bundles" \
        cipher="$cipher" hash="$hash" group="$group" esp_cipher="$esp_cipher" esp_auth="$esp_auth"
}
running= # which daemon runs on r: two cannot have its ports
start_peer() {
    if [ "$running" = libreswan ] && process_gone "$pluto_pid"; then running=; fi
    [ "$running" = "$with" ] || stop_peer
    case $with-$running in
    strongswan-) charon_configure r aes128-sha1-modp2048 aes128-sha1 && charon_start r && running=strongswan ;;
    libreswan-) pluto_start r && running=libreswan ;;
    racoon-*) racoon_start r && pid_r=$racoon_pid running=racoon ;;
    esac
}
stop_peer() {
    case $running in
    racoon) stop_process "$pid_r" ;;
    strongswan) stop_process "$charon_pid" ;;
    libreswan) stop_process "$pluto_pid" ;;
    esac
    running=
}
peer_begins() {
    case $with in
    racoon) ping_between r ping_first 30 ;;
    strongswan) charon_initiate r 30 ;;
    libreswan) pluto_initiate r ;;
    esac
}
log_of_peer() {
    case $with in
    racoon) echo "$work/r/racoon/log" ;;
    strongswan) echo "$work/r/charon.log" ;;
    libreswan) echo "$work/r/pluto.log" ;;
    esac
}

# --- one cell

ping_between() { # HOST COMMAND ARGUMENT: from that host to the other, of the cell's scope
    addresses "$1"
    "$2" "$1" "$own_inner" "$peer_inner" "$3"
}
# Until one answer came: the packets before it may wait for the SAs, or be lost.
ping_first() { # HOST FROM TO SECONDS
    wait_until "$4" enter "$1" ping -n -q -c 1 -i 0.2 -w "$4" -I "$2" "$3" >/dev/null 2>&1
}
# What compresses well, so that IPComp has something to do
ping_compressible() { enter "$1" ping -n -q -c "$4" -i 0.05 -W 2 -s 1000 -p 00 -I "$2" "$3" | grep -q " $4 received"; }
ping_several() {
    if [ "$proto" = ipcomp ]; then
        ping_between "$1" ping_compressible $pings
    else
        ping_between "$1" ping_all $pings
    fi
}
# The recording is as far as the wire: nothing more came for a moment.
recording_rests() {
    recorded=$(stat -c %s "$work/wire.pcap")
    nap 0.1
    [ "$(stat -c %s "$work/wire.pcap")" = "$recorded" ]
}
# Each packet is seen where it enters the wire and where it leaves it.
right_packets() {
    local isakmp esp ah natt link plain echo
    seen=$(perl "$support/capture.pl" kinds "$work/wire.pcap" "$recorded")
    eval "local $seen"
    # As responder libreswan has no policy before message 3, and answers what it got by then in the clear.
    # strongSwan has its SAs a moment before its policies: one answer, which is seen twice, or two.
    case $with-$begins in
    libreswan-we) plain=$((plain - echo)) ;;
    strongswan-we) [ "$echo" -gt 4 ] || plain=$((plain - echo)) ;;
    esac
    [ "$plain" = 0 ] || return 1
    case $nat-$proto in
    none-ah | none-esp+ah) [ "$ah" -ge $((8 * pings)) ] && [ "$esp$natt" = 00 ] ;;
    none-*) [ "$esp" -ge $((8 * pings)) ] && [ "$ah$natt" = 00 ] ;;
    *) [ "$natt" -ge $((8 * pings)) ] && [ "$ah$esp" = 00 ] ;;
    esac
}
has_ipcomp() {
    if [ "$kernel" = userspace ]; then
        racoon_ctl l show-sa ipsec | grep -q 'ipcomp mode'
    else
        enter l ip xfrm state | grep -q 'proto comp'
    fi
}
# A libreswan that began wants its tunnel back for each delete and asks the kernel for SPIs, which wait there for half a
# minute without a key after the ISAKMP SA went, too. They are no SAs.
peer_has_none() {
    if [ "$with-$kernel" = racoon-userspace ]; then
        has_lines "$work/r/racoon/log" 'purged IPsec-SA|ISAKMP-SA deleted' 1
    else
        ! enter r ip xfrm state | grep -qE '^\s+(enc|aead|auth|auth-trunc|comp) '
    fi
}

step() { # "WHAT" COMMAND...: the first that fails is the cell's outcome
    local what=$1
    shift
    [ "$outcome" = ok ] || return 1
    "$@" || { outcome=$what; return 1; }
}
run_cell() {
    outcome=ok pid_l= pid_r='' seen=
    [ "$form" = tunnel ] && scope=nets || scope=hosts
    rm -f "$work"/r/{load,initiate}.out
    [ "$running" = "$with" ] || stop_peer
    [ "$with" = racoon ] || step "the other end does not start" start_peer
    step "the other end refuses its configuration" configure_peer
    [ "$with" != racoon ] || step "the other end does not start" start_peer
    wait_until 5 recording_rests
    logged=$(stat -c %s "$(log_of_peer)")
    configure_racoon l
    step "racoon does not start" racoon_start l && pid_l=$racoon_pid
    if [ "$begins" = we ]; then
        step "no answer to a ping that makes racoon negotiate" ping_between l ping_first 30
    else
        step "the other end could not negotiate" peer_begins
    fi
    step "not all pings from racoon's side were answered" ping_several l
    step "not all pings from the other side were answered" ping_several r
    step "not the packets on the wire that belong there" wait_until 5 right_packets
    [ "$proto" != ipcomp ] || step "there is no IPComp SA" has_ipcomp
    if [ "$outcome" != ok ] || [ -n "${RACOON_VERBOSE-}" ]; then
        tell
        stop_process "$pid_l"
        return
    fi
    stop_process "$pid_l" || step "racoon did not end orderly" false
    step "racoon's deletes did not take the SAs of the other end" wait_until 20 peer_has_none
    [ "$outcome" = ok ] || tell
}
clean_up() {
    case $running in
    racoon) stop_peer ;;
    strongswan) [ "$outcome" = ok ] || swan r --terminate --force --ike peer >/dev/null 2>&1 ;;
    libreswan) whack r --name peer --delete >/dev/null 2>&1 ;;
    esac
    enter r ip xfrm state flush
    if [ "$running" = racoon ] || [ "$outcome" != ok ]; then enter l ip xfrm state flush; fi
    [ "$nat" = none ] || site_forget
}
tell() {
    echo "---- $cell: $outcome"
    [ -z "$seen" ] || echo "     on the wire: $seen"
    cat "$work/r/load.out" "$work/r/initiate.out" 2>/dev/null | tail -n 20 | sed 's/^/    r: /'
    tail -c +"$((logged + 1))" "$(log_of_peer)" | tail -n "${RACOON_TOLD:-60}" | sed 's/^/    r: /'
    { grep -q 'is ready$' "$work/l/racoon/log" && sed '1,/is ready$/d' "$work/l/racoon/log" ||
        cat "$work/l/racoon/log"; } | tail -n "${RACOON_TOLD:-60}" | sed 's/^/    l: /'
    [ "$kernel" = userspace ] || { enter l ip xfrm policy | grep -v socket; enter l ip xfrm state; } | sed 's/^/    l: /'
    [ "$with-$kernel" = racoon-userspace ] || { enter r ip xfrm policy | grep -v socket; enter r ip xfrm state; } | sed 's/^/    r: /'
}

wire_port=any
capture_start "$work/wire.pcap" || exit 1
while read -r line; do
    eval "$line"
    began=${EPOCHREALTIME/./}
    exec 3<&0 </dev/null
    run_cell
    clean_up
    exec <&3 3<&-
    took=$(((${EPOCHREALTIME/./} - began) / 100000))
    echo "cell $cell $((took / 10)).$((took % 10)) $outcome"
done <"$1"
stop_peer
