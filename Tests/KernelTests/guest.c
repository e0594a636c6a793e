/*
 * What a guest of `make test-kernels` needs besides Debian's tools: a TLS server, clients whose hellos go out together, and the kernel's own list
 * of what BPF it holds (no bpftool of Debian 12 knows TCX).
 *
 *   guest serve CERTIFICATE              every TLS connection to port 443 is answered, each by a process of its own
 *   guest greet SOURCE SERVER COUNT [NAME]
 *                                        COUNT connections first, then all hellos; "answered 3 refused 3 silent 0 within 12 ms"
 *   guest datagram SERVER FILE           what is in the file, to UDP port 443
 *   guest bpf                            a line for each program and link: "program limiter 35617", "link tcx 3", and "maps 20"
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT 443
#define MOST 64
#define TCX_LINK 11	/* BPF_LINK_TYPE_TCX of Linux 6.6 */

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int failed(const char *what)
{
	printf("guest: %s: %s\n", what, strerror(errno));
	return 1;
}

/* An address of either family, as the one that has room for both: IPv4's mapped. */
static struct sockaddr_in6 address(const char *text, int port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char mapped[64];

	snprintf(mapped, sizeof(mapped), strchr(text, ':') ? "%s" : "::ffff:%s", text);
	if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1)
		exit(failed(text));
	return to;
}

static int serve(const char *certificate)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct sockaddr_in6 here = address("::", PORT);
	int listener = socket(AF_INET6, SOCK_STREAM, 0), yes = 1;

	if (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 || SSL_CTX_use_PrivateKey_file(context, certificate, SSL_FILETYPE_PEM) != 1)
		return failed(certificate);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, MOST))
		return failed("listen");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int one = accept(listener, 0, 0);

		if (one >= 0 && !fork()) {
			SSL *tls = SSL_new(context);
			char byte;

			alarm(30);
			SSL_set_fd(tls, one);
			if (SSL_accept(tls) == 1)
				SSL_read(tls, &byte, 1);
			_exit(0);
		}
		close(one);
	}
}

/* 1 once it has what it waits for, 0 when it goes on waiting, -1 when it never will. */
static int advance(SSL *tls)
{
	int result = SSL_connect(tls), error = SSL_get_error(tls, result);

	return result == 1 ? 1 : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static int greet(const char *source, const char *server, int count, const char *name)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	struct sockaddr_in6 from = address(source, 0), to = address(server, PORT);
	struct pollfd sockets[MOST];
	static char hellos[MOST][4096];
	int sizes[MOST];
	SSL *tls[MOST];
	int answered = 0, refused = 0;
	long first, last, end;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < count; i++) {
		sockets[i].fd = socket(AF_INET6, SOCK_STREAM, 0);
		sockets[i].events = POLLIN;
		if (bind(sockets[i].fd, (struct sockaddr *)&from, sizeof(from)) || connect(sockets[i].fd, (struct sockaddr *)&to, sizeof(to)))
			return failed("connect");
		fcntl(sockets[i].fd, F_SETFL, O_NONBLOCK);
		tls[i] = SSL_new(context);
		if (name)
			SSL_set_tlsext_host_name(tls[i], name);
		/* Its hello first, which takes longest. */
		SSL_set_bio(tls[i], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		advance(tls[i]);
		sizes[i] = BIO_read(SSL_get_wbio(tls[i]), hellos[i], sizeof(hellos[i]));
		SSL_set_fd(tls[i], sockets[i].fd);
	}
	first = milliseconds();
	for (int i = 0; i < count; i++)
		if (write(sockets[i].fd, hellos[i], sizes[i]) != sizes[i])
			return failed("write");
	last = milliseconds();
	for (end = last + 20000; answered + refused < count && milliseconds() < end;) {
		if (poll(sockets, count, 100) <= 0)
			continue;
		for (int i = 0; i < count; i++) {
			int state = sockets[i].fd >= 0 && sockets[i].revents ? advance(tls[i]) : 0;

			if (!state)
				continue;
			answered += state == 1;
			refused += state == -1;
			sockets[i].fd = -1;
		}
	}
	printf("answered %d refused %d silent %d within %ld ms\n", answered, refused, count - answered - refused, last - first);
	return 0;
}

static int list(void)
{
	__u32 id = 0, maps = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = { 0 };
		__u32 size = sizeof(info);
		int program = bpf_prog_get_fd_by_id(id);

		if (program >= 0 && !bpf_obj_get_info_by_fd(program, &info, &size))
			printf("program %s %u\n", info.name, info.verified_insns);
		close(program);
	}
	for (id = 0; !bpf_link_get_next_id(id, &id);) {
		/* struct bpf_link_info of Linux 6.6: type, id, program, a hole, the interface. */
		__u32 info[32] = { 0 }, size = sizeof(info);
		int link = bpf_link_get_fd_by_id(id);

		if (link >= 0 && !bpf_obj_get_info_by_fd(link, info, &size))
			printf("link %s %u\n", info[0] == TCX_LINK ? "tcx" : "other", info[4]);
		close(link);
	}
	for (id = 0; !bpf_map_get_next_id(id, &id);)
		maps++;
	printf("maps %u\n", maps);
	return 0;
}

static int send_datagram(const char *server, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	char bytes[1500];
	int file = open(path, O_RDONLY), out = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t size = file < 0 ? -1 : read(file, bytes, sizeof(bytes));

	if (size < 0 || out < 0 || inet_pton(AF_INET, server, &to.sin_addr) != 1)
		return failed(path);
	return sendto(out, bytes, (size_t)size, 0, (struct sockaddr *)&to, sizeof(to)) == size ? 0 : failed("sendto");
}

int main(int count, char **words)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (count == 3 && !strcmp(words[1], "serve"))
		return serve(words[2]);
	if ((count == 5 || count == 6) && !strcmp(words[1], "greet") && atoi(words[4]) <= MOST)
		return greet(words[2], words[3], atoi(words[4]), words[5]);
	if (count == 4 && !strcmp(words[1], "datagram"))
		return send_datagram(words[2], words[3]);
	if (count == 2 && !strcmp(words[1], "bpf"))
		return list();
	fputs("usage: guest serve CERTIFICATE | greet SOURCE SERVER COUNT [NAME] | datagram SERVER FILE | bpf\n", stderr);
	return 2;
}
