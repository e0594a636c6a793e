#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A name that begins with a zero byte belongs to the network namespace and goes with its socket (unix(7)). */
static socklen_t named(struct sockaddr_un *address, const char *name)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	strncpy(address->sun_path + 1, name, sizeof(address->sun_path) - 2);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address->sun_path + 1);
}

int weir_peer_socket(const char *name)
{
	struct sockaddr_un address;
	socklen_t size = named(&address, name);
	int on = 1, s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0)
		return -1;
	if (setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 || bind(s, (struct sockaddr *)&address, size) < 0) {
		int error = errno;

		close(s);
		errno = error;
		return -1;
	}
	return s;
}

int weir_peer_send(int s, const char *name, const void *bytes, size_t size)
{
	struct sockaddr_un address;
	socklen_t length = named(&address, name);

	return sendto(s, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0 ? -errno : 0;
}

long weir_peer_receive(int s, char name[108], void *bytes, size_t size, unsigned *user, int *process)
{
	struct sockaddr_un address;
	char control[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8)));
	struct iovec vector = { bytes, size };
	struct msghdr message = { .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &vector, .msg_iovlen = 1,
				  .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t got;

	memset(&address, 0, sizeof(address));
	memset(name, 0, 108);
	*user = -1;
	*process = 0;
	got = recvmsg(s, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -errno;
	memcpy(name, address.sun_path + 1, sizeof(address.sun_path) - 2);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS) {
			struct ucred from;

			memcpy(&from, CMSG_DATA(h), sizeof(from));
			*user = from.uid;
			*process = from.pid;
		}
	return got;
}
