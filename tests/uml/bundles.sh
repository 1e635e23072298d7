#!/bin/bash
# In the guest: two racoons, and then strongSwan on r, with policies of every form: transport and tunnel, ESP, AH,
# IPComp and their bundles, begun by either end. Pings small and large both ways; what the kernel holds is what
# the policy says; a renewal of the whole bundle under traffic loses nothing.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up || exit 1
racoon_install || exit 1
kernel=${RACOON_KERNEL:-xfrm} only=${1-} # a part of the names below
# Of what PF_KEY cannot say, SHA-2 with 128 bits and extended sequence numbers.
[ "$kernel" != pfkey ] || racoon_defaults='esp_auth=hmac_sha1'

ends() { # HOST: sets own_end and peer_end for the scope
    addresses "$1" 4
    [ "$scope" = hosts ] && { own_end=$own peer_end=$peer; } || { own_end=$own_inner peer_end=$peer_inner; }
}
once() { ends "$1" && ping_once "$1" "$own_end" "$peer_end"; }
small() { ends "$1" && ping_all "$1" "$own_end" "$peer_end" 5; }
large() { ends "$1" && enter "$1" ping -n -q -c 5 -i 0.05 -W 2 -s 1300 -p 00 -I "$own_end" "$peer_end" | grep -q ' 5 received'; }
protocols() { enter "$1" ip xfrm state | grep -oE 'proto (esp|ah|comp) ' | sort | uniq -c | awk '{printf "%s%s ", $3, $1}'; }

# name | nets or hosts | rules | what the kernel holds
forms='
AH in transport mode|hosts|ah/transport//require|ah2 
AH as a tunnel|nets|ah/tunnel/A-B/require|ah2 
ESP in transport mode|hosts|esp/transport//require|esp2 
ESP and AH in transport mode|hosts|esp/transport//require ah/transport//require|ah2 esp2 
an ESP tunnel in AH|nets|esp/tunnel/A-B/require ah/transport//require|ah2 esp2 
an IPComp tunnel in ESP|nets|ipcomp/tunnel/A-B/use esp/transport//require|comp2 esp2 
IPComp, ESP and AH in transport mode|hosts|ipcomp/transport//use esp/transport//require ah/transport//require|ah2 comp2 esp2 
'
initiator=r
while IFS='|' read -r name scope rules held; do
    [ -n "$name" ] && [ "${name#*"$only"}" != "$name" ] || continue
    [ $initiator = l ] && initiator=r || initiator=l
    for host in l r; do racoon_configure $host kernel="$kernel" families=4 scope=$scope rules="$rules"; done
    check "$name: racoon starts on l" racoon_start l && pid_l=$racoon_pid
    check "$name: racoon starts on r" racoon_start r && pid_r=$racoon_pid
    check "$name: $initiator negotiates" once $initiator
    for host in l r; do
        check "$name: small packets from $host" small $host
        check "$name: large packets from $host" large $host
        equal "$name: the SAs of $host" "$(protocols $host)" "$held"
        equal "$name: negotiations on $host" "$(grep -c 'respond new phase 2\|initiate new phase 2' "$work/$host/racoon/log")" 1
    done
    if [ "${held%comp*}" != "$held" ]; then
        check "$name: something was compressed" eval '[ "$(enter l ip -s xfrm state | grep -A14 "proto comp" | grep -oE "[0-9]+\(packets\)" | sort -rn | head -1)" != "0(packets)" ]'
    fi
    stop_process "$pid_l"
    check "$name: its deletes took everything of r away" wait_until 10 eval '[ -z "$(protocols r)" ]'
    stop_process "$pid_r"
    [ $failures = 0 ] || { racoon_log l; racoon_log r; enter l ip xfrm policy; enter l ip -s xfrm state; break; }
done <<<"$forms"

if [ $failures = 0 ] && [ -z "$only" ]; then
    scope=nets
    for host in l r; do
        racoon_configure $host kernel="$kernel" families=4 rules="ipcomp/tunnel/A-B/use esp/transport//require" phase2="20 sec" \
            sainfo="esn on;"
    done
    check "renewal: racoon starts on l" racoon_start l && pid_l=$racoon_pid
    check "renewal: racoon starts on r" racoon_start r && pid_r=$racoon_pid
    check "renewal: the bundle comes up" once l
    if [ "$kernel" = xfrm ]; then
        check "renewal: with extended sequence numbers" eval 'enter l ip xfrm state | grep -q "flag.* esn"'
    else
        check "renewal: l says that there are no extended sequence numbers" \
            wait_line "$work/l/racoon/log" 'racoon.conf:[0-9]+:[0-9]+: esn has no effect' 5
    fi
    check "renewal: 45 s of pings, none lost" eval 'enter l ping -n -q -c 450 -i 0.1 -W 2 -I 192.168.1.1 192.168.2.1 | grep -q " 450 received"'
    at_least "renewal: negotiations" "$(grep -c 'IPsec-SA established: IPCOMP' "$work/l/racoon/log")" 6
    stop_process "$pid_l"
    stop_process "$pid_r"
    [ $failures = 0 ] || { racoon_log l; racoon_log r; }
fi
cases_end
