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
# core_holds PID TEXT: whether a core image of that process holds it; sets core_size
core_holds() {
    gcore -o "$work/core" "$1" >"$work/gcore.out" 2>&1 || { cat "$work/gcore.out"; core_size=0; return 0; }
    core_size=$(stat -c %s "$work/core.$1")
    LC_ALL=C grep -qaF -- "$2" "$work/core.$1"
    local found=$?
    rm -f "$work/core.$1"
    [ $found -le 1 ] || { echo "the core image of $1 could not be searched"; core_size=0; return 0; }
    return $found
}

# The control: where a key is, this way of looking finds it.
KEY=$shared_secret enter_background l sleep 100
control=$!
wait_until 5 grep -qa "KEY=$shared_secret" /proc/$control/environ
check "the control: a process that holds the key is found out" core_holds $control "$shared_secret"
stop_process $control

others=0
for pid in $(family_of "$pid_r"); do
    note "process $pid: $(cat "/proc/$pid/comm"); Uid $(status_of "$pid" Uid); CapEff $(status_of "$pid" CapEff)"
    if [ "$pid" = "$pid_r" ]; then
        core_holds "$pid" "$shared_secret" && note "the keeper holds the key" || note "the keeper has forgotten the key"
        continue
    fi
    others=$((others + 1))
    refute "the core image of $pid holds the pre-shared key" core_holds "$pid" "$shared_secret"
    at_least "bytes in the core image of $pid" "$core_size" 100000
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
