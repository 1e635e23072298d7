#!/bin/bash
# Addresses that come after the daemon: one of the `listen` block is bound then, and without such a block a daemon
# begins from an address that it did not have when it started. No reload, no restart.
. "$(dirname "$0")/begin.sh"
racoon_configure l kernel="$kernel" families=4
racoon_configure r kernel="$kernel" families=4 top="listen { isakmp 10.9.0.2; isakmp 10.9.0.3; }"
sed -i -e 's/10\.9\.0\.1/10.9.0.4/g' -e '/isakmp/!s/10\.9\.0\.2/10.9.0.3/g' \
    "$work"/[lr]/racoon/{racoon.conf,psk.txt,policies.conf}
start_both
check "r tells which address it cannot listen on" grep -q '10.9.0.3' "$(log_of r)"
ip -n r addr add 10.9.0.3/24 dev vr
check "r listens on it when it is there" wait_line "$(log_of r)" '10.9.0.3\[500\] used as isakmp port' 10
ip -n l addr add 10.9.0.4/24 dev vl
sleep 1
check "a tunnel between the two comes up" ping_once l 192.168.1.1 192.168.2.1
racoon_ctl l --json show-sa isakmp >"$work/out"
check "from the new address" grep -q '"local": "10.9.0.4"' "$work/out" || note "$(cat "$work/out")"
check "10 pings" ping_all l 192.168.1.1 192.168.2.1 10
stop_process "$pid_l"
stop_process "$pid_r"
# While it starts, there is at first no kernel backend to tell of a socket, and then no engine to hand it to.
ip -n r addr del 10.9.0.3/24 dev vr
: >"$(log_of r)"
(wait_line "$(log_of r)" '10\.9\.0\.3' 20 && ip -n r addr add 10.9.0.3/24 dev vr) &
comer=$!
check "r starts while its address comes" racoon_start r && pid_r=$racoon_pid
wait $comer
check "and listens on it" wait_line "$(log_of r)" '10\.9\.0\.3\[500\] used as isakmp port' 10
refute "that is an error" grep -q 'an address that has come' "$(log_of r)"
stop_process "$pid_r"
racoon_configure r kernel="$kernel" families=4 top="listen { isakmp 10.9.0.9; strict_address; }"
refused() { ! racoon_start r 2>/dev/null; }
check "with strict_address a missing one ends the start" refused
check "and is named" grep -q 'racoon.conf:[0-9]*:[0-9]*:.*10.9.0.9' "$(log_of r)"
finish
