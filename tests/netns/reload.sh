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

# What is listened on follows, and so does the control socket.
listening() { enter l ss -Hulnp | grep racoon | awk '{ print $4 }' | sort | tr '\n' ' '; }
spis=$(racoon_spis l)
before=$(listening)
dir=$work/l/racoon
cp "$dir/racoon.conf" "$work/plain.conf"
ping_start l 192.168.1.1 192.168.2.1 0.02
sed -i "s|^listen {.*|listen { isakmp 10.9.0.1; isakmp fd00:9::1; adminsock \"$dir/moved.sock\"; }|; /mian/d" \
    "$dir/racoon.conf"
check "l takes a listen block" racoon_ctl l reload-config
equal "and listens there" "$(listening)" "10.9.0.1:500 [fd00:9::1]:500 "
refute "the old control socket is still there" test -e "$dir/racoon.sock"
moved() { "$racoon_home/sbin/racoonctl" -s "$dir/moved.sock" "$@"; }
check "the new one answers" moved show-sa isakmp
sed -i "s|adminsock \"[^\"]*\"|adminsock disabled|" "$dir/racoon.conf"
check "no control socket at all" moved reload-config
refute "it is still there" test -e "$dir/moved.sock"
sed '/mian/d' "$work/plain.conf" >"$dir/racoon.conf"
lines=$(grep -c 'config reload done' "$(log_of l)")
kill -HUP "$pid_l"
check "SIGHUP brings it back" wait_line "$(log_of l)" 'config reload done' 10 $((lines + 1))
check "it answers" racoon_ctl l show-sa isakmp
equal "and l listens where it did" "$(listening)" "$before"
equal "the SAs of l" "$(racoon_spis l)" "$spis"

# A changed section is matched again; what it no longer accepts goes at both ends, and comes up anew.
sed -i 's/^    nonce_size.*//; 0,/exchange_mode main;/s//exchange_mode main; nonce_size 32;/' "$dir/racoon.conf"
check "a changed section" racoon_ctl l reload-config
equal "keeps the SAs of l" "$(racoon_spis l)" "$spis"
wait_until 20 enough
ping_stop
equal "packets lost" "$ping_lost" 0
sed -i '0,/dh_group modp2048/s//dh_group modp3072/' "$dir/racoon.conf"
racoon_ctl l reload-config >"$work/changed.out" 2>&1
check "what is no longer accepted is counted" grep -q 'ISAKMP-SAs: 1 kept, 1 deleted' "$work/changed.out" ||
    note "$(cat "$work/changed.out")"
check "and the log says why" wait_line "$(log_of l)" 'no longer accepts what was agreed' 5
stop_process "$pid_l"
stop_process "$pid_r"
finish
