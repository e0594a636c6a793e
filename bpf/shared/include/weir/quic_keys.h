/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* An Initial's keys, and what they open: header protection, the tag, the payload (RFC 9001 sections 5.2 to 5.4, RFC 9369 section 3.3). */
#ifndef WEIR_QUIC_KEYS_H
#define WEIR_QUIC_KEYS_H

#include <weir/aes.h>
#include <weir/ghash.h>
#include <weir/scratch.h>
#include <weir/sha256.h>

#define WEIR_QUIC_TAG 16

#ifdef __bpf__
#define WEIR_BE64(p) __builtin_bswap64(*(const __u64 *)(p))
#define WEIR_STORE64(p, value) (*(__u64 *)(p) = (value))
#else
#define WEIR_BE64(p) __builtin_bswap64(weir_le64_at(p))
#define WEIR_STORE64(p, value) do { __u64 new_ = (value); memcpy(p, &new_, 8); } while (0)
#endif

/* A byte of the datagram. What is read from there may end behind it: there is room. */
#define WEIR_QUIC_AT(s, at) ((s)->bytes + WEIR_INDEX(at, WEIR_QUIC_MOST))

/* 14 blocks of SHA-256 and two key schedules. */
WEIR_ONCE int weir_quic_derive(struct weir_opener *o)
{
	struct weir_quic_keys *keys;
	struct weir_sha *s;
	__u32 salt, label;

	if (!o)
		return -1;
	keys = &o->keys;
	s = &o->sha;
	salt = o->salt & 3;
	label = o->label & 4;

	/* HKDF-Extract: of the four blocks the salt's two are constants. */
	WEIR_STORE64(o->message, o->to.words[0]);
	WEIR_STORE64(o->message + 8, o->to.words[1]);
	WEIR_STORE64(o->message + 16, o->to.words[2] & 0xffffffff);
	o->message[WEIR_INDEX(o->to_size, 32)] = 0x80;
	WEIR_FORGET();
	for (int i = 0; i < 8; i++) {
		s->inner[i] = weir_quic_salts[salt][0][i];
		s->outer[i] = weir_quic_salts[salt][1][i];
		s->state[i] = s->inner[i];
		s->w[i] = i < 6 ? WEIR_BE32(o->message + 4 * i) : 0;
		s->w[i + 8] = 0;
	}
	s->w[15] = (64 + o->to_size) * 8;
	weir_sha_block(s);
	for (int i = 0; i < 8; i++)
		s->w[i] = s->state[i];
	weir_hmac_outer(s);

	weir_hmac_key(s);
	weir_hmac_label(s, label);		/* "client in" */
	weir_hmac_key(s);
	weir_hmac_label(s, label + 1);
	for (int i = 0; i < 4; i++)
		keys->data.w[i] = __builtin_bswap32(s->state[i]);
	weir_hmac_label(s, label + 2);
	for (int i = 0; i < 3; i++)
		keys->iv[i] = __builtin_bswap32(s->state[i]);
	weir_hmac_label(s, label + 3);
	for (int i = 0; i < 4; i++)
		keys->header.w[i] = __builtin_bswap32(s->state[i]);
	weir_aes_expand(&keys->data);
	weir_aes_expand(&keys->header);
	return 0;
}

/* Header protection off, or on again: the same. */
WEIR_INLINE void weir_quic_mask(struct weir_scratch *s, struct weir_opener *o)
{
	*WEIR_QUIC_AT(s, o->packet) ^= (__u8)o->first_mask;
	WEIR_XOR32(WEIR_QUIC_AT(s, o->number_at), o->mask);
}

/* Takes header protection off and makes the nonce. -1 where the keys are wrong, as far as that shows: three of four times. */
WEIR_ONCE int weir_quic_unmask(struct weir_scratch *s, struct weir_opener *o, const struct weir_quic_keys *keys)
{
	__u32 first, size, number;
	const __u8 *sample;

	if (!s || !o || !keys)
		return -1;
	sample = WEIR_QUIC_AT(s, o->number_at + 4);
	for (int i = 0; i < 4; i++)
		o->block.w[i] = WEIR_LE32(sample + 4 * i);
	weir_aes_block(&o->block, &keys->header);
	first = *WEIR_QUIC_AT(s, o->packet) ^ (o->block.w[0] & 0x0f);
	if (first & 0x0c)
		return -1;			/* reserved bits */
	size = (first & 3) + 1;
	o->first_mask = o->block.w[0] & 0x0f;
	o->mask = (o->block.w[0] >> 8 | o->block.w[1] << 24) & 0xffffffffu >> (32 - 8 * size);
	weir_quic_mask(s, o);
	number = WEIR_BE32(WEIR_QUIC_AT(s, o->number_at)) >> (32 - 8 * size);
	o->payload = o->number_at + size;
	o->nonce.w[0] = keys->iv[0];
	o->nonce.w[1] = keys->iv[1];
	o->nonce.w[2] = keys->iv[2] ^ __builtin_bswap32(number);
	o->nonce.w[3] = 0;
	return 0;
}

/* Sixteen bytes of what the tag covers, zeros behind the end. Returns 1 at the end. */
WEIR_QUIC_STEP long weir_quic_tag_step(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	struct weir_opener *o = ((struct weir_opener **)context)[1];
	__u32 at = o->tag_at, left = o->tag_end - at;
	const __u8 *p = WEIR_QUIC_AT(s, at);
	__u64 high = WEIR_BE64(p), low = WEIR_BE64(p + 8);

	(void)turn;
	if (left <= 8) {
		low = 0;
		high = left < 8 ? high & ~(~0ull >> (8 * left)) : high;
	} else if (left < 16) {
		low &= ~(~0ull >> (8 * (left - 8)));
	}
	weir_ghash_block(&o->ghash, high, low);
	o->tag_at = at + 16;
	return o->tag_at >= o->tag_end;
}

WEIR_INLINE void weir_quic_cover(struct weir_scratch *s, struct weir_opener *o, __u32 from, __u32 end)
{
	void *both[2] = { s, o };

	o->tag_at = from;
	o->tag_end = end;
	if (from < end)
		WEIR_QUIC_LOOP(WEIR_QUIC_MOST / 16 + 1, weir_quic_tag_step, both);
}

WEIR_INLINE __u64 weir_aes_high(const struct weir_aes_words *block, int half)
{
	return (__u64)__builtin_bswap32(block->w[2 * half]) << 32 | __builtin_bswap32(block->w[2 * half + 1]);
}

/* 0 if the tag is right (NIST SP 800-38D section 7.2). Nothing is opened yet. */
WEIR_ONCE int weir_quic_check_tag(struct weir_scratch *s, struct weir_opener *o, const struct weir_quic_keys *keys)
{
	const __u8 *tag;

	if (!s || !o || !keys)
		return -1;
	for (int i = 0; i < 4; i++)
		o->block.w[i] = 0;
	weir_aes_block(&o->block, &keys->data);
	weir_ghash_begin(&o->ghash, weir_aes_high(&o->block, 0), weir_aes_high(&o->block, 1));
	weir_quic_cover(s, o, o->packet, o->payload);
	weir_quic_cover(s, o, o->payload, o->end);
	weir_ghash_block(&o->ghash, (__u64)(o->payload - o->packet) * 8, (__u64)(o->end - o->payload) * 8);
	for (int i = 0; i < 3; i++)
		o->block.w[i] = o->nonce.w[i];
	o->block.w[3] = 0x01000000;		/* the counter's first value, of a little-endian machine */
	weir_aes_block(&o->block, &keys->data);
	tag = WEIR_QUIC_AT(s, o->end);
	if ((weir_aes_high(&o->block, 0) ^ o->ghash.y1) != WEIR_BE64(tag))
		return -1;
	return (weir_aes_high(&o->block, 1) ^ o->ghash.y0) != WEIR_BE64(tag + 8) ? -1 : 0;
}

/* What the loop over a payload needs to find. */
struct weir_quic_opening {
	struct weir_scratch *s;
	struct weir_opener *o;
	const struct weir_aes_key *key;
};

WEIR_QUIC_STEP long weir_quic_open_step(__u32 turn, void *context)
{
	struct weir_quic_opening *w = context;
	struct weir_opener *o = w->o;

	(void)turn;
	weir_aes_open(&o->counter, w->key, o->count, WEIR_QUIC_AT(w->s, o->opened));
	o->count++;
	o->opened += 16;
	return o->opened >= o->end;
}

/* The payload, in place. The last block may reach into the tag, of which nobody needs the bytes any more. */
WEIR_ONCE int weir_quic_open_payload(struct weir_scratch *s, struct weir_opener *o, const struct weir_quic_keys *keys)
{
	struct weir_quic_opening walk = { .s = s, .o = o };

	if (!s || !o || !keys)
		return -1;
	walk.key = &keys->data;
	weir_aes_count(&o->counter, &o->nonce, &keys->data);
	o->count = 2;
	o->opened = o->payload;
	if (o->opened < o->end)
		WEIR_QUIC_LOOP(WEIR_QUIC_MOST / 16, weir_quic_open_step, &walk);
	return 0;
}
#endif
