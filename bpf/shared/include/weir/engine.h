/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The probe outside the kernel: the same headers over bounded tables of our own. Replay and the fuzzer run it. One
 * engine belongs to one thread.
 */
#ifndef WEIR_ENGINE_H
#define WEIR_ENGINE_H

#include <stddef.h>
#include <weir/wire.h>
#include <weir/scratch.h>
#include <weir/quic_opening.h>

#define WEIR_ENGINE_SLOTS 2048		/* as many as the kernel has by default */

struct weir_table;

/* What opening in the packet needs: made when a policy asks for it. */
struct weir_quic_opener {
	struct weir_quic_hello hellos[WEIR_QUIC_HELLOS];
	struct weir_quic_known known[WEIR_QUIC_KNOWN];
	struct weir_quic_budget budget;
	struct weir_opener work;
};

struct weir_engine {
	struct weir_config config;
	struct weir_look look;
	struct weir_scratch scratch;
	struct weir_flow draft;
	struct weir_table *flows, *half_open, *strangers, *limits, *allow, *vouched, *proxies, *datagrams, *denied;
	__u8 *slots;			/* stream bytes, WEIR_ENGINE_SLOTS of them, each a slot's size */
	__u32 *owners;
	struct weir_assembly *assemblies; /* WEIR_ENGINE_SLOTS too */
	__u32 next_slot[2], next_assembly[2]; /* of what is proven, of strangers */
	__u64 now;			/* the last frame's time */
	struct weir_random *randoms;
	struct weir_bucket *buckets;
	__u64 *fingerprints;
	__u64 denied_bits;
	__u64 unplaced[WEIR_UNPLACED];
	struct weir_opening openings[WEIR_OPENINGS];
	struct weir_syn_acks syn_acks[WEIR_SYN_ACK_PLACES];
	__u64 quic_ids[WEIR_QUIC_IDS];
	struct weir_quic_path quic_paths[WEIR_QUIC_PATHS];
	struct weir_limit quic_windows[WEIR_QUIC_WINDOWS];
	struct weir_quic_opener *quic_opener;
	__u64 work_ns, work_cost_ns;	/* how long it has worked, and how long each reading of that clock seems to take */
	__u64 counters[WEIR_COUNT_COUNT];
	__u8 *records;			/* each behind its size, 8 bytes, as in the kernel's ring */
	size_t records_size, records_capacity;
};

/* One frame, and what the capture says of it. */
struct weir_frame {
	struct weir_engine *engine;
	const __u8 *bytes;
	__u32 size;			/* bytes that are there */
	__u32 wire_size;		/* bytes that the frame had */
	__u64 now;
	__u32 ifindex;
	__u8 is_raw;			/* it begins with its IP header */
	__u8 socket;			/* enum weir_frame_socket */
};

/* Whose frame it is, going out: what the kernel knows of its socket. */
enum weir_frame_socket {
	WEIR_FRAME_FORWARDED = 0,
	WEIR_FRAME_FIRST = 1,		/* a local socket's, of which nothing is acknowledged */
	WEIR_FRAME_LATER = 2,		/* a local socket's that has been heard */
};

/* NULL when memory is short. */
struct weir_engine *weir_engine_create(void);
void weir_engine_destroy(struct weir_engine *engine);

/* The policy from the next frame on. */
void weir_engine_use(struct weir_engine *engine, const struct weir_config *config);

/* Runs the probe, or the limiter if `enforcing`, over one frame. Records gather until weir_engine_forget. */
void weir_engine_frame(struct weir_frame *frame, int enforcing);

/*
 * The same of a frame that is seen at one hook, as the kernel's programs see it. Returns what the hook's program has to do with the frame;
 * what a RST has to say is then in the look.
 */
enum weir_order weir_engine_at(struct weir_frame *frame, enum weir_hook hook, int enforcing);

/*
 * Judges a hello that came by another way than TCP, `size` bytes of a handshake message. `seen` says when, whose, how proven, and in
 * `anomalies` what was wrong with the way itself. Nothing is limited here.
 */
void weir_engine_hello(struct weir_engine *engine, const struct weir_handshake *seen, const __u8 *message, __u32 size);

/*
 * Judges a record again under the policy that is in force here, as the limiter would: its anomalies, its reach, what becomes of it.
 * What the hello's way has told stays as it was recorded. `message` is `size` bytes of a hello of the same stack, none where `size` is
 * 0; `is_own` says that it has the same name and protocols, too. `was_observing`: no limiter looked at the record.
 */
void weir_engine_again(struct weir_engine *engine, struct weir_handshake *record, const __u8 *message, __u32 size, int is_own,
		       int was_observing);

/* What is wrong with a whole hello by itself, as bits of enum weir_anomaly; nothing is told, counted or remembered. */
__u64 weir_engine_glance(struct weir_engine *engine, const __u8 *message, __u32 size);

/* What user space thinks of a QUIC path, up to a number of its datagrams: of the first answer nothing else is asked. */
struct weir_quic_opinion {
	__u64 path;			/* struct weir_quic_path's key */
	__u32 mark;
};

/* Writes it to the table, wherever that lies, if the path is still there. */
void weir_quic_mark(struct weir_quic_path *paths, const struct weir_quic_opinion *opinion);

/* The engine's own table of paths. */
const struct weir_quic_path *weir_engine_paths(const struct weir_engine *engine);

void weir_engine_note(struct weir_engine *engine, const struct weir_quic_opinion *opinion);

/* Forgets every flow, as if others had taken its place. */
void weir_engine_push_out(struct weir_engine *engine);

/* Records hellos that stopped half way before `now`; all that are unfinished if `end`. */
void weir_engine_sweep(struct weir_engine *engine, __u64 now, int end);

/* What full tables have pushed out that still waited: the kernel's do so too, and cannot say. */
struct weir_pushed_out {
	__u64 flows;			/* proven, their hello not judged */
	__u64 half_open;		/* not proven yet, or without proof and not judged */
};
void weir_engine_pushed_out(const struct weir_engine *engine, struct weir_pushed_out *out);

/* As it was made, but for the policy. */
void weir_engine_reset(struct weir_engine *engine);

/* Drops the records gathered so far. */
void weir_engine_forget(struct weir_engine *engine);

/* 0, or -1 when the table is full. */
int weir_engine_limit(struct weir_engine *engine, const struct weir_limit_key *key, const struct weir_limit *limit);
int weir_engine_release(struct weir_engine *engine, const struct weir_limit_key *key);
/* Forgets the entry if it has nothing more to say; `what` is one of the two orders that ask for it. */
void weir_engine_tidy(struct weir_engine *engine, const struct weir_limit_key *key, enum weir_order_kind what);
int weir_engine_deny(struct weir_engine *engine, __u64 fingerprint);
void weir_engine_undeny(struct weir_engine *engine, __u64 fingerprint);
int weir_engine_allow(struct weir_engine *engine, const struct weir_allow_key *key);
void weir_engine_disallow(struct weir_engine *engine, const struct weir_allow_key *key);
/* Destinations whose answers prove a source to others. */
int weir_engine_vouch(struct weir_engine *engine, const struct weir_allow_key *key);
void weir_engine_forget_vouched(struct weir_engine *engine);
/* Peers whose PROXY header names the source. */
int weir_engine_trust_proxy(struct weir_engine *engine, const struct weir_allow_key *key);
void weir_engine_forget_proxies(struct weir_engine *engine);

/* The parts of a policy that are arrays, for a language that would see them as tuples. */
void weir_config_watch(struct weir_config *config, __u16 port);
/* 0, or -1 when there is no room. */
int weir_config_upgrade(struct weir_config *config, __u16 port, __u8 kind);
struct weir_rule *weir_config_rule(struct weir_config *config, __u32 anomaly);
__u8 *weir_config_lengths(struct weir_config *config);
__u16 *weir_config_quic_ports(struct weir_config *config);

/* A window alone (admission.h), for its tests: 1 if it has room for one more; and another number from now on. */
int weir_window_admit(struct weir_window *window, __u32 number, __u64 now);
void weir_window_restamp(struct weir_window *window, __u32 before, __u32 number);

void *weir_table_lookup(struct weir_table *table, const void *key);
int weir_table_store(struct weir_table *table, const void *key, const void *value, int flags);
int weir_table_remove(struct weir_table *table, const void *key);
#endif
