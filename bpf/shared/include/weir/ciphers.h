/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a cipher suite is worth, by its number (IANA's TLS Cipher Suites registry). A bit each for 0x00xx, then for
 * 0xc0xx; all suites of every other block (TLS 1.3's, ChaCha20's) are sound. WireTests has some of each by name.
 */
#ifndef WEIR_CIPHERS_H
#define WEIR_CIPHERS_H

#include <weir/platform.h>

/* NULL, EXPORT, anonymous, RC4, DES, 3DES or MD5 (RFC 9325 section 4.1, RFC 7465). */
static const __u64 weir_weak_ciphers[8] = {
	0x0c107ffdcfffff7fULL, 0x0000307f00000040ULL, 0x833300c0080cce0cULL, 0x0000000000000020ULL,
	0x0e1800001fe739ceULL, 0x000000000c0000c0ULL, 0x0000000000000030ULL, 0x0000000000000000ULL,
};

/* Key exchange by finite-field DHE: the expensive one (CVE-2002-20001). */
static const __u64 weir_dhe_ciphers[8] = {
	0x030c2000007e0000ULL, 0x00000ce800000031ULL, 0x603c0c0cc603c180ULL, 0x0000000000000018ULL,
	0x0000000000000000ULL, 0x300030c000cc003cULL, 0x000000ccc0c30003ULL, 0x0000000000000000ULL,
};

/* IANA's blocks, by the high byte: 0x00 and all that are not named, TLS 1.3's (and TLS_FALLBACK_SCSV), ECDHE's, ChaCha20's and ECDHE_PSK's. */
static const __u8 weir_blocks[256] = { [0x13] = 1, [0x56] = 1, [0xc0] = 2, [0xcc] = 3, [0xd0] = 3 };

/* Is a suite in one of the two? */
WEIR_INLINE int weir_cipher_in(const __u64 *set, __u16 suite)
{
	__u32 block = suite >> 8, bit = (suite & 0xff) | (block == 0xc0) << 8;

	return (!block || block == 0xc0) && set[WEIR_INDEX(bit >> 6, 8)] >> (bit & 63) & 1;
}

/* Signalling values, which are no suites (RFC 5746 section 3.3, RFC 7507). */
WEIR_INLINE int weir_signalling(__u16 suite)
{
	return suite == 0x00ff || suite == 0x5600;
}

/* With those of RFC 7905, which lie in a block of their own. */
WEIR_INLINE int weir_dhe(__u16 suite)
{
	return suite == 0xccaa || suite == 0xccad || weir_cipher_in(weir_dhe_ciphers, suite);
}
#endif
