#!/bin/bash
# A peer that dies without a word is found by dead peer detection: its SAs go, and the tunnel comes up again
# by itself when the peer is back.
. "$(dirname "$0")/begin.sh"
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 \
        remote="dpd on; dpd_delay 2; dpd_retry 1; dpd_maxfail 3;"
done
start_both
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
has_none() { [ -z "$(racoon_spis l)" ]; }
# Where both ends began at once there is a second pair for a while, until it is settled which one stays.
has_one_pair() { [ "$(racoon_spis l | wc -w)" = 2 ]; }
check "two IPsec SAs on l" wait_until 90 has_one_pair
wire_cut
# delay + retry x (maxfail - 1) + retry = 5 s
check "l finds its peer dead" wait_until 30 has_none
check "l's log says so" wait_line "$(log_of l)" 'dead' 5
stop_process "$pid_r" KILL
wire_mend
check "r starts again after its crash" racoon_start r && pid_r=$racoon_pid
check "the tunnel comes up again" ping_once l 192.168.1.1 192.168.2.1
check "10 pings" ping_all l 192.168.1.1 192.168.2.1 10
stop_process "$pid_l"
stop_process "$pid_r"
finish
