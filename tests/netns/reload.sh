#!/bin/bash
# A reload keeps the tunnel, takes what is new, and refuses a broken file whole; not one packet is lost.
. "$(dirname "$0")/begin.sh"
for host in l r; do racoon_configure $host kernel="$kernel" families=4; done
start_both
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
cookies() { racoon_ctl $1 show-sa isakmp | grep -oE '[0-9a-f]{16}:[0-9a-f]{16}' | sort | tr '\n' ' '; }
before=$(cookies l)
ping_start l 192.168.1.1 192.168.2.1 0.02
check "reload-config with the same file" racoon_ctl l reload-config
kill -HUP "$pid_r"
check "SIGHUP to r reloads" wait_line "$(log_of r)" 'reload' 10
equal "the ISAKMP SA of l" "$(cookies l)" "$before"

for host in l r; do racoon_configure $host kernel="$kernel" families="4 6"; done
check "l takes a file with a second tunnel" racoon_ctl l reload-config
check "r too" racoon_ctl r reload-config
check "the second tunnel comes up" ping_once l fd00:1::1 fd00:2::1
equal "the first ISAKMP SA is still there" "$(cookies l | tr ' ' '\n' | grep -cF "${before% }")" 1

echo 'remote 10.9.0.2 { exchange_mode mian; }' >>"$work/l/racoon/racoon.conf"
racoon_ctl l reload-config >"$work/broken.out" 2>&1
refute "a broken file is refused" test $? = 0
note "$(cat "$work/broken.out")"
check "and the log names the place" wait_line "$(log_of l)" 'racoon\.conf:[0-9]+:[0-9]+' 5
check "both tunnels still work" ping_all l fd00:1::1 fd00:2::1 5
enough() { [ "$(grep -c 'time=' "$ping_log")" -ge 100 ]; }
wait_until 20 enough
ping_stop
at_least "answers to the ping that ran all the while" "$ping_received" 100
equal "packets lost" "$ping_lost" 0
stop_process "$pid_l"
stop_process "$pid_r"
finish
