/* What Swift's Glibc module leaves out, and what Swift cannot do between fork and exec. */
#ifndef WEIR_CLINUX_H
#define WEIR_CLINUX_H

#include <linux/capability.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <fnmatch.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define WEIR_NEW_NETWORK 1

/* AT_EMPTY_PATH and O_PATH, which fcntl.h has for GNU's only. */
#define WEIR_EMPTY_PATH 0x1000
#define WEIR_PATH 010000000

/* Gives a file another name that nobody has. 0, or the error's number: EEXIST where somebody has it. */
int weir_rename_new(const char *from, const char *to);

/*
 * Starts argv[0] with the three given descriptors as 0, 1, 2 (-1: inherited). The child is killed when its
 * parent's thread ends; with WEIR_NEW_NETWORK it runs in a network namespace of its own.
 * Returns the pid, or -errno of whatever failed, exec included.
 */
int weir_spawn(char *const argv[], int input, int output, int error, int flags);

/*
 * Gives up every capability of this thread but those of the bit set `keep`, for good, and those of `keep` without a way back unless they
 * are in `bound`. Nothing that is executed from now on gains any. Returns 0 or -errno.
 */
int weir_drop_capabilities(unsigned long long keep, unsigned long long bound);

/*
 * The whole process becomes another user, without other groups, and without a capability but those of the bit set, which this thread
 * keeps. Needs CAP_SETUID and CAP_SETGID. Returns 0 or -errno.
 */
int weir_become(unsigned user, unsigned group, unsigned long long keep);

/* This thread opens and makes files as another user (setfsuid(2)). Returns 0 or -errno, and who it was. */
int weir_files_as(unsigned user, unsigned group, unsigned *old_user, unsigned *old_group);

/* Which system calls are left: the list of a program, or all but those that none of ours needs. */
#define WEIR_CALLS_OF_AGENT 0
#define WEIR_CALLS_OF_CONTROLLER 1
#define WEIR_CALLS_OF_OPENER 2

/* Every thread of this process, and all that it starts, may from now on make these system calls only. Returns 0 or -errno. */
int weir_filter_calls(int kind);

/*
 * A child of ours that keeps our user and no capability, and does one thing: it opens the file of that path to read it, as often as it
 * is asked. It ends with us. weir_start_opener: the socket to ask by, or -errno. weir_open_by: a descriptor, or -errno.
 */
int weir_start_opener(const char *path, int *child_pid);
/* Nobody asks any more: the child ends, and is waited for. */
void weir_end_opener(int opener, int child_pid);
int weir_open_by(int opener);

/* Effective capabilities of this thread as a bit set, or 0. */
unsigned long long weir_capabilities(void);

/* A private network namespace for this process, loopback up. Returns 0 or -errno. */
int weir_unshare_network(void);

/* A socket whose writes leave by an interface as they are (packet(7)). A descriptor, or -1 with errno set. */
int weir_packet_socket(int ifindex);

/* A file in memory. A descriptor, or -1 with errno set. */
int weir_scratch_file(const char *name);

/* A pipe, both ends closed on exec. 0 or -1. */
int weir_pipe(int ends[2]);

/* Bounds of what is listed: more is left out. */
#define WEIR_LINKS 65536
#define WEIR_ROUTES 65536
#define WEIR_FILTERS 256

struct weir_link {
	/* The link's type is one of ARPHRD_* (linux/if_arp.h), its flags are IFF_* (linux/if.h). */
	unsigned index, type, flags, master, is_hardware;
	unsigned long long received, sent;
	char name[16];
};

/* One next hop of a unicast route, of any table. */
struct weir_route {
	/* `object` names a next hop object where the route does not name an interface itself. */
	unsigned interface, object, table;
	unsigned char family, length, has_gateway;
	unsigned char destination[16];
};

/* A next hop object (ip nexthop): of one interface, or a group's member. */
struct weir_nexthop {
	unsigned id, interface, member;
};

struct weir_filter {
	unsigned priority, handle, program;
	char kind[16], name[32];
};

/* How many there are in a list that the caller frees, or -errno; then there is no list. */
int weir_links(struct weir_link **links);
int weir_routes(struct weir_route **routes);
int weir_nexthops(struct weir_nexthop **hops);
/* Filters of anybody on one hook of an interface's clsact qdisc; none without a qdisc. */
int weir_filters(int ifindex, int egress, struct weir_filter **filters);

/* A non-blocking rtnetlink socket that hears of links and routes. A descriptor, or -1 with errno set. */
int weir_network_events(void);

#define WEIR_NEWS_LINK 1
#define WEIR_NEWS_ROUTE 2

/* Takes what it has heard: what of it is news to who watches interfaces. */
int weir_take_network_events(int s);

/* Raises the limit of open files to `wanted`, as far as it may; what it is now. */
unsigned weir_raise_descriptors(unsigned wanted);

/* Gives the kernel back what every thread's part of the heap has free (malloc_trim(3)). */
void weir_trim_heap(void);
void weir_keep_large_blocks(void);

/*
 * Closes descriptors without waiting for what closing them takes: the kernel's collector of lost sockets does it (since Linux 6.10).
 * 0, or -errno and they are all still open.
 */
int weir_abandon(const int *descriptors, int count);

/*
 * Datagram sockets with names that belong to the network namespace. Who sent a message is told by the kernel.
 * weir_peer_receive: its length, or -errno. weir_peer_send: 0, or -errno.
 */
int weir_peer_socket(const char *name);
int weir_peer_send(int s, const char *name, const void *bytes, size_t size);
long weir_peer_receive(int s, char name[108], void *bytes, size_t size, unsigned *user, int *process);

/*
 * Expedites the kernel's grace periods until weir_unexpedite, or until this process ends, however it does: a child of ours waits for that.
 * -1 where it cannot be done, else what weir_unexpedite wants; without a guard (-1) they were expedited before, and stay so.
 */
int weir_expedite(int *guard);
void weir_unexpedite(int pid, int guard);

/* Opens the switch now, for later: only root may. */
void weir_keep_expedited(void);

/* waitpid's macros, which Swift does not see: the exit code, or 128 + the signal. */
int weir_exit_code(int status);
#endif
