/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the kernel's maps are to the probe, for the engine outside it: bounded, chained, one allocation each. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define NONE 0xffffffffu

struct node {
	__u32 next;			/* of its bucket, or of the free list */
	__u32 older, newer;
	__u32 hash;
};

/* A bucket tells nearly all strangers by itself: its first entry's hash, and whether another stands behind that one. */
struct bucket {
	__u32 first;
	__u32 hash : 31;
	__u32 more : 1;
};

struct weir_table {
	enum weir_table_kind kind;
	__u32 key_size, value_size, capacity, mask, oldest, newest;
	__u32 fresh;			/* nodes from here on were never used: their memory is untouched */
	__u32 free;
	size_t stride;
	struct bucket *buckets;
	__u8 *nodes;
	int (*is_loss)(const void *value);
	__u64 losses;
};

/* The kernel's maps take BPF_ANY and BPF_NOEXIST by these numbers. */
#define FLAG_NOEXIST 1

static struct node *node_at(const struct weir_table *t, __u32 i)
{
	return (struct node *)(t->nodes + i * t->stride);
}

static void *key_at(const struct weir_table *t, __u32 i)
{
	return (__u8 *)node_at(t, i) + sizeof(struct node);
}

static void *value_at(const struct weir_table *t, __u32 i)
{
	return (__u8 *)key_at(t, i) + ((t->key_size + 7) & ~7u);
}

/* The whole product of two words, folded. */
static __u64 fold(__u64 a, __u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (__u64)product ^ (__u64)(product >> 64);
}

/* Sixteen bytes a turn, and the turns do not wait for each other: a flow's key is two of them and a word. */
static inline __attribute__((always_inline)) __u32 hash_sized(const void *key, __u32 left)
{
	const __u8 *p = key;
	__u64 h = 0, a, b, odd = 0x9e3779b97f4a7c15ULL;

	for (; left >= 16; left -= 16, p += 16, odd += 0x5851f42d4c957f2eULL) {
		memcpy(&a, p, 8);
		memcpy(&b, p + 8, 8);
		h ^= fold(a ^ odd, b ^ 0xa0761d6478bd642fULL);
	}
	a = b = 0;
	memcpy(&a, p, left < 8 ? left : 8);
	if (left > 8)
		memcpy(&b, p + 8, left - 8);
	h = fold(h ^ a ^ 0xe7037ed1a0b428dbULL, b ^ odd);
	return (__u32)(h ^ h >> 32) & 0x7fffffff;	/* as many bits as a bucket has */
}

/* Nearly every key is a flow's, and of a size that is known no loop and no call is left. */
#define IS_FLOW_KEY(t) ((t)->key_size == sizeof(struct weir_flow_key))

static __u32 hash(const struct weir_table *t, const void *key)
{
	return IS_FLOW_KEY(t) ? hash_sized(key, sizeof(struct weir_flow_key)) : hash_sized(key, t->key_size);
}

struct weir_table *weir_table_create(enum weir_table_kind kind, __u32 key_size, __u32 value_size, __u32 capacity)
{
	struct weir_table *t = calloc(1, sizeof(*t));
	__u32 buckets = 1;

	if (!t)
		return 0;
	/* Four to an entry: a stranger then hardly ever has to look behind a bucket's first, which lies in no cache. */
	while (buckets < 4 * capacity)
		buckets *= 2;
	t->kind = kind;
	t->key_size = key_size;
	t->value_size = value_size;
	t->capacity = capacity;
	t->mask = buckets - 1;
	t->stride = sizeof(struct node) + ((key_size + 7) & ~7u) + ((value_size + 7) & ~7u);
	t->oldest = t->newest = NONE;
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	t->nodes = calloc(capacity, t->stride);
	if (!t->buckets || !t->nodes) {
		weir_table_destroy(t);
		return 0;
	}
	memset(t->buckets, 0xff, buckets * sizeof(*t->buckets));
	t->free = NONE;
	return t;
}

void weir_table_destroy(struct weir_table *t)
{
	if (!t)
		return;
	free(t->buckets);
	free(t->nodes);
	free(t);
}

static void unlink_age(struct weir_table *t, __u32 i)
{
	struct node *n = node_at(t, i);

	*(n->older == NONE ? &t->oldest : &node_at(t, n->older)->newer) = n->newer;
	*(n->newer == NONE ? &t->newest : &node_at(t, n->newer)->older) = n->older;
}

static void link_age(struct weir_table *t, __u32 i)
{
	struct node *n = node_at(t, i);

	n->older = t->newest;
	n->newer = NONE;
	*(t->newest == NONE ? &t->oldest : &node_at(t, t->newest)->newer) = i;
	t->newest = i;
}

/* The words of both, without a call: keys are short, and looked up several times a frame. */
static inline __attribute__((always_inline)) int same_sized(const void *left, const void *right, __u32 size)
{
	const __u8 *a = left, *b = right;
	__u64 x, y, different = 0;

	for (; size >= 8; size -= 8, a += 8, b += 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		different |= x ^ y;
	}
	for (; size; size--)
		different |= *a++ ^ *b++;
	return !different;
}

static int same(const struct weir_table *t, const void *left, const void *right)
{
	return IS_FLOW_KEY(t) ? same_sized(left, right, sizeof(struct weir_flow_key)) : same_sized(left, right, t->key_size);
}

static void put(struct weir_table *t, __u32 i, const void *key, const void *value)
{
	if (IS_FLOW_KEY(t) && t->value_size == sizeof(struct weir_flow)) {
		memcpy(key_at(t, i), key, sizeof(struct weir_flow_key));
		memcpy((__u8 *)key_at(t, i) + ((sizeof(struct weir_flow_key) + 7) & ~7u), value, sizeof(struct weir_flow));
		return;
	}
	memcpy(key_at(t, i), key, t->key_size);
	memcpy(value_at(t, i), value, t->value_size);
}

static __u32 find_hashed(const struct weir_table *t, const void *key, __u32 h)
{
	const struct bucket *b = &t->buckets[h & t->mask];
	__u32 i = b->first;

	if (i == NONE || (b->hash == h && same(t, key_at(t, i), key)))
		return i;
	if (!b->more)
		return NONE;
	for (i = node_at(t, i)->next; i != NONE; i = node_at(t, i)->next)
		if (node_at(t, i)->hash == h && same(t, key_at(t, i), key))
			break;
	return i;
}

/* The newest is asked first: it is whose frame came before, or what was stored a moment ago. An empty table is not looked into. */
static __u32 find(const struct weir_table *t, const void *key)
{
	if (t->newest == NONE || same(t, key_at(t, t->newest), key))
		return t->newest;
	return find_hashed(t, key, hash(t, key));
}

static int covers(const struct weir_allow_key *prefix, const struct weir_allow_key *key)
{
	__u32 whole = prefix->prefix_length / 8, rest = prefix->prefix_length % 8;

	return prefix->prefix_length <= key->prefix_length && !memcmp(prefix->address, key->address, whole) &&
	       (!rest || !((prefix->address[whole] ^ key->address[whole]) >> (8 - rest)));
}

void *weir_table_lookup(struct weir_table *t, const void *key)
{
	__u32 i;

	if (t->kind == WEIR_TABLE_PREFIX) {	/* short lists: looked through */
		for (i = t->newest; i != NONE; i = node_at(t, i)->older)
			if (covers(key_at(t, i), key))
				return value_at(t, i);
		return 0;
	}
	i = find(t, key);
	if (i == NONE)
		return 0;
	if (t->kind == WEIR_TABLE_LRU && t->newest != i) {
		unlink_age(t, i);
		link_age(t, i);
	}
	return value_at(t, i);
}

static void take_out(struct weir_table *t, __u32 i)
{
	struct node *n = node_at(t, i);
	struct bucket *b = &t->buckets[n->hash & t->mask];

	if (b->first == i) {
		b->first = n->next;
		if (n->next != NONE) {
			b->hash = node_at(t, n->next)->hash;
			b->more = node_at(t, n->next)->next != NONE;
		}
	} else {
		__u32 before = b->first;

		while (node_at(t, before)->next != i)
			before = node_at(t, before)->next;
		node_at(t, before)->next = n->next;
		if (before == b->first)
			b->more = n->next != NONE;
	}
	unlink_age(t, i);
	n->next = t->free;
	t->free = i;
}

int weir_table_remove(struct weir_table *t, const void *key)
{
	__u32 i = find(t, key);

	if (i == NONE)
		return -1;
	take_out(t, i);
	return 0;
}

/* What the next entry will push out lies in no cache any more: it comes while this frame is looked at. */
static void foresee(const struct weir_table *t)
{
	const struct node *oldest = node_at(t, t->oldest);

	__builtin_prefetch(&t->buckets[oldest->hash & t->mask], 1);
	if (oldest->newer != NONE) {
		__builtin_prefetch(node_at(t, oldest->newer), 1);
		__builtin_prefetch((const __u8 *)node_at(t, oldest->newer) + 64, 1);
	}
}

int weir_table_store(struct weir_table *t, const void *key, const void *value, int flags)
{
	__u32 h = hash(t, key), i = find_hashed(t, key, h);
	struct bucket *b = &t->buckets[h & t->mask];

	if (i != NONE) {
		if (flags == FLAG_NOEXIST)
			return -1;
		memcpy(value_at(t, i), value, t->value_size);
		return 0;
	}
	if (t->free == NONE && t->fresh == t->capacity) {
		if (t->kind != WEIR_TABLE_LRU)
			return -1;
		if (t->is_loss && t->is_loss(value_at(t, t->oldest)))
			t->losses++;
		take_out(t, t->oldest);
	}
	if (t->free != NONE) {
		i = t->free;
		t->free = node_at(t, i)->next;
	} else {
		i = t->fresh++;
	}
	put(t, i, key, value);
	node_at(t, i)->hash = h;
	node_at(t, i)->next = b->first;
	b->more = b->first != NONE;
	b->first = i;
	b->hash = h;
	link_age(t, i);
	if (t->kind == WEIR_TABLE_LRU && t->fresh == t->capacity && t->free == NONE)
		foresee(t);
	return 0;
}

void weir_table_mourn(struct weir_table *t, int (*is_loss)(const void *value))
{
	t->is_loss = is_loss;
}

__u64 weir_table_losses(const struct weir_table *t)
{
	return t->losses;
}

void weir_table_clear(struct weir_table *t)
{
	for (__u32 i = t->oldest; i != NONE; i = node_at(t, i)->newer)
		t->buckets[node_at(t, i)->hash & t->mask].first = NONE;
	t->oldest = t->newest = t->free = NONE;
	t->fresh = 0;
	t->losses = 0;
}

void weir_table_each(struct weir_table *t, void (*each)(void *context, const void *key, void *value), void *context)
{
	for (__u32 i = t->oldest, next; i != NONE; i = next) {
		next = node_at(t, i)->newer;
		each(context, key_at(t, i), value_at(t, i));
	}
}
