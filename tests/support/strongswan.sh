# Sourced after hosts.sh: strongSwan's charon on one of the hosts, driven by swanctl.
# shellcheck shell=bash

# charon_configure HOST IKE ESP [FAMILY]: one connection "peer" with the child "net" between the protected
# nets, as strongSwan spells algorithms, e.g. aes256-sha256-modp2048. Unless ike_rekey or
# child_rekey are set, lifetimes are a day: what happens, happens because the test or the other side asked.
# ike_aggressive=yes: aggressive mode, both ways. ike_own_id, ike_peer_id: identities other than addresses.
# scope=hosts: transport mode between the two ends. child_proposals=ah_proposals: ESP is an integrity for AH.
# child_ipcomp=yes: with IPComp. child_local_ts: what it has behind it, if not its net.
# child_sha256_96=yes: HMAC-SHA2-256 is cut to 96 bits.
# ike_fragmentation: yes, accept, force or no. charon_fragment_size, for charon_start: bytes of the IP packet.
charon_configure() {
    local host=$1 ike=$2 esp=$3 selectors
    addresses "$host" "${4:-4}"
    mkdir -p "$work/$host/swanctl/conf.d"
    if [ "${scope-nets}" = nets ]; then
        selectors="local_ts = ${child_local_ts:-$own_net}
        remote_ts = $peer_net"
    else
        selectors="mode = transport"
    fi
    cat >"$work/$host/swanctl/swanctl.conf" <<CONF
connections {
  peer {
    version = 1
    local_addrs = $own
    remote_addrs = $peer
    proposals = $ike
    rekey_time = ${ike_rekey:-24h}
    dpd_delay = 0
    aggressive = ${ike_aggressive:-no}
    fragmentation = ${ike_fragmentation:-yes}
    local {
      auth = psk
      ${ike_own_id:+id = $ike_own_id}
    }
    remote {
      auth = psk
      ${ike_peer_id:+id = $ike_peer_id}
    }
    children {
      net {
        $selectors
        ${child_proposals:-esp_proposals} = $esp
        ipcomp = ${child_ipcomp:-no}
        sha256_96 = ${child_sha256_96:-no}
        rekey_time = ${child_rekey:-23h}
        life_time = 24h
      }
    }
  }
}
secrets {
  ike-shared {
    secret = "$shared_secret"
  }
}
CONF
}

# charon_start HOST: sets charon_pid when it answers. charon_kernel=libipsec: its own ESP in UDP through a TUN
# device, for hosts whose kernel has none; charon_tunnel HOST then leads the protected net there.
charon_start() {
    local dir=$work/$1
    mkdir -p "$dir"/swanctl/{x509,x509ca,private,rsa,conf.d}
    cat >"$dir/strongswan.conf" <<CONF
charon {
  load = random nonce aes sha1 sha2 md5 hmac drbg openssl gmp gcm ctr kdf ${charon_kernel:+kernel-$charon_kernel} kernel-netlink socket-default vici updown
  install_routes = no
  i_dont_care_about_security_and_use_aggressive_mode_psk = yes
  retransmit_tries = 3
  ${charon_fragment_size:+fragment_size = $charon_fragment_size}
  plugins {
    vici { socket = unix://$dir/charon.vici }
  }
  filelog {
    log {
      path = $dir/charon.log
      flush_line = yes
      default = 1
      ike = 2
    }
  }
}
CONF
    STRONGSWAN_CONF=$dir/strongswan.conf on_background "$1" /usr/lib/ipsec/charon >"$dir/charon.out" 2>&1
    charon_pid=$!
    wait_until 30 test -S "$dir/charon.vici" && charon_reload "$1"
}

charon_tunnel() { # HOST
    addresses "$1" 4
    ip -n "$1" route replace "$peer_net" dev ipsec0 src "$own_inner"
}

swan() { # HOST SWANCTL-ARGUMENT...
    local dir=$work/$1
    shift
    STRONGSWAN_CONF=$dir/strongswan.conf SWANCTL_DIR=$dir/swanctl \
        swanctl "$@" --uri "unix://$dir/charon.vici"
}
charon_reload() { swan "$1" --load-all --noprompt >"$work/$1/load.out" 2>&1 || { cat "$work/$1/load.out"; return 1; }; }
charon_initiate() { swan "$1" --initiate --child net --timeout "${2:-20}" >"$work/$1/initiate.out" 2>&1; }
charon_sas() { swan "$1" --list-sas; }
charon_has_no_sa() { [ -z "$(swan "$1" --list-sas)" ]; }
