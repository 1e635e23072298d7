# Sourced after hosts.sh: the racoon under test on one of the hosts. RACOON_BUILD is the build tree.
# shellcheck shell=bash

# racoon_install: the programs and modules where everything above them belongs to root, as it would once
# installed. The daemon loads no module below a folder that somebody else may write, as a build tree can be.
racoon_install() {
    racoon_home=$work/installed
    mkdir -p "$racoon_home" && cp -r "$RACOON_BUILD/sbin" "$RACOON_BUILD/lib" "$racoon_home" &&
        chmod -R go-w "$racoon_home" && [ -x "$racoon_home/sbin/racoon" ]
}

# racoon_configure HOST [NAME=VALUE]...: writes racoon.conf, psk.txt and policies.conf for a tunnel between
# the protected nets. Names, with their defaults:
#   kernel=userspace  families="4 6"  cipher="aes 256"  hash=sha256  group=modp2048  pfs= (a group, or none)
#   esp_cipher="aes 256"  esp_auth=hmac_sha256  phase1="8 hour"  phase2="1 hour"  remote= (further lines)
#   top= (further top-level lines)  policies=yes  mode=main (exchange_mode's list)
#   keys= (identifiers that have the key too, besides the peer's address)
#   rules=esp/tunnel/A-B/require (as in setkey, with A-B for the tunnel's ends)  scope=nets (or hosts: between the
#   two ends themselves)  sainfo= (further lines)
# racoon_defaults has others for a whole script.
# With IPComp, what did not get smaller comes uncompressed, so it is "use" and optional inbound; outbound Linux takes
# no optional tunnel.
racoon_configure() {
    local host=$1 kernel=userspace families="4 6" cipher="aes 256" hash=sha256 group=modp2048 pfs= \
        esp_cipher="aes 256" esp_auth=hmac_sha256 phase1="8 hour" phase2="1 hour" remote= top= policies=yes \
        mode=main keys= rules=esp/tunnel/A-B/require scope=nets sainfo= setting family dir
    shift
    for setting in ${racoon_defaults-} "$@"; do
        local "${setting%%=*}=${setting#*=}"
    done
    dir=$work/$host/racoon
    mkdir -p "$dir"
    : >"$dir/psk.txt"
    : >"$dir/policies.conf"
    for setting in $keys; do echo "$setting $shared_secret" >>"$dir/psk.txt"; done
    chmod 600 "$dir/psk.txt"
    {
        echo "path module \"$racoon_home/lib/racoon/modules\";"
        echo "path pre_shared_key \"$dir/psk.txt\";"
        echo "path pidfile \"$dir/racoon.pid\";"
        echo "kernel $kernel;"
        [ -z "$policies" ] || echo "policy file \"$dir/policies.conf\";"
        echo "listen { adminsock \"$dir/racoon.sock\"; }"
        echo "$top"
    } >"$dir/racoon.conf"
    for family in $families; do
        addresses "$host" "$family"
        [ "$scope" = nets ] || own_net=$own peer_net=$peer
        echo "$peer $shared_secret" >>"$dir/psk.txt"
        local outbound=${rules//A-B/$own-$peer}
        cat >>"$dir/policies.conf" <<POLICY
spdadd $own_net $peer_net any -P out ipsec ${outbound//\/use/\/require};
spdadd $peer_net $own_net any -P in ipsec ${rules//A-B/$peer-$own};
POLICY
        cat >>"$dir/racoon.conf" <<CONF
remote $peer {
    exchange_mode $mode;
    lifetime time $phase1;
    $remote
    proposal {
        encryption_algorithm $cipher;
        hash_algorithm $hash;
        authentication_method pre_shared_key;
        dh_group $group;
    }
}
sainfo address $own_net any address $peer_net any {
    ${pfs:+pfs_group $pfs;}
    lifetime time $phase2;
    encryption_algorithm $esp_cipher;
    authentication_algorithm $esp_auth;
    compression_algorithm deflate;
    $sainfo
}
CONF
    done
}

racoon_start() { # HOST [OPTION]...: in the foreground of a job of its own; sets racoon_pid when it answers
    local host=$1 dir=$work/$1/racoon
    shift
    : >"$dir/log"
    on_background "$host" "$racoon_home/sbin/racoon" -F -f "$dir/racoon.conf" "$@" >>"$dir/log" 2>&1
    racoon_pid=$!
    racoon_ready "$host" "$racoon_pid" || { racoon_log "$host"; return 1; }
}
# In a guest on a machine that has other things to do, minutes.
racoon_ready() {
    wait_until $([ -z "${RACOON_GUEST-}" ] && echo 60 || echo 240) racoon_ready_or_gone "$1" "$2" && ! process_gone "$2"
}
racoon_ready_or_gone() { grep -q 'is ready$' "$work/$1/racoon/log" || process_gone "$2"; }

# racoon_daemon HOST: as a service would be started; it returns when it is ready. Sets racoon_pid.
racoon_daemon() {
    local dir=$work/$1/racoon
    on "$1" "$racoon_home/sbin/racoon" -f "$dir/racoon.conf" -l "$dir/log" || { racoon_log "$1"; return 1; }
    racoon_pid=$(cat "$dir/racoon.pid")
}

# racoon_spis HOST: the SPIs of its IPsec SAs, sorted; the same on both ends of a tunnel
racoon_spis() { racoon_ctl "$1" show-sa ipsec | grep -oE 'spi=[0-9]+' | sort | tr '\n' ' '; }

racoon_ctl() { # HOST RACOONCTL-ARGUMENT...
    local host=$1
    shift
    "$racoon_home/sbin/racoonctl" -s "$work/$host/racoon/racoon.sock" "$@"
}
racoon_log() { sed "s/^/    $1: /" "$work/$1/racoon/log" >&2; }

# racoon_pairs HOST: how many IPsec SA pairs its log tells of since it started
racoon_pairs() { grep -c 'IPsec-SA established' "$work/$1/racoon/log"; }
