#!/bin/bash
# Two clients behind one NAT have one address: r tells them apart by the port. When one goes, the other stays.
. "$(dirname "$0")/begin.sh"
. "$support/nat.sh"
nat_up && nat_second_client || skip "this kernel cannot masquerade"

for host in l m; do
    racoon_configure $host kernel="$kernel" families=4 remote="nat_traversal on;"
done
racoon_configure r kernel="$kernel" families=4 remote="nat_traversal on;" top="
policy spdadd 192.168.2.0/24 192.168.3.0/24 any -P out ipsec esp/tunnel/10.9.0.2-10.9.0.1/require;
policy spdadd 192.168.3.0/24 192.168.2.0/24 any -P in ipsec esp/tunnel/10.9.0.1-10.9.0.2/require;
sainfo address 192.168.2.0/24 any address 192.168.3.0/24 any {
    lifetime time 1 hour;
    encryption_algorithm aes 256;
    authentication_algorithm hmac_sha256, hmac_sha1;
    compression_algorithm deflate;
}"
start_both
check "racoon starts on m" racoon_start m && pid_m=$racoon_pid
check "l negotiates" ping_once l 192.168.1.1 192.168.2.1
check "m negotiates" ping_once m 192.168.3.1 192.168.2.1
check "20 pings from l" ping_all l 192.168.1.1 192.168.2.1 20
check "20 pings from m" ping_all m 192.168.3.1 192.168.2.1 20
check "20 pings to l" ping_all r 192.168.2.1 192.168.1.1 20
check "20 pings to m" ping_all r 192.168.2.1 192.168.3.1 20
shared() { comm -12 <(racoon_spis "$1" | tr ' ' '\n' | sort) <(racoon_spis r | tr ' ' '\n' | sort); }
check "r has SAs with both" test -n "$(shared l)" -a -n "$(shared m)"
stop_process "$pid_l"
left() { [ -n "$(shared m)" ] && [ "$(racoon_spis r | wc -w)" = "$(shared m | wc -l)" ]; }
check "with l its SAs go, and only they" wait_until 10 left
check "20 pings to m" ping_all r 192.168.2.1 192.168.3.1 20
stop_process "$pid_m"
none() { [ -z "$(racoon_spis r)" ]; }
check "with m the rest goes" wait_until 10 none
stop_process "$pid_r"
finish
