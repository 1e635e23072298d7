#!/bin/bash
# The classic arrangement: setkey loads the policies from a file of its own at boot, and racoon.conf has remote and
# sainfo sections alone. Policies come and go while racoon runs; when it ends they are all still there.
# Needs the kernel's own IPsec stack, so it is for the guest (in_guest.sh), with kernel-xfrm and kernel-pfkey.
. "$(dirname "$0")/begin.sh"
[ "$kernel" != userspace ] || skip "setkey_stack.sh has that of kernel-userspace"
suite=()
# Through PF_KEY Linux cuts HMAC-SHA2-256 to 96 bits, so that only the other can come about.
[ "$kernel" != pfkey ] || suite=(esp_auth="hmac_sha256, hmac_sha1")
marked="output_mark 0x7/0xff;"
[ "$kernel" != pfkey ] || marked=

setkey() { enter "$1" "$racoon_home/sbin/setkey" "${@:2}"; }
policies() { ip -n "$1" xfrm policy | grep -v '^ *socket' | grep -cE '^src'; }
# Those with a key; what an acquire left that was not followed goes by itself.
states() { ip -n "$1" xfrm state | grep -E 'proto .* spi' | grep -vc 'spi 0x00000000'; }
pairs_of() { racoon_ctl "$1" show-sa ipsec | grep -cE 'state=mature'; }
# reqid_of HOST DIRECTION SOURCE-NET: what the policy asks for, as the kernel shows it
reqid_of() {
    ip -n "$1" xfrm policy | awk -v net="$3" -v dir="$2" '
        /^src/ {src = $2} /^\t*dir/ || / dir / {d = $2} /reqid/ && src == net && d == dir {
            for (i = 1; i < NF; i++) if ($i == "reqid") {print $(i + 1); exit}}'
}
write_boot() { # HOST LEVEL FILE
    addresses "$1" 4
    cat >"$3" <<BOOT
#!$racoon_home/sbin/setkey -f
flush;
spdflush;
spdadd $own_net $peer_net any -P out ipsec esp/tunnel/$own-$peer/$2;
spdadd $peer_net $own_net any -P in ipsec esp/tunnel/$peer-$own/$2;
BOOT
}
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 policies= "${suite[@]}" sainfo="$marked" top="
path backupsa \"$work/$host/racoon/sa\";
sainfo anonymous {
    lifetime time 1 hour; encryption_algorithm aes 256; authentication_algorithm hmac_sha1;
    compression_algorithm deflate;
}"
    write_boot $host unique "$work/$host/ipsec-tools.conf"
    check "setkey loads the policies of $host" setkey $host -f "$work/$host/ipsec-tools.conf"
    equal "policies of $host: in, fwd, out" "$(policies $host)" 3
done

# --- loaded before racoon starts; each with a request id of its own, as the kernel gives them ---

capture_start "$work/unique.pcap" || exit 1
start_both
check "a ping makes l negotiate" ping_once l 192.168.1.1 192.168.2.1
check "more pings from l" ping_all l 192.168.1.1 192.168.2.1 5
check "and from r" ping_all r 192.168.2.1 192.168.1.1 5
capture_stop
at_least "ESP packets" "$(capture_count "$work/unique.pcap" esp)" 20
equal "packets in the clear" "$(capture_count "$work/unique.pcap" plain)" 0
equal "SAs of l" "$(pairs_of l)" 2
for direction in out in; do
    [ $direction = out ] && net=192.168.1.0/24 from=10.9.0.1 || { net=192.168.2.0/24 from=10.9.0.2; }
    wanted=$(reqid_of l $direction $net)
    at_least "request id of the $direction policy" "${wanted:-0}" 1
    equal "SAs of l with it" "$(ip -n l xfrm state list src $from | grep -c "reqid $wanted ")" 1
done
[ "$kernel" = pfkey ] || equal "its SA has the output_mark of the sainfo" \
    "$(ip -n l xfrm state list src 10.9.0.1 | grep -c 'output-mark 0x7/0xff')" 1
check "racoonctl finds the policy, too" racoon_ctl l establish-sa esp inet 192.168.1.0/24 192.168.2.0/24 any

# --- while it runs: transport mode, between the hosts themselves ---

established() { racoon_pairs "$1"; }
for host in l r; do
    addresses $host 4
    cat >"$work/$host/transport.conf" <<MORE
spdadd $own $peer icmp -P out ipsec esp/transport//require;
spdadd $peer $own icmp -P in ipsec esp/transport//require;
MORE
    check "setkey adds policies on $host" setkey $host -f "$work/$host/transport.conf"
done
check "a ping between the hosts makes l negotiate" ping_once l 10.9.0.1 10.9.0.2
check "and from r" ping_all r 10.9.0.2 10.9.0.1 5
equal "SAs of l" "$(pairs_of l)" 4
check "the SAs are in transport mode" eval '[ "$(ip -n l xfrm state | grep -c "mode transport")" -ge 2 ]'

# --- taken away and added again ---

before=$(established l)
for host in l r; do setkey $host -FP; done
check "l has noticed that they are gone" wait_line "$(log_of l)" ' 0 are served' 10
capture_start "$work/clear.pcap" || exit 1
check "without policies a ping goes in the clear" ping_all l 10.9.0.1 10.9.0.2 2
capture_stop
equal "ESP packets" "$(capture_count "$work/clear.pcap" esp)" 0
equal "the SAs stay" "$(pairs_of l)" 4
for host in l r; do setkey $host -f "$work/$host/transport.conf"; done
check "the same policies find the SAs that there are" ping_all l 10.9.0.1 10.9.0.2 5
equal "SAs established meanwhile" "$(($(established l) - before))" 0
for host in l r; do grep -v flush "$work/$host/ipsec-tools.conf" | setkey $host -f /dev/stdin; done
check "policies with new request ids want new SAs" ping_once l 192.168.1.1 192.168.2.1
equal "SAs established meanwhile" "$(($(established l) - before))" 2
for host in l r; do
    sed 's/^spdadd/spddelete/; s/ipsec.*/;/' "$work/$host/transport.conf" | setkey $host -f /dev/stdin
done
check "the whole file once more, with its flush" setkey l -f "$work/l/ipsec-tools.conf"
setkey r -f "$work/r/ipsec-tools.conf"
check "l lets its SAs go" wait_until 10 eval '[ "$(pairs_of l)" = 0 ]'
check "and a ping brings up others" ping_once r 192.168.2.1 192.168.1.1

# --- the policies are somebody else's ---

stop_process "$pid_l"
equal "racoon on l ends orderly, status" $? 0
equal "its SAs are gone" "$(states l)" 0
equal "and the policies are there" "$(policies l)" 3
check "racoon starts on l" racoon_start l && pid_l=$racoon_pid
check "and a ping goes through" ping_once l 192.168.1.1 192.168.2.1
# One that this racoon knows no peer for is left to whoever does.
ip -n l route add 192.168.77.0/24 via 10.9.0.2 src 192.168.1.1
echo "spdadd 192.168.1.0/24 192.168.77.0/24 any -P out ipsec esp/tunnel/10.9.0.1-10.9.0.77/require;" |
    setkey l -f /dev/stdin
enter l ping -n -q -c 3 -i 0.2 -W 1 -I 192.168.1.1 192.168.77.1 >/dev/null
equal "a peer without a section is told of once" "$(grep -c 'no remote section is for its peer' "$(log_of l)")" 1
check "its policy goes" eval 'echo "spddelete 192.168.1.0/24 192.168.77.0/24 any -P out;" | setkey l -f /dev/stdin'
stop_process "$pid_l" KILL
check "racoon starts after a crash" racoon_start l && pid_l=$racoon_pid
check "and a ping goes through" ping_once l 192.168.1.1 192.168.2.1 60
wait_until 20 eval '[ "$(pairs_of l)" = 2 ]'
before=$(racoon_spis l) made=$(established r)
stop_process "$pid_l" KILL
check "racoon -B starts after another" racoon_start l -B && pid_l=$racoon_pid
check "its log tells of the SAs" wait_line "$(log_of l)" '1 pairs of IPsec SAs of an earlier run go on: 1 as the kernel' 5
equal "SAs of l" "$(racoon_spis l)" "$before"
check "pings through them" ping_all l 192.168.1.1 192.168.2.1 5
check "and the other way" ping_all r 192.168.2.1 192.168.1.1 5
equal "negotiations since then" "$(($(established r) - made))" 0
stop_process "$pid_l" KILL
check "without the policies" setkey l -FP
check "racoon -B starts without them" racoon_start l -B && pid_l=$racoon_pid
check "the SAs do not come back" wait_line "$(log_of l)" 'do not come back: its policy is gone' 5
equal "SAs in the kernel of l" "$(states l)" 0
for host in l r; do setkey $host -FP; done

# --- another tool's, with a mark ---

if [ "$kernel" = xfrm ]; then
    for host in l r; do
        addresses $host 4
        [ $host = l ] && mark="mark 5" || mark=
        ip -n $host xfrm policy add src "$own_net" dst "$peer_net" dir out $mark \
            tmpl src "$own" dst "$peer" proto esp reqid 9 mode tunnel
        for direction in in fwd; do
            ip -n $host xfrm policy add src "$peer_net" dst "$own_net" dir $direction \
                tmpl src "$peer" dst "$own" proto esp reqid 9 mode tunnel
        done
    done
    marked() { wait_until 30 enter l ping -n -q -c 1 -W 1 -m 5 -I 192.168.1.1 192.168.2.1 >/dev/null 2>&1; }
    check "a packet with the mark makes l negotiate" marked
    at_least "SAs of l with the mark" "$(ip -n l xfrm state | grep -c 'mark 0x5/0xffffffff')" 1
    at_least "SAs of l with the request id" "$(ip -n l xfrm state | grep -c 'reqid 9 ')" 2
    capture_start "$work/unmarked.pcap" || exit 1
    enter l ping -n -q -c 2 -i 0.1 -W 1 -I 192.168.1.1 192.168.2.1 >/dev/null
    capture_stop
    at_least "packets without it go in the clear" "$(capture_count "$work/unmarked.pcap" plain)" 2
    stop_process "$pid_l"
    pid_l=
    equal "policies of l at the end" "$(policies l)" 3
fi
stop_process "$pid_l"
stop_process "$pid_r"
for host in l r; do equal "SAs of $host at the end" "$(states $host)" 0; done
finish
