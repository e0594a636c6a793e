/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * GHASH (NIST SP 800-38D section 6.4) without carry-less multiplication: products of numbers whose bits lie four apart, so that carries
 * fall into the holes. It needs no table, so nothing is set up for a key that is used once.
 */
#ifndef WEIR_GHASH_H
#define WEIR_GHASH_H

#include <weir/platform.h>
#include <weir/quic_opening.h>

#define WEIR_GHASH_FOURTH 0x1111111111111111ull

/* The low half of the carry-less product. */
WEIR_INLINE __u64 weir_ghash_product(__u64 x, __u64 y)
{
	const __u64 m = WEIR_GHASH_FOURTH;
	__u64 x0 = x & m, x1 = x & m << 1, x2 = x & m << 2, x3 = x & m << 3;
	__u64 y0 = y & m, y1 = y & m << 1, y2 = y & m << 2, y3 = y & m << 3;

	return (((x0 * y0) ^ (x1 * y3) ^ (x2 * y2) ^ (x3 * y1)) & m) | (((x0 * y1) ^ (x1 * y0) ^ (x2 * y3) ^ (x3 * y2)) & m << 1) |
	       (((x0 * y2) ^ (x1 * y1) ^ (x2 * y0) ^ (x3 * y3)) & m << 2) | (((x0 * y3) ^ (x1 * y2) ^ (x2 * y1) ^ (x3 * y0)) & m << 3);
}

WEIR_INLINE __u64 weir_ghash_reversed(__u64 x)
{
	x = (x & 0x5555555555555555ull) << 1 | (x >> 1 & 0x5555555555555555ull);
	x = (x & 0x3333333333333333ull) << 2 | (x >> 2 & 0x3333333333333333ull);
	x = (x & 0x0f0f0f0f0f0f0f0full) << 4 | (x >> 4 & 0x0f0f0f0f0f0f0f0full);
	return __builtin_bswap64(x);
}

/* The key's block. */
WEIR_INLINE void weir_ghash_begin(struct weir_ghash *g, __u64 high, __u64 low)
{
	g->h1 = high;
	g->h0 = low;
	g->h1_reversed = weir_ghash_reversed(high);
	g->h0_reversed = weir_ghash_reversed(low);
	g->y0 = g->y1 = 0;
}

/*
 * One block as two numbers, its first byte the highest. The high half of a product is the low half of the reversed one's. What is worked
 * out goes to memory at once: the stack is short.
 */
WEIR_ONCE int weir_ghash_block(struct weir_ghash *g, __u64 high, __u64 low)
{
	__u64 v0, v1, v2, v3;

	if (!g)
		return -1;
	g->y1 ^= high;
	g->y0 ^= low;
	g->z[0] = weir_ghash_product(g->y0, g->h0);
	WEIR_FORGET();
	g->z[1] = weir_ghash_product(g->y1, g->h1);
	WEIR_FORGET();
	g->z[2] = weir_ghash_product(g->y0 ^ g->y1, g->h0 ^ g->h1);
	WEIR_FORGET();
	g->y0 = weir_ghash_reversed(g->y0);
	g->y1 = weir_ghash_reversed(g->y1);
	WEIR_FORGET();
	g->z[3] = weir_ghash_product(g->y0, g->h0_reversed);
	WEIR_FORGET();
	g->z[4] = weir_ghash_product(g->y1, g->h1_reversed);
	WEIR_FORGET();
	g->z[5] = weir_ghash_product(g->y0 ^ g->y1, g->h0_reversed ^ g->h1_reversed);
	WEIR_FORGET();
	v0 = g->z[0];
	v1 = weir_ghash_reversed(g->z[3]) >> 1 ^ g->z[2] ^ g->z[0] ^ g->z[1];
	WEIR_FORGET();
	v2 = weir_ghash_reversed(g->z[5] ^ g->z[3] ^ g->z[4]) >> 1 ^ g->z[1];
	WEIR_FORGET();
	v3 = weir_ghash_reversed(g->z[4]) >> 1;
	v3 = v3 << 1 | v2 >> 63;		/* the bits' order in GHASH is reflected, which costs a shift */
	v2 = v2 << 1 | v1 >> 63;
	v1 = v1 << 1 | v0 >> 63;
	v0 <<= 1;
	v2 ^= v0 ^ v0 >> 1 ^ v0 >> 2 ^ v0 >> 7;	/* modulo x^128 + x^7 + x^2 + x + 1 */
	v1 ^= v0 << 63 ^ v0 << 62 ^ v0 << 57;
	v3 ^= v1 ^ v1 >> 1 ^ v1 >> 2 ^ v1 >> 7;
	v2 ^= v1 << 63 ^ v1 << 62 ^ v1 << 57;
	g->y0 = v2;
	g->y1 = v3;
	return 0;
}
#endif
