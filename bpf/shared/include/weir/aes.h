/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * AES-128 (FIPS 197), words little-endian, a column each. One table of 2 KiB: each entry holds its word twice, so that an unaligned load is
 * the rotation. Nothing here is secret: every key follows from bytes in the packet, so a table may leak.
 */
#ifndef WEIR_AES_H
#define WEIR_AES_H

#include <weir/platform.h>
#include <weir/quic_opening.h>
#include <weir/quic_tables.h>

/* Unaligned, little-endian. */
#ifdef __bpf__
#define WEIR_LE32(p) (*(const __u32 *)(p))
#define WEIR_XOR32(p, value) (*(__u32 *)(p) ^= (value))
#else
#define WEIR_LE32(p) ({ __u32 word_; memcpy(&word_, p, 4); word_; })
#define WEIR_XOR32(p, value) do { __u32 old_ = WEIR_LE32(p); old_ ^= (value); memcpy(p, &old_, 4); } while (0)
#endif

#define WEIR_AES_ENTRY(index) ((const __u8 *)weir_aes_rows + (index))
/* Row 0 to 3 of a column, as an offset into the table: the shift that takes the byte down also multiplies it by 8. */
#define WEIR_AES_ROW0(x) ((x) << 3 & 0x7f8)
#define WEIR_AES_ROW1(x) ((x) >> 5 & 0x7f8)
#define WEIR_AES_ROW2(x) ((x) >> 13 & 0x7f8)
#define WEIR_AES_ROW3(x) ((x) >> 21 & 0x7f8)
#define WEIR_AES_T0(x) WEIR_LE32(WEIR_AES_ENTRY(WEIR_AES_ROW0(x)))
#define WEIR_AES_T1(x) WEIR_LE32(WEIR_AES_ENTRY(WEIR_AES_ROW1(x)) + 3)
#define WEIR_AES_T2(x) WEIR_LE32(WEIR_AES_ENTRY(WEIR_AES_ROW2(x)) + 2)
#define WEIR_AES_T3(x) WEIR_LE32(WEIR_AES_ENTRY(WEIR_AES_ROW3(x)) + 1)
#define WEIR_AES_S(index) ((__u32)WEIR_AES_ENTRY(index)[1])

#define WEIR_AES_COLUMN(a, b, c, d) (WEIR_AES_T0(a) ^ WEIR_AES_T1(b) ^ WEIR_AES_T2(c) ^ WEIR_AES_T3(d))
#define WEIR_AES_ROUND(out, in, k, r) do { \
	out##0 = WEIR_AES_COLUMN(in##0, in##1, in##2, in##3) ^ (k)->w[(r) * 4]; \
	out##1 = WEIR_AES_COLUMN(in##1, in##2, in##3, in##0) ^ (k)->w[(r) * 4 + 1]; \
	out##2 = WEIR_AES_COLUMN(in##2, in##3, in##0, in##1) ^ (k)->w[(r) * 4 + 2]; \
	out##3 = WEIR_AES_COLUMN(in##3, in##0, in##1, in##2) ^ (k)->w[(r) * 4 + 3]; \
} while (0)

#define WEIR_AES_LAST(a, b, c, d, key) \
	((WEIR_AES_S(WEIR_AES_ROW0(a)) | WEIR_AES_S(WEIR_AES_ROW1(b)) << 8 | WEIR_AES_S(WEIR_AES_ROW2(c)) << 16 | \
	  WEIR_AES_S(WEIR_AES_ROW3(d)) << 24) ^ (key))

/* The key's first four words are there. */
WEIR_ONCE int weir_aes_expand(struct weir_aes_key *k)
{
	if (!k)
		return -1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 10; i++) {
		__u32 *w = k->w + i * 4, last = w[3];

		w[4] = w[0] ^ weir_aes_rounds[i] ^ (WEIR_AES_S(WEIR_AES_ROW1(last)) | WEIR_AES_S(WEIR_AES_ROW2(last)) << 8 |
						    WEIR_AES_S(WEIR_AES_ROW3(last)) << 16 | WEIR_AES_S(WEIR_AES_ROW0(last)) << 24);
		w[5] = w[1] ^ w[4];
		w[6] = w[2] ^ w[5];
		w[7] = w[3] ^ w[6];
	}
	return 0;
}

/* One block, in place. */
WEIR_ONCE int weir_aes_block(struct weir_aes_words *block, const struct weir_aes_key *k)
{
	__u32 s0, s1, s2, s3, t0, t1, t2, t3;

	if (!block || !k)
		return -1;
	s0 = block->w[0] ^ k->w[0];
	s1 = block->w[1] ^ k->w[1];
	s2 = block->w[2] ^ k->w[2];
	s3 = block->w[3] ^ k->w[3];
	WEIR_AES_ROUND(t, s, k, 1);		/* spelt out: of such a loop clang makes one that Linux 6.1 takes for endless */
	WEIR_AES_ROUND(s, t, k, 2);
	WEIR_AES_ROUND(t, s, k, 3);
	WEIR_AES_ROUND(s, t, k, 4);
	WEIR_AES_ROUND(t, s, k, 5);
	WEIR_AES_ROUND(s, t, k, 6);
	WEIR_AES_ROUND(t, s, k, 7);
	WEIR_AES_ROUND(s, t, k, 8);
	WEIR_AES_ROUND(t, s, k, 9);
	block->w[0] = WEIR_AES_LAST(t0, t1, t2, t3, k->w[40]);
	block->w[1] = WEIR_AES_LAST(t1, t2, t3, t0, k->w[41]);
	block->w[2] = WEIR_AES_LAST(t2, t3, t0, t1, k->w[42]);
	block->w[3] = WEIR_AES_LAST(t3, t0, t1, t2, k->w[43]);
	return 0;
}

/*
 * Counter mode over less than 4 KiB: of a counter's block only the last byte changes. So of the first round one word does, by one lookup,
 * and of the second each word by one: 5 lookups in place of 32. The rest is worked out once a packet. `block` is the nonce.
 */
WEIR_ONCE int weir_aes_count(struct weir_aes_counter *c, const struct weir_aes_words *block, const struct weir_aes_key *k)
{
	__u32 s0, s1, s2, s3, t1, t2, t3;

	if (!c || !block || !k)
		return -1;
	s0 = block->w[0] ^ k->w[0];
	s1 = block->w[1] ^ k->w[1];
	s2 = block->w[2] ^ k->w[2];
	s3 = k->w[3];
	c->first = WEIR_AES_T0(s0) ^ WEIR_AES_T1(s1) ^ WEIR_AES_T2(s2) ^ k->w[4];
	t1 = WEIR_AES_COLUMN(s1, s2, s3, s0) ^ k->w[5];
	t2 = WEIR_AES_COLUMN(s2, s3, s0, s1) ^ k->w[6];
	t3 = WEIR_AES_COLUMN(s3, s0, s1, s2) ^ k->w[7];
	c->second[0] = WEIR_AES_T1(t1) ^ WEIR_AES_T2(t2) ^ WEIR_AES_T3(t3) ^ k->w[8];
	c->second[1] = WEIR_AES_T0(t1) ^ WEIR_AES_T1(t2) ^ WEIR_AES_T2(t3) ^ k->w[9];
	c->second[2] = WEIR_AES_T0(t2) ^ WEIR_AES_T1(t3) ^ WEIR_AES_T3(t1) ^ k->w[10];
	c->second[3] = WEIR_AES_T0(t3) ^ WEIR_AES_T2(t1) ^ WEIR_AES_T3(t2) ^ k->w[11];
	return 0;
}

/* The block of this counter (its last byte) over 16 bytes at `p`. */
WEIR_INLINE void weir_aes_open(const struct weir_aes_counter *c, const struct weir_aes_key *k, __u32 counter, __u8 *p)
{
	__u32 s0, s1, s2, s3, t0, t1, t2, t3;

	t0 = k->w[3] >> 24 ^ counter;
	__asm__ volatile("" : "+r"(t0));	/* the mask behind it: Linux 6.1 knows no bound of an exclusive or */
	t0 = c->first ^ WEIR_LE32(WEIR_AES_ENTRY(WEIR_AES_ROW0(t0)) + 1);
	s0 = c->second[0] ^ WEIR_AES_T0(t0);
	s1 = c->second[1] ^ WEIR_AES_T3(t0);
	s2 = c->second[2] ^ WEIR_AES_T2(t0);
	s3 = c->second[3] ^ WEIR_AES_T1(t0);
	WEIR_AES_ROUND(t, s, k, 3);
	WEIR_AES_ROUND(s, t, k, 4);
	WEIR_AES_ROUND(t, s, k, 5);
	WEIR_AES_ROUND(s, t, k, 6);
	WEIR_AES_ROUND(t, s, k, 7);
	WEIR_AES_ROUND(s, t, k, 8);
	WEIR_AES_ROUND(t, s, k, 9);
	WEIR_XOR32(p, WEIR_AES_LAST(t0, t1, t2, t3, k->w[40]));
	WEIR_XOR32(p + 4, WEIR_AES_LAST(t1, t2, t3, t0, k->w[41]));
	WEIR_XOR32(p + 8, WEIR_AES_LAST(t2, t3, t0, t1, k->w[42]));
	WEIR_XOR32(p + 12, WEIR_AES_LAST(t3, t0, t1, t2, k->w[43]));
}
#endif
