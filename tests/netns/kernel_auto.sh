#!/bin/bash
# Which kernel backend is used, and why the others are not: `kernel auto`, one that is named, and none that can work.
# On a host whose kernel has ESP, and on one that has not.
. "$(dirname "$0")/begin.sh"
kernel_has_esp && chosen=xfrm || chosen=userspace
note "this host should choose $chosen"
lacks='this kernel (has no ESP: CONFIG_INET_ESP|has no XFRM netlink: CONFIG_XFRM_USER|lacks AES-CBC)'
row() { racoon_ctl l show-modules | grep "^kernel-$1 "; }

racoon_configure l kernel=auto families=4
check "racoon starts with kernel auto" racoon_start l
check "and tells which backend it uses" grep -q "kernel backend $chosen (module kernel-$chosen)" "$(log_of l)"
racoon_ctl l show-modules >"$work/modules"
check "racoonctl shows it, too" grep -q "in use" <<<"$(row $chosen)" || note "$(cat "$work/modules")"
equal "backends in use" "$(grep -c 'in use' "$work/modules")" 1
if [ $chosen = xfrm ]; then
    check "another one was not asked" grep -q 'not used.*not asked: xfrm comes first, and works' <<<"$(row userspace)"
else
    for backend in xfrm pfkey; do
        check "the log says what $backend lacks" \
            grep -qE "kernel backend $backend is not used: this kernel .*CONFIG_" "$(log_of l)"
        check "and so does racoonctl" grep -qE 'not used.*cannot work here: this kernel .*CONFIG_' <<<"$(row $backend)" ||
            note "$(cat "$work/modules")"
    done
    check "xfrm lacks ESP" grep -qE "xfrm is not used: $lacks" "$(log_of l)"
fi
stop_process "$racoon_pid"

if [ $chosen = userspace ]; then
    racoon_configure l kernel=xfrm families=4
    refused() { ! racoon_start l 2>/dev/null; }
    check "a backend that is named and cannot work ends the start" refused
    check "with what it lacks" grep -qE "ERROR: kernel backend xfrm: $lacks" "$(log_of l)"
    check "and one that would work" grep -q 'userspace would work here: kernel "userspace";' "$(log_of l)"
    racoon_configure l kernel=auto families=4 \
        top="module \"kernel-xfrm\"; module \"kernel-pfkey\"; module \"auth-psk\"; module \"crypto-openssl\";
            module \"credential-files\"; module \"natt\";"
    check "so does it when all that are loaded cannot" refused
    check "with what each lacks" grep -qE 'no kernel backend can work here: xfrm: .*CONFIG_.*pfkey: .*CONFIG_' "$(log_of l)"
    # Whoever checks a file may do it elsewhere, and without privileges.
    tests_good() { "$racoon_home/sbin/racoon" -t -f "$work/l/racoon/racoon.conf" >/dev/null; }
    check "racoon -t asks no kernel" tests_good
fi
racoon_configure l kernel=$chosen families=4
check "a backend that is named and works is used" racoon_start l
check "and nothing else is asked" grep -q "not used.*not asked: racoon.conf has kernel \"$chosen\"" <<<"$(row pfkey)"
finish
