/* "racoon.kernel/1": the IPsec stack. Keeper zone, exclusive: one backend is active. All requests are
 * plain data, [M], and may answer PENDING; the result record of each is named with it. */
#ifndef RACOON_PLUGIN_KERNEL_H
#define RACOON_PLUGIN_KERNEL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_KERNEL "racoon.kernel/1"

#define RACOON_IPPROTO_ESP 50u
#define RACOON_IPPROTO_AH 51u
#define RACOON_IPPROTO_COMP 108u
#define RACOON_MODE_TRANSPORT 1u
#define RACOON_MODE_TUNNEL 2u
#define RACOON_DIR_IN 1u
#define RACOON_DIR_OUT 2u
#define RACOON_DIR_FWD 3u
#define RACOON_POLICY_NONE 0u /* bypass */
#define RACOON_POLICY_IPSEC 1u
#define RACOON_POLICY_DISCARD 2u
#define RACOON_LEVEL_DEFAULT 0u
#define RACOON_LEVEL_USE 1u
#define RACOON_LEVEL_REQUIRE 2u
#define RACOON_LEVEL_UNIQUE 3u

/* Capabilities that gate what is proposed. */
#define RACOON_CAP_AEAD (UINT64_C(1) << 0)
#define RACOON_CAP_IPV6 (UINT64_C(1) << 1)
#define RACOON_CAP_TRANSPORT_MODE (UINT64_C(1) << 2)
#define RACOON_CAP_AH (UINT64_C(1) << 3)
#define RACOON_CAP_IPCOMP (UINT64_C(1) << 4)
#define RACOON_CAP_UDP_ENCAP (UINT64_C(1) << 5)
#define RACOON_CAP_ESN (UINT64_C(1) << 6)
#define RACOON_CAP_TRUNC_128 (UINT64_C(1) << 7) /* HMAC-SHA2-256 with 128 bits (RFC 4868) */
#define RACOON_CAP_FWD_POLICY (UINT64_C(1) << 8)
#define RACOON_CAP_BYTE_LIFETIME (UINT64_C(1) << 9)
/* Without these the fields of their names are 0 in what is asked for. */
#define RACOON_CAP_MARK (UINT64_C(1) << 10) /* mark and output_mark */
#define RACOON_CAP_IF_ID (UINT64_C(1) << 11)
#define RACOON_CAP_ESP_FRAG (UINT64_C(1) << 12)
#define RACOON_CAP_EVENT_BUFFER (UINT64_C(1) << 13)
#define RACOON_CAP_NON_IKE_MARKER (UINT64_C(1) << 14) /* RACOON_SA_NON_IKE_MARKER */

typedef struct racoon_kernel_caps {
    uint32_t struct_size;
    uint32_t max_replay_window; /* packets */
    uint64_t flags;             /* RACOON_CAP_… */
} racoon_kernel_caps;

typedef struct racoon_selector {
    racoon_addr local; /* network address; port 0 = any */
    racoon_addr remote;
    uint8_t local_prefix;
    uint8_t remote_prefix;
    uint8_t protocol; /* 0 = any */
    uint8_t reserved;
} racoon_selector;

/* An algorithm as a backend needs it: names and numbers from the esp-transform's manifest. */
typedef struct racoon_kernel_alg {
    char name[32];      /* racoon.conf name, "" = none */
    char xfrm_name[48]; /* Linux crypto API name */
    uint32_t pfkey_id;
    uint32_t icv_bits; /* integrity and aead */
    uint32_t key_size; /* bytes in key, with the salt of an aead at its end */
    uint8_t key[128];
} racoon_kernel_alg;

/* A packet has it when its own mark, of which the bits of `mask` count, is `value`; mask 0: none. */
typedef struct racoon_kernel_mark {
    uint32_t value;
    uint32_t mask;
} racoon_kernel_mark;

typedef struct racoon_kernel_sa {
    uint32_t struct_size;
    uint32_t direction; /* RACOON_DIR_IN: we receive with it; RACOON_DIR_OUT */
    uint32_t protocol;  /* RACOON_IPPROTO_… */
    uint32_t mode;      /* RACOON_MODE_… */
    uint32_t spi;       /* host order */
    uint32_t reqid;
    racoon_addr src; /* outer addresses; ports only with UDP encapsulation */
    racoon_addr dst;
    racoon_selector selector;
    racoon_kernel_alg enc; /* encryption or aead (is_aead) */
    racoon_kernel_alg auth;
    uint32_t is_aead;
    uint32_t replay_window; /* packets; 0 for outbound SAs */
    uint32_t flags;         /* RACOON_SA_… */
    uint32_t policy_id;     /* the outbound policy that it serves */
    int64_t soft_ns;        /* since installation; 0 = none */
    int64_t hard_ns;
    uint64_t soft_bytes; /* 0 = none */
    uint64_t hard_bytes;
    /* With RACOON_SA_UDP_ENCAP in transport mode: the peer's address on its own side of the NAT, for
     * checksums (RFC 3948 3.1.2); family 0: not known. */
    racoon_addr peer_original;
    /* Outbound, of an SA that is made once more with its old keys: the first packet's number is the one
     * after this, and no packet may carry a lower one; 0: a new SA. A backend that cannot begin
     * there answers NOT_SUPPORTED. */
    uint64_t sequence;
    /* A policy's packets find only SAs with its mark and if_id; an inbound SA has no mark, since packets
     * have none before they are opened. */
    racoon_kernel_mark mark;
    racoon_kernel_mark output_mark; /* outbound: set on packets that it has protected */
    uint32_t if_id;                 /* of an XFRM interface; 0: none */
    /* With RACOON_SA_UDP_ENCAP: bytes that an outer packet has at most, with its IP header; what is longer is
     * fragmented before it is encapsulated, where it may be. 0: no bound. */
    uint32_t esp_frag;
} racoon_kernel_sa;
#define RACOON_SA_UDP_ENCAP 1u /* ESP in UDP (RFC 3948), between the ports of src and dst */
#define RACOON_SA_ESN 2u
/* With RACOON_SA_UDP_ENCAP: on the IKE port, behind eight zero bytes (draft-ietf-ipsec-udp-encaps-00 and -01). */
#define RACOON_SA_NON_IKE_MARKER 4u

typedef struct racoon_kernel_template {
    uint32_t protocol;
    uint32_t mode;
    uint32_t level; /* RACOON_LEVEL_… */
    uint32_t reqid;
    racoon_addr local; /* tunnel endpoints; family 0 in transport mode */
    racoon_addr remote;
} racoon_kernel_template;

typedef struct racoon_kernel_policy {
    uint32_t struct_size;
    uint32_t id;        /* the keeper's number; comes back in acquire events */
    uint32_t direction; /* RACOON_DIR_… */
    uint32_t action;    /* RACOON_POLICY_… */
    int32_t priority;   /* setkey's: positive = earlier */
    uint32_t template_count;
    racoon_selector selector; /* local/remote from this host's view for all directions */
    racoon_kernel_template templates[4];
    /* Policies for the same traffic may stand side by side when these differ. */
    racoon_kernel_mark mark; /* only packets with this mark */
    uint32_t if_id;          /* only packets through the XFRM interface of this number; 0: none */
} racoon_kernel_policy;

typedef struct racoon_kernel_spi_request {
    uint32_t struct_size;
    uint32_t protocol;
    uint32_t mode;
    uint32_t reqid;
    racoon_addr src; /* the peer */
    racoon_addr dst; /* we */
    uint32_t min_spi;
    uint32_t max_spi;
    uint64_t acquire_token; /* 0: not caused by an acquire */
    uint32_t policy_id;     /* the outbound policy that the SA will serve; 0: not told */
    uint32_t reserved;
} racoon_kernel_spi_request;
typedef struct racoon_kernel_spi_result {
    uint32_t spi;
} racoon_kernel_spi_result;

/* Names an SA: destination, protocol, SPI (and source, for backends that want it). */
typedef struct racoon_kernel_sa_id {
    uint32_t struct_size;
    uint32_t protocol;
    uint32_t spi;
    uint32_t reserved;
    racoon_addr src;
    racoon_addr dst;
} racoon_kernel_sa_id;

typedef struct racoon_kernel_sa_info {
    uint32_t struct_size;
    uint32_t state; /* 0 larval, 1 mature, 2 dying, 3 dead */
    uint64_t bytes;
    uint64_t packets;
    int64_t idle_ns;        /* since the last packet; -1 = never used or not known */
    uint32_t replay_window; /* as installed, packets */
    uint32_t direction;
    uint32_t protocol;
    uint32_t mode;
    uint32_t spi;
    uint32_t reqid;
    racoon_addr src;
    racoon_addr dst;
} racoon_kernel_sa_info;

#define RACOON_KERNEL_ACQUIRE 1u /* traffic hit `policy_id` and found no SA */
#define RACOON_KERNEL_EXPIRE_SOFT 2u
#define RACOON_KERNEL_EXPIRE_HARD 3u
#define RACOON_KERNEL_OVERRUN 4u    /* events were lost: the core reconciles by dump */
#define RACOON_KERNEL_SA_DELETED 5u /* by somebody else */
#define RACOON_KERNEL_POLICY_CHANGED 6u
/* NAT: an authentic packet of this inbound SA came from `src`, which is not the SA's. */
#define RACOON_KERNEL_MAPPING 7u
#define RACOON_KERNEL_FAILED 8u /* the data path died; text in the log */
typedef struct racoon_kernel_event {
    uint32_t struct_size;
    uint32_t type;
    uint64_t acquire_token; /* give it back with acquire_done */
    uint32_t policy_id;
    uint32_t protocol;
    uint32_t spi;
    uint32_t reserved;
    racoon_addr src; /* SA events: outer; acquire: the packet's own addresses */
    racoon_addr dst;
} racoon_kernel_event;

typedef struct racoon_kernel_events {
    uint32_t struct_size;
    void* arg;
    void (*event)(void* arg, const racoon_kernel_event* event) RACOON_NOEXCEPT; /* [M] */
    /* With RACOON_CAP_EVENT_BUFFER: bytes of receive buffer to ask for at the sockets by which the system tells of
     * events; never fewer than the backend asks for by itself. 0: those. Set whether or not it has the capability,
     * which is known only later. */
    uint32_t event_buffer;
} racoon_kernel_events;

/* Numbers of policies that are not the daemon's, but setkey's or another tool's. Its own never lie here. */
#define RACOON_FOREIGN_POLICY_FIRST 0x20000000u
#define RACOON_FOREIGN_POLICY_LAST 0x3fffffffu

/* Who is told of them. */
typedef struct racoon_kernel_foreign {
    uint32_t struct_size;
    void* arg;
    /* It is there, or has another priority now; all else of a number stays as it is. [M] */
    void (*policy)(void* arg, const racoon_kernel_policy* policy) RACOON_NOEXCEPT;
    void (*gone)(void* arg, uint32_t id) RACOON_NOEXCEPT; /* [M] */
} racoon_kernel_foreign;

typedef struct racoon_kernel {
    uint32_t struct_size;
    /* Can it work on this machine? RACOON_OK, or NOT_SUPPORTED with the missing part and the remedy
     * in err ("this kernel has no ESP: CONFIG_INET_ESP"). Leaves nothing behind. */
    racoon_status (*probe)(void* impl, racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*capabilities)(void* impl, racoon_kernel_caps* out) RACOON_NOEXCEPT;
    /* Opens it; events come until close. Removes what an earlier run of ours left (journal). */
    racoon_status (*open)(void* impl, const racoon_kernel_events* events,
                          racoon_error* err) RACOON_NOEXCEPT;
    void (*close)(void* impl) RACOON_NOEXCEPT; /* removes the policies and SAs that it installed */
    /* IKE sockets bypass IPsec. */
    racoon_status (*bind_socket)(void* impl, int32_t fd, uint32_t family,
                                 racoon_error* err) RACOON_NOEXCEPT;

    racoon_status (*spi_get)(void* impl, const racoon_kernel_spi_request* request, racoon_op op,
                             racoon_kernel_spi_result* out, racoon_error* err) RACOON_NOEXCEPT;
    /* sa_update: turns the larval SA of spi_get into a full one (falls back to add when it has gone);
     * sa_add: an SA whose SPI the peer chose. No result record. */
    racoon_status (*sa_update)(void* impl, const racoon_kernel_sa* sa, racoon_op op,
                               racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*sa_add)(void* impl, const racoon_kernel_sa* sa, racoon_op op,
                            racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*sa_delete)(void* impl, const racoon_kernel_sa_id* id, racoon_op op,
                               racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*sa_query)(void* impl, const racoon_kernel_sa_id* id, racoon_op op,
                              racoon_kernel_sa_info* out, racoon_error* err) RACOON_NOEXCEPT;
    /* Calls `each` for every SA that this backend installed; synchronous. */
    racoon_status (*sa_dump)(void* impl,
                             void (*each)(void* arg, const racoon_kernel_sa_info* sa)
                                 RACOON_NOEXCEPT,
                             void* arg, racoon_error* err) RACOON_NOEXCEPT;

    racoon_status (*policy_add)(void* impl, const racoon_kernel_policy* policy, racoon_op op,
                                racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*policy_delete)(void* impl, uint32_t policy_id, racoon_op op,
                                   racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*policy_dump)(void* impl,
                                 void (*each)(void* arg, const racoon_kernel_policy* policy)
                                     RACOON_NOEXCEPT,
                                 void* arg, racoon_error* err) RACOON_NOEXCEPT;
    /* How the negotiation that an acquire caused has ended; lets new acquires come at once. */
    racoon_status (*acquire_done)(void* impl, uint64_t acquire_token,
                                  racoon_status status) RACOON_NOEXCEPT;
    /* Optional, after open: can it do this algorithm? Of the SA, protocol, mode, is_aead and either enc or
     * auth (the other is empty) are set, with a key size but no key. NOT_SUPPORTED keeps it from being
     * negotiated, with the reason in err. May try it on the kernel; leaves nothing behind. A backend
     * without this function is taken to do all that its capabilities allow. */
    racoon_status (*supports)(void* impl, const racoon_kernel_sa* sa,
                              racoon_error* err) RACOON_NOEXCEPT;
    /* With RACOON_CAP_UDP_ENCAP, after bind_socket: this bound UDP socket of ours is the NAT-T port. What
     * carries the non-ESP marker, and keepalives, stay for its reader; the rest is ESP, and is the
     * backend's from now on. What SAs with RACOON_SA_UDP_ENCAP send leaves from that port. */
    racoon_status (*bind_natt_socket)(void* impl, int32_t fd, uint32_t family,
                                      racoon_error* err) RACOON_NOEXCEPT;
    /* With RACOON_CAP_UDP_ENCAP: the peer of an SA in UDP has another port (in `peer`, whose address is
     * the one that the SA has). RACOON_KERNEL_MAPPING events of authentic packets ask for it. No result
     * record. */
    racoon_status (*sa_move)(void* impl, const racoon_kernel_sa_id* id, const racoon_addr* peer,
                             racoon_op op, racoon_error* err) RACOON_NOEXCEPT;
    /* Optional, before open: of what an earlier run of ours left, open() takes these SAs over instead of
     * removing them, where they are still the same (addresses, protocol, SPI, request id, mark, if_id): from then on
     * they are this run's, and sa_query finds them. The keys are not set. `stride` is the distance in
     * bytes from one to the next. A backend without this function has nothing that outlives the daemon. */
    racoon_status (*keep)(void* impl, const racoon_kernel_sa* sas, size_t count, size_t stride,
                          racoon_error* err) RACOON_NOEXCEPT;
    /* Optional: `policy` takes the place of the one called `old_id`, which is for the same traffic in the
     * same direction (else INVALID_ARGUMENT). There is no instant in which traffic meets neither. When it
     * fails, the old one is in force. NOT_FOUND without one, STATE when policy->id is another one's. A
     * backend without this function is told to delete and to add. No result record. */
    racoon_status (*policy_update)(void* impl, uint32_t old_id, const racoon_kernel_policy* policy,
                                   racoon_op op, racoon_error* err) RACOON_NOEXCEPT;
    /* Optional, with bind_natt_socket: the socket of this local address and port is closed by us at once. What
     * the backend has beside it goes as well, so that the port is free a moment later. NOT_FOUND without
     * one. A backend without this function keeps nothing of its own for a socket. */
    racoon_status (*release_natt_socket)(void* impl, const racoon_addr* local,
                                         racoon_error* err) RACOON_NOEXCEPT;
    /* Optional, after open, once: tells the policies of the system that this daemon did not install and that
     * ask for IPsec, of the directions in and out; all of them from within this call, then each one that comes
     * or goes, until close. Acquires for an outbound one carry its number; what was asked for before, and may
     * be another daemon's to answer, is told as an acquire, too, from within this call. A policy that comes back as it
     * was has its old number, and no other policy ever gets that. Request ids are the kernel's own: 0 is one
     * like others, and SAs and SPI requests for such a policy (`policy_id`) have them just so. Not told are
     * policies of single sockets, and what the struct cannot express. The daemon never asks to change or
     * delete one. A backend without this function serves the daemon's own policies alone. */
    racoon_status (*watch_policies)(void* impl, const racoon_kernel_foreign* listener,
                                    racoon_error* err) RACOON_NOEXCEPT;
    /* With RACOON_CAP_NON_IKE_MARKER, after bind_socket, as bind_natt_socket: this bound UDP socket of ours is an
     * IKE port through which ESP may come as well. What begins with eight zero bytes is ESP behind them, and is
     * the backend's; the rest stays for its reader. release_natt_socket takes it back. */
    racoon_status (*bind_ike_socket)(void* impl, int32_t fd, uint32_t family,
                                     racoon_error* err) RACOON_NOEXCEPT;
} racoon_kernel;

#ifdef __cplusplus
}
#endif
#endif
