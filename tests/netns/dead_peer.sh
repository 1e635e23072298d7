#!/bin/bash
# Peers that fall silent, lose their memory or come back, and what dead peer detection makes of it. The limit
# is dpd_delay + dpd_retry x dpd_maxfail: 8 s here, more than a slow machine needs to cut and mend a link.
. "$(dirname "$0")/begin.sh"
detect="dpd on; dpd_delay 2; dpd_retry 2; dpd_maxfail 3;"
limit=8
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 remote="$detect"
done
start_both
has_none() { [ -z "$(racoon_spis l)" ]; }
# Where both ends began at once there is a second pair for a while, until it is settled which one stays.
has_one_pair() { [ "$(racoon_spis l | wc -w)" = 2 ]; }
has_new_pair() { has_one_pair && [ "$(racoon_spis l)" != "$before" ]; }
restart_r() { racoon_start r && pid_r=$racoon_pid; }

check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
check "two IPsec SAs on l" wait_until 90 has_one_pair

before=$(racoon_spis l)
wire_cut
sleep 2
wire_mend
check "a cut of less than the limit: pings pass again" ping_once l 192.168.1.1 192.168.2.1 5
sleep $limit # what was missed must not count any more
equal "a cut of less than the limit: the SAs are the same" "$(racoon_spis l)" "$before"
refute "a cut of less than the limit: l takes its peer for dead" has_lines "$(log_of l)" 'seems to be dead' 1

wire_cut
began=$SECONDS
check "a cut of more: l finds its peer dead" wait_until 20 has_none
note "after $((SECONDS - began)) s"
check "a cut of more: the log says so" wait_line "$(log_of l)" 'seems to be dead' 5
check "a cut of more: so does r" wait_line "$(log_of r)" 'seems to be dead' 20
wire_mend
check "a cut of more: traffic negotiates again" ping_once l 192.168.1.1 192.168.2.1
check "a cut of more: one new pair" wait_until 90 has_new_pair

stop_process "$pid_r" KILL
check "r killed: l finds it dead" wait_until 20 has_none
check "r starts again after its crash" restart_r
check "r killed: l's traffic negotiates again" ping_once l 192.168.1.1 192.168.2.1
check "r killed: 10 pings" ping_all l 192.168.1.1 192.168.2.1 10
check "one pair" wait_until 90 has_one_pair

# Back before it was missed, without any of its SAs: l sends into nothing until it finds out.
before=$(racoon_spis l)
stop_process "$pid_r" KILL
check "r starts again at once, with nothing left" restart_r
check "r forgot: l finds out by itself" wait_until 20 has_none
check "r forgot: l's traffic negotiates again" ping_once l 192.168.1.1 192.168.2.1
check "one pair" wait_until 90 has_new_pair

# The same, but it is r that has traffic: its INITIAL-CONTACT says that the old SAs are gone, to an l that would
# miss r only in a minute.
stop_process "$pid_l"
racoon_configure l kernel="$kernel" families=4 remote="dpd on; dpd_delay 60; dpd_retry 2; dpd_maxfail 3;"
check "l starts with slow detection" racoon_start l && pid_l=$racoon_pid
check "slow detection: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
check "one pair" wait_until 90 has_one_pair
before=$(racoon_spis l)
stop_process "$pid_r" KILL
check "r starts once more" restart_r
check "r forgot and has traffic: it negotiates again" ping_once r 192.168.2.1 192.168.1.1
check "r forgot and has traffic: l's old SAs are gone" wait_until 10 has_new_pair
check "r forgot and has traffic: its initial contact said so" has_lines "$(log_of l)" 'initial contact of the peer' 1
refute "r forgot and has traffic: l missed it" has_lines "$(log_of l)" 'seems to be dead' 1
stop_process "$pid_r"
stop_process "$pid_l"

# Without detection nothing is missed, and the SAs stay until they expire or the peer is back.
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 remote="dpd off;"
done
start_both
check "without detection: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
check "without detection: two IPsec SAs on l" wait_until 90 has_one_pair
before=$(racoon_spis l)
stop_process "$pid_r" KILL
sleep $((limit + 1))
equal "without detection: l keeps its SAs" "$(racoon_spis l)" "$before"
check "without detection: r starts again" restart_r
check "without detection: r's traffic negotiates again" ping_once r 192.168.2.1 192.168.1.1
check "without detection: and replaces the SAs on l" wait_until 10 has_new_pair

# dpd_action restart: l negotiates again as soon as it can, without any traffic.
stop_process "$pid_l"
racoon_configure l kernel="$kernel" families=4 remote="$detect dpd_action restart;"
stop_process "$pid_r"
racoon_configure r kernel="$kernel" families=4 remote="$detect"
start_both
check "dpd_action restart: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
check "dpd_action restart: two IPsec SAs on l" wait_until 90 has_one_pair
before=$(racoon_spis l)
stop_process "$pid_r" KILL
check "dpd_action restart: l finds its peer dead" wait_until 20 has_none
check "dpd_action restart: r starts again" restart_r
check "dpd_action restart: the tunnel comes up without traffic" wait_until 60 has_new_pair
check "dpd_action restart: 10 pings" ping_all l 192.168.1.1 192.168.2.1 10
stop_process "$pid_l"
stop_process "$pid_r"
finish
