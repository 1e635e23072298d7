#!/bin/bash
# What is listened on for NAT-T follows each reload, as often as one likes: an address that has gone is free for
# others, comes back, and carries ESP in UDP as before.
. "$(dirname "$0")/begin.sh"
listens() { sed -i "s|^listen {.*|listen { isakmp 10.9.0.2; $1 adminsock \"$work/r/racoon/racoon.sock\"; }|" "$conf"; }
sockets() { enter r ss -Hulnp 'sport = :4500' | awk '{ print $4 }' | sort -u | tr '\n' ' '; }
free() { [ -z "$(enter r ss -Hulnp 'src = 10.9.0.2 and sport = :4500')" ]; }
only() { [ "$(sockets)" = "$1 " ]; }

for host in l r; do racoon_configure $host kernel="$kernel" families=4 remote="nat_traversal force;"; done
conf=$work/r/racoon/racoon.conf
listens "isakmp_natt 10.9.0.2 [4500];"
start_both
check "a tunnel in UDP" ping_once l 192.168.1.1 192.168.2.1
ping_stays() { ping_all l 192.168.1.1 192.168.2.1 5; }

for round in $(seq 1 20); do
    listens "isakmp_natt 127.0.0.$round [4500];"
    racoon_ctl r reload-config >"$work/reload.out" 2>&1 || failed "round $round: away: $(cat "$work/reload.out")"
    wait_until 5 free || failed "round $round: the port of 10.9.0.2 is not free"
    listens "isakmp_natt 10.9.0.2 [4500];"
    racoon_ctl r reload-config >"$work/reload.out" 2>&1 || failed "round $round: back: $(cat "$work/reload.out")"
done
check "20 times away and back, nothing else is left" wait_until 5 only 10.9.0.2:4500 || note "$(sockets)"
check "the tunnel carries traffic" ping_stays

# A reload that fails takes along what it had opened.
listens "isakmp_natt 10.9.0.2 [4500]; isakmp_natt 127.0.0.1 [4500]; isakmp_natt 10.9.0.77 [4500];"
refute "a reload with an address that is not here succeeds" racoon_ctl r reload-config
check "only the old one is left" wait_until 5 only 10.9.0.2:4500 || note "$(sockets)"
check "the tunnel carries traffic still" ping_stays

# Ten at once, and the data process that starts anew has them, too.
listens "$(for i in 1 2 3 4 5 6 7 8 9; do printf 'isakmp_natt 127.0.0.%d [4500]; ' $i; done) isakmp_natt 10.9.0.2 [4500];"
check "ten addresses" racoon_ctl r reload-config
if [ "$kernel" = userspace ]; then
    data=$(pgrep -x -P "$pid_r" 'racoon: data')
    kill -9 "$data"
    reborn() { [ -n "$(pgrep -x -P "$pid_r" 'racoon: data')" ] && [ "$(pgrep -x -P "$pid_r" 'racoon: data')" != "$data" ]; }
    check "another data process" wait_until 10 reborn
    lives() { ping_all l 192.168.1.1 192.168.2.1 1 >/dev/null; }
    check "carries the tunnel's traffic" wait_until 20 lives
fi
stop_process "$pid_l"
stop_process "$pid_r"
check "racoon leaves no socket" free
finish
