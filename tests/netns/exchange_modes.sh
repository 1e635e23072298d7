#!/bin/bash
# Two racoons in aggressive and in base mode, with names as identities and the key under those; and the mode
# to begin with is the first of several.
. "$(dirname "$0")/begin.sh"

both() { # MODES OF L, MODES OF R
    racoon_configure l kernel="$kernel" families=4 mode="$1" keys=r.example \
        remote='my_identifier fqdn "l.example"; peers_identifier fqdn "r.example"; verify_identifier on;'
    racoon_configure r kernel="$kernel" families=4 mode="$2" keys=l.example \
        remote='my_identifier fqdn "r.example"; peers_identifier fqdn "l.example"; verify_identifier on;'
    # The key is found by the name alone.
    for host in l r; do
        sed -i '/^10\./d' "$work/$host/racoon/psk.txt"
        rm -f "$(log_of $host)"
    done
}
for modes in "aggressive:aggressive:Aggressive" "base:base:Base" \
    "aggressive, main:main, base, aggressive:Aggressive" "base, main:main, aggressive, base:Base"; do
    IFS=: read -r of_l of_r expected <<<"$modes"
    both "$of_l" "$of_r"
    start_both
    check "$of_l to $of_r: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
    check "$of_l to $of_r: 10 pings from l" ping_all l 192.168.1.1 192.168.2.1 10
    check "$of_l to $of_r: 10 pings from r" ping_all r 192.168.2.1 192.168.1.1 10
    for host in l r; do
        equal "$of_l to $of_r: negotiations on $host in $expected mode" \
            "$(grep -c "begin $expected mode" "$(log_of $host)")" 1
        equal "$of_l to $of_r: others on $host" \
            "$(grep 'begin .* mode' "$(log_of $host)" | grep -vc "begin $expected mode")" 0
    done
    stop_process "$pid_l"
    equal "$of_l to $of_r: racoon on l ends orderly, status" $? 0
    stop_process "$pid_r"
    [ $failures = 0 ] || break
done

# A mode that is not listed is not answered, and the log of who asked says that nobody did.
both aggressive main
start_both
refute "a peer without aggressive mode answers" ping_once l 192.168.1.1 192.168.2.1 4
equal "IKE messages of r" "$(grep -c 'respond new phase 1' "$(log_of r)")" 0
check "and r's log says why" wait_line "$(log_of r)" 'no configuration found for 10\.9\.0\.1' 5
stop_process "$pid_l"
stop_process "$pid_r"
finish
