#!/bin/bash
# Both ends send their first packet at the same time. Whatever they negotiate crosswise, traffic flows and
# both ends agree about the SAs that they hold.
. "$(dirname "$0")/begin.sh"
for host in l r; do racoon_configure $host kernel="$kernel" families=4; done
start_both
# The wire is cut until both have sent: then each is an initiator before it hears of the other.
wire_cut
enter_background l ping -n -q -c 1 -W 1 -I 192.168.1.1 192.168.2.1 >/dev/null
first=$!
enter_background r ping -n -q -c 1 -W 1 -I 192.168.2.1 192.168.1.1 >/dev/null
second=$!
for host in l r; do
    check "$host initiates" wait_line "$(log_of $host)" 'initiate new phase 1 negotiation' 10
done
wire_mend
wait $first $second
check "pings pass from l" ping_once l 192.168.1.1 192.168.2.1 60
check "pings pass from r" ping_once r 192.168.2.1 192.168.1.1 60
ping_start l 192.168.1.1 192.168.2.1 0.02
more() { [ "$(grep -c 'time=' "$ping_log")" -ge 100 ]; }
wait_until 20 more
ping_stop
equal "packets lost afterwards" "$ping_lost" 0
same_check "both ends hold the same SPIs" wait_until 20 same_spis
note "ISAKMP SAs established: $(grep -c 'ISAKMP-SA established' "$(log_of l)") on l, $(grep -c 'ISAKMP-SA established' "$(log_of r)") on r"
stop_process "$pid_l"
stop_process "$pid_r"
finish
