/* SPDX-License-Identifier: BSD-2-Clause */
/* Long headers (RFC 8999, RFC 9000 section 17.2). Every offset is compared with the datagram's end before it is used. */
#include "packet.h"

#include <string.h>

#define VERSION_2 0x6b3343cfu

enum quic_version_kind quic_version_kind(__u32 version)
{
	if (version == 1 || version == VERSION_2 || (version >= 0xff000017 && version <= 0xff000022))
		return QUIC_SPOKEN;
	/* Reserved to be refused (RFC 9000 section 15), Google's Q and T, Facebook's mvfst, and other drafts. */
	if ((version & 0x0f0f0f0f) == 0x0a0a0a0a || version >> 24 == 'Q' || version >> 24 == 'T' ||
	    version >> 4 == 0xfaceb00 || version >> 16 == 0xff00)
		return QUIC_FOREIGN;
	return QUIC_UNKNOWN;
}

int quic_number(const __u8 *bytes, __u32 end, __u32 *at, __u64 *value)
{
	__u32 size;
	__u64 v;

	if (*at >= end)
		return -1;
	size = 1u << (bytes[*at] >> 6);
	if (size > end - *at)
		return -1;
	v = bytes[*at] & 0x3f;
	for (__u32 i = 1; i < size; i++)
		v = v << 8 | bytes[*at + i];
	*at += size;
	*value = v;
	return 0;
}

/* One connection id behind its length, and past it. */
static int read_id(struct quic_id *id, const __u8 *bytes, __u32 size, __u32 *at)
{
	if (*at >= size || bytes[*at] > QUIC_ID_MOST || bytes[*at] > size - *at - 1)
		return -1;
	id->size = bytes[*at];
	memcpy(id->bytes, bytes + *at + 1, id->size);
	*at += 1u + id->size;
	return 0;
}

static int read_ids(struct quic_packet *packet, const __u8 *bytes, __u32 size, __u32 *at)
{
	__u32 type;

	memset(packet, 0, sizeof(*packet));
	packet->start = *at;
	if (*at >= size || size - *at < 7 || !(bytes[*at] & 0x80))
		return -1;
	packet->version = (__u32)bytes[*at + 1] << 24 | (__u32)bytes[*at + 2] << 16 | (__u32)bytes[*at + 3] << 8 | bytes[*at + 4];
	type = bytes[*at] >> 4 & 3;
	packet->type = (packet->version == VERSION_2 ? type - 1 : type) & 3;
	*at += 5;
	return read_id(&packet->to, bytes, size, at) || read_id(&packet->from, bytes, size, at) ? -1 : 0;
}

int quic_read_ids(struct quic_packet *packet, const __u8 *bytes, __u32 size, __u32 at)
{
	return read_ids(packet, bytes, size, &at);
}

int quic_read_packet(struct quic_packet *packet, const __u8 *bytes, __u32 size, __u32 at)
{
	__u64 value;

	if (read_ids(packet, bytes, size, &at) || quic_version_kind(packet->version) != QUIC_SPOKEN || packet->type == QUIC_RETRY)
		return -1;
	if (packet->type == QUIC_INITIAL) {	/* the token */
		if (quic_number(bytes, size, &at, &value) || value > size - at)
			return -1;
		packet->has_token = value > 0;
		at += (__u32)value;
	}
	if (quic_number(bytes, size, &at, &value) || value > size - at || value < 4 + QUIC_TAG)
		return -1;
	packet->number = at;
	packet->end = at + (__u32)value;
	return 0;
}
