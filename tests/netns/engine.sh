#!/bin/bash
# What a captured engine would hold: no capability, no root identity, no pre-shared key in its memory.
. "$(dirname "$0")/begin.sh"
command -v gdb >/dev/null || skip "there is no gdb (gcore)"
for host in l r; do racoon_configure $host kernel="$kernel" families=4; done
start_both
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1

# All processes of racoon on r: the keeper is the one that was started, the others are below it.
family_of() { local child; echo "$1"; for child in $(cat /proc/"$1"/task/*/children); do family_of "$child"; done; }
status_of() { awk -v key="$2:" '$1 == key { $1 = ""; sub(/^[ \t]+/, ""); gsub(/\t/, " "); print }' "/proc/$1/status"; }
others=0
for pid in $(family_of "$pid_r"); do
    name=$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-60)
    note "process $pid: $name; Uid $(status_of "$pid" Uid); CapEff $(status_of "$pid" CapEff)"
    core=$work/core
    gcore -o "$core" "$pid" >"$work/gcore.out" 2>&1 || { failed "a core image of $pid: $(tail -n 1 "$work/gcore.out")"; continue; }
    holds=no
    LC_ALL=C grep -qaF "$shared_secret" "$core.$pid" && holds=yes
    size=$(stat -c %s "$core.$pid")
    rm -f "$core.$pid"
    if [ "$pid" = "$pid_r" ]; then
        equal "the keeper's core image holds the pre-shared key (or this test looks in the wrong place)" $holds yes
        continue
    fi
    others=$((others + 1))
    at_least "bytes in the core image of $pid" "$size" 100000
    equal "the core image of $pid holds the pre-shared key" $holds no
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        equal "$pid: $set" "$(status_of "$pid" $set)" 0000000000000000
    done
    refute "$pid: runs as uid 0" grep -qE '^Uid:.*\b0\b' "/proc/$pid/status"
    refute "$pid: runs as gid 0" grep -qE '^Gid:.*\b0\b' "/proc/$pid/status"
    equal "$pid: NoNewPrivs" "$(status_of "$pid" NoNewPrivs)" 1
done
at_least "processes besides the keeper" $others 1
check "and the tunnel still works" ping_all l 192.168.1.1 192.168.2.1 3
stop_process "$pid_l"
stop_process "$pid_r"
finish
