/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Working memory of one frame: per CPU in the kernel, per engine elsewhere. */
#ifndef WEIR_SCRATCH_H
#define WEIR_SCRATCH_H

#include <weir/wire.h>

#define WEIR_HEAD_CAP 128		/* headers up to and with TCP's must end within */
#define WEIR_STREAM_CAP 4096		/* client bytes that are assembled, record headers included */
#define WEIR_CHUNK 1024			/* copied at a time, so that the verifier knows where a copy ends */

/* The 5-tuple's four: addresses as IPv6 or IPv4-mapped, ports in host order. Words are copied whole, so it is aligned. */
struct weir_flow_key {
	__u8  client[16];
	__u8  server[16];
	__u16 client_port;
	__u16 server_port;
} __attribute__((aligned(4)));

/* One TCP segment, as its headers say. */
struct weir_segment {
	struct weir_flow_key flow;	/* as the frame runs; turned round once it is known who is the client */
	__u32 sequence;
	__u32 acknowledged;
	__u32 network_at;		/* offset of the IP header */
	__u32 transport_at;		/* offset of the TCP header */
	__u32 payload_at;
	__u32 payload_size;		/* as the IP header says */
	__u8  flags;
	__u8  vlan_tags;
	__u8  family;			/* 4 or 6 */
	__u8  reserved;
};

/* What a program has to do with its frame. */
enum weir_order { WEIR_PASS = 0, WEIR_DO_RESET = 1, WEIR_DO_DROP = 2 };

/* One frame being looked at. */
struct weir_look {
	__u8  head[WEIR_HEAD_CAP + 16];	/* a masked index may be the start of a word or an address */
	__u32 offset;			/* the headers' cursor, and what type stands there; in map memory, see WEIR_TURN */
	__u32 type;
	struct weir_segment segment;
	__u64 now;
	__u32 sequence;			/* what the server expects next: a RST with another is ignored (RFC 5961) */
	__u8  order;
	__u8  direction;
	__u8  reserved[2];
};

/* The record, the handshake message behind it as it travels, and the parser's cursor. */
struct weir_scratch {
	struct weir_handshake record;
	__u8  bytes[WEIR_STREAM_CAP + 16];
	__u32 offset;			/* read position in `bytes` */
	__u32 end;			/* first position that is not ours */
	__u32 name_at, name_size;	/* body of extension 0 */
	__u32 alpn_at, alpn_size;	/* body of extension 16 */
	__u32 versions_at, versions_size; /* body of extension 43 */
	__u32 signatures_at, signatures_size; /* body of extension 13 */
	__u32 message_length;		/* as announced, header included; of an assembled hello */
	__u32 message_records;
};

#define WEIR_RANGES 8

/* Client bytes of one flow, at their stream offsets, until the hello is whole. */
struct weir_assembly {
	__u64 first_ns;
	__u64 last_ns;
	__u32 ifindex;
	__u32 filled;			/* bytes without a hole, from the first */
	__u16 range_start[WEIR_RANGES];	/* beyond the first hole; start == end: free */
	__u16 range_end[WEIR_RANGES];
	__u8  segments;
	__u8  proof;
	__u8  direction;
	__u8  flags;
	__u8  vlan_tags;
	__u8  reason;			/* why it was given up */
	__u8  scan, idle, free;		/* weir_note_range's cursor; in map memory, see WEIR_TURN */
	__u8  reserved[7];
	__u8  bytes[WEIR_STREAM_CAP + WEIR_CHUNK];
};

enum weir_flow_state {
	WEIR_FLOW_SYN = 0,		/* not proven yet; in the half-open table */
	WEIR_FLOW_SYN_ACK = 1,
	WEIR_FLOW_EXPECTING = 2,	/* the next client byte is the first */
	WEIR_FLOW_ASSEMBLING = 3,
	WEIR_FLOW_DONE = 4,		/* judged: what follows is not looked at */
	WEIR_FLOW_HELD = 5,		/* refused by dropping: what follows is dropped too */
};

struct weir_flow {
	__u64 first_ns;
	__u32 client_isn;
	__u32 server_isn;
	__u32 base;			/* sequence number of the first client byte */
	__u8  state;
	__u8  proof;
	__u16 reserved;
};
#endif
