#!/bin/bash
# Somebody flushes the kernel's policies, or puts another one in the place of ours: racoon puts its own back before
# anything leaves in the clear for long, overwrites nobody's, and does not fight for ever. Needs a kernel with ESP.
. "$(dirname "$0")/begin.sh"
kernel_has_esp || skip "this kernel has no ESP"
suite=()
[ "$kernel" != pfkey ] || suite=(esp_auth=hmac_sha1)
for host in l r; do racoon_configure $host kernel="$kernel" families=4 "${suite[@]}"; done
place="src 192.168.1.0/24 dst 192.168.2.0/24 dir out"
of_racoon() { enter l ip xfrm policy | grep -c 'proto esp'; }
has() { [ "$(of_racoon)" = "$1" ]; }

# Another's, which nobody touches.
enter l ip xfrm policy add src 172.16.0.0/24 dst 172.17.0.0/24 dir out action block
start_both
check "a ping makes a tunnel" ping_once l 192.168.1.1 192.168.2.1
equal "policies of racoon: out, in and fwd" "$(of_racoon)" 3
spis=$(racoon_spis l)

enter l ip xfrm policy flush
check "after a flush they are back within a second" wait_until 1 has 3
check "which the log tells in one line" wait_line "$(log_of l)" '3 policies were removed from the kernel by somebody else, and are back now' 2
check "the tunnel is the one it was" ping_all l 192.168.1.1 192.168.2.1 5
equal "SAs" "$(racoon_spis l)" "$spis"
capture_start "$work/wire.pcap" || exit 1
check "and pings go through it" ping_all l 192.168.1.1 192.168.2.1 5
capture_stop
equal "packets in the clear" "$(capture_count "$work/wire.pcap" plain)" 0

# Again and again: with pauses that grow.
for _ in 1 2 3; do
    enter l ip xfrm policy flush
    check "once more they are back" wait_until 8 has 3
done

# Another policy for the same traffic is somebody's decision.
enter l ip xfrm policy update $place action allow
check "another one in its place stays, and the log says what is not protected" \
    wait_line "$(log_of l)" 'policy 192\.168\.1\.0/24.* was removed from the kernel by somebody else and cannot be put back' 20
equal "policies of racoon" "$(of_racoon)" 2
enter l ip xfrm policy delete $place
check "when it has gone, ours comes back" wait_until 70 has 3
check "and the tunnel works" ping_once l 192.168.1.1 192.168.2.1

# A reload meets one that is missing.
enter l ip xfrm policy delete $place
sed -i 's/192.168.1.0\/24 192.168.2.0\/24 any -P out ipsec esp\/tunnel\/10.9.0.1-10.9.0.2\/require/192.168.1.0\/24 192.168.2.0\/24 any -P out ipsec esp\/tunnel\/10.9.0.1-10.9.0.2\/unique/' "$work/l/racoon/policies.conf"
check "a reload that changes it succeeds" racoon_ctl l reload-config
check "and there is one, in its new form" wait_until 10 has 3
stop_process "$pid_l"
equal "racoon on l ends orderly, status" $? 0
equal "policies of racoon afterwards" "$(of_racoon)" 0
stop_process "$pid_r"
finish
