#!/bin/bash
# First messages of programs that others wrote: ike-scan's handshakes are answered, in main and in aggressive
# mode; where there is nothing to agree on, ike-scan and vpnc are told so, and only that.
. "$(dirname "$0")/begin.sh"
command -v ike-scan >/dev/null || skip "there is no ike-scan"
command -v vpnc >/dev/null || skip "there is no vpnc"

racoon_on_r() { # MODES
    racoon_configure r kernel="$kernel" families=4 cipher=3des hash=sha1 group=modp1024 mode="$1" phase1="24 hour"
    rm -f "$(log_of r)"
    check "racoon with exchange_mode $1 starts on r" racoon_start r
}
scan() { enter l ike-scan --retry=1 --timeout=2000 "$@" 10.9.0.2 >"$work/scan" 2>&1; sed 's/^/      /' "$work/scan"; }

racoon_on_r "main, aggressive"
scan
check "ike-scan gets main mode's handshake" grep -q 'Main Mode Handshake returned' "$work/scan"
check "with the transform that is configured" grep -q 'Enc=3DES Hash=SHA1 Auth=PSK Group=2:modp1024' "$work/scan"
scan -A --id=somebody.example
check "ike-scan gets aggressive mode's handshake" grep -q 'Aggressive Mode Handshake returned' "$work/scan"
check "with our identity" grep -q 'ID(Type=ID_IPV4_ADDR, Value=10.9.0.2)' "$work/scan"
check "and a proof" grep -q 'Hash(20 bytes)' "$work/scan"
scan --trans=1,1,1,1
check "an offer of single DES is told no" grep -q 'NO-PROPOSAL-CHOSEN' "$work/scan"
scan -A --id=somebody.example --dhgroup=1 --trans=1,1,1,1
check "in aggressive mode too" grep -q 'NO-PROPOSAL-CHOSEN' "$work/scan"
refute "ike-scan establishes anything" grep -q 'ISAKMP-SA established' "$(log_of r)"

# vpnc offers XAuth's authentication methods; the answer must end it, not leave it waiting.
cat >"$work/vpnc.conf" <<CONF
IPSec gateway 10.9.0.2
IPSec ID group
IPSec secret $shared_secret
Xauth username somebody
Xauth password something
NAT Traversal Mode none
Local Port 0
CONF
began=$SECONDS
enter l timeout 30 vpnc --no-detach --non-inter "$work/vpnc.conf" >"$work/vpnc" 2>&1
status=$?
sed 's/^/      /' "$work/vpnc"
refute "vpnc waits in vain, status $status" test $status = 124
# It does not look into an answer that is no aggressive mode message, but it takes it as one.
check "vpnc has an answer, and gives up" grep -q 'response was invalid' "$work/vpnc"
note "after $((SECONDS - began)) s"
check "racoon's log says so too" wait_line "$(log_of r)" 'no suitable proposal found' 5
check "racoon is well" racoon_ctl r show-sa isakmp
stop_process "$racoon_pid"

racoon_on_r main
scan -A --id=somebody.example
check "without aggressive mode, there is no answer" grep -q '0 returned handshake; 0 returned notify' "$work/scan"
stop_process "$racoon_pid"
finish
