/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What differs between the kernel and everywhere else: maps, bytes of a frame, the clock, the ring.
 * Everything above this file is written once. Each side declares the tables of maps.h under the same names.
 */
#ifndef WEIR_PLATFORM_H
#define WEIR_PLATFORM_H

#include <weir/wire.h>

#define WEIR_INLINE static inline __attribute__((always_inline))

/*
 * Loops over what a packet says. `WEIR_TURNS(i, most)` is the loop's condition, `WEIR_TURN()` the first thing in it.
 *
 * Where the kernel has may_goto (6.9) the verifier needs no bound and looks at each loop a few times only. Elsewhere
 * `most` bounds it, and a barrier forces the cursor, which lies in map memory, back there at each turn: the verifier
 * tracks registers but not map memory, so it forgets the last turn and checks each turn once, rather than once per
 * path to it. Outside the kernel the data alone ends the loop.
 */
#define WEIR_FORGET() __asm__ volatile("" ::: "memory")

#if defined(__bpf__) && defined(WEIR_MAY_GOTO)
#define WEIR_TURNS(i, most) ((void)(i), 1)
/* The instruction as bytes, since older assemblers have no name for it: code 0xe5, offset, immediate 0. */
#define WEIR_TURN() \
	({ __label__ out, on; \
	   asm volatile goto("1: .byte 0xe5; .byte 0; .long ((%l[out] - 1b - 8) / 8) & 0xffff; .short 0" :::: out); \
	   goto on; out: break; on: WEIR_FORGET(); })
#elif defined(__bpf__)
#define WEIR_TURNS(i, most) ((i) < (most))
#define WEIR_TURN() WEIR_FORGET()
#else
#define WEIR_TURNS(i, most) ((void)(i), 1)
#define WEIR_TURN() do { } while (0)
#endif

/*
 * A loop over the scratch: `step(turn, context)` finds its scratch by WEIR_SCRATCH(context). The cursor is the
 * scratch's own, so that a turn is verified once.
 */
#define WEIR_SCRATCH(context) (*(struct weir_scratch **)(context))
#define WEIR_OVER(s, turns, step) \
	do { struct weir_scratch *scratch = (s); WEIR_LOOP(turns, step, &scratch); } while (0)

#ifdef __bpf__

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

typedef struct __sk_buff weir_frame;

/* A global function: the verifier proves it once, for any argument, and its callers only call it. */
#define WEIR_ONCE __attribute__((noinline))
/* An argument that this side does not need, but that the verifier wants to see passed. */
#define WEIR_USED(argument) __asm__ volatile("" :: "r"(argument))

/* Unaligned, in network order. Maps allow it; clang would take memcpy apart into bytes. */
#define WEIR_BE16(p) __builtin_bswap16(*(const __u16 *)(p))
#define WEIR_BE32(p) __builtin_bswap32(*(const __u32 *)(p))
#define WEIR_LE64(p) (*(const __u64 *)(p))	/* of little-endian machines, as are all that we build for */
#define WEIR_COPY32(to, p) (*(__u32 *)(to) = *(const __u32 *)(p))

/* The verifier wants every index masked. Linux 6.1 forgets a bound after a 32-bit OR, so there the mask stands behind an empty asm. */
#ifdef WEIR_MAY_GOTO
#define WEIR_INDEX(i, size) ((i) & ((size) - 1))
#else
#define WEIR_INDEX(i, size) ({ __u64 index_ = (i); __asm__ volatile("" : "+r"(index_)); index_ & ((size) - 1); })
#endif

/* For many turns. Without may_goto by bpf_loop, since Linux 5.17: `body` is verified once. It returns 1 to stop. */
#ifdef WEIR_MAY_GOTO
#define WEIR_LOOPING WEIR_INLINE
#define WEIR_STEP WEIR_INLINE
#define WEIR_LOOP(turns, body, context) \
	do { for (__u32 turn = 0; WEIR_TURNS(turn, turns); turn++) { WEIR_TURN(); if (body(turn, context)) break; } } while (0)
#else
#define WEIR_LOOPING WEIR_ONCE		/* what loops with a callback of its own is verified by itself */
#define WEIR_STEP static
#define WEIR_LOOP(turns, body, context) bpf_loop(turns, body, context, 0)
#endif

/* Reading a frame's bytes takes a call: what was read with the headers is taken from there. */
#define WEIR_BYTES_ARE_FAR 1

/* A key that lies in a global function's argument. Linux 6.1 takes none from there, so its object copies the key to the stack. */
#ifdef WEIR_MAY_GOTO
#define WEIR_KEY(key) (key)
#else
#define WEIR_KEY(key) ((__typeof_unqual__(*(key))[1]){ [0] = *(key) })
#endif
/* Set before load: a constant to the verifier. */
#define WEIR_SECRET settings.secret
/* The first is a constant, so where nobody asks for it at the start there is no code for it. */
#define WEIR_OPENS(frame) (settings.opens && weir_policy(frame)->quic_in_packet)
/* For one processor at a time; the other one goes on without. */
#define WEIR_TAKE(busy) (!__sync_val_compare_and_swap(busy, 0, 1))
#define WEIR_GIVE_BACK(busy) __sync_lock_test_and_set(busy, 0)
#define WEIR_LOOKUP(frame, table, key) bpf_map_lookup_elem(&table, key)
#define WEIR_STORE(frame, table, key, value, flags) bpf_map_update_elem(&table, key, value, flags)
#define WEIR_REMOVE(frame, table, key) bpf_map_delete_elem(&table, key)
#define WEIR_LOCK(limit) bpf_spin_lock((struct bpf_spin_lock *)&(limit)->lock)
#define WEIR_UNLOCK(limit) bpf_spin_unlock((struct bpf_spin_lock *)&(limit)->lock)

#else

#include <assert.h>
#include <string.h>
#include <weir/engine.h>

typedef struct weir_frame weir_frame;

#define WEIR_ONCE static inline
#define WEIR_USED(argument) ((void)(argument))

static inline __u16 weir_be16_at(const __u8 *p)
{
	return (__u16)(p[0] << 8 | p[1]);
}

#define WEIR_BE16(p) weir_be16_at(p)
#define WEIR_BE32(p) ((__u32)weir_be16_at(p) << 16 | weir_be16_at((p) + 2))
#define WEIR_COPY32(to, p) memcpy(to, p, 4)

static inline __u64 weir_le64_at(const __u8 *p)
{
	__u64 value;

	memcpy(&value, p, 8);
	return value;
}

#define WEIR_LE64(p) weir_le64_at(p)

/* Here an index that needs its mask is a bug that the sanitizers and the fuzzer must see. */
#define WEIR_INDEX(i, size) (assert((i) < (size)), (i))

#define WEIR_LOOPING static inline
#define WEIR_STEP static inline
#define WEIR_LOOP(turns, body, context) \
	do { for (__u32 turn = 0; turn < (turns); turn++) if (body(turn, context)) break; } while (0)

#define WEIR_BYTES_ARE_FAR 0
#define WEIR_KEY(key) (key)

#define BPF_ANY 0
#define BPF_NOEXIST 1

/* Nobody is hurt by what falls together in a capture, and it is read alike each time. */
#define WEIR_SECRET 0ULL
#define WEIR_OPENS(frame) (weir_policy(frame)->quic_in_packet)
#define WEIR_TAKE(busy) (!*(busy))
#define WEIR_GIVE_BACK(busy) ((void)(busy))
#define WEIR_LOOKUP(frame, table, key) weir_table_lookup((frame)->engine->table, key)
#define WEIR_STORE(frame, table, key, value, flags) weir_table_store((frame)->engine->table, key, value, flags)
#define WEIR_REMOVE(frame, table, key) weir_table_remove((frame)->engine->table, key)
#define WEIR_LOCK(limit) ((void)(limit))
#define WEIR_UNLOCK(limit) ((void)(limit))

#endif
#endif
