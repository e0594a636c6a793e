/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared probe under libFuzzer. The first byte says what the rest is: frames, each behind its length, or client
 * bytes that are put into TCP segments behind a real handshake, in sizes that the input chooses; and whether the TLS
 * ports are watched or, as `weir replay --all-ports` does, all of them.
 */
#include <weir/engine.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct weir_engine *engine;
static struct weir_config usual, every_port;
static __u64 now = 1;

static void run(const __u8 *bytes, __u32 size)
{
	/* On the heap and of its exact size, so that a read past the frame is seen. */
	__u8 *copy = malloc(size ? size : 1);
	struct weir_frame frame = { .engine = engine, .bytes = copy, .size = size, .wire_size = size, .ifindex = 1 };

	memcpy(copy, bytes, size);
	now += 1000000;
	frame.now = now;
	weir_engine_frame(&frame, 1);
	free(copy);
}

static void segment(__u8 flags, __u32 sequence, __u32 acknowledged, const __u8 *payload, __u32 size, int from_client)
{
	__u8 f[54 + 2048] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 6, [26] = 203, 0, 113, 66, 198, 51, 100, 2 };
	__u32 total = 40 + size;

	if (!from_client) {
		memcpy(f + 26, (__u8[]){ 198, 51, 100, 2, 203, 0, 113, 66 }, 8);
		memcpy(f + 34, (__u8[]){ 1, 187, 156, 64 }, 4);
	} else {
		memcpy(f + 34, (__u8[]){ 156, 64, 1, 187 }, 4);
	}
	f[16] = (__u8)(total >> 8);
	f[17] = (__u8)total;
	for (int i = 0; i < 4; i++) {
		f[38 + i] = (__u8)(sequence >> (24 - 8 * i));
		f[42 + i] = (__u8)(acknowledged >> (24 - 8 * i));
	}
	f[46] = 0x50;
	f[47] = flags;
	memcpy(f + 54, payload, size);
	run(f, 54 + size);
}

/* Each record keeps what it promises, and every verdict is accounted for. */
static void check(void)
{
	__u64 outcomes = 0;

	for (size_t at = 0; at < engine->records_size; ) {
		struct weir_handshake r;
		__u64 size;

		memcpy(&size, engine->records + at, 8);
		memcpy(&r, engine->records + at + 8, sizeof(r));
		assert(size == sizeof(r) + r.raw_length);
		assert(r.raw_length < WEIR_STREAM_CAP);
		assert(r.wire_version == WEIR_WIRE_VERSION);
		assert(r.completeness != WEIR_INCOMPLETE || (!r.anomalies && !r.raw_length && r.action == WEIR_OBSERVED));
		assert(r.proof || r.action == WEIR_PASSED || r.action == WEIR_OBSERVED);
		/* What could not be read to its end lacks nothing that one could know of. */
		assert(!(r.anomalies >> WEIR_MALFORMED_HELLO & 1) || !(r.anomalies >> WEIR_MISSING_SNI & 1));
		at += 8 + ((size + 7) & ~7ULL);
	}
	for (int i = WEIR_COUNT_ALLOWED; i <= WEIR_COUNT_DROPPED; i++)
		outcomes += engine->counters[i];
	assert(engine->counters[WEIR_COUNT_SEEN] == engine->counters[WEIR_COUNT_EMITTED] + engine->counters[WEIR_COUNT_LOST]);
	assert(engine->counters[WEIR_COUNT_SEEN] == outcomes);
	weir_engine_forget(engine);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	engine = weir_engine_create();
	weir_config_watch(&engine->config, 443);
	weir_config_watch(&engine->config, 8443);
	engine->config.recorded = engine->config.anomalous = ~0ULL;
	engine->config.limiting = 1 << WEIR_MISSING_SNI | 1 << WEIR_MALFORMED_HELLO;
	for (int i = 0; i < 64; i++)
		*weir_config_rule(&engine->config, i) = (struct weir_rule){ .for_ns = WEIR_SECOND, .per_second = 3 };
	engine->config.prefix4 = weir_config_lengths(&engine->config)[0] = 128;
	engine->config.prefix6 = weir_config_lengths(&engine->config)[1] = 64;
	engine->config.proof = WEIR_TRACKED;
	engine->config.capture = WEIR_CAPTURE_ALL;
	engine->config.hello_timeout_ns = 10 * WEIR_SECOND;
	usual = every_port = engine->config;
	for (__u32 port = 1; port <= 65535; port++)
		weir_config_watch(&every_port, (__u16)port);
	return 0;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	static __u32 number;
	__u32 client = ++number * 7919, server = number * 104729;

	if (!size)
		return 0;
	weir_engine_use(engine, data[0] & 32 ? &every_port : &usual);
	if (data[0] & 1) {
		for (size_t at = 1; at + 2 <= size; ) {
			__u32 n = (__u32)data[at] << 8 | data[at + 1];

			at += 2;
			if (n > size - at)
				n = (__u32)(size - at);
			run(data + at, n);
			at += n;
		}
	} else if (size > 2) {
		__u32 most = 1 + data[1] * 8u, left = (__u32)size - 2;

		segment(2, client, 0, data, 0, 1);
		segment(18, server, client + 1, data, 0, 0);
		for (__u32 at = 0; at < left; at += most) {
			/* Every other pair turned round, and now and then one twice. */
			__u32 here = data[0] & 2 && at + most < left ? (at / most & 1 ? at - most : at + most) : at;
			__u32 n = left - here < most ? left - here : most;

			segment(24, client + 1 + here, server + 1, data + 2 + here, n, 1);
			if (data[0] & 4)
				segment(24, client + 1 + here, server + 1, data + 2 + here, n, 1);
		}
		if (data[0] & 8)
			segment(17, client + 1 + left, server + 1, data, 0, 1);
	}
	if (data[0] & 16)
		weir_engine_sweep(engine, now, 1);
	check();
	return 0;
}
