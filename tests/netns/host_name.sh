#!/bin/bash
# A peer by its name: the daemon starts without an answer, says so to who asks, follows the name when it gets an
# address and when that changes, and does not touch what is up.
. "$(dirname "$0")/begin.sh"
hosts_file=$work/hosts
printf '127.0.0.1 localhost\n' >"$hosts_file"
check "a hosts file of our own" mount --bind "$hosts_file" /etc/hosts
name=vpn.racoon.test
ip -n r addr add 10.9.0.3/24 dev vr
racoon_configure l kernel="$kernel" families=4 policies= top="timer { counter 2; interval 1 sec; }"
racoon_configure r kernel="$kernel" families=4 policies=
sed -i "s/^remote 10.9.0.2 {/remote \"hq\" { remote_address $name; start on;/" "$work/l/racoon/racoon.conf"
printf '10.9.0.2 %s\n10.9.0.3 %s\n' "$shared_secret" "$shared_secret" >"$work/l/racoon/psk.txt"
check "-t needs no answer" on l "$racoon_home/sbin/racoon" -t -f "$work/l/racoon/racoon.conf"
start_both
check "the log says that there is no answer" wait_line "$(log_of l)" "cannot resolve $name: " 30
racoon_ctl l establish-sa -w -n hq isakmp inet 10.9.0.1 10.9.0.2 >"$work/out" 2>&1
check "and so does racoonctl" grep -q "cannot resolve $name: " "$work/out" || note "$(cat "$work/out")"
up() { racoon_ctl l show-sa isakmp | grep -qF "$1"; }
printf '10.9.0.2 %s\n' "$name" >>"$hosts_file"
check "once it has an address the ISAKMP SA comes up" wait_until 60 up 10.9.0.2
# Written over and not replaced: what is mounted is the file.
printf '127.0.0.1 localhost\n10.9.0.3 %s\n' "$name" >"$hosts_file"
check "a reload" racoon_ctl l reload-config
check "leaves what is up" up 10.9.0.2
ip -n r addr del 10.9.0.2/24 dev vr
ip -n r addr replace 10.9.0.3/24 dev vr
check "l ends it" racoon_ctl l flush-sa isakmp
check "a reload" racoon_ctl l reload-config
check "and the next one goes where the name points" wait_until 60 up 10.9.0.3
# It was begun without knowing our own address.
racoon_ctl l --json show-sa isakmp >"$work/out"
check "our end of it is our address" grep -q '"local": "10.9.0.1"' "$work/out" || note "$(cat "$work/out")"
racoon_ctl l --json delete-sa isakmp inet 10.9.0.1 10.9.0.3 >"$work/out"
check "and delete-sa finds it by its addresses" grep -q '"deleted": 1' "$work/out" || note "$(cat "$work/out")"
stop_process "$pid_l"
stop_process "$pid_r"
finish
