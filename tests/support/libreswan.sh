# Sourced after hosts.sh: libreswan's pluto on one of the hosts, driven by whack. Its package conflicts with
# strongSwan's, so it is unpacked somewhere; RACOON_LIBRESWAN is that folder. RACOON_NSS is a folder with an empty
# database of NSS, made by pluto_database, for which certutil must have a terminal in a guest.
# shellcheck shell=bash

pluto_programs=${RACOON_LIBRESWAN-}/usr/libexec/ipsec
pluto_there() { [ -x "$pluto_programs/pluto" ]; }

pluto_database() { mkdir -p "$1" && certutil -N -d "sql:$1" --empty-password; } # FOLDER

# pluto_configure HOST IKE PHASE2 [LINE]...: one connection "peer" between the protected nets (with scope=hosts
# between the hosts), as libreswan spells algorithms. Lifetimes are a day, and nothing happens by itself.
pluto_configure() {
    local host=$1 ike=$2 phase2=$3 nets=
    shift 3
    addresses "$host" 4
    [ "${scope-nets}" = hosts ] || nets="leftsubnet=$own_net
    rightsubnet=$peer_net"
    printf '%s\n' "config setup
    ikev1-policy=accept
    uniqueids=no
conn peer
    ikev2=no
    authby=secret
    left=$own
    right=$peer
    $nets
    ike=$ike
    phase2alg=$phase2
    ikelifetime=24h
    salifetime=23h
    rekey=no
    leftupdown=%disabled
    auto=add" "${@/#/    }" >"$work/$host/ipsec.conf"
}

pluto_start() { # HOST: sets pluto_pid when it answers
    local dir=$work/$1
    # One that crashed leaves its lock, and its socket that would look like ours.
    rm -rf "$dir/run/pluto" "$dir/nss"
    mkdir -p "$dir/run/pluto" && cp -r "$RACOON_NSS" "$dir/nss" || return 1
    echo "%any %any : PSK \"$shared_secret\"" >"$dir/ipsec.secrets"
    # What it starts itself it looks for in its package's folder. This namespace of mounts is the test's own.
    if [ ! -e /usr/libexec/ipsec ]; then
        mkdir -p "$work/libexec" && mount --bind /usr/libexec "$work/libexec" && mount -t tmpfs none /usr/libexec &&
            ln -s "$work"/libexec/* "$pluto_programs/../ipsec" /usr/libexec/ || return 1
    fi
    printf 'config setup\n    ikev1-policy=accept\n' >"$dir/ipsec.conf"
    on_background "$1" "$pluto_programs/pluto" --config "$dir/ipsec.conf" --secretsfile "$dir/ipsec.secrets" \
        --nssdir "$dir/nss" --rundir /run/pluto --nofork --stderrlog >"$dir/pluto.log" 2>&1
    pluto_pid=$!
    wait_until 30 test -S "$dir/run/pluto/pluto.ctl" && whack "$1" --listen >"$dir/whack.out" 2>&1 &&
        whack "$1" --rereadsecrets >>"$dir/whack.out" 2>&1
}

whack() { # HOST WHACK-ARGUMENT...
    local host=$1
    shift
    on "$host" "$pluto_programs/whack" --rundir /run/pluto "$@"
}
# Adds the connection anew, which ends the one of that name.
pluto_reload() {
    on "$1" "$pluto_programs/addconn" --config "$work/$1/ipsec.conf" --ctlsocket /run/pluto/pluto.ctl peer \
        >"$work/$1/load.out" 2>&1 || { cat "$work/$1/load.out"; return 1; }
}
pluto_initiate() { whack "$1" --name peer --initiate >"$work/$1/initiate.out" 2>&1; }
