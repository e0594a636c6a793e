/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The ring that tells user space of handshakes, and when a record wakes it. */
#ifndef WEIR_RING_H
#define WEIR_RING_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} handshakes SEC(".maps");

/*
 * Who sleeps by the clock is woken for what cannot wait: a hello that is not in order or that user space has to
 * judge, if nobody has refused it; or a ring that is a quarter full. User space writes `dozing` and then reads the
 * ring once more. A record whose processor read `dozing` before that, and that was written after it, waits for the
 * clock: ten milliseconds at most.
 */
WEIR_INLINE __u64 weir_wakeup(weir_frame *frame, const struct weir_handshake *r)
{
	__u64 says;

	if (!policies.dozing)
		return settings.wakeup;
	/* Without a branch for each, of which the verifier would follow both ways. */
	says = r->anomalies | (r->flags & WEIR_FLAG_LITERAL) | (__u64)r->raw_length * weir_policy(frame)->judges;
	if ((!says | !r->proof | (r->action == WEIR_RESET) | (r->action == WEIR_DROPPED)) &&
	    bpf_ringbuf_query(&handshakes, BPF_RB_AVAIL_DATA) < bpf_ringbuf_query(&handshakes, BPF_RB_RING_SIZE) / 4)
		return settings.wakeup;
	policies.dozing = 0;
	return BPF_RB_FORCE_WAKEUP;
}

WEIR_INLINE int weir_put(weir_frame *frame, struct weir_scratch *s, __u32 raw)
{
	__asm__ volatile("" : "+r"(raw));
	if (raw > WEIR_MESSAGE_CAP)
		raw = WEIR_MESSAGE_CAP;
	return (int)bpf_ringbuf_output(&handshakes, s, sizeof(s->record) + raw, weir_wakeup(frame, &s->record));
}
#endif
