/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Working memory of one frame, and what is remembered of a flow: per CPU and in maps in the kernel, per engine elsewhere. */
#ifndef WEIR_SCRATCH_H
#define WEIR_SCRATCH_H

#include <weir/flow.h>
#include <weir/wire.h>

#define WEIR_HEAD_CAP 256		/* headers up to and with TCP's must end within; tunnels need the second half */
#define WEIR_HEAD_PLAIN 128		/* what is read of a frame at first, where tunnels are not looked into */
#define WEIR_BODY_CAP 16384		/* a hello's body; the largest that RFC 8446 lets one record hold */
#define WEIR_MESSAGE_CAP (4 + WEIR_BODY_CAP)
#define WEIR_SLOT 2048			/* stream bytes are kept in pieces of this size */
#define WEIR_SLOTS 9			/* at most, of one hello */
#define WEIR_STREAM_CAP (WEIR_SLOT * WEIR_SLOTS)	/* client bytes that are assembled, record headers included */

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
	__u32 fragment_id;
	__u16 fragment_at;		/* bytes of the datagram before this fragment */
	__u16 urgent;			/* 1 + the payload's byte that is urgent; 0: none */
	__u8  flags;
	__u8  vlan_tags;
	__u8  family;			/* 4 or 6 */
	__u8  tunnels;			/* enum weir_tunnel */
	__u8  fragment;			/* enum weir_fragment_kind */
};

enum weir_fragment_kind { WEIR_WHOLE_DATAGRAM, WEIR_FIRST_FRAGMENT, WEIR_LATER_FRAGMENT };

/* Whose the later fragments of a datagram are. Addresses as the frame runs. */
struct weir_datagram_key {
	__u8  source[16];
	__u8  destination[16];
	__u32 id;
	__u32 family;
};

struct weir_datagram {
	struct weir_flow_key flow;
	__u32 sequence;			/* of the first payload byte */
	__u32 header;			/* bytes of the TCP header */
	__u32 acknowledged;
};

/* Where a frame is seen. Each hook has its own program, so this is never guessed; a capture says nothing of it. */
enum weir_hook {
	WEIR_HOOK_IN = 0,
	WEIR_HOOK_OUT = 1,		/* a server's frames; a client's are left to the next */
	WEIR_HOOK_ANY = 2,
	WEIR_HOOK_OUTGOING = 3,		/* what somebody here says to a server elsewhere */
};

/* What a program has to do with its frame. */
enum weir_order {
	WEIR_PASS = 0,
	WEIR_DO_RESET = 1,		/* both sides are told: the frame becomes a RST to each */
	WEIR_DO_DROP = 2,
	WEIR_DO_RESET_SERVER = 3,	/* only the server is told; the client's side hears nothing */
	WEIR_DO_RESET_CLIENT = 4,	/* the other half, where the server was told before */
	WEIR_DO_OUTGOING = 6,		/* another program's, see WEIR_HOOK_OUTGOING */
	WEIR_DO_SINGLE_PATH = 5,	/* a SYN: both sides are to speak TCP, and not Multipath TCP */
	WEIR_DO_OPEN = 7,		/* another program's: Initials are opened in the packet */
};

/* The start of a long header: type, version, two connection ids behind their lengths (RFC 8999 section 5.1). */
#define WEIR_QUIC_HEAD 64
#define WEIR_QUIC_MOST 4096		/* bytes of a datagram that travel */

/* One datagram of a buffer. */
struct weir_quic_look {
	__u32 at, size;			/* in the frame */
	__u32 left, each;		/* of the buffer, and of each datagram in it */
	__u32 version, type;		/* enum weir_quic_type */
	__u32 to_size;			/* of the destination's connection id, which begins at 6 */
	__u32 from_at, from_size;	/* the source's */
	__u64 path;			/* the client's: struct weir_quic_path's key */
};

/* What a table of connection ids holds of each, in the last four bits. */
enum weir_quic_id { WEIR_QUIC_NOTED = 1, WEIR_QUIC_BORNE = 2, WEIR_QUIC_LOCAL = 4, WEIR_QUIC_RETRIED = 8 };

#define WEIR_QUIC_STATE 15ULL

#define WEIR_QUIC_IDS 65536

/* Windows of what nothing shows to be clean, each a prefix's by a hash of it. They are no limits, and take no limit's place. */
#define WEIR_QUIC_WINDOWS 4096

/* One frame being looked at. */
struct weir_look {
	__u8  head[WEIR_HEAD_CAP + 16];	/* a masked index may be the start of a word or an address */
	__u32 offset;			/* the headers' cursor, and what type stands there; in map memory, see WEIR_TURN */
	__u32 type;
	__u32 layers;
	int skipped;			/* what came of the extension headers */
	int entered;			/* and of the tunnels */
	__u32 frame_size;
	__u32 end;			/* where the innermost IP datagram ends, as it says */
	struct weir_segment segment;
	struct weir_datagram_key datagram;
	__u64 now;
	__u32 sequence;			/* what the server expects next: a RST with another is ignored (RFC 5961) */
	__u32 client_expects;		/* and what the client does */
	__u32 walk_at, walk_end;	/* the record walk's cursor, in the frame */
	struct weir_quic_look quic;
	__u64 noted;			/* anomalies that the walk found */
	__u32 turns;
	__u32 have;			/* bytes of the head that are the frame's */
	__u32 hello_end;		/* sequence number behind the records of the hello that was judged; 0: it was none */
	__u32 message_end;		/* and behind the hello itself */
	__u8  carry[8];			/* the start of a record */
	__u8  first[48];		/* the first bytes: a client's sixteen, or as many of a server's as tell what it answers */
	__u8  notes;			/* enum weir_note */
	__u8  order;
	__u8  direction;
	__u8  hook;			/* enum weir_hook */
	__u8  preamble;			/* enum weir_preamble: what the first bytes begin */
	__u8  reads;			/* enum weir_reads */
	__u8  is_raw;			/* the frame begins with its IP header: tun, WireGuard, IP in IP */
};

/* Is what is counted an answer that leaves, and whom does it prove? */
enum weir_answering {
	WEIR_NO_ANSWER = 0,
	WEIR_ANSWER_PROVEN = 1,		/* its client showed that it is there */
	WEIR_ANSWER_UNPROVEN = 2,	/* it goes to whoever was named: data in a SYN, answered without a cookie */
	WEIR_ANSWER_UNSEEN = 3,		/* a forwarded one, of a flow that no table knows */
};

/* A list of the hello being read: what a turn leaves to the next. In map memory, see WEIR_TURN. */
struct weir_reading {
	__u64 hash;			/* sum over what was read, whatever the order */
	__u64 types, twice;		/* extension types below 64, and those that came again */
	__u32 at, end;
	__u32 count;
	__u32 repeats;			/* suites that were there before */
	__u32 suites;			/* enum weir_suites */
	__u32 far;			/* extension types from 64 */
};

/* A PROXY header being read: what a character leaves to the next, and what comes of it. In map memory, see WEIR_TURN. */
struct weir_naming {
	struct weir_named named;	/* whom it names, at the end */
	__u8  address[16];
	__u64 high, low;		/* an IPv6 address's groups behind `::`, the last at the end */
	__u32 at;
	__u32 value, decimal, quad;	/* the group at hand, in hexadecimal and as a number; an IPv4 address's octets before it */
	__u32 part;			/* enum weir_naming_part */
	__u8  groups, gap_at;		/* how many are known, and how many of them stood before `::` */
	__u8  digits, letters, dots;	/* of the group at hand; dots of the address */
	__u8  has_gap, has_colon, before; /* `before` is the last character */
};

/* The record, the handshake message behind it as it travels, and the parser's cursor. */
struct weir_scratch {
	struct weir_handshake record;
	__u8  bytes[WEIR_MESSAGE_CAP + WEIR_SLOT + 12];	/* what is copied a slot at a time may end beyond */
	__u32 offset;			/* read position in the message's body */
	__u32 end;			/* first position that is not ours */
	__u32 extensions_at;		/* the first extension's header */
	__u32 name_at, name_size;	/* body of extension 0 */
	__u32 alpn_at, alpn_size;	/* body of extension 16 */
	__u32 versions_at, versions_size; /* body of extension 43 */
	__u32 signatures_at, signatures_size; /* body of extension 13 */
	__u32 scan, stop;		/* a second cursor, and where it ends */
	__u32 length;			/* a length read where the verifier shall forget it */
	__u32 psk_end;			/* where extension 41 ends */
	struct weir_reading list;
	__u64 far_types;		/* a hash of extension types from 64 */
	__u64 suites[16];		/* a bit for each suite */
	__u64 marks[1024];		/* a bit for each extension type, where there are very many */
	__u32 copy_at, copy_to, copy_left; /* from stream to message */
	__u32 own;			/* the policy's own prefix length for this source, while deciding */
	__u32 counted;			/* a bit for each class whose limit of that length has counted it; in map memory, see WEIR_TURN */
	__u32 is_answer;		/* enum weir_answering */
	__u32 is_told;			/* its hello was recorded */
	__u32 only_standing;		/* it makes no limit: those that stand are asked */
	__u32 is_vouched;		/* the flow is WEIR_BIT_VOUCHED */
	__u32 named_port;
	struct weir_naming naming;
	__u64 wide_until_ns;		/* an IPv6 source was admitted: until when its wider blocks' windows are kept; 0: none is asked */
	__u64 deciding_ns;		/* the time of what is being decided */
};

#define WEIR_RANGES 16			/* pieces beyond the first hole: enough for 33 segments in whatever order */

/*
 * Client bytes of one flow, at their stream offsets, until the hello is whole. The bytes are in slots. Like them its own
 * place is taken in turn, and its flow finds it by its number.
 */
struct weir_assembly {
	__u64 first_ns;
	__u64 last_ns;
	struct weir_flow_key flow;
	__u32 ifindex;
	__u32 id;			/* 0: none. Slots that are still ours bear it */
	__u32 filled;			/* bytes without a hole, from the first */
	__u32 header_at;		/* stream offset of the next record header */
	__u32 have;			/* message bytes before it */
	__u32 head;			/* the message's first four bytes, once they are there */
	__u32 head_at, head_left;	/* where more of these lie in the record at hand */
	__u32 whole_at;			/* where the message ends; 0 until that is known */
	__u32 place_at, place_end, place_from, place_stop; /* a segment's cursor; in map memory, see WEIR_TURN */
	__u16 range_start[WEIR_RANGES];	/* beyond the first hole; start == end: free */
	__u16 range_end[WEIR_RANGES];
	__u16 slot[16];			/* each plus one; 0: not taken */
	__u8  head_have;
	__u8  segments;			/* that brought something new */
	__u8  records;
	__u8  proof;
	__u8  direction;
	__u8  flags;
	__u8  vlan_tags;
	__u8  tunnels;
	__u8  preamble;
	__u8  reason;			/* why it was given up */
	__u8  tiny;			/* a segment before the last was under 64 bytes */
	__u8  small;			/* a record before the last was under 128 bytes */
	__u8  last_small, conflict;
	__u8  scan, idle, free;		/* weir_note_range's cursor; in map memory, see WEIR_TURN */
	__u8  ranges;			/* in use: none, as long as segments arrive in order */
	__u8  slots;			/* from which on none was taken */
	__u8  again;			/* the flow's hello was judged before: what never is whole is not told of */
	__u8  kept;			/* judged, and kept until it is answered: what comes again is compared with it */
	__u8  closed;			/* a FIN or RST was seen; it may have been forged, so the rest is waited for, for a second */
	__u16 start;			/* of the hello, behind a PROXY header that came in pieces or in disorder */
	struct weir_named named;	/* as the flow's */
};

/* The last SYN at some place: of one with data it matters whether it was the only one. */
struct weir_opening {
	__u32 isn;
	__u32 seen;			/* milliseconds, nearly, times two; bit 0: another came shortly before */
};

/*
 * A SYN-ACK of a forwarded server's: the numbers alone, so that a flood of SYNs has to fill eight times as many places as the table of
 * half-open flows has. Four to a place; the oldest makes room.
 */
struct weir_syn_ack {
	__u32 tag;			/* of its addresses and ports */
	__u32 client_isn;
	__u32 server_isn;
	__u32 seen;			/* milliseconds, nearly, times two; bit 0: nobody knows which of two SYNs was taken. 0: none */
};

#define WEIR_SYN_ACK_WAYS 4
#define WEIR_SYN_ACK_PLACES 32768

struct weir_syn_acks {
	struct weir_syn_ack of[WEIR_SYN_ACK_WAYS];
};

/* A hello's random, and whose it was. */
struct weir_random {
	__u64 hash;
	__u64 client;
	__u64 server;
	__u64 seen_ns;
};

/* How many hellos a source prefix has said, as the time at which its bucket will be empty. */
struct weir_bucket {
	__u64 hash;
	__u64 empty_ns;
};

/*
 * A hello's number; 0 means that there is none. Bit 31 says that nothing proves it: a quarter of the room is for such, which
 * so take nothing from what is proven.
 */
static inline __attribute__((always_inline)) __u32 weir_id(__u64 turn, __u32 is_stranger)
{
	__u32 id = ((__u32)turn & 0x7fffffff) + 1;

	return (id & 0x7fffffff ? id & 0x7fffffff : 1) | is_stranger << 31;
}

/* Where the `turn`-th of its kind lies among `room` places. */
static inline __attribute__((always_inline)) __u32 weir_place_of(__u32 turn, __u32 id, __u32 room)
{
	__u32 rest = room / 4;

	turn &= 0x7fffffff;
	return id >> 31 ? room - rest + turn % rest : turn % (room - rest);
}

#define WEIR_STRANGERS 2048
#define WEIR_UNPLACED 4096
#define WEIR_OPENINGS 8192
#define WEIR_RANDOMS 32768
#define WEIR_BUCKETS 16384
#define WEIR_FINGERPRINTS 8192

#endif
