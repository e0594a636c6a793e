/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SHA-256 (FIPS 180-4), and what HKDF needs of HMAC. BPF cannot rotate: a word is put twice into a register, then each rotation is a shift,
 * and a sum of three rotations three nested ones. A label's block is constant, so its schedule is in a table.
 */
#ifndef WEIR_SHA256_H
#define WEIR_SHA256_H

#include <weir/platform.h>
#include <weir/quic_opening.h>
#include <weir/quic_tables.h>

#ifdef __bpf__
WEIR_INLINE __u64 weir_sha_twice(__u32 x)
{
	__u64 t = x;

	t |= t << 32;
	__asm__("" : "+r"(t));			/* or clang sees rotations, and spells each of them in five instructions */
	return t;
}

/* x rotated right by a, by a + b, and by a + b + c, added without carry. */
#define WEIR_SHA_THREE(x, a, b, c) \
	({ __u64 x_ = weir_sha_twice(x), t_ = x_; t_ >>= c; t_ ^= x_; t_ >>= b; t_ ^= x_; t_ >>= a; (__u32)t_; })
#define WEIR_SHA_TWO(x, a, b) ({ __u64 x_ = weir_sha_twice(x), t_ = x_; t_ >>= b; t_ ^= x_; t_ >>= a; (__u32)t_; })
#define WEIR_SHA_ORDER() WEIR_FORGET()		/* or clang reads all words first, and spills them */
#else
#define WEIR_SHA_ROTATED(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define WEIR_SHA_THREE(x, a, b, c) (WEIR_SHA_ROTATED(x, a) ^ WEIR_SHA_ROTATED(x, (a) + (b)) ^ WEIR_SHA_ROTATED(x, (a) + (b) + (c)))
#define WEIR_SHA_TWO(x, a, b) (WEIR_SHA_ROTATED(x, a) ^ WEIR_SHA_ROTATED(x, (a) + (b)))
#define WEIR_SHA_ORDER() do { } while (0)
#endif

/* The majority of a, b, c is ((a ^ b) & (b ^ c)) ^ b; `y` is b ^ c, which was a ^ b a round ago. */
#define WEIR_SHA_ROUND(a, b, c, d, e, f, g, h, x, y, word) do { \
	WEIR_SHA_ORDER(); \
	h += WEIR_SHA_THREE(e, 6, 5, 14) + (((f ^ g) & e) ^ g) + (word); \
	d += h; \
	x = a ^ b; \
	h += WEIR_SHA_THREE(a, 2, 11, 9) + ((x & y) ^ b); \
} while (0)

#define WEIR_SHA_EIGHT(word, i) do { \
	WEIR_SHA_ROUND(a, b, c, d, e, f, g, h, x, y, word((i) + 0)); WEIR_SHA_ROUND(h, a, b, c, d, e, f, g, y, x, word((i) + 1)); \
	WEIR_SHA_ROUND(g, h, a, b, c, d, e, f, x, y, word((i) + 2)); WEIR_SHA_ROUND(f, g, h, a, b, c, d, e, y, x, word((i) + 3)); \
	WEIR_SHA_ROUND(e, f, g, h, a, b, c, d, x, y, word((i) + 4)); WEIR_SHA_ROUND(d, e, f, g, h, a, b, c, y, x, word((i) + 5)); \
	WEIR_SHA_ROUND(c, d, e, f, g, h, a, b, x, y, word((i) + 6)); WEIR_SHA_ROUND(b, c, d, e, f, g, h, a, y, x, word((i) + 7)); \
} while (0)

#define WEIR_SHA_LOAD(s) \
	__u32 a = (s)->v[0], b = (s)->v[1], c = (s)->v[2], d = (s)->v[3], e = (s)->v[4], f = (s)->v[5], g = (s)->v[6], h = (s)->v[7]; \
	__u32 x, y = b ^ c
#define WEIR_SHA_SAVE(s) do { \
	(s)->v[0] = a; (s)->v[1] = b; (s)->v[2] = c; (s)->v[3] = d; (s)->v[4] = e; (s)->v[5] = f; (s)->v[6] = g; (s)->v[7] = h; \
} while (0)

/* Sixteen rounds, and the schedule's next sixteen words. Returns 1 after the last. */
WEIR_QUIC_STEP long weir_sha_step(__u32 turn, void *context)
{
	struct weir_sha *s = *(struct weir_sha **)context;
	const __u32 *k = weir_sha_constants + (s->turn & 3) * 16;
	WEIR_SHA_LOAD(s);

	(void)turn;
#define WEIR_SHA_WORD(i) (k[i] + s->w[i])
	WEIR_SHA_EIGHT(WEIR_SHA_WORD, 0);
	WEIR_SHA_EIGHT(WEIR_SHA_WORD, 8);
	WEIR_SHA_SAVE(s);
	if (++s->turn >= 4)
		return 1;
	_Pragma("unroll")
	for (int i = 0; i < 16; i++) {
		__u32 far = s->w[(i + 1) & 15], near = s->w[(i + 14) & 15];

		s->w[i] += s->w[(i + 9) & 15] + (WEIR_SHA_TWO(far, 7, 11) ^ far >> 3) + (WEIR_SHA_TWO(near, 17, 2) ^ near >> 10);
	}
	return 0;
}

WEIR_QUIC_STEP long weir_sha_label_step(__u32 turn, void *context)
{
	struct weir_sha *s = *(struct weir_sha **)context;
	const __u32 *k = weir_quic_labels[s->label & 7] + (s->turn & 3) * 16;
	WEIR_SHA_LOAD(s);

	(void)turn;
#define WEIR_SHA_LABEL(i) k[i]
	WEIR_SHA_EIGHT(WEIR_SHA_LABEL, 0);
	WEIR_SHA_EIGHT(WEIR_SHA_LABEL, 8);
	WEIR_SHA_SAVE(s);
	return ++s->turn >= 4;
}

/* The block `w` into `state`. `w` is used up. */
WEIR_ONCE int weir_sha_block(struct weir_sha *s)
{
	if (!s)
		return -1;
	for (int i = 0; i < 8; i++)
		s->v[i] = s->state[i];
	s->turn = 0;
	WEIR_QUIC_LOOP(4, weir_sha_step, &s);
	for (int i = 0; i < 8; i++)
		s->state[i] += s->v[i];
	return 0;
}

/* HMAC's outer half, over the inner half's 32 bytes in `w`. */
WEIR_INLINE int weir_hmac_outer(struct weir_sha *s)
{
	for (int i = 0; i < 8; i++) {
		s->w[i + 8] = 0;
		s->state[i] = s->outer[i];
	}
	s->w[8] = 0x80000000;
	s->w[15] = (64 + 32) * 8;
	return weir_sha_block(s);
}

/* HMAC of a label under the present key, into `state`. */
WEIR_ONCE int weir_hmac_label(struct weir_sha *s, __u32 label)
{
	if (!s)
		return -1;
	for (int i = 0; i < 8; i++)
		s->v[i] = s->inner[i];
	s->turn = 0;
	s->label = label;
	WEIR_QUIC_LOOP(4, weir_sha_label_step, &s);
	for (int i = 0; i < 8; i++)
		s->w[i] = s->v[i] + s->inner[i];
	return weir_hmac_outer(s);
}

WEIR_INLINE void weir_hmac_half(struct weir_sha *s, __u32 pad)
{
	for (int i = 0; i < 8; i++) {
		s->w[i] = s->inner[i] ^ pad;	/* the key, until it is its own inner state */
		s->w[i + 8] = pad;
		s->state[i] = weir_sha_first[i];
	}
	weir_sha_block(s);
}

/* `state` is the key from now on (RFC 2104). */
WEIR_ONCE int weir_hmac_key(struct weir_sha *s)
{
	if (!s)
		return -1;
	for (int i = 0; i < 8; i++)
		s->inner[i] = s->state[i];
	weir_hmac_half(s, 0x5c5c5c5c);
	for (int i = 0; i < 8; i++)
		s->outer[i] = s->state[i];
	weir_hmac_half(s, 0x36363636);
	for (int i = 0; i < 8; i++)
		s->inner[i] = s->state[i];
	return 0;
}
#endif
