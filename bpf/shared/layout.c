/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every size and offset that crosses the boundary, stated once. */
#include <weir/wire.h>

#include <stddef.h>

_Static_assert(sizeof(struct weir_handshake) == 136, "record");
_Static_assert(offsetof(struct weir_handshake, source) == 40, "record");
_Static_assert(offsetof(struct weir_handshake, ifindex) == 72, "record");
_Static_assert(offsetof(struct weir_handshake, hello_length) == 92, "record");
_Static_assert(offsetof(struct weir_handshake, kind) == 110, "record");
_Static_assert(offsetof(struct weir_handshake, proxy) == 120, "record");
_Static_assert(sizeof(struct weir_limit_key) == 36, "limit key");
_Static_assert(sizeof(struct weir_limit) == 176, "limit");
_Static_assert(offsetof(struct weir_limit, until_ns) == 8, "limit");
_Static_assert(sizeof(struct weir_allow_key) == 20, "allow key");
_Static_assert(sizeof(struct weir_rule) == 16, "rule");
_Static_assert(sizeof(struct weir_config) == 8192 + 24 + 1024 + 24 + WEIR_LENGTHS + 3 * WEIR_UPGRADES + 24 + 2 * WEIR_QUIC_PORTS, "config");

#include <weir/scratch.h>

_Static_assert(offsetof(struct weir_scratch, bytes) == sizeof(struct weir_handshake), "the message travels behind the record");
_Static_assert(sizeof(struct weir_scratch) <= 32768, "the largest value of a per-CPU map");
_Static_assert(sizeof(struct weir_flow_key) == 36 && sizeof(struct weir_flow) == 112, "flow");
_Static_assert(sizeof(struct weir_limit_order) == 48, "limit order");
