#define _GNU_SOURCE
#include "CVisits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "hello\n";
enum { WORD = sizeof(request) - 1 };

struct peer {
	SSL *ssl;
	int socket;
	int has_written;
	int is_over;
	double due;
	struct peer *before, *after;	/* in the order in which their time is up */
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static union { struct sockaddr any; struct sockaddr_in four; struct sockaddr_in6 six; } address;

/* The `number`-th address behind this one, with a port. Its length, or 0. */
static socklen_t make_address(const char *text, uint32_t number, uint16_t port)
{
	memset(&address, 0, sizeof(address));
	if (inet_pton(AF_INET, text, &address.four.sin_addr) == 1) {
		address.four.sin_family = AF_INET;
		address.four.sin_port = htons(port);
		address.four.sin_addr.s_addr = htonl(ntohl(address.four.sin_addr.s_addr) + number);
		return sizeof(address.four);
	}
	if (inet_pton(AF_INET6, text, &address.six.sin6_addr) != 1)
		return 0;
	address.six.sin6_family = AF_INET6;
	address.six.sin6_port = htons(port);
	address.six.sin6_addr.s6_addr[14] ^= (uint8_t)(number >> 8);
	address.six.sin6_addr.s6_addr[15] ^= (uint8_t)number;
	return sizeof(address.six);
}

/* What OpenSSL waits for: 1 to go on later, 0 when it is over, -1 when it failed. */
static int later(SSL *ssl, int result)
{
	int error = SSL_get_error(ssl, result);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 1 : error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static int listening(uint16_t port)
{
	int s = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in6 all = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || bind(s, (struct sockaddr *)&all, sizeof(all)) ||
	    listen(s, 8192))
		return -1;
	return s;
}

static int serve_one(struct peer *peer)
{
	char bytes[4096];
	int result;

	ERR_clear_error();
	while ((result = SSL_read(peer->ssl, bytes, sizeof(bytes))) > 0)
		SSL_write(peer->ssl, bytes, result);
	result = later(peer->ssl, result);
	if (!result)
		SSL_shutdown(peer->ssl);
	return result == 1;
}

int weir_serve(const char *certificate, const char *key, const uint16_t *ports, uint32_t count)
{
	SSL_CTX *contexts[2] = { SSL_CTX_new(TLS_server_method()), SSL_CTX_new(TLS_server_method()) };
	int loop = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[256];

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* whoever started it may be killed */
	for (int i = 0; i < 2; i++)
		if (!contexts[i] || SSL_CTX_use_certificate_chain_file(contexts[i], certificate) != 1 ||
		    SSL_CTX_use_PrivateKey_file(contexts[i], key, SSL_FILETYPE_PEM) != 1)
			return errno = EINVAL, -1;
	SSL_CTX_set1_groups_list(contexts[1], "P-256");
	for (uint32_t i = 0; i < count; i++) {
		int s = listening(ports[i]);
		/* Listeners are told from connections by the lowest bit. */
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)s << 2 | (i >= (count + 1) / 2 ? 2 : 0) | 1 };

		if (s < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, s, &event))
			return -1;
	}
	for (;;) {
		int found = epoll_wait(loop, events, 256, -1);

		for (int i = 0; i < found; i++) {
			uint64_t data = events[i].data.u64;
			struct peer *peer = (struct peer *)(uintptr_t)data;
			int s, one = 1;

			if (!(data & 1)) {
				if (serve_one(peer))
					continue;
				SSL_free(peer->ssl);
				close(peer->socket);
				free(peer);
				continue;
			}
			while ((s = accept4((int)(data >> 2), 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
				struct epoll_event event = { .events = EPOLLIN };

				peer = calloc(1, sizeof(*peer));
				if (!peer || !(peer->ssl = SSL_new(contexts[data >> 1 & 1])))
					return -1;
				peer->socket = s;
				setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
				SSL_set_fd(peer->ssl, s);
				SSL_set_accept_state(peer->ssl);
				event.data.u64 = (uint64_t)(uintptr_t)peer;
				epoll_ctl(loop, EPOLL_CTL_ADD, s, &event);
			}
		}
	}
}

/* 1 to go on later, 0 when the visit is over and good, -1 when it failed. */
static int go_on(struct peer *peer)
{
	char bytes[64];
	int result;

	ERR_clear_error();
	if (!SSL_is_init_finished(peer->ssl) && (result = SSL_do_handshake(peer->ssl)) != 1)
		return later(peer->ssl, result) ?: -1;
	if (!peer->has_written && (result = SSL_write(peer->ssl, request, WORD)) <= 0)
		return later(peer->ssl, result) ?: -1;
	peer->has_written = 1;
	result = SSL_read(peer->ssl, bytes, sizeof(bytes));
	if (result <= 0)
		return later(peer->ssl, result) ?: -1;
	if (result != WORD || memcmp(bytes, request, WORD))
		return -1;
	SSL_shutdown(peer->ssl);
	return 0;
}

static struct peer waiting = { .before = &waiting, .after = &waiting };

static struct peer *begin(int loop, SSL_CTX **contexts, const struct weir_visits *visits, uint32_t number)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer };
	socklen_t length = make_address(visits->source, number % visits->sources, 0);
	int one = 1;

	if (!peer || !length)
		return errno = EINVAL, NULL;
	peer->socket = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(peer->socket, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	setsockopt(peer->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(peer->socket, &address.any, length))
		return NULL;
	length = make_address(visits->target, 0, visits->ports[number % visits->port_count]);
	if (connect(peer->socket, &address.any, length) && errno != EINPROGRESS)
		return NULL;
	peer->ssl = SSL_new(contexts[number / visits->port_count & 1]);
	SSL_set_fd(peer->ssl, peer->socket);
	SSL_set_connect_state(peer->ssl);
	SSL_set_tlsext_host_name(peer->ssl, "shop.example");
	peer->due = now() + visits->seconds;
	peer->before = waiting.before;
	peer->after = &waiting;
	waiting.before->after = peer;
	waiting.before = peer;
	return epoll_ctl(loop, EPOLL_CTL_ADD, peer->socket, &event) ? NULL : peer;
}

static void end(struct peer *peer, int result, struct weir_visited *visited)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(peer->socket, SOL_SOCKET, SO_ERROR, &error, &size);
	if (!result)
		visited->succeeded++;
	else if (errno == ECONNRESET || error == ECONNRESET)
		visited->refused++;
	else
		visited->failed++;
	visited->told++;
	peer->before->after = peer->after;
	peer->after->before = peer->before;
	SSL_free(peer->ssl);
	close(peer->socket);
	free(peer);
}

int weir_visit(const struct weir_visits *visits, struct weir_visited *visited)
{
	SSL_CTX *contexts[2] = { SSL_CTX_new(TLS_client_method()), SSL_CTX_new(TLS_client_method()) };
	uint32_t begun = 0, under_way = 0;
	struct epoll_event events[256];
	int loop = epoll_create1(EPOLL_CLOEXEC);

	signal(SIGPIPE, SIG_IGN);
	if (loop < 0 || !contexts[0] || !contexts[1])
		return errno = ENOMEM, -1;
	SSL_CTX_set_max_proto_version(contexts[1], TLS1_2_VERSION);
	while (begun < visits->count || under_way) {
		int found;

		/* A few at a time, so that those under way are not kept waiting. */
		for (int i = 0; i < 16 && begun < visits->count && under_way < visits->at_once; i++, under_way++)
			if (!begin(loop, contexts, visits, begun++))
				return -1;
		found = epoll_wait(loop, events, 256, begun < visits->count && under_way < visits->at_once ? 0 : 100);
		for (int i = 0; i < found; i++) {
			struct peer *peer = events[i].data.ptr;
			int result = (errno = 0, go_on(peer));

			if (result == 1)
				continue;
			end(peer, result, visited);
			under_way--;
		}
		for (double time = now(); waiting.after != &waiting && waiting.after->due < time; under_way--)
			errno = 0, end(waiting.after, -1, visited);
	}
	return 0;
}
