# Sourced by packaging/quickstart, tests/run and .ci/run: what this project needs from Debian, in one place.
# shellcheck shell=bash

# To build the daemon, its tools and modules.
racoon_packages_build="cmake ninja-build g++ pkg-config libuv1-dev libmnl-dev libfmt-dev
    nlohmann-json3-dev libexpected-dev libssl-dev libseccomp-dev libcap-dev zlib1g-dev"

# To show two hosts and a tunnel between them.
racoon_packages_demo="iproute2 iputils-ping tcpdump procps perl-base util-linux"

# To build and run every test: the peers, a kernel to boot, a second compiler.
racoon_packages_test="libgtest-dev libgmock-dev libbenchmark-dev clang-16 libclang-rt-16-dev
    clang-format-14 ccache mold git jq mandoc user-mode-linux kmod strongswan-charon strongswan-swanctl
    libcharon-extra-plugins libstrongswan-standard-plugins libstrongswan-extra-plugins gdb
    ike-scan vpnc nftables iptables conntrack python3 tshark libnss3-tools libldns3 libunbound8 libcurl3-nss
    libevent-core-2.1-7 libevent-pthreads-2.1-7"

# racoon_need GROUP...: installs what is missing of the groups build, demo, test. Who is not root gets the
# line to type instead, and status 1. Where there is no dpkg it only says what it would have looked for.
racoon_need() {
    local group list missing=() package
    for group in "$@"; do
        list="racoon_packages_$group"
        for package in ${!list}; do
            if ! command -v dpkg-query >/dev/null; then
                missing+=("$package")
            elif [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
                missing+=("$package")
            fi
        done
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not a Debian system; the build needs what Debian calls: ${missing[*]}" >&2
        return 0
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "Packages are missing. As root, run:" >&2
        echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${#missing[@]} packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    local log status=0
    log=$(mktemp) || return 1
    { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
        </dev/null >"$log" 2>&1 || status=1
    [ $status = 0 ] || { tail -n 30 "$log" >&2; echo "apt-get failed; see above." >&2; }
    rm -f "$log"
    return $status
}

# racoon_unpack FOLDER PACKAGE: unpacks a package that cannot be installed beside others, such as libreswan beside
# strongSwan. Where it cannot be had, the tests that want it say so.
racoon_unpack() {
    local folder=$1 package=$2 download
    [ ! -d "$folder" ] || return 0
    command -v dpkg >/dev/null && download=$(mktemp -d) || return 0
    if (cd "$download" && apt-get download -q "$package" && dpkg -x ./*.deb "$download/root") \
        </dev/null >"$download/log" 2>&1; then
        mkdir -p "$(dirname "$folder")" && mv "$download/root" "$folder"
    else
        tail -n 5 "$download/log" >&2
        echo "$package could not be unpacked" >&2
    fi
    rm -rf "$download"
}
