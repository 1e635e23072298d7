#!/bin/bash
# Hundreds of reloads under traffic, every second one with a broken file: no SA is lost, no packet, no
# descriptor, and no memory stays behind.
reloads=${RACOON_RELOADS:-200}
# An AddressSanitizer keeps what was freed for a while, which would look like a leak.
export ASAN_OPTIONS="${ASAN_OPTIONS-}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
. "$(dirname "$0")/begin.sh"
for host in l r; do racoon_configure $host kernel="$kernel" families=4; done
start_both
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
has_one_pair() { [ "$(racoon_spis l | wc -w)" = 2 ]; }
check "one pair of SAs" wait_until 90 has_one_pair
dir=$work/l/racoon
cp "$dir/racoon.conf" "$work/a.conf"
# The other good file: another log level, a socket more, a section and a policy more, a section renamed.
sed 's/^listen {/log info; listen { isakmp 10.9.0.1; /; s/^remote 10.9.0.2 {/remote "r" { remote_address 10.9.0.2; nonce_size 32;/' \
    "$work/a.conf" >"$work/b.conf"
cat >>"$work/b.conf" <<CONF
policy spdadd 192.168.1.0/24 192.168.7.0/24 any -P out ipsec esp/tunnel/10.9.0.1-10.9.0.2/require;
remote 10.9.0.77 inherit "r" { passive on; }
CONF
engine_of() { # KEEPER: its child of that name
    local child
    for child in $(cat /proc/"$1"/task/*/children); do
        tr '\0' ' ' </proc/"$child"/cmdline | grep -q engine && echo "$child"
    done
}
engine=$(engine_of "$pid_l")
check "the engine is found" test -n "$engine"
descriptors() { ls /proc/"$1"/fd | wc -l; }
resident() { awk '/^VmRSS/ { print $2 }' /proc/"$1"/status; }
spis=$(racoon_spis l)
wrong=0
round() { # NUMBER
    local want=0
    case $(($1 % 4)) in
        0) cp "$work/a.conf" "$dir/racoon.conf" ;;
        2) cp "$work/b.conf" "$dir/racoon.conf" ;;
        1) echo "remote { ; sainfo }" >>"$dir/racoon.conf"; want=1 ;;
        3) echo 'listen { isakmp 192.0.2.9; }' >>"$dir/racoon.conf"; want=1 ;;
    esac
    racoon_ctl l reload-config >"$work/out" 2>&1
    [ $? = $want ] || { wrong=$((wrong + 1)); note "reload $1: $(cat "$work/out")"; }
}
ping_start l 192.168.1.1 192.168.2.1 0.02
for ((i = 0; i < 40; i++)); do round $i; done  # what is allocated once is
before_k=$(descriptors "$pid_l") before_e=$(descriptors "$engine")
memory_k=$(resident "$pid_l") memory_e=$(resident "$engine")
# At least so many, and for some seconds, so that enough of the ping falls into them; whole rounds of four,
# so that the same file is in force at the end.
until_s=$((SECONDS + 5))
for ((i = 40; i < 40 + reloads || SECONDS < until_s || i % 4 != 0; i++)); do round $i; done
reloads=$((i - 40))
note "$reloads reloads"
equal "reloads with another outcome than expected" $wrong 0
equal "descriptors of the keeper" "$(descriptors "$pid_l")" "$before_k"
equal "descriptors of the engine" "$(descriptors "$engine")" "$before_e"
at_least "KiB that the keeper may have grown less $((reloads * 4))" \
    $((memory_k + reloads * 4 - $(resident "$pid_l"))) 0
at_least "KiB that the engine may have grown less $((reloads * 4))" \
    $((memory_e + reloads * 4 - $(resident "$engine"))) 0
note "resident: keeper $memory_k -> $(resident "$pid_l") KiB, engine $memory_e -> $(resident "$engine") KiB"
equal "SAs" "$(racoon_spis l)" "$spis"
ping_stop
at_least "answers to the ping that ran all the while" "$ping_received" 100
equal "packets lost" "$ping_lost" 0
stop_process "$pid_l"
stop_process "$pid_r"
finish
