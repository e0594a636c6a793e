/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include <weir/engine.h>

enum weir_table_kind {
	WEIR_TABLE_HASH,		/* refuses when full, as BPF_MAP_TYPE_HASH */
	WEIR_TABLE_LRU,			/* forgets the least recently stored or looked up, as BPF_MAP_TYPE_LRU_HASH nearly does */
	WEIR_TABLE_PREFIX,		/* longest prefix of a struct weir_allow_key */
};

struct weir_table *weir_table_create(enum weir_table_kind kind, __u32 key_size, __u32 value_size, __u32 capacity);
void weir_table_destroy(struct weir_table *table);

/* What of an entry that is pushed out makes that a loss; without it none is. */
void weir_table_mourn(struct weir_table *table, int (*is_loss)(const void *value));

/* Losses so far. */
__u64 weir_table_losses(const struct weir_table *table);

/* Forgets every entry. */
void weir_table_clear(struct weir_table *table);

/* Calls `each` for every entry, which may remove the one it is given. */
void weir_table_each(struct weir_table *table, void (*each)(void *context, const void *key, void *value), void *context);
#endif
