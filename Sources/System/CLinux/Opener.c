/* One file, opened by a child that may, for a parent that may not any more. */
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* An answer is an errno, and where that is 0 a descriptor beside it. */
static int answer(int s, int descriptor, int error)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec vector = { &error, sizeof(error) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

	if (!error) {
		struct cmsghdr *header;

		message.msg_control = space;
		message.msg_controllen = sizeof(space);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
	}
	return sendmsg(s, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void serve(int s, const char *path, pid_t parent)
{
	char byte;

	dup2(s, 0);
	/* Links, maps, sockets: all that is open here would outlive our maker's. */
	close_range(1, ~0U, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	if (weir_drop_capabilities(0, 0) < 0)
		_exit(1);
	weir_filter_calls(WEIR_CALLS_OF_OPENER);
	for (;;) {
		ssize_t got = recv(0, &byte, 1, 0);
		int file;

		if (got < 0 && errno == EINTR)
			continue;
		/* Nobody asks any more. */
		if (got <= 0)
			_exit(0);
		file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (answer(0, file, file < 0 ? errno : 0) < 0)
			_exit(0);
		if (file >= 0)
			close(file);
	}
}

int weir_start_opener(const char *path, int *child_pid)
{
	/* What hangs in the file system does not hang the agent. */
	struct timeval patience = { 2, 0 };
	pid_t parent = getpid(), child;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		serve(pair[1], path, parent);
	close(pair[1]);
	if (child < 0 || setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		int error = errno;

		close(pair[0]);
		if (child > 0)
			waitpid(child, 0, 0);
		return -error;
	}
	*child_pid = child;
	return pair[0];
}

void weir_end_opener(int opener, int child_pid)
{
	close(opener);
	while (waitpid(child_pid, 0, 0) < 0 && errno == EINTR)
		;
}

/* A descriptor, or -errno. */
static int take(int opener, int flags)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	int error = 0, descriptor = -1;
	struct iovec vector = { &error, sizeof(error) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	struct cmsghdr *header;
	ssize_t got = recvmsg(opener, &message, flags | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return -errno;
	if (got != sizeof(error))
		return -EPIPE;
	if (error)
		return -error;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
	return descriptor < 0 ? -EPIPE : descriptor;
}

int weir_open_by(int opener)
{
	int late;

	/* What an earlier question was answered after we had stopped to wait. */
	while ((late = take(opener, MSG_DONTWAIT)) != -EAGAIN) {
		if (late == -EPIPE || late == -ECONNRESET)
			return late;
		if (late >= 0)
			close(late);
	}
	return send(opener, "", 1, MSG_NOSIGNAL) < 0 ? -errno : take(opener, 0);
}
