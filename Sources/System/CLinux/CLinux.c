#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(char *const argv[], const int fds[3], int flags, int report)
{
	sigset_t none;

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			goto failed;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto failed;
	if ((flags & WEIR_NEW_NETWORK) && unshare(CLONE_NEWNET) < 0)
		goto failed;
	execvp(argv[0], argv);
failed:
	(void)!write(report, &errno, sizeof(errno));
	_exit(127);
}

int weir_spawn(char *const argv[], int input, int output, int error, int flags)
{
	const int fds[3] = { input, output, error };
	int report[2], failure = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(argv, fds, flags, report[1]);
	close(report[1]);
	/* The pipe closes by itself when exec succeeds, so silence is success. */
	if (pid > 0 && read(report[0], &failure, sizeof(failure)) == sizeof(failure)) {
		waitpid(pid, 0, 0);
		pid = -failure;
	} else if (pid < 0) {
		pid = -errno;
	}
	close(report[0]);
	return pid;
}

int weir_drop_capabilities(unsigned long long keep)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct kept[2];

	memset(kept, 0, sizeof(kept));
	kept[0].effective = kept[0].permitted = (unsigned)keep;
	kept[1].effective = kept[1].permitted = (unsigned)(keep >> 32);
	prctl(PR_SET_KEEPCAPS, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (int c = 0; c <= 63; c++)
		if (!(keep >> c & 1))
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	return syscall(SYS_capset, &header, kept) < 0 ? -errno : 0;
}

unsigned long long weir_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct held[2];

	if (syscall(SYS_capget, &header, held) < 0)
		return 0;
	return (unsigned long long)held[1].effective << 32 | held[0].effective;
}

int weir_unshare_network(void)
{
	struct ifreq loopback = { .ifr_name = "lo" };
	int s, r;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	loopback.ifr_flags = IFF_UP;
	r = ioctl(s, SIOCSIFFLAGS, &loopback) < 0 ? -errno : 0;
	close(s);
	return r;
}

int weir_packet_socket(int ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (s >= 0 && bind(s, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(s);
		return -1;
	}
	return s;
}

int weir_scratch_file(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC);
}

int weir_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC);
}

int weir_link_events(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (s >= 0 && bind(s, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(s);
		return -1;
	}
	return s;
}

/* Filters on one hook of a clsact qdisc, or -errno. */
static int filters(int s, int ifindex, unsigned parent)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg message;
	} ask = {
		{ sizeof(ask), RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 },
		{ .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent },
	};
	char buffer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	int count = 0;

	if (send(s, &ask, sizeof(ask), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t size = recv(s, buffer, sizeof(buffer), 0);

		if (size <= 0)
			return size ? -errno : -EIO;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return count;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			count += h->nlmsg_type == RTM_NEWTFILTER;
		}
	}
}

int weir_clsact_filters(int ifindex)
{
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), in, out;

	if (s < 0)
		return -errno;
	in = filters(s, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
	out = in < 0 ? in : filters(s, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
	close(s);
	return out < 0 ? out : in + out;
}

int weir_exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
