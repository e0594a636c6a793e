/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and payloads of Initials, by libcrypto. None of it is secret: every key follows from bytes in the packet. HKDF is spelt in SHA-256,
 * for EVP_KDF takes eight times as long to set up as the hashing takes.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "packet.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9001 section 5.2, RFC 9369 section 3.3.1, drafts 29 to 32, drafts 23 to 28. */
static const __u8 salts[4][20] = {
	{ 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a },
	{ 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 },
	{ 0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99 },
	{ 0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02 },
};

/* HMAC-SHA-256 (RFC 2104) of a key of up to 64 bytes. */
static void hmac(__u8 out[32], const __u8 *key, size_t key_size, const __u8 *text, size_t size)
{
	__u8 pad[64], inner[32];
	SHA256_CTX sha;

	memset(pad, 0x36, sizeof(pad));
	for (size_t i = 0; i < key_size; i++)
		pad[i] ^= key[i];
	SHA256_Init(&sha);
	SHA256_Update(&sha, pad, sizeof(pad));
	SHA256_Update(&sha, text, size);
	SHA256_Final(inner, &sha);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&sha);
	SHA256_Update(&sha, pad, sizeof(pad));
	SHA256_Update(&sha, inner, sizeof(inner));
	SHA256_Final(out, &sha);
}

/* HKDF-Expand-Label (RFC 8446 section 7.1) of up to 32 bytes, without a context. */
static void expand(__u8 *out, size_t size, const __u8 secret[32], const char *label)
{
	__u8 info[40], block[32];
	size_t length = strlen(label);

	info[0] = 0;
	info[1] = (__u8)size;
	info[2] = (__u8)(6 + length);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, length);
	info[9 + length] = 0;
	info[10 + length] = 1;
	hmac(block, secret, 32, info, 11 + length);
	memcpy(out, block, size);
}

void quic_derive(struct quic_keys *keys, __u32 version, const struct quic_id *id)
{
	int is_second = version == 0x6b3343cf;
	const __u8 *salt = salts[is_second ? 1 : version < 0xff000017 || version >= 0xff000021 ? 0 : version >= 0xff00001d ? 2 : 3];
	__u8 initial[32], client[32];

	hmac(initial, salt, 20, id->bytes, id->size);
	expand(client, 32, initial, "client in");
	expand(keys->key, 16, client, is_second ? "quicv2 key" : "quic key");
	expand(keys->iv, 12, client, is_second ? "quicv2 iv" : "quic iv");
	expand(keys->header, 16, client, is_second ? "quicv2 hp" : "quic hp");
}

struct quic_opener {
	EVP_CIPHER_CTX *header, *payload;
	__u8 head[QUIC_DATAGRAM];	/* the header with its protection off: what the tag covers besides the payload */
};

struct quic_opener *quic_opener_create(void)
{
	struct quic_opener *o = calloc(1, sizeof(*o));

	if (!o)
		return 0;
	o->header = EVP_CIPHER_CTX_new();
	o->payload = EVP_CIPHER_CTX_new();
	if (o->header && o->payload && EVP_EncryptInit_ex(o->header, EVP_aes_128_ecb(), 0, 0, 0) == 1 &&
	    EVP_DecryptInit_ex(o->payload, EVP_aes_128_gcm(), 0, 0, 0) == 1)
		return o;
	quic_opener_destroy(o);
	return 0;
}

void quic_opener_destroy(struct quic_opener *o)
{
	if (!o)
		return;
	EVP_CIPHER_CTX_free(o->header);
	EVP_CIPHER_CTX_free(o->payload);
	free(o);
}

int quic_open(struct quic_opener *o, const struct quic_keys *keys, const struct quic_packet *packet, const __u8 *bytes, __u8 *out)
{
	__u32 head_size = packet->number - packet->start, number_size, at;
	__u8 mask[16], iv[12], tag[QUIC_TAG];
	int size, rest;

	if (head_size + 4 > sizeof(o->head) || packet->end - packet->number < 4 + QUIC_TAG)
		return -1;
	/* Header protection (RFC 9001 section 5.4): the sample lies four bytes behind the number's start. */
	if (EVP_EncryptInit_ex(o->header, 0, 0, keys->header, 0) != 1 ||
	    EVP_EncryptUpdate(o->header, mask, &size, bytes + packet->number + 4, 16) != 1)
		return -1;
	memcpy(o->head, bytes + packet->start, head_size + 4);
	o->head[0] ^= mask[0] & 0x0f;
	if (o->head[0] & 0x0c)
		return -1;			/* reserved bits: with the wrong keys three of four end here */
	number_size = (o->head[0] & 3) + 1u;
	memcpy(iv, keys->iv, sizeof(iv));
	for (__u32 i = 0; i < number_size; i++) {
		o->head[head_size + i] ^= mask[1 + i];
		iv[12 - number_size + i] ^= o->head[head_size + i];
	}
	at = packet->number + number_size;
	memcpy(tag, bytes + packet->end - QUIC_TAG, sizeof(tag));
	if (EVP_DecryptInit_ex(o->payload, 0, 0, keys->key, iv) != 1 ||
	    EVP_DecryptUpdate(o->payload, 0, &size, o->head, (int)(head_size + number_size)) != 1 ||
	    EVP_DecryptUpdate(o->payload, out, &size, bytes + at, (int)(packet->end - QUIC_TAG - at)) != 1 ||
	    EVP_CIPHER_CTX_ctrl(o->payload, EVP_CTRL_AEAD_SET_TAG, QUIC_TAG, tag) != 1 || EVP_DecryptFinal_ex(o->payload, out + size, &rest) != 1)
		return -1;
	return size;
}
