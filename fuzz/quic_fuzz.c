/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What opens QUIC Initials, under libFuzzer: user space's reader, and the opener in the packet. The input is a row of datagrams, each
 * behind a byte of flags and a length of two: raw bytes, or the frames of an Initial, which is put under the right keys so that what reads
 * frames and puts hellos together is reached. Each datagram goes through the probe in a frame, and what that gives to user space to the
 * reader. The two share no line of what opens and puts together: what the reader has something against, the opener must not call clean.
 */
#include <initials.h>

#include "../Sources/System/CQUIC/packet.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static struct weir_initials *reader;
static struct weir_engine *engine, *probe;
static __u64 now = 1;
static int is_told;

enum { CONNECTION = 3, PROVES = 4, RAW = 8, SPOILT = 16, RETRIED = 32, OTHER_ID = 64, SWEEP = 128 };

#define FULL 1163			/* frames' bytes of an Initial in a datagram of 1,200: servers, and so the probe, want no smaller one */

/* An Initial of version 1 with these frames, and PADDING behind them. Its size. */
static __u32 seal(__u8 *out, __u8 flags, const __u8 *given, __u32 given_size)
{
	static __u8 frames[QUIC_DATAGRAM];
	__u32 size = given_size < FULL ? FULL : given_size;
	static EVP_CIPHER_CTX *header, *payload;
	__u8 last = (__u8)((flags & CONNECTION) + (flags & OTHER_ID ? 16 : 0));
	struct quic_id id = { .size = 8, .bytes = { 1, 2, 3, 4, 5, 6, 7, last } };
	__u32 length = 2 + size + QUIC_TAG, at = 0;
	struct quic_keys keys;
	__u8 mask[16], iv[12];
	int done;

	memset(frames, 0, sizeof(frames));
	memcpy(frames, given, given_size);
	if (!header) {
		header = EVP_CIPHER_CTX_new();
		payload = EVP_CIPHER_CTX_new();
		EVP_EncryptInit_ex(header, EVP_aes_128_ecb(), 0, 0, 0);
		EVP_EncryptInit_ex(payload, EVP_aes_128_gcm(), 0, 0, 0);
	}
	quic_derive(&keys, 1, &id);
	memcpy(out, (const __u8[]){ 0xc1, 0, 0, 0, 1, 8 }, 6);
	memcpy(out + 6, id.bytes, 8);
	memcpy(out + 14, (const __u8[]){ 1, flags & CONNECTION, 0 }, 3);
	out[17] = (__u8)(0x40 | length >> 8);
	out[18] = (__u8)length;
	out[19] = 0;
	out[20] = flags;
	at = 21;
	memcpy(iv, keys.iv, 12);
	iv[11] ^= flags;
	EVP_EncryptInit_ex(payload, 0, 0, keys.key, iv);
	EVP_EncryptUpdate(payload, 0, &done, out, (int)at);
	EVP_EncryptUpdate(payload, out + at, &done, frames, (int)size);
	EVP_EncryptFinal_ex(payload, out + at + size, &done);
	EVP_CIPHER_CTX_ctrl(payload, EVP_CTRL_AEAD_GET_TAG, QUIC_TAG, out + at + size);
	EVP_EncryptInit_ex(header, 0, 0, keys.header, 0);
	EVP_EncryptUpdate(header, mask, &done, out + 23, 16);
	out[0] ^= mask[0] & 0x0f;
	out[19] ^= mask[1];
	out[20] ^= mask[2];
	if (flags & SPOILT)
		out[at + size] ^= 1;
	return at + size + QUIC_TAG;
}

/* Servers always answer here. What is told without a hello has no proof, and a flood names nobody. */
static void sweep(int end)
{
	static const __u8 nobody[16];
	struct weir_handshake flow;

	now += 4 * WEIR_SECOND;
	weir_initials_sweep(reader, engine, now, now, end);
	while (weir_initials_flow(reader, &flow)) {
		assert(flow.kind == WEIR_KIND_FLOW && flow.proof == WEIR_UNPROVEN && !flow.raw_length && flow.wire_version == WEIR_WIRE_VERSION);
		if (flow.anomalies >> WEIR_QUIC_UNVALIDATED_FLOOD & 1)
			assert(!memcmp(flow.source, nobody, 16) && flow.reach == WEIR_REACH_DESTINATION && flow.hello_length);
	}
}

/*
 * Both opinions of the path, after a datagram that the probe has told of. Once a hello was handed out the reader looks for a second one
 * behind it (RFC 8446 section 4.1.4). That comes after its server's first answer, so the packet's opener takes no notice of it.
 */
static void compare(const struct weir_handshake *seen, int has, const struct weir_quic_opinion *opinion)
{
	const struct weir_quic_path *path = &probe->quic_paths[seen->fingerprint >> 40 & (WEIR_QUIC_PATHS - 1)];

	if (!has || is_told || path->key != seen->fingerprint || !WEIR_QUIC_IS_OF(path->mark, path->count))
		return;
	if (WEIR_QUIC_OPINION_OF(opinion->mark) == WEIR_QUIC_ANOMALOUS)
		assert(WEIR_QUIC_OPINION_OF(path->mark) != WEIR_QUIC_CLEAN);
}

static void give(__u8 flags, const __u8 *bytes, __u32 size)
{
	static __u8 frame[42 + QUIC_DATAGRAM + 64] = {
		[12] = 8, [14] = 0x45, [22] = 64, 17, [26] = 192, 0, 2, 1, 198, 51, 100, 2, 0xc3, 0x50, 1, 187,
	};
	struct weir_frame at = { .engine = probe, .bytes = frame, .size = 42 + size, .wire_size = 42 + size, .now = now, .ifindex = 1 };
	struct weir_initials_hello hello;
	struct weir_quic_opinion opinion;
	struct weir_handshake seen;
	__u32 told;

	frame[16] = (__u8)((28 + size) >> 8);
	frame[17] = (__u8)(28 + size);
	frame[38] = (__u8)((8 + size) >> 8);
	frame[39] = (__u8)(8 + size);
	memcpy(frame + 42, bytes, size);
	weir_engine_at(&at, WEIR_HOOK_IN, 1);
	/* One record at most, behind its size. Smaller datagrams are not told of, as servers discard them: the reader sees these as well. */
	if (probe->records_size) {
		memcpy(&seen, probe->records + 8, sizeof(seen));
		told = seen.raw_length;
	} else {
		seen = (struct weir_handshake){
			.seen_ns = now, .source_port = 50000, .destination_port = 443, .wire_version = WEIR_WIRE_VERSION, .fingerprint = 5,
		};
		memcpy(seen.source, (const __u8[16]){ [10] = 0xff, 0xff, 192, 0, 2, 1 }, 16);
		memcpy(seen.destination, (const __u8[16]){ [10] = 0xff, 0xff, 198, 51, 100, 2 }, 16);
		told = size;
	}
	seen.proof = flags & PROVES ? WEIR_TRACKED : WEIR_UNPROVEN;
	seen.retried = !!(flags & RETRIED);
	{
		__u8 *copy = malloc(told ? told : 1);
		int has;

		memcpy(copy, probe->records_size ? probe->records + 8 + sizeof(seen) : bytes, told);
		has = weir_initials_take(reader, engine, &seen, copy, told, &opinion);
		free(copy);
		compare(&seen, has && probe->records_size, &opinion);
	}
	weir_engine_forget(probe);
	if (flags & SWEEP)
		sweep(0);
	while (weir_initials_next(reader, &hello)) {
		is_told = 1;
		assert(hello.size >= 4 && hello.size <= WEIR_INITIALS_HELLO && hello.message[0] == 1);
		weir_engine_hello(engine, &hello.seen, hello.message, hello.size);
		weir_engine_forget(engine);
	}
}

/* What the probe knows of paths. All of an engine would take longer than an input. */
static void forget(void)
{
	memset(probe->quic_paths, 0, sizeof(probe->quic_paths));
	memset(probe->quic_ids, 0, sizeof(probe->quic_ids));
	for (int i = 0; i < WEIR_QUIC_HELLOS; i++)
		probe->quic_opener->hellos[i].path = 0;
}

int LLVMFuzzerTestOneInput(const __u8 *bytes, size_t size)
{
	static __u8 datagram[QUIC_DATAGRAM + 64];

	if (!reader) {
		/* What follows from a proof that only the reader is told of is nothing to compare. */
		struct weir_config config = { .recorded = ~0ULL, .limiting = ~(1ULL << WEIR_QUIC_BAD_INITIAL), .quic_ports = { 443 } };

		reader = weir_initials_create();
		engine = weir_engine_create();
		weir_engine_use(engine, &config);
		config.quic_in_packet = 1;
		config.quic_budget = 1000000;
		probe = weir_engine_create();
		weir_engine_use(probe, &config);
	}
	while (size > 3) {
		__u8 flags = bytes[0];
		__u32 length = ((__u32)bytes[1] << 8 | bytes[2]) % 3000;

		bytes += 3;
		size -= 3;
		length = length < size ? length : (__u32)size;
		now += 1000;
		if (flags & RAW)
			give(flags, bytes, length);
		else
			give(flags, datagram, seal(datagram, flags, bytes, length < 4 ? 0 : length));
		bytes += length;
		size -= length;
	}
	sweep(1);
	{
		struct weir_initials_hello hello;

		while (weir_initials_next(reader, &hello))
			;
	}
	sweep(1);
	forget();
	is_told = 0;
	return 0;
}
