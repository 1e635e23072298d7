#!/bin/bash
# In the guest: strongSwan on r and the daemon under test on l. Suites that few people use: each cipher and group
# of phase 1 that the two share, each ESP algorithm, by turns with either side as initiator, and pings both ways.
# The module crypto-legacy is loaded, so all modules are named.
support=$(cd "$(dirname "$0")/../support" && pwd)
. "$support/hosts.sh"
. "$support/cases.sh"
. "$support/strongswan.sh"
. "$support/racoon.sh"
hosts_private "$0" "$@"
hosts_up || exit 1
racoon_install || exit 1
modules='module "crypto-openssl"; module "crypto-legacy"; module "auth-psk"; module "credential-files";
    module "kernel-xfrm";'

# strongSwan's IKE and ESP | ours: cipher, hash, group, ESP cipher, ESP integrity | what swanctl then shows of both
suites='
camellia256-sha512-ecp256bp camellia256-sha256|camellia 256|sha512|brainpoolp256r1|camellia 256|hmac_sha256|CAMELLIA_CBC-256/HMAC_SHA2_512_256/PRF_HMAC_SHA2_512/ECP_256_BP|CAMELLIA_CBC-256/HMAC_SHA2_256_128
camellia128-sha1-curve25519 aes128ctr-sha1|camellia 128|sha1|curve25519|aes_ctr 128|hmac_sha1|CAMELLIA_CBC-128/HMAC_SHA1_96/PRF_HMAC_SHA1/CURVE_25519|AES_CTR-128/HMAC_SHA1_96
aes128-sha384-ecp384bp aes256gcm8|aes 128|sha384|brainpoolp384r1|aes_gcm_8 256|hmac_sha256|AES_CBC-128/HMAC_SHA2_384_192/PRF_HMAC_SHA2_384/ECP_384_BP|AES_GCM_8-256
aes192-md5-ecp512bp aes128gcm12|aes 192|md5|brainpoolp512r1|aes_gcm_12 128|hmac_sha256|AES_CBC-192/HMAC_MD5_96/PRF_HMAC_MD5/ECP_512_BP|AES_GCM_12-128
3des-sha1-ecp224bp aes256gmac|3des|sha1|brainpoolp224r1|null_auth_aes_gmac 256|hmac_sha256|3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_224_BP|NULL_AES_GMAC-256
camellia192-sha256-modp2048s256 aes128-aesxcbc|camellia 192|sha256|modp2048s256|aes 128|aes_xcbc_mac|CAMELLIA_CBC-192/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048_256|AES_CBC-128/AES_XCBC_96
blowfish256-sha1-modp2048s224 blowfish128-sha1|blowfish 256|sha1|modp2048s224|blowfish 128|hmac_sha1|BLOWFISH_CBC-256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048_224|BLOWFISH_CBC-128/HMAC_SHA1_96
cast128-md5-modp1024s160 cast128-md5|cast128 128|md5|modp1024s160|cast128 128|hmac_md5|CAST_CBC-128/HMAC_MD5_96/PRF_HMAC_MD5/MODP_1024_160|CAST_CBC-128/HMAC_MD5_96
des-sha1-modp1024 des-sha1|des|sha1|modp1024|des|hmac_sha1|DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024|DES_CBC/HMAC_SHA1_96
'

charon_configure r aes256-sha256-modp2048 aes256-sha256
charon_start r || { cat "$work"/r/charon.*; exit 1; }

initiator=r
while IFS='|' read -r theirs cipher hash group esp_cipher esp_auth ike_agreed esp_agreed; do
    [ -n "$theirs" ] || continue
    read -r ike esp <<<"$theirs"
    [ $initiator = l ] && initiator=r || initiator=l
    [ $initiator = l ] && who=racoon || who=strongSwan
    label="$ike, $esp, $who initiates"
    charon_configure r "$ike" "$esp"
    charon_reload r || { check "$label: strongSwan takes the configuration" false; continue; }
    # strongSwan asks for a day and a bit; proposal_check strict takes what is not longer than ours
    racoon_configure l kernel=xfrm families=4 phase1="48 hour" phase2="48 hour" top="$modules" "cipher=$cipher" \
        hash="$hash" group="$group" "esp_cipher=$esp_cipher" esp_auth="$esp_auth"
    check "$label: racoon starts" racoon_start l || continue
    capture_start "$work/wire.pcap"
    if [ $initiator = l ]; then
        check "$label: the tunnel comes up" ping_once l 192.168.1.1 192.168.2.1
    else
        check "$label: the tunnel comes up" charon_initiate r || cat "$work/r/initiate.out"
    fi
    check "$label: 5 pings from l" ping_all l 192.168.1.1 192.168.2.1 5
    check "$label: 5 pings from r" ping_all r 192.168.2.1 192.168.1.1 5
    capture_stop
    charon_sas r >"$work/sas"
    equal "$label: packets in the clear" "$(capture_count "$work/wire.pcap" plain)" 0
    at_least "$label: ESP packets" "$(capture_count "$work/wire.pcap" esp)" 20
    check "$label: agreed in phase 1: $ike_agreed" grep -qF "$ike_agreed" "$work/sas"
    check "$label: agreed in phase 2: $esp_agreed" grep -q "ESP:$esp_agreed\$" "$work/sas"
    if [ $failures != 0 ]; then
        cat "$work/sas"
        tail -n 60 "$work/r/charon.log"
        racoon_log l
        stop_process "$racoon_pid"
        break
    fi
    stop_process "$racoon_pid"
    check "$label: strongSwan's SAs are gone after the delete" wait_until 10 charon_has_no_sa r
    enter r ip xfrm state flush
done <<<"$suites"
cases_end
