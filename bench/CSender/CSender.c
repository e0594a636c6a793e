#define _GNU_SOURCE
#include "CSender.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, SIZE = 2048, SOURCE = 26, CHECKSUM = 24, PAYLOAD = 54, RANDOM = PAYLOAD + 11, PASSES = 200 };

int weir_sender_socket(int ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	/* Protocol 0: it sends and hears nothing. */
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	if (s < 0)
		return -1;
	if (bind(s, (struct sockaddr *)&address, sizeof(address)) < 0 || setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0) {
		close(s);
		return -1;
	}
	return s;
}

int weir_pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The source's first byte grows by the pass, and the header's checksum by as much less (RFC 1624). */
static void vary(uint8_t *frame, unsigned pass, int is_first)
{
	uint32_t sum = (frame[CHECKSUM] << 8 | frame[CHECKSUM + 1]) ^ 0xffff;

	sum += pass << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	frame[CHECKSUM] = sum >> 8;
	frame[CHECKSUM + 1] = sum & 255;
	frame[SOURCE] += pass;
	if (is_first) {
		frame[RANDOM] ^= pass;
		frame[RANDOM + 1] ^= 0x55;
	}
}

int weir_send(int socket, const struct weir_sending *sending, uint32_t *pass, uint64_t hellos, double per_second, struct weir_sent *sent)
{
	static uint8_t staging[BATCH][SIZE];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	uint64_t began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);
	uint32_t next = 0;
	/* At a given rate frames come one by one: a burst of 32 would wake its reader once. */
	int batch = per_second > 0 && per_second <= 100000 ? 1 : BATCH;

	memset(messages, 0, sizeof(messages));
	memset(sent, 0, sizeof(*sent));
	for (int i = 0; i < BATCH; i++) {
		parts[i].iov_base = staging[i];
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent->hellos < hellos) {
		int n = 0, done = 0;

		/* A hello's second segment goes with its first. */
		while (n < BATCH && (sent->hellos < hellos || !sending->first[next]) && (n < batch || !sending->first[next])) {
			uint32_t from = next ? sending->ends[next - 1] : 0, size = sending->ends[next] - from;

			memcpy(staging[n], sending->bytes + from, size);
			vary(staging[n], *pass % PASSES, sending->first[next]);
			parts[n++].iov_len = size;
			sent->hellos += sending->first[next];
			sent->frames++;
			if (++next == sending->count) {
				next = 0;
				++*pass;
			}
		}
		while (done < n) {
			int count = sendmmsg(socket, messages + done, n - done, 0);

			if (count < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
				return -1;
			done += count > 0 ? count : 0;
		}
		if (per_second > 0)
			while (now(CLOCK_MONOTONIC) - began < sent->hellos / per_second * 1e9)
				;
	}
	/* The next call begins with another pass. */
	++*pass;
	sent->nanoseconds = now(CLOCK_MONOTONIC) - began;
	sent->cpu_nanoseconds = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return 0;
}
