/* SPDX-License-Identifier: BSD-2-Clause */
/* One packet of a datagram: its long header, its keys, its payload. */
#ifndef WEIR_QUIC_PACKET_H
#define WEIR_QUIC_PACKET_H

#include <linux/types.h>

#define QUIC_ID_MOST 20
#define QUIC_TAG 16
#define QUIC_DATAGRAM 4096

struct quic_id {
	__u8 size;
	__u8 bytes[QUIC_ID_MOST];
};

struct quic_keys {
	__u8 key[16], header[16], iv[12];
};

enum quic_version_kind { QUIC_SPOKEN, QUIC_FOREIGN, QUIC_UNKNOWN };

enum quic_packet_type { QUIC_INITIAL, QUIC_ZERO_RTT, QUIC_HANDSHAKE, QUIC_RETRY };

/* A long header (RFC 9000 section 17.2). Offsets count from the datagram's start. */
struct quic_packet {
	__u32 version;
	enum quic_packet_type type;
	struct quic_id to, from;
	__u8 has_token;			/* of an Initial: somebody gave it to the client, in a Retry or before */
	__u32 start;
	__u32 number;			/* where the packet number lies */
	__u32 end;			/* behind the tag */
};

/* Can be opened; is known but cannot; nobody's. */
enum quic_version_kind quic_version_kind(__u32 version);

/* The ids of a long header alone. 0, or -1. */
int quic_read_ids(struct quic_packet *packet, const __u8 *bytes, __u32 size, __u32 at);

/* The whole header at `at`. 0, or -1 where none can be read: then nothing behind it can. */
int quic_read_packet(struct quic_packet *packet, const __u8 *bytes, __u32 size, __u32 at);

/* A variable-length number (RFC 9000 section 16), and past it. -1 where it does not end. */
int quic_number(const __u8 *bytes, __u32 end, __u32 *at, __u64 *value);

struct quic_opener;
struct quic_opener *quic_opener_create(void);
void quic_opener_destroy(struct quic_opener *opener);

/* A client's Initial keys (RFC 9001 section 5.2, RFC 9369 section 3.3). */
void quic_derive(struct quic_keys *keys, __u32 version, const struct quic_id *id);

/* Opens a packet. The size of its payload at `out`, which has room for a datagram, or -1 where the tag is wrong. */
int quic_open(struct quic_opener *opener, const struct quic_keys *keys, const struct quic_packet *packet, const __u8 *bytes, __u8 *out);
#endif
