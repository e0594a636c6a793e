#define _GNU_SOURCE
#include <stdio.h>
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <malloc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(char *const argv[], const int fds[3], int flags, int report, pid_t parent)
{
	sigset_t none;

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			goto failed;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto failed;
	/* Who died before that call will not tell us. */
	if (getppid() != parent)
		_exit(127);
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
	pid_t parent = getpid(), pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(argv, fds, flags, report[1], parent);
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

int weir_drop_capabilities(unsigned long long keep, unsigned long long bound)
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
		if (!(bound >> c & 1))
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

int weir_exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void weir_trim_heap(void) { malloc_trim(0); }

void weir_keep_large_blocks(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

unsigned weir_raise_descriptors(unsigned wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur > 0x7fffffff ? 0x7fffffff : limit.rlim_cur;
}

/* The kernel takes 253 a message (SCM_MAX_FD). */
#define HANDED 250

static int hand(int s, const int *descriptors, int count)
{
	char byte = 0, space[CMSG_SPACE(HANDED * sizeof(int))] __attribute__((aligned(8)));
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
	return sendmsg(s, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

int weir_abandon(const int *descriptors, int count)
{
	int pair[2], error = 0;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	for (int i = 0; i < count && !error; i += HANDED)
		error = hand(pair[0], descriptors + i, count - i < HANDED ? count - i : HANDED);
	/* A socket that waits in its own queue is nobody's: net/unix/garbage.c finds it, and lets go of what lies beside it. */
	if (!error)
		error = hand(pair[0], pair + 1, 1);
	if (!error)
		for (int i = 0; i < count; i++)
			close(descriptors[i]);
	close(pair[0]);
	close(pair[1]);
	return error;
}

/* /sys/kernel/rcu_expedited, from before the user changed; -1 where it was not opened. */
static int expedited = -1;

void weir_keep_expedited(void)
{
	if (expedited < 0)
		expedited = open("/sys/kernel/rcu_expedited", O_RDWR | O_CLOEXEC);
}

static int open_expedited(int flags)
{
	return expedited >= 0 ? expedited : open("/sys/kernel/rcu_expedited", flags | O_CLOEXEC);
}

static void close_expedited(int s)
{
	if (s >= 0 && s != expedited)
		close(s);
}

static int switched(const char *to)
{
	int s = open_expedited(O_WRONLY), done = s >= 0 && pwrite(s, to, 1, 0) == 1;

	close_expedited(s);
	return done;
}

/* Switches back as soon as nobody holds the pipe any more: whoever is killed in between cannot. */
static void switch_back(int held, int ready)
{
	char byte = 0;

	dup2(held, 0);
	dup2(ready, 1);
	if (expedited >= 0)
		expedited = dup2(expedited, 2);
	/* A link that is open here as well would not go with our maker's. */
	close_range(expedited < 0 ? 2 : 3, ~0U, 0);
	(void)!write(1, &byte, 1);
	close(1);
	while (read(0, &byte, 1) < 0 && errno == EINTR)
		;
	switched("0");
	_exit(0);
}

int weir_expedite(int *guard)
{
	int held[2], ready[2], s = open_expedited(O_RDONLY);
	char state = 0;
	pid_t pid;

	*guard = -1;
	if (s < 0 || pread(s, &state, 1, 0) != 1)
		state = 0;
	close_expedited(s);
	if (state == '1')
		return 0;
	if (state != '0' || (expedited < 0 && access("/sys/kernel/rcu_expedited", W_OK) < 0) || pipe2(held, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(ready, O_CLOEXEC) < 0) {
		close(held[0]);
		close(held[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		switch_back(held[0], ready[1]);
	close(held[0]);
	close(ready[1]);
	if (pid > 0)
		while (read(ready[0], &state, 1) < 0 && errno == EINTR)
			;
	close(ready[0]);
	if (pid < 0 || !switched("1")) {
		close(held[1]);
		if (pid > 0)
			waitpid(pid, 0, 0);
		return -1;
	}
	*guard = held[1];
	return pid;
}

void weir_unexpedite(int pid, int guard)
{
	if (guard < 0)
		return;
	close(guard);
	while (waitpid(pid, 0, 0) < 0 && errno == EINTR)
		;
}

int weir_rename_new(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) ? errno : 0;
}
