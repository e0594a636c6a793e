/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients of the model say, and the fuzzer's own view of a ClientHello. Nothing here is Weir's: a mistake of its parser
 * must not be a mistake of the model's as well.
 */
#ifndef TEXTS_H
#define TEXTS_H

#include <linux/types.h>
#include <string.h>

#define TEXT_MAX 1024

enum text_kind {
	TEXT_NAMELESS, TEXT_NAMED,		/* as long as each other, and different in one word */
	TEXT_NAMELESS_RECORDS, TEXT_NAMED_RECORDS, /* the same in two records */
	TEXT_ZEROS, TEXT_HTTP, TEXT_PROXY2, TEXT_PROXY1, TEXT_CONNECT, TEXT_SSLV2, TEXT_MALFORMED,
	TEXT_CIPHER_CHANGE, TEXT_DATA_RECORD, TEXT_WARNING,
	TEXT_NEST,				/* a nameless hello; its last bytes are a whole named one */
	TEXT_OPENING,				/* what makes a named hello out of the nameless one that follows it */
	TEXT_LONG, TEXT_KINDS,
};

struct text {
	__u8 bytes[TEXT_MAX];
	__u32 size;
};

static inline void put(struct text *t, __u8 byte)
{
	if (t->size < TEXT_MAX)
		t->bytes[t->size++] = byte;
}

static inline void put_word(struct text *t, __u32 word)
{
	put(t, (__u8)(word >> 8));
	put(t, (__u8)word);
}

static inline void put_all(struct text *t, const void *bytes, __u32 size)
{
	for (__u32 i = 0; i < size; i++)
		put(t, ((const __u8 *)bytes)[i]);
}

/* A body up to its extensions: version, random, no session, two suites, no compression. */
static inline void put_lists(struct text *t, __u32 number)
{
	put_word(t, 0x0303);
	for (__u32 i = 0; i < 32; i++)
		put(t, (__u8)(i < 4 ? number >> (8 * i) : i + 1));
	put(t, 0);
	put_word(t, 4);
	put_word(t, 0x1301);
	put_word(t, 0xc02f);
	put_word(t, 0x0100);
}

/* An extension that holds a name if its type is 0. */
static inline void put_name(struct text *t, __u32 type)
{
	put_word(t, type);
	put_word(t, 5 + 12);
	put_word(t, 3 + 12);
	put(t, 0);
	put_word(t, 12);
	put_all(t, "shop.example", 12);
}

/* Header of a hello whose body will have `size` bytes, in one record. */
static inline void put_headers(struct text *t, __u32 size)
{
	put(t, 22);
	put_word(t, 0x0301);
	put_word(t, 4 + size);
	put_word(t, 0x0100);
	put_word(t, size);
}

#define LISTS 43			/* bytes that put_lists writes */
#define NAME 21				/* and put_name */
#define HELLO (9 + LISTS + 2 + NAME + 8) /* a hello of the first two kinds */
#define NESTED (9 + LISTS + 2 + NAME + 4) /* where a hello lies in another; as long is TEXT_OPENING, and a PROXY header here */

static inline void put_hello(struct text *t, __u32 number, int is_named, __u32 padding)
{
	put_headers(t, LISTS + 2 + NAME + 4 + padding);
	put_lists(t, number);
	put_word(t, NAME + 4 + padding);
	put_name(t, is_named ? 0 : 0x1234);
	put_word(t, 21);
	put_word(t, padding);
	for (__u32 i = 0; i < padding; i++)
		put(t, 0);
}

/* The same text in two records, the first with `first` bytes of the message. */
static inline void split_record(struct text *t, __u32 first)
{
	struct text whole = *t;

	t->size = 0;
	put_all(t, "\x16\x03\x01", 3);
	put_word(t, first);
	put_all(t, whole.bytes + 5, first);
	put_all(t, "\x16\x03\x01", 3);
	put_word(t, whole.size - 5 - first);
	put_all(t, whole.bytes + 5 + first, whole.size - 5 - first);
}

static inline void write_text(struct text *t, enum text_kind kind, __u32 number)
{
	t->size = 0;
	switch (kind) {
	case TEXT_NAMELESS:
	case TEXT_NAMED:
		put_hello(t, number, kind == TEXT_NAMED, 4);
		return;
	case TEXT_NAMELESS_RECORDS:
	case TEXT_NAMED_RECORDS:
		put_hello(t, number, kind == TEXT_NAMED_RECORDS, 4);
		split_record(t, 40);
		return;
	case TEXT_LONG:
		put_hello(t, number, 0, 700);
		return;
	case TEXT_ZEROS:
		t->size = 60;
		memset(t->bytes, 0, 60);
		return;
	case TEXT_HTTP:
		put_all(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
		return;
	case TEXT_PROXY2:
		put_all(t, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x3f\xc0\0\x02\x01\xc0\0\x02\x02\x10\x00\x01\xbb\x04\0\x30", 31);
		for (__u32 i = 31; i < NESTED; i++)
			put(t, 0);
		return;
	case TEXT_PROXY1:
		put_all(t, "PROXY TCP4 192.0.2.1 192.0.2.2 4000 443\r\n", 41);
		return;
	case TEXT_CONNECT:
		put_all(t, "CONNECT a:443 HTTP/1.1\r\n\r\n", 26);
		return;
	case TEXT_SSLV2:
		put_all(t, "\x80\x1c\x01\x03\x01\0\x03\0\0\0\x10\0\0\x2f", 14);
		for (__u32 i = 0; i < 16; i++)
			put(t, (__u8)(number + i));
		return;
	case TEXT_MALFORMED:
		put_hello(t, number, 1, 4);
		t->bytes[9 + LISTS + 1]--;	/* the extensions' length */
		return;
	case TEXT_CIPHER_CHANGE:
		put_all(t, "\x14\x03\x03\0\x01\x01", 6);
		return;
	case TEXT_DATA_RECORD:
		put_all(t, "\x17\x03\x03\0\x10" "0123456789abcdef", 21);
		return;
	case TEXT_WARNING:
		put_all(t, "\x15\x03\x01\0\x02\x01\x70", 7);
		return;
	case TEXT_NEST:
		put_headers(t, LISTS + 2 + NAME + 4 + HELLO);
		put_lists(t, number);
		put_word(t, NAME + 4 + HELLO);
		put_name(t, 0x1234);
		put_word(t, 0x5678);
		put_word(t, HELLO);
		put_hello(t, number, 1, 4);
		return;
	case TEXT_OPENING:
		put_headers(t, LISTS + 2 + NAME + 4 + HELLO);
		put_lists(t, number);
		put_word(t, NAME + 4 + HELLO);
		put_name(t, 0);
		put_word(t, 0x5678);
		put_word(t, HELLO);
		return;
	case TEXT_KINDS:
		return;
	}
}

enum hello { HELLO_WRONG, HELLO_NAMELESS, HELLO_NAMED };

/* What a server that is strict finds in a ClientHello's body (RFC 8446 section 4.1.2). */
static inline enum hello look_at_hello(const __u8 *b, __u32 size)
{
	__u32 at = 34, n;
	int named = 0;

	if (size < 35 || b[at] > 32)
		return HELLO_WRONG;
	at += 1 + b[at];
	if (at + 2 > size)
		return HELLO_WRONG;
	n = (__u32)b[at] << 8 | b[at + 1];
	at += 2 + n;
	if (n & 1 || !n || at + 1 > size)
		return HELLO_WRONG;
	n = b[at];
	at += 1 + n;
	if (!n || at > size)
		return HELLO_WRONG;
	if (at == size)
		return HELLO_NAMELESS;
	if (at + 2 > size || ((__u32)b[at] << 8 | b[at + 1]) != size - at - 2)
		return HELLO_WRONG;
	for (at += 2; at < size; at += n) {
		if (at + 4 > size)
			return HELLO_WRONG;
		named |= !b[at] && !b[at + 1];
		n = (__u32)b[at + 2] << 8 | b[at + 3];
		at += 4;
		if (n > size - at)
			return HELLO_WRONG;
	}
	return named ? HELLO_NAMED : HELLO_NAMELESS;
}
#endif
