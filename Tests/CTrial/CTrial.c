#define _GNU_SOURCE
#include "CTrial.h"
#include "CLinux.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
	const char *name;
	int expected;
	long number, arguments[6];
};

#define WX (PROT_WRITE | PROT_EXEC)

/* Arguments are such that the kernel itself, asked by root, answers with anything but EPERM and ENOSYS. */
static const struct call agent[] = {
	{ "execve", EPERM, SYS_execve, { 0 } },
	{ "execveat", EPERM, SYS_execveat, { -1 } },
	{ "ptrace", EPERM, SYS_ptrace, { 0 /* PTRACE_TRACEME */ } },
	{ "packet socket", EPERM, SYS_socket, { AF_PACKET, SOCK_RAW } },
	{ "raw socket", EPERM, SYS_socket, { AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1 } },
	{ "raw socket of IPv6", EPERM, SYS_socket, { AF_INET6, SOCK_RAW, 58 } },
	{ "vsock", EPERM, SYS_socket, { 40, SOCK_STREAM } },
	{ "netlink of netfilter", EPERM, SYS_socket, { AF_NETLINK, SOCK_RAW, 12 } },
	{ "TCP socket", 0, SYS_socket, { AF_INET, SOCK_STREAM | SOCK_CLOEXEC } },
	{ "TCP socket of IPv6", -1, SYS_socket, { AF_INET6, SOCK_STREAM | SOCK_CLOEXEC } },
	{ "UDP socket", 0, SYS_socket, { AF_INET, SOCK_DGRAM } },
	{ "UNIX socket", 0, SYS_socket, { AF_UNIX, SOCK_DGRAM } },
	{ "routing socket", 0, SYS_socket, { AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE } },
	{ "BPF program", EPERM, SYS_bpf, { BPF_PROG_LOAD, 0, 0 } },
	{ "BPF map", EPERM, SYS_bpf, { BPF_MAP_CREATE, 0, 0 } },
	{ "BPF attach", EPERM, SYS_bpf, { BPF_PROG_ATTACH, 0, 0 } },
	{ "BPF lookup", -1, SYS_bpf, { BPF_MAP_LOOKUP_ELEM, 0, 0 } },
	{ "BPF link", -1, SYS_bpf, { BPF_LINK_CREATE, 0, 0 } },
	{ "namespace by clone", EPERM, SYS_clone, { CLONE_NEWNET | CLONE_FS | CLONE_NEWNS } },
	{ "clone3", ENOSYS, SYS_clone3, { 0 } },
	{ "unshare", EPERM, SYS_unshare, { 0 } },
	{ "setns", EPERM, SYS_setns, { -1, 0 } },
	{ "mount", EPERM, SYS_mount, { 0 } },
	{ "writable and executable memory", EPERM, SYS_mmap, { 0, 4096, WX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "executable memory of no file", EPERM, SYS_mmap, { 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "memory", 0, SYS_mmap, { 0, 4096, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "memory made executable", EPERM, SYS_mprotect, { 0, 0, PROT_EXEC } },
	{ "memory made readable", 0, SYS_mprotect, { 0, 0, PROT_READ } },
	{ "setresuid", EPERM, SYS_setresuid, { -1, -1, -1 } },
	{ "kill", EPERM, SYS_kill, { 1, 0 } },
	{ "signal to another", EPERM, SYS_tgkill, { 1, 1, 0 } },
	{ "prctl", EPERM, SYS_prctl, { PR_GET_DUMPABLE } },
	{ "thread's name", 0, SYS_prctl, { PR_SET_NAME, (long)"trial" } },
	{ "terminal's input", EPERM, SYS_ioctl, { -1, TIOCSTI, 0 } },
	{ "waiting bytes", -1, SYS_ioctl, { -1, FIONREAD, 0 } },
	{ "limits of another", EPERM, SYS_prlimit64, { 1, 0, 0, 0 } },
	{ "limits", 0, SYS_prlimit64, { 0, 0, 0, 0 } },
	{ "chmod", EPERM, SYS_fchmodat, { -1, (long)"trial", 0 } },
	{ "chown", EPERM, SYS_fchownat, { -1, (long)"trial", 0, 0, 0 } },
	{ "device", EPERM, SYS_mknodat, { -1, (long)"trial", 0, 0 } },
	{ "module", EPERM, SYS_finit_module, { -1, (long)"", 0 } },
	{ "another's memory", EPERM, SYS_process_vm_readv, { 1, 0, 0, 0, 0, 0 } },
	{ "another's file", EPERM, SYS_open_by_handle_at, { -1, 0, 0 } },
	{ "open", -1, SYS_openat, { -1, (long)"trial", 0 } },
	{ "another filter", EPERM, SYS_seccomp, { 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, (long)&(unsigned){ 0x7fff0000 } } },
};

static const struct call controller[] = {
	{ "execve", EPERM, SYS_execve, { 0 } },
	{ "ptrace", EPERM, SYS_ptrace, { 0 } },
	{ "packet socket", EPERM, SYS_socket, { AF_PACKET, SOCK_RAW } },
	{ "TCP socket", 0, SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "BPF", EPERM, SYS_bpf, { BPF_MAP_LOOKUP_ELEM, 0, 0 } },
	{ "clone3", ENOSYS, SYS_clone3, { 0 } },
	{ "unshare", EPERM, SYS_unshare, { 0 } },
	{ "mount", EPERM, SYS_mount, { 0 } },
	{ "open", -1, SYS_openat, { -1, (long)"trial", 0 } },
	{ "limits", 0, SYS_prlimit64, { 0, 0, 0, 0 } },
};

static const struct call opener[] = {
	{ "execve", EPERM, SYS_execve, { 0 } },
	{ "any socket", EPERM, SYS_socket, { AF_UNIX, SOCK_DGRAM } },
	{ "any write", EPERM, SYS_write, { -1, 0, 0 } },
	{ "open", -1, SYS_openat, { -1, (long)"trial", 0 } },
};

/* In a child, with filter -1 for none. How many calls there were, or -1. */
static int attempt(const struct call *calls, int count, int filter, struct weir_trial *trials, int most)
{
	int report[2], errors[64] = { 0 }, status;
	ssize_t got;
	pid_t child;

	if (count > most || count > 64 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, report) < 0)
		return -1;
	child = fork();
	if (child == 0) {
		/* The opener may neither write nor send, but for messages. */
		struct iovec vector = { errors, sizeof(errors) };
		struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
		int failed = filter < 0 ? 0 : weir_filter_calls(filter);

		for (int i = 0; i < count; i++) {
			const long *a = calls[i].arguments;

			errors[i] = failed ? -failed : syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
		}
		sendmsg(report[1], &message, 0);
		_exit(0);
	}
	close(report[1]);
	got = child < 0 ? -1 : recv(report[0], errors, sizeof(errors), 0);
	close(report[0]);
	if (child > 0)
		waitpid(child, &status, 0);
	if (got != sizeof(errors))
		return -1;
	for (int i = 0; i < count; i++)
		trials[i] = (struct weir_trial){ calls[i].name, calls[i].expected, errors[i] };
	return count;
}

#define CALLS(list) list, sizeof(list) / sizeof((list)[0])

int weir_try_agent(struct weir_trial *trials, int most) { return attempt(CALLS(agent), WEIR_CALLS_OF_AGENT, trials, most); }
int weir_try_controller(struct weir_trial *trials, int most) { return attempt(CALLS(controller), WEIR_CALLS_OF_CONTROLLER, trials, most); }
int weir_try_opener(struct weir_trial *trials, int most) { return attempt(CALLS(opener), WEIR_CALLS_OF_OPENER, trials, most); }
int weir_try_unfiltered(struct weir_trial *trials, int most) { return attempt(CALLS(agent), -1, trials, most); }
