#!/bin/bash
# One file is the whole tunnel: policies in racoon.conf and `start on`. Nobody sends a packet, and the SAs come
# up at both ends; they come up again when the peer was away, and stay down when the administrator says so.
. "$(dirname "$0")/begin.sh"
# The last policy has no rule, which is a bypass for every backend.
one_file() { # HOST LINE-OF-REMOTE
    addresses "$1" 4
    racoon_configure "$1" kernel="$kernel" families=4 policies= \
        remote="dpd on; dpd_delay 2; dpd_retry 1; dpd_maxfail 3; $2" \
        top="policy spdadd $own_net $peer_net any -P out ipsec esp/tunnel/$own-$peer/require;
policy spdadd $peer_net $own_net any -P in ipsec esp/tunnel/$peer-$own/require;
policy spdadd 10.77.0.1 10.77.0.2 any -P out ipsec;"
}
one_file l "start on;"
one_file r ""
has_pair() { [ "$(racoon_spis "$1" | wc -w)" = 2 ]; }
has_none() { [ -z "$(racoon_spis "$1")" ]; }
capture_start "$work/first.pcap"
check "l starts before its peer is there" racoon_start l && pid_l=$racoon_pid
check "r starts" racoon_start r && pid_r=$racoon_pid
check "l has its SAs" wait_until 60 has_pair l
check "r has them" wait_until 10 has_pair r
equal "packets but those of IKE" "$(capture_count "$work/first.pcap" esp)" 0
capture_stop
check "a ping goes through" ping_all l 192.168.1.1 192.168.2.1 5
stop_process "$pid_r"
check "l loses its SAs with the peer" wait_until 20 has_none l
check "r starts again" racoon_start r && pid_r=$racoon_pid
check "and the tunnel comes up by itself" wait_until 120 has_pair l
check "a ping goes through" ping_all l 192.168.1.1 192.168.2.1 5
stop_process "$pid_r" KILL
check "a dead peer's SAs go" wait_until 30 has_none l
check "r starts after its crash" racoon_start r && pid_r=$racoon_pid
check "and the tunnel comes up by itself" wait_until 120 has_pair l
check "l takes it down" racoon_ctl l flush-sa ipsec
check "it is down" wait_until 10 has_none l
sleep 5
check "and stays down" has_none l
check "a reload" racoon_ctl l reload-config
check "brings it up" wait_until 20 has_pair l
stop_process "$pid_l"
stop_process "$pid_r"
finish
