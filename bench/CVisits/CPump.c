#define _GNU_SOURCE
#include "CVisits.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_LATE 65536
#define LONGEST 2048

struct late {
	uint64_t due;
	int to;
	uint32_t length;
	uint8_t bytes[LONGEST];
};

/* A heap by time; its places never move in memory, so a frame is copied once. */
static struct late *frames;
static uint32_t heap[MOST_LATE], waiting;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void sift_up(uint32_t at)
{
	while (at && frames[heap[at]].due < frames[heap[(at - 1) / 2]].due) {
		uint32_t parent = (at - 1) / 2, index = heap[at];

		heap[at] = heap[parent];
		heap[parent] = index;
		at = parent;
	}
}

static void sift_down(uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1, index = heap[at];

		if (child >= waiting)
			return;
		if (child + 1 < waiting && frames[heap[child + 1]].due < frames[heap[child]].due)
			child++;
		if (frames[heap[child]].due >= frames[index].due)
			return;
		heap[at] = heap[child];
		heap[child] = index;
		at = child;
	}
}

static int open_end(const char *name)
{
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1, room = 32 << 20;
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name) };

	if (s < 0 || !address.sll_ifindex || setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) || bind(s, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	return s;
}

int weir_pump(const char *one, const char *other, const struct weir_bad_link *link)
{
	struct pollfd ends[2] = { { open_end(one), POLLIN, 0 }, { open_end(other), POLLIN, 0 } };
	struct drand48_data chance;
	uint8_t bytes[LONGEST];

	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* whoever started it may be killed */
	frames = calloc(MOST_LATE, sizeof(*frames));
	if (ends[0].fd < 0 || ends[1].fd < 0 || !frames)
		return -1;
	for (uint32_t i = 0; i < MOST_LATE; i++)
		heap[i] = i;
	srand48_r((long)link->seed, &chance);
	for (;;) {
		int wait = waiting ? (int)((int64_t)(frames[heap[0]].due - now()) / 1000000) + 1 : -1;

		if (poll(ends, 2, waiting && wait < 0 ? 0 : wait) < 0 && errno != EINTR)
			return -1;
		for (int end = 0; end < 2; end++) {
			ssize_t length;

			while ((length = recv(ends[end].fd, bytes, sizeof(bytes), 0)) > 0) {
				double draw, late;
				int is_arp = length > 13 && bytes[12] == 8 && bytes[13] == 6, copies = 1;

				drand48_r(&chance, &draw);
				if (!is_arp && draw < link->loss)
					continue;
				drand48_r(&chance, &draw);
				copies += draw < link->duplication;
				for (int i = 0; i < copies; i++) {
					drand48_r(&chance, &draw);
					if (draw >= link->reordering || waiting == MOST_LATE) {
						send(ends[1 - end].fd, bytes, (size_t)length, 0);	/* a full queue loses it, as links do */
						continue;
					}
					drand48_r(&chance, &late);
					struct late *frame = &frames[heap[waiting]];

					frame->due = now() + 2000000 + (uint64_t)(late * 18000000);
					frame->to = ends[1 - end].fd;
					frame->length = (uint32_t)length;
					memcpy(frame->bytes, bytes, (size_t)length);
					sift_up(waiting++);
				}
			}
		}
		for (uint64_t time = now(); waiting && frames[heap[0]].due <= time;) {
			uint32_t first = heap[0];

			send(frames[first].to, frames[first].bytes, frames[first].length, 0);
			heap[0] = heap[--waiting];
			heap[waiting] = first;
			sift_down(0);
		}
	}
}
