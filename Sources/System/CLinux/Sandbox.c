/* What a process gives up for good once it needs no more: its user, its capabilities, system calls. */
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* The signal that tells of our parent's end, which the kernel forgets whenever a user changes (prctl(2)). */
struct parent {
	int signal;
	pid_t process;
};

static struct parent remembered_parent(void)
{
	struct parent parent = { 0, getppid() };

	prctl(PR_GET_PDEATHSIG, &parent.signal);
	return parent;
}

static void remember(struct parent parent)
{
	if (!parent.signal)
		return;
	prctl(PR_SET_PDEATHSIG, parent.signal);
	/* Who ended meanwhile has told nobody. */
	if (getppid() != parent.process)
		kill(getpid(), parent.signal);
}

int weir_become(unsigned user, unsigned group, unsigned long long keep)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct kept[2];
	struct parent parent = remembered_parent();

	memset(kept, 0, sizeof(kept));
	kept[0].effective = kept[0].permitted = (unsigned)keep;
	kept[1].effective = kept[1].permitted = (unsigned)(keep >> 32);
	/* Of this thread alone: the others lose all that they hold when their user changes (capabilities(7)). */
	if (keep && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return -errno;
	/* Of all threads (nptl(7)). */
	if (setgroups(0, 0) < 0 || setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0)
		return -errno;
	prctl(PR_SET_KEEPCAPS, 0);
	remember(parent);
	/* Others of the same user cannot look into this process. */
	prctl(PR_SET_DUMPABLE, 0);
	return syscall(SYS_capset, &header, kept) < 0 ? -errno : 0;
}

int weir_files_as(unsigned user, unsigned group, unsigned *old_user, unsigned *old_group)
{
	struct parent parent = remembered_parent();
	int is_done;

	*old_group = setfsgid(group);
	*old_user = setfsuid(user);
	/* They report no failure; what is no user changes nothing and says what it is (setfsuid(2)). */
	is_done = (unsigned)setfsuid(-1) == user && (unsigned)setfsgid(-1) == group;
	if (!is_done) {
		setfsuid(*old_user);
		setfsgid(*old_group);
	}
	remember(parent);
	return is_done ? 0 : -EPERM;
}

/*
 * A filter (seccomp(2)) looks at a call's number and at the low halves of some arguments, which are all that the kernel reads of these.
 * What is refused gets EPERM rather than a signal: libraries ask for what they can do without, and a new version of one must not end
 * the agent.
 */
struct filter {
	unsigned short length;
	struct sock_filter code[768];
};

static void add(struct filter *f, unsigned short code, unsigned k, unsigned char yes, unsigned char no)
{
	if (f->length < sizeof(f->code) / sizeof(f->code[0]))
		f->code[f->length++] = (struct sock_filter){ code, yes, no, k };
}

static void end(struct filter *f, unsigned verdict) { add(f, BPF_RET | BPF_K, verdict, 0, 0); }
static void load(struct filter *f, unsigned offset) { add(f, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
static void argument(struct filter *f, int index) { load(f, offsetof(struct seccomp_data, args) + 8 * index); }

/* The next instruction is for what equals, or has one of the bits, only. */
static void if_equal(struct filter *f, unsigned k) { add(f, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1); }
static void if_any(struct filter *f, unsigned k) { add(f, BPF_JMP | BPF_JSET | BPF_K, k, 0, 1); }

#define ALLOW SECCOMP_RET_ALLOW
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void each(struct filter *f, const unsigned *numbers, unsigned count, unsigned verdict)
{
	for (unsigned i = 0; i < count; i++) {
		if_equal(f, numbers[i]);
		end(f, verdict);
	}
}

/* Rules for one call's arguments stand between these two: what they do not decide is refused. */
static unsigned begin_call(struct filter *f, unsigned number)
{
	add(f, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 0);
	return f->length - 1;
}

static void end_call(struct filter *f, unsigned begun, unsigned otherwise)
{
	end(f, otherwise);
	f->code[begun].jf = f->length - 1 - begun;
}

static void begin_filter(struct filter *f)
{
	load(f, offsetof(struct seccomp_data, arch));
	add(f, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	end(f, SECCOMP_RET_KILL_PROCESS);
	load(f, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	/* The x32 table, which nobody uses. */
	add(f, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	end(f, REFUSE);
#endif
}

/* No program, no namespace, no module, no other process: what no part of Weir asks for. */
static const unsigned never[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_unshare, SYS_setns, SYS_mount, SYS_umount2,
	SYS_pivot_root, SYS_chroot, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_bpf, SYS_perf_event_open,
	SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_open_by_handle_at, SYS_swapon, SYS_swapoff, SYS_reboot, SYS_settimeofday,
	SYS_clock_settime, SYS_adjtimex, SYS_acct, SYS_quotactl, SYS_personality, SYS_setdomainname, SYS_sethostname, SYS_syslog, SYS_mknodat,
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_pidfd_getfd, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
	SYS_fsmount, SYS_fspick,
};

/* What libc, the Swift runtime, librdkafka, libmicrohttpd, SQLite and the agent itself use after it has attached. */
static const unsigned agents[] = {
	SYS_clone3, SYS_futex, SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll, SYS_read, SYS_write, SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto,
	SYS_clock_gettime, SYS_close, SYS_accept4, SYS_accept, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_recvmmsg, SYS_sendmmsg,
	SYS_openat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_lseek,
	SYS_getdents64, SYS_getcwd, SYS_mkdirat, SYS_unlinkat, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_fadvise64, SYS_flock,
	SYS_fcntl, SYS_dup, SYS_dup3, SYS_pipe2, SYS_close_range, SYS_eventfd2, SYS_epoll_create1, SYS_timerfd_create, SYS_timerfd_settime,
	SYS_timerfd_gettime, SYS_signalfd4, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_socketpair, SYS_connect,
	SYS_bind, SYS_listen, SYS_shutdown, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_sendfile, SYS_pselect6,
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_msync, SYS_membarrier, SYS_getrandom, SYS_nanosleep, SYS_clock_nanosleep,
	SYS_clock_getres, SYS_gettimeofday, SYS_times, SYS_getrusage, SYS_sysinfo, SYS_uname, SYS_getcpu, SYS_sched_yield,
	SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
	SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_set_tid_address, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_restart_syscall, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid,
	SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups,
	SYS_capget,
	/* bundles.json is replaced whole (rename(2)): numbers of signed policies outlive a kill. */
	SYS_renameat, SYS_renameat2,
#ifdef __x86_64__
	SYS_epoll_wait, SYS_poll, SYS_select, SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_mkdir, SYS_unlink, SYS_rename, SYS_dup2,
	SYS_pipe, SYS_time, SYS_getrlimit,
#endif
};

/* By descriptor, over what was loaded before: lookups, changes, runs, links. Nothing is loaded or made any more. */
static const unsigned commands[] = {
	BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_PROG_TEST_RUN, BPF_MAP_GET_NEXT_KEY, BPF_MAP_DELETE_ELEM, BPF_OBJ_GET_INFO_BY_FD,
	BPF_PROG_QUERY, BPF_LINK_CREATE, BPF_LINK_UPDATE,
};

static const unsigned requests[] = { TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS };

/* What a clone may not bring: namespaces of its own. */
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static void of_agent(struct filter *f)
{
	unsigned begun = begin_call(f, SYS_bpf);

	argument(f, 0);
	each(f, commands, COUNT(commands), ALLOW);
	end_call(f, begun, REFUSE);

	each(f, agents, COUNT(agents), ALLOW);

	begun = begin_call(f, SYS_socket);
	argument(f, 0);
	if_equal(f, AF_UNIX);
	end(f, ALLOW);
	/* Only routing's: NETLINK_ROUTE is 0. */
	add(f, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 4);
	argument(f, 2);
	if_equal(f, 0);
	end(f, ALLOW);
	end(f, REFUSE);
	add(f, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0);
	add(f, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 4);
	argument(f, 1);
	add(f, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
	add(f, BPF_JMP | BPF_JEQ | BPF_K, SOCK_RAW, 1, 0);
	end(f, ALLOW);
	end_call(f, begun, REFUSE);

	/* Nothing that can be written is ever executable. */
	begun = begin_call(f, SYS_mmap);
	argument(f, 2);
	add(f, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
	end(f, ALLOW);
	if_any(f, PROT_WRITE);
	end(f, REFUSE);
	argument(f, 3);
	if_any(f, MAP_ANONYMOUS);
	end(f, REFUSE);
	end_call(f, begun, ALLOW);

	begun = begin_call(f, SYS_mprotect);
	argument(f, 2);
	if_any(f, PROT_EXEC);
	end(f, REFUSE);
	end_call(f, begun, ALLOW);

	begun = begin_call(f, SYS_clone);
	argument(f, 0);
	if_any(f, NAMESPACES);
	end(f, REFUSE);
	end_call(f, begun, ALLOW);

	begun = begin_call(f, SYS_ioctl);
	argument(f, 1);
	each(f, requests, COUNT(requests), ALLOW);
	end_call(f, begun, REFUSE);

	begun = begin_call(f, SYS_prctl);
	argument(f, 0);
	each(f, (const unsigned[]){ PR_SET_NAME, PR_GET_NAME }, 2, ALLOW);
	end_call(f, begun, REFUSE);

	/* Limits, and the signal of abort(3): this process's own. */
	begun = begin_call(f, SYS_prlimit64);
	argument(f, 0);
	each(f, (const unsigned[]){ 0, getpid() }, 2, ALLOW);
	end_call(f, begun, REFUSE);
	begun = begin_call(f, SYS_tgkill);
	argument(f, 0);
	if_equal(f, getpid());
	end(f, ALLOW);
	end_call(f, begun, REFUSE);

	end(f, REFUSE);
}

static void of_controller(struct filter *f)
{
	unsigned begun;

	each(f, never, COUNT(never), REFUSE);
	begun = begin_call(f, SYS_socket);
	argument(f, 0);
	each(f, (const unsigned[]){ AF_UNIX, AF_INET, AF_INET6, AF_NETLINK }, 4, ALLOW);
	end_call(f, begun, REFUSE);
	begun = begin_call(f, SYS_clone);
	argument(f, 0);
	if_any(f, NAMESPACES);
	end(f, REFUSE);
	end_call(f, begun, ALLOW);
	end(f, ALLOW);
}

static void of_opener(struct filter *f)
{
	static const unsigned calls[] = {
		SYS_openat, SYS_recvfrom, SYS_recvmsg, SYS_sendmsg, SYS_close, SYS_exit_group, SYS_restart_syscall, SYS_rt_sigreturn,
	};

	each(f, calls, COUNT(calls), ALLOW);
	end(f, REFUSE);
}

/* Its arguments lie in memory, where no filter looks, so there is none of it; libc then takes clone. */
static void without_clone3(struct filter *f)
{
	if_equal(f, SYS_clone3);
	end(f, SECCOMP_RET_ERRNO | ENOSYS);
	end(f, ALLOW);
}

static int install(const struct filter *f, unsigned flags)
{
	struct sock_fprog program = { f->length, (struct sock_filter *)f->code };
	/* SPEC_ALLOW: this is no sandbox for strangers' code. */
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);

	/* A thread that could not be given the filter is told by its number. */
	return result < 0 ? -errno : result > 0 ? -EBUSY : 0;
}

int weir_filter_calls(int kind)
{
	struct filter f = { 0 }, first = { 0 };
	int error;

	begin_filter(&first);
	without_clone3(&first);
	begin_filter(&f);
	switch (kind) {
	case WEIR_CALLS_OF_AGENT: of_agent(&f); break;
	case WEIR_CALLS_OF_CONTROLLER: of_controller(&f); break;
	case WEIR_CALLS_OF_OPENER: of_opener(&f); break;
	default: return -EINVAL;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* What libc asks for with each thread is no news. All else that is refused is in the kernel's audit log, with the program's name. */
	error = install(&first, 0);
	return error ? error : install(&f, SECCOMP_FILTER_FLAG_LOG);
}
