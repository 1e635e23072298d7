#!/bin/bash
# SAs outlive the daemon: a new engine goes on with those of the one before, and racoon -B with those of a daemon
# that was killed, without a new negotiation.
. "$(dirname "$0")/begin.sh"
[ "$kernel" != pfkey ] || skip "PF_KEY cannot say where the sequence numbers of an SA begin, so that none comes back"
for host in l r; do
    racoon_configure $host kernel="$kernel" families=4 esp_cipher="aes_gcm_16 128" \
        top="path backupsa \"$work/$host/racoon/sa\";"
done
start_both
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
has_one_pair() { [ "$(racoon_spis "$1" | wc -w)" = 2 ]; }
check "two IPsec SAs on l" wait_until 60 has_one_pair l
check "two IPsec SAs on r" wait_until 60 has_one_pair r
before=$(racoon_spis l)
equal "the file of l: mode" "$(stat -c %a "$work/l/racoon/sa")" 600

child_of() { # PID NAME
    local child
    for child in $(cat "/proc/$1/task/"*/children); do
        if tr '\0' ' ' <"/proc/$child/cmdline" | grep -q "racoon: $2"; then echo "$child"; fi
    done
}
engine=$(child_of "$pid_l" engine)
kill -KILL "$engine"
check "the engine is started again" wait_line "$(log_of l)" 'the engine runs again' 20
check "l shows the SAs of the engine before" [ "$(racoon_spis l)" = "$before" ]
check "10 pings through them" ping_all l 192.168.1.1 192.168.2.1 10

pairs_r=$(racoon_pairs r)
kill -KILL "$pid_l"
wait "$pid_l" 2>/dev/null
cp "$work/l/racoon/sa" "$work/l/racoon/copy"
check "l starts again with -B" racoon_start l -B && pid_l=$racoon_pid
check "its log tells of the SAs" wait_line "$(log_of l)" 'of an earlier run go on' 5
check "they are those from before" [ "$(racoon_spis l)" = "$before" ]
check "10 pings through them" ping_all l 192.168.1.1 192.168.2.1 10
check "10 pings the other way" ping_all r 192.168.2.1 192.168.1.1 10
equal "negotiations since then" "$(racoon_pairs r)" "$pairs_r"

# Without -B what was saved is not taken up.
kill -KILL "$pid_l"
wait "$pid_l" 2>/dev/null
check "l starts again without -B" racoon_start l && pid_l=$racoon_pid
equal "SAs of l" "$(racoon_spis l)" ""
check "the tunnel comes up anew" ping_once l 192.168.1.1 192.168.2.1

# A damaged entry costs itself alone, one of a policy that is gone does not come back.
stop_process "$pid_l" KILL
{ head -c 100 "$work/l/racoon/copy"; echo; cat "$work/l/racoon/copy"; head -c 300 "$work/l/racoon/copy"; } >"$work/l/racoon/sa"
check "l starts with a damaged file" racoon_start l -B && pid_l=$racoon_pid
check "and says so" wait_line "$(log_of l)" 'damaged entries are left out' 5
equal "and has the SAs of the rest" "$(racoon_spis l)" "$before"
stop_process "$pid_l" KILL
sed -i 's|192.168.2.0/24|192.168.3.0/24|' "$work/l/racoon/policies.conf" "$work/l/racoon/racoon.conf"
check "l starts with another policy" racoon_start l -B && pid_l=$racoon_pid
check "the SAs of the old one do not come back" wait_line "$(log_of l)" 'do not come back: its policy is gone' 5
equal "SAs of l" "$(racoon_spis l)" ""
stop_process "$pid_l"
check "an orderly end leaves an empty file" [ ! -s "$work/l/racoon/sa" ]
sed -i '/backupsa/d' "$work/l/racoon/racoon.conf"
refute "-B without a file is refused" racoon_start l -B
check "and says why" grep -q 'no `path backupsa' "$(log_of l)"
stop_process "$pid_r"
finish
