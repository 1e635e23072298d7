#!/bin/bash
# Whatever is wrong with a new configuration, the old one goes on serving: not one packet is lost, no SA is
# touched, and racoonctl says what is wrong and where.
. "$(dirname "$0")/begin.sh"
for host in l r; do racoon_configure $host kernel="$kernel" families=4; done
start_both
check "the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
has_one_pair() { [ "$(racoon_spis l | wc -w)" = 2 ]; }
check "one pair of SAs" wait_until 90 has_one_pair
dir=$work/l/racoon
cp -p "$dir/racoon.conf" "$work/good.conf"
spis=$(racoon_spis l)
ping_start l 192.168.1.1 192.168.2.1 0.02

# refused WHAT REGEX...: reload-config fails and says all of these; the file is put right again
refused() {
    local what=$1 line status
    shift
    racoon_ctl l reload-config >"$work/out" 2>&1
    status=$?
    equal "$what: racoonctl's status" $status 1
    for line; do
        check "$what: told" grep -qE -- "$line" "$work/out" || note "$(cat "$work/out")"
    done
    equal "$what: SAs" "$(racoon_spis l)" "$spis"
    rm -rf "$dir/racoon.conf"
    cp -p "$work/good.conf" "$dir/racoon.conf"
}
place="$dir/racoon.conf:[0-9]+:[0-9]+"

sed -i 's/exchange_mode main/exchange_mode mian/; s/hash_algorithm sha256/hash_algorithm sha265/' "$dir/racoon.conf"
refused "two mistakes" "$place: .*mian" "$place: .*sha265"

echo 'include "/nowhere/at.all.conf";' >>"$dir/racoon.conf"
refused "a missing include" "$place: no file matches .*/nowhere/at.all.conf"

mkdir "$dir/folder.conf"
echo "include \"$dir/folder.conf\";" >>"$dir/racoon.conf"
refused "a folder to include" "$place: .*directory"

echo 'module "no-such-module"; module "another-one";' >>"$dir/racoon.conf"
refused "modules that are not loaded" \
    "restart needed: $place: module \"no-such-module\" is not loaded, and none of that name is installed in /" \
    "restart needed: $place: module \"another-one\""
[ "$kernel" = sim ] || echo 'module "kernel-sim";' >>"$dir/racoon.conf"
[ "$kernel" = sim ] || refused "an installed module" \
    "restart needed: $place: module \"kernel-sim\" is not loaded; it is installed"

sed -i 's/^kernel .*/kernel "sim";/' "$dir/racoon.conf"
refused "another kernel backend" 'restart needed: kernel sim'

if [ "$kernel" != xfrm ]; then # which has them
    sed -i '/^sainfo/a if_id 7;' "$dir/racoon.conf"
    refused "an if_id" "$place: the kernel backend $kernel cannot do if_id on this host; \"racoonctl explain if_id\" tells"
    sed -i 's/^policy file .*/&\npolicy spdadd 10.77.0.1 10.77.0.2 any -P out mark 1 none;/' "$dir/racoon.conf"
    refused "a mark" "$place: the kernel backend $kernel cannot do mark on this host;"
fi

chmod 644 "$dir/psk.txt"
refused "a key file that others may read" "psk.txt.*chmod 600"
chmod 600 "$dir/psk.txt"
mv "$dir/psk.txt" "$dir/away"
refused "a key file that is not there" "psk.txt.*No such file"
mkfifo -m 600 "$dir/psk.txt"
refused "a pipe in the place of the key file" "psk.txt.*regular file"
rm "$dir/psk.txt"
mv "$dir/away" "$dir/psk.txt"

mv "$dir/policies.conf" "$dir/away"
refused "policies that are not there" "$place: .*policies.conf"
mv "$dir/away" "$dir/policies.conf"

sed -i 's/^listen {/listen { isakmp 10.9.0.1; isakmp 192.0.2.77; isakmp 192.0.2.78;/' "$dir/racoon.conf"
refused "addresses of nobody" "$place: cannot bind UDP 192.0.2.77" "$place: cannot bind UDP 192.0.2.78"

enter_background l perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0) or die;
    bind(S, sockaddr_in(5500, inet_aton("10.9.0.1"))) or die; $| = 1; print "bound\n"; sleep 300' >"$work/holder.out"
holder=$!
check "somebody has the port" wait_line "$work/holder.out" bound 10
sed -i 's/^listen {/listen { isakmp 10.9.0.1; isakmp 10.9.0.1 [5500];/' "$dir/racoon.conf"
refused "a port that somebody has" "$place: cannot bind UDP 10.9.0.1\[5500\]: the port is in use"
stop_process "$holder"
equal "IKE sockets of l" "$(enter l ss -Hulnp | grep -c racoon)" "$(enter r ss -Hulnp | grep -c racoon)"

sed -i "s|adminsock \"[^\"]*\"|adminsock \"$dir/no/such/folder/racoon.sock\"|" "$dir/racoon.conf"
refused "a control socket without a folder" "adminsock: there is no folder .*no/such/folder"
touch "$dir/file.sock"
sed -i "s|adminsock \"[^\"]*\"|adminsock \"$dir/file.sock\"|" "$dir/racoon.conf"
refused "a control socket in the place of a file" "file.sock.*a file is in its place"

cat >>"$dir/racoon.conf" <<POLICY
policy spdadd 192.168.1.0/24 192.168.8.0/24 any -P out ipsec esp/tunnel/10.9.0.1-10.9.0.2/require;
policy spdadd 192.168.1.0/24 192.168.9.0/24 any -P out ipsec ipcomp/tunnel/10.9.0.1-10.9.0.2/require;
POLICY
[ "$kernel" != userspace ] || refused "a policy that the kernel refuses" "192.168.9.0/24.*kernel-userspace does "

rm "$dir/racoon.conf"
refused "no file" "racoon.conf.*No such file"
rm "$dir/racoon.conf"
mkdir "$dir/racoon.conf"
refused "a folder in its place" "racoon.conf.*directory"
rm "$dir/racoon.conf"
mkfifo "$dir/racoon.conf"
refused "a pipe in its place" "racoon.conf.*regular file"

echo 'remote 10.9.0.2 {' >>"$dir/racoon.conf"
kill -HUP "$pid_l"
check "SIGHUP with half a section" wait_line "$(log_of l)" "config reload failed, the old configuration stays: .*$place" 10
cp -p "$work/good.conf" "$dir/racoon.conf"

check "the good file is taken" racoon_ctl l reload-config
check "and nothing has changed" grep -q 'configuration changed: nothing changed; ISAKMP-SAs: 1 kept, 0 deleted; IPsec-SAs: 2 kept, 0 deleted' "$(log_of l)"
equal "SAs" "$(racoon_spis l)" "$spis"
enough() { [ "$(grep -c 'time=' "$ping_log")" -ge 100 ]; }
wait_until 20 enough
ping_stop
at_least "answers to the ping that ran all the while" "$ping_received" 100
equal "packets lost" "$ping_lost" 0
stop_process "$pid_l"
stop_process "$pid_r"
finish
