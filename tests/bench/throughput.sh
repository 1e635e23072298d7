#!/bin/bash
# Throughput of kernel-userspace: TCP, one flow, between two hosts of this kernel (both ends on this machine's
# processors), AES-128-GCM, beside strongSwan's kernel-libipsec in the same run, as a ratio, and beside what
# OpenSSL alone encrypts on one core.
#
#     RACOON_BUILD=build/release tests/bench/throughput.sh [seconds 5] [rounds 3]
#
# Needs root, /dev/net/tun, iperf3 and strongSwan's charon. RACOON_BUILD must be a release build. In each round
# every one is measured once, so that whatever else the machine does meets all of them; medians count.
seconds=${1:-5} rounds=${2:-3}
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/racoon.sh"
. "$support/strongswan.sh"
RACOON_BUILD=$(realpath "${RACOON_BUILD:-build/release}")
export RACOON_BUILD
[ "$(id -u)" = 0 ] || skip "two daemons need root"
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
command -v iperf3 >/dev/null || skip "there is no iperf3"
hosts_private "$0" "$@"
hosts_up && racoon_install || exit 1
ike=aes128-sha256-modp2048

cpu_ms() { # PID...: processor time that they have used
    local total=0 pid fields
    for pid in "$@"; do
        read -ra fields <"/proc/$pid/stat" || continue
        # behind the name in parentheses, which may hold spaces
        fields=($(sed 's/.*) //' "/proc/$pid/stat"))
        total=$((total + fields[11] + fields[12]))
    done
    echo $((total * 1000 / $(getconf CLK_TCK)))
}
# measure NAME PID...: one transfer from l to r; the line "NAME Mbit/s CPU-ms"
measure() {
    local name=$1 before after rate
    shift
    before=$(cpu_ms "$@")
    enter_background r iperf3 -s -1 --forceflush -B 192.168.2.1 >"$work/server" 2>&1
    local server=$!
    wait_line "$work/server" 'Server listening' 10
    enter l iperf3 -c 192.168.2.1 -B 192.168.1.1 -t "$seconds" -f m >"$work/client" 2>&1 ||
        { cat "$work/client"; stop_process $server; return 1; }
    stop_process $server
    after=$(cpu_ms "$@")
    rate=$(awk '/receiver/ { for (i = 1; i < NF; i++) if ($(i + 1) == "Mbits/sec") print int($i) }' "$work/client")
    echo "$name ${rate:-0} $((after - before))" | tee -a "$work/figures"
}

libipsec() {
    local host charons=()
    charon_kernel=libipsec
    for host in l r; do
        charon_configure $host $ike aes128gcm16
        charon_start $host || { cat "$work/$host"/charon.*; return 1; }
        charons+=("$charon_pid")
        charon_tunnel $host || return 1
    done
    charon_initiate l || { cat "$work/l/initiate.out"; return 1; }
    measure libipsec "${charons[@]}"
    for pid in "${charons[@]}"; do stop_process "$pid"; done
    for host in l r; do
        addresses $host 4
        ip -n $host route replace "$peer_net" via "$peer" src "$own_inner"
        rm -f "$work/$host/charon.vici"
    done
}

racoon() { # NAME NATT
    local host pids=() pid
    for host in l r; do
        racoon_configure $host families=4 cipher="aes 128" esp_cipher="aes_gcm_16 128" remote="nat_traversal $2;"
        racoon_start $host || return 1
        pids+=("$racoon_pid")
    done
    ping_once l 192.168.1.1 192.168.2.1 || { racoon_log l; return 1; }
    # the keeper, its engine and its data process
    measure "$1" "${pids[@]}" $(for pid in "${pids[@]}"; do pgrep -P "$pid"; done)
    for pid in "${pids[@]}"; do stop_process "$pid"; done
}

median() { # NAME
    grep "^$1 " "$work/figures" | awk '{ print $2, $3 }' | sort -n |
        awk '{ rate[NR] = $1; cpu[NR] = $2 } END { m = int((NR + 1) / 2); print rate[m] + 0, cpu[m] + 0 }'
}

: >"$work/figures"
echo "name Mbit/s CPU-ms of both ends' daemons"
for _ in $(seq "$rounds"); do
    [ ! -x /usr/lib/ipsec/charon ] || libipsec || exit 1
    racoon racoon off || exit 1
    racoon racoon-udp force || exit 1
done
read -r base _ < <(median libipsec)
echo
printf '%-12s %10s %14s %10s\n' "median" "Mbit/s" "CPU s per GB" "ratio"
for name in libipsec racoon racoon-udp; do
    read -r rate cpu < <(median $name)
    [ "$rate" -gt 0 ] || continue
    awk -v n=$name -v r="$rate" -v c="$cpu" -v s="$seconds" -v b="${base:-0}" 'BEGIN {
        printf "%-12s %10d %14.2f %10s\n", n, r, c / 1000 / (r * s / 8000), (b > 0 ? sprintf("%.1f", r / b) : "-") }'
done
# What no data path on this core could go beyond: each byte is encrypted by one end and decrypted by the other.
openssl speed -mr -seconds 2 -bytes 1400 -evp aes-128-gcm 2>/dev/null |
    awk -F: '/^\+F:/ { printf "%-12s %10d   one core, packets of 1400 bytes\n", "openssl", $NF * 8 / 1e6 }'
