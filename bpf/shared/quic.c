/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What user space thinks of QUIC paths, into the kernel's table or an engine's. */
#include <weir/engine.h>

void weir_quic_mark(struct weir_quic_path *paths, const struct weir_quic_opinion *opinion)
{
	struct weir_quic_path *path = &paths[opinion->path >> 40 & (WEIR_QUIC_PATHS - 1)];
	__u32 old, ahead;

	if (__atomic_load_n(&path->key, __ATOMIC_ACQUIRE) != opinion->path)
		return;
	/* The packet's own opinion may be of more datagrams already; and what it found wrong with as many stays so. */
	old = __atomic_load_n(&path->mark, __ATOMIC_ACQUIRE);
	do {
		ahead = (old >> 8) - (opinion->mark >> 8);
		if (old && ((ahead & 0xffffff) - 1 < 0x7fffff || (!(ahead & 0xffffff) && WEIR_QUIC_OPINION_OF(old) == WEIR_QUIC_ANOMALOUS)))
			return;
	} while (!__atomic_compare_exchange_n(&path->mark, &old, opinion->mark, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

const struct weir_quic_path *weir_engine_paths(const struct weir_engine *e)
{
	return e->quic_paths;
}

void weir_engine_note(struct weir_engine *e, const struct weir_quic_opinion *opinion)
{
	weir_quic_mark(e->quic_paths, opinion);
}
