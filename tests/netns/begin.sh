# Sourced first by each script here: the two hosts are up and racoon is ready to be configured.
# RACOON_KERNEL is the backend to use: userspace unless told.
# shellcheck shell=bash
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/racoon.sh"
kernel=${RACOON_KERNEL:-userspace}
[ -n "${RACOON_BUILD-}" ] || { echo "RACOON_BUILD names no build tree"; exit 1; }
[ "$(id -u)" = 0 ] || skip "two daemons need root"
[ "$kernel" != userspace ] || [ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
hosts_private "$0" "$@"
hosts_up || { echo "FAIL  cannot make two hosts"; exit 1; }
# Through PF_KEY Linux cuts HMAC-SHA2-256 to 96 bits, and knows no combined algorithms.
[ "$kernel" != pfkey ] || racoon_defaults='esp_auth=hmac_sha1'
racoon_install || { echo "FAIL  there is no racoon in $RACOON_BUILD"; exit 1; }

# start_both: sets pid_l and pid_r
start_both() {
    check "racoon starts on l" racoon_start l && pid_l=$racoon_pid &&
        check "racoon starts on r" racoon_start r && pid_r=$racoon_pid
}
# The logs, when something failed; each script ends with it.
finish() {
    local host
    if [ $failures != 0 ]; then
        for host in l r; do racoon_log $host; done
    fi
    cases_end
}
log_of() { echo "$work/$1/racoon/log"; }
