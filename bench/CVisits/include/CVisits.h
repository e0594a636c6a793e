/* Honest visits by the million: a TLS server, its clients, and a bad link between them. OpenSSL speaks; each runs on one thread. */
#ifndef WEIR_CVISITS_H
#define WEIR_CVISITS_H

#include <stdint.h>

struct weir_visits {
	const char *target;		/* an address of either family */
	const char *source;		/* the first of `sources` consecutive ones */
	uint32_t sources;
	uint32_t count;			/* visits */
	uint32_t at_once;		/* visits under way */
	uint32_t seconds;		/* a visit may take */
	const uint16_t *ports;		/* taken in turns */
	uint32_t port_count;
};

struct weir_visited {
	uint32_t succeeded;
	uint32_t refused;		/* ended by a RST */
	uint32_t failed;		/* anything else */
	uint32_t told;			/* progress, for another thread */
};

/*
 * Each visit is a connection, a whole handshake with the name shop.example (TLS 1.3 and 1.2 in turns), a request, its answer and a close.
 * 0, or -1 with errno set.
 */
int weir_visit(const struct weir_visits *visits, struct weir_visited *visited);

/* Serves on all addresses and these ports until its parent ends; the second half of them wants another group. -1 with errno set. */
int weir_serve(const char *certificate, const char *key, const uint16_t *ports, uint32_t count);

struct weir_bad_link {
	double loss, reordering, duplication;	/* shares of all frames */
	uint64_t seed;
};

/* Passes frames between two interfaces until its parent ends; what is reordered comes 2 to 20 ms late. -1 with errno set. */
int weir_pump(const char *one, const char *other, const struct weir_bad_link *link);
#endif
