/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The contract between kernel and user space: records, map entries, reasons.
 * Every struct has fixed-width fields, explicit padding, and a static assertion in layout.c.
 */
#ifndef WEIR_WIRE_H
#define WEIR_WIRE_H

#include <linux/types.h>

#define WEIR_WIRE_VERSION 3

#define WEIR_SECOND 1000000000ULL

#include <weir/anomalies.h>

/* What a record tells of. */
enum weir_kind {
	WEIR_KIND_HELLO = 0,		/* a ClientHello, or the first client bytes where that is none */
	WEIR_KIND_FLOW = 1,		/* something that its flow did besides */
	WEIR_KIND_DATAGRAM = 2,		/* no verdict: a QUIC client's datagram, for user space to open; a part of it if `proof` is why it is told */
};

/* What first client bytes are that are no TLS. */
enum weir_subtype {
	WEIR_SUBTYPE_NONE = 0,
	WEIR_SUBTYPE_HTTP = 1,
	WEIR_SUBTYPE_SSH = 2,
	WEIR_SUBTYPE_RDP = 3,
	WEIR_SUBTYPE_OTHER = 4,
};

/* What stood before the hello in the client's bytes. */
enum weir_preamble {
	WEIR_PREAMBLE_NONE = 0,
	WEIR_PREAMBLE_PROXY1 = 1,	/* the PROXY protocol, as text */
	WEIR_PREAMBLE_PROXY2 = 2,
	WEIR_PREAMBLE_CONNECT = 3,	/* HTTP's CONNECT (RFC 9110 section 9.3.6) */
	WEIR_PREAMBLE_SOCKS4 = 4,
	WEIR_PREAMBLE_SOCKS5 = 5,	/* RFC 1928 */
	/* The talk of a protocol that becomes TLS when its client asks for it (upgrade.h). */
	WEIR_PREAMBLE_SMTP = 6,		/* RFC 3207 */
	WEIR_PREAMBLE_IMAP = 7,		/* RFC 9051 section 6.2.1 */
	WEIR_PREAMBLE_POP3 = 8,		/* RFC 2595 section 4 */
	WEIR_PREAMBLE_FTP = 9,		/* RFC 4217 */
	WEIR_PREAMBLE_LDAP = 10,	/* RFC 4511 section 4.14 */
	WEIR_PREAMBLE_XMPP = 11,	/* RFC 6120 section 5 */
	WEIR_PREAMBLE_IRC = 12,		/* IRCv3, tls */
	WEIR_PREAMBLE_POSTGRESQL = 13,	/* SSLRequest */
	WEIR_PREAMBLE_MYSQL = 14,	/* Protocol::SSLRequest */
	WEIR_PREAMBLE_RDP = 15,		/* MS-RDPBCGR section 2.2.1.1 */
	WEIR_UPGRADE_ANY = 255,		/* not of a record's: whichever of these the client's first bytes are */
};

/* What was around the frame, as bits. */
enum weir_tunnel {
	WEIR_TUNNEL_IP = 1 << 0,	/* IP in IP (RFC 2003, RFC 4213) */
	WEIR_TUNNEL_GRE = 1 << 1,	/* RFC 2784 */
	WEIR_TUNNEL_ERSPAN = 1 << 2,
	WEIR_TUNNEL_VXLAN = 1 << 3,	/* RFC 7348 */
	WEIR_TUNNEL_GENEVE = 1 << 4,	/* RFC 8926 */
	WEIR_TUNNEL_PPPOE = 1 << 5,	/* RFC 2516 */
	WEIR_TUNNEL_MPLS = 1 << 6,	/* RFC 3032 */
	WEIR_TUNNEL_GTP = 1 << 7,	/* 3GPP TS 29.281 */
};

enum weir_completeness {
	WEIR_COMPLETE = 0,		/* one segment, one record */
	WEIR_REASSEMBLED = 1,
	WEIR_INCOMPLETE = 2,		/* never a verdict about what it lacks */
};

enum weir_incomplete_reason {
	WEIR_REASON_NONE = 0,
	WEIR_REASON_CLOSED = 1,		/* FIN or RST before the announced length */
	WEIR_REASON_TIMEOUT = 2,	/* nothing more for hello_timeout_ns */
	WEIR_REASON_TOO_LONG = 3,	/* above what is assembled (WEIR_STREAM_CAP) */
	WEIR_REASON_GAPS = 4,		/* more holes than are tracked */
	WEIR_REASON_CAPTURE = 5,	/* the capture ends, or cut the frame */
	WEIR_REASON_REUSED = 6,		/* a new SYN on the same 5-tuple */
	WEIR_REASON_NO_ROOM = 7,	/* the assembly table refused the entry */
	WEIR_REASON_EVICTED = 8,	/* other hellos took its memory */
};

enum weir_proof {
	WEIR_UNPROVEN = 0,		/* whoever sent it may have forged the source */
	WEIR_TRACKED = 1,		/* SYN-ACK seen, and an ACK that answers it (RFC 9293 3.5) */
	WEIR_SOCKET = 2,		/* a local socket is established */
};

/* How far a proof reaches: whoever answers a client proves his address to himself, and to others only if they trust him. */
enum weir_reach {
	WEIR_REACH_SOURCE = 0,		/* a local socket answered, or a destination that the policy vouches for: limits hold for all that the source does */
	WEIR_REACH_DESTINATION = 1,	/* anybody may have: limits hold towards this destination, on this node */
};

/* Which servers' answers prove a source to others, besides local sockets'. */
enum weir_vouching {
	WEIR_VOUCH_NONE = 0,
	WEIR_VOUCH_SOME = 1,		/* those in the table `vouched` */
	WEIR_VOUCH_ALL = 2,
};

enum weir_transport {
	WEIR_TRANSPORT_TCP = 0,
	WEIR_TRANSPORT_UDP = 1,		/* QUIC (RFC 9000) */
};

enum weir_direction {
	WEIR_INGRESS = 0,
	WEIR_EGRESS = 1,
};

/* What became of the handshake. */
enum weir_action {
	WEIR_OBSERVED = 0,		/* no limiter looked at it */
	WEIR_PASSED = 1,		/* the limiter had nothing against it */
	WEIR_ALLOWED = 2,		/* its source is in the allow-list */
	WEIR_ADMITTED = 3,		/* counted against a limit, within it */
	WEIR_RESET = 4,			/* over the limit, turned into a RST */
	WEIR_DROPPED = 5,		/* over the limit, dropped */
};

enum weir_answer {
	WEIR_ANSWER_RESET = 0,
	WEIR_ANSWER_DROP = 1,
};

enum weir_class {
	WEIR_CLASS_ANOMALOUS = 0,	/* only this source's anomalous handshakes */
	WEIR_CLASS_ALL = 1,
	/* The kernel's own: answers that prove nothing about whom they go to limit nothing else of his. */
	WEIR_CLASS_UNPROVEN = 2,
	WEIR_CLASS_UNSEEN = 3,
	WEIR_CLASS_WIDE = 4,		/* anomalous handshakes of a whole IPv6 block */
};

enum weir_origin {
	WEIR_ORIGIN_KERNEL = 0,		/* the reflex */
	WEIR_ORIGIN_AGENT = 1,
	WEIR_ORIGIN_CLUSTER = 2,	/* the limits topic */
};

enum weir_flag {
	WEIR_FLAG_REFLEX = 1 << 0,	/* this hello made its limit's entry */
	WEIR_FLAG_NO_ENTRY = 1 << 1,	/* it should have, but the map was full */
	WEIR_FLAG_NAMED = 1 << 2,	/* extension 0 present; the dead ESNI draft's 0xffce is no name */
	WEIR_FLAG_OVERLAP = 1 << 3,	/* segments overlapped */
	WEIR_FLAG_LITERAL = 1 << 4,	/* the name may be an address: user space looks */
	WEIR_FLAG_CUT = 1 << 5,		/* more bytes than travelled */
	WEIR_FLAG_FRAGMENTS = 1 << 6,	/* IP fragments were put together */
	WEIR_FLAG_RETRY = 1 << 7,	/* the second hello of its connection, after a HelloRetryRequest (RFC 8446 section 4.1.4) */
};

/* What a flow did that is an anomaly only when its source does it often: user space counts. */
enum weir_note {
	WEIR_NOTE_SILENT = 1 << 0,	/* no client record for ten seconds after the hello */
	WEIR_NOTE_FATAL_ALERT = 1 << 1,	/* a fatal alert in plain text */
	WEIR_NOTE_ANSWER = 1 << 2,	/* it is the server's answer that was counted */
};

/*
 * One per handshake, then `raw_length` bytes of the hello (the handshake message without
 * record headers; the first client bytes where that is no TLS). 8-byte aligned.
 */
struct weir_handshake {
	__u64 seen_ns;			/* CLOCK_MONOTONIC of the completing frame; capture time in replay */
	__u64 first_ns;			/* of the first client byte */
	__u64 anomalies;		/* 1 << enum weir_anomaly */
	__u64 fingerprint;		/* hash over ciphers, extensions, version; 0 if incomplete */
	__u64 until_ns;			/* end of the limit that was applied, same clock; 0 if none */
	__u8  source[16];		/* who is judged: the peer, or whom a trusted proxy names. IPv6, or IPv4-mapped (RFC 4291 2.5.5.2) */
	__u8  destination[16];
	__u32 ifindex;
	__u16 source_port;		/* host order, as all numbers here */
	__u16 destination_port;
	__u16 version;			/* highest offered, GREASE aside (RFC 8446 4.2.1) */
	__u16 legacy_version;
	__u16 cipher_count;
	__u16 extension_count;
	__u16 server_name_length;
	__u16 alpn_length;
	__u32 hello_length;		/* announced handshake message, header included */
	__u16 raw_length;
	__u8  segments;
	__u8  records;
	__u8  completeness;
	__u8  incomplete_reason;
	__u8  proof;
	__u8  direction;
	__u8  action;
	__u8  limit_class;		/* of the limit that was applied */
	__u8  wire_version;
	__u8  flags;
	__u8  vlan_tags;
	__u8  per_second;		/* of the limit that was applied */
	__u8  kind;			/* enum weir_kind */
	__u8  subtype;
	__u8  preamble;
	__u8  tunnels;			/* enum weir_tunnel */
	__u8  notes;			/* enum weir_note */
	__u8  reach;			/* enum weir_reach */
	__u8  transport;		/* enum weir_transport */
	__u8  retried;			/* a datagram's: the id that it bears is from a Retry (RFC 9000 section 17.2.5) */
	__u8  reserved[2];
	__u8  proxy[16];		/* a trusted proxy, which named the source in its PROXY header; zeros: none did */
};

#include <weir/quic_wire.h>

/* A limit's key: the prefix, its length counted over 128 bits, and what it applies to. */
struct weir_limit_key {
	__u8 address[16];
	__u8 towards[16];		/* the one destination that it holds for; zeros: all */
	__u8 length;
	__u8 limit_class;
	__u8 reserved[2];
};

#define WEIR_STAMPS 8

/* The last admissions of one kind: their times, or how many there were in each seventh of a second (admission.h). */
struct weir_window {
	__u64 stamps[WEIR_STAMPS];
	__u64 next;			/* place of the next one: the oldest's */
};

/* A limit. `lock` is a bpf_spin_lock in the kernel; everything below it is guarded by it. */
struct weir_limit {
	__u32 lock;
	__u8  per_second;
	__u8  answer;
	__u8  origin;
	__u8  reserved;
	__u64 until_ns;
	struct weir_window hellos;	/* as they come in */
	struct weir_window answers;	/* as they leave: whatever became of its hello, an answer is dated when it leaves */
	__u64 admitted;
	__u64 refused;
};

/* An order from user space: what the entry has to say from now on. Its stamps stay, so no order opens a gap. */
struct weir_limit_order {
	struct weir_limit_key key;
	__u8 per_second;
	__u8 answer;
	__u8 origin;
	__u8 what;			/* enum weir_order_kind */
	__u64 until_ns;
};

enum weir_order_kind {
	WEIR_ORDER_SET = 0,
	WEIR_ORDER_END = 1,		/* now */
	WEIR_ORDER_FORGET_ENDED = 2,	/* its entry goes, if it has ended and no stamp of the last second counts */
	WEIR_ORDER_FORGET_SPENT = 3,	/* the same, though it has not ended, if the kernel made it: room for others */
	WEIR_ORDER_MAKE_ROOM = 4,	/* every entry of which that is true goes; the key says nothing */
};

struct weir_allow_key {
	__u32 prefix_length;		/* over 128 bits */
	__u8  address[16];
};

/* How a detection limits when the kernel judges it. */
struct weir_rule {
	__u64 for_ns;
	__u8  per_second;
	__u8  limit_class;
	__u8  answer;
	__u8  reserved[5];
};

#define WEIR_LENGTHS 8
#define WEIR_UPGRADES 32		/* ports on which TLS is asked for in plain text */
#define WEIR_QUIC_PORTS 4

/* The policy, as the kernel needs it. Two of these and an index: a reload is one store. */
struct weir_config {
	__u64 ports[1024];		/* one bit a port */
	__u64 recorded;			/* anomalies that are looked for */
	__u64 anomalous;		/* those that a limit of class `anomalous` applies to */
	__u64 limiting;			/* those that make a limit: the reflex's mask */
	struct weir_rule rules[64];	/* by enum weir_anomaly */
	__u64 hello_timeout_ns;
	__u64 flood_ns;			/* client_hello_flood: a hello's share of a second, and how far ahead a prefix may be; 0: off */
	__u64 flood_burst_ns;
	__u8  lengths[WEIR_LENGTHS];	/* prefix lengths that limits may have, over 128 bits; 0 ends */
	__u8  prefix4;			/* length of a source's prefix over 128 bits (96 + IPv4's) */
	__u8  prefix6;
	__u8  proof;			/* least enum weir_proof that may be acted on */
	__u8  capture;			/* enum weir_capture */
	__u8  decap;			/* look into tunnels */
	__u8  read_names;		/* each hello travels: user space has a list of names or protocols */
	__u8  pass_unreadable;		/* frames whose TCP header nobody can read pass: then they may bear what nobody judged */
	__u8  wide_lengths[2];		/* IPv6 blocks that have a window of their own, and how many a second; 0: none */
	__u8  wide_per_second[2];
	__u8  vouches;			/* enum weir_vouching */
	__u8  upgrades_anywhere;	/* of a capture: on other ports the client's first bytes tell */
	__u8  judges;			/* a hello that travels is to be judged by user space: a list of names, protocols or fingerprints */
	__u8  quic_in_packet;		/* enforcing, Initials are opened in the packet */
	__u8  reserved;
	__u16 upgrade_ports[WEIR_UPGRADES];	/* 0 ends */
	__u8  upgrade_kinds[WEIR_UPGRADES];	/* enum weir_preamble; WEIR_PREAMBLE_NONE: never there */
	__u32 quic_budget;		/* for that, microseconds of each second */
	__u32 generation;
	__u16 quic_ports[WEIR_QUIC_PORTS]; /* UDP ports where QUIC is looked for; 0 ends */
};

enum weir_capture {
	WEIR_CAPTURE_NONE = 0,
	WEIR_CAPTURE_ANOMALOUS = 1,
	WEIR_CAPTURE_NEW_FINGERPRINT = 2,	/* and anomalous */
	WEIR_CAPTURE_ALL = 3,
};

#include <weir/counters.h>

/* Segments of watched ports that the probe has seen on an interface: in from clients and out from servers. */
struct weir_ways {
	__u64 from_clients;
	__u64 client_payloads;		/* segments of these that bear data */
	__u64 from_servers;
	__u64 server_payloads;
};
_Static_assert(sizeof(struct weir_ways) == 32, "a per-CPU value of the map ways");
#endif
