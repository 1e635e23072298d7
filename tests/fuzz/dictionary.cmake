# cmake -DTABLES=FILE;FILE… -DOUT=FILE -P dictionary.cmake
# A libFuzzer dictionary of every keyword and choice in the directive table, and of the words that are
# not in it: units, types, protocols, policy words.
set(words sec secs second seconds min mins minute minutes hour hours time byte KB MB yes no on off
  anonymous clientaddr from group inherit address subnet fqdn user_fqdn keyid asn1dn certname tag file
  any tcp udp icmp icmp6 gre esp ah ipcomp x509 plain_rsa dnssec disabled auto xfrm
  aes aes256 "aes 128" aes_256 3des des camellia blowfish rijndael null_enc aes_gcm_16 md5 sha1 sha256
  sha2_256 hmac_md5 hmac_sha1 hmac_sha256 non_auth deflate lzs modp1024 modp2048 ecp256
  pre_shared_key rsasig gssapi_krb xauth_psk_server spdadd ipsec discard none prio require unique
  "esp/tunnel/192.0.2.1-192.0.2.2/require" "esp/transport//require" "-P out" "-P in"
  192.0.2.1 "192.0.2.0/24" "10.0.0.1-10.0.0.9" "2001:db8::1" "fe80::1%lo" gw.example.org "[500]" "[any]"
  "[0]" 0x10 4294967296 18446744073709551616 { } "{ }" "\\x3b" "," "=" "(" ")" "/24" "#" "\\x0d\\x0a" "\\\"\\\"")
foreach(table ${TABLES})
  file(STRINGS "${table}" lines REGEX "\\.(keyword|choices) = ")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "\\.(keyword|choices) = \"([^\"]*)\"" ignored "${line}")
    string(REPLACE " " ";" found "${CMAKE_MATCH_2}")
    list(APPEND words ${found})
  endforeach()
endforeach()
list(REMOVE_DUPLICATES words)
set(text "")
foreach(word IN LISTS words)
  string(APPEND text "\"${word}\"\n")
endforeach()
file(WRITE "${OUT}" "${text}")
