/* What Swift's Glibc module leaves out, and what Swift cannot do between fork and exec. */
#ifndef WEIR_CLINUX_H
#define WEIR_CLINUX_H

#include <linux/capability.h>
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

/*
 * Starts argv[0] with the three given descriptors as 0, 1, 2 (-1: inherited). The child is killed when its
 * parent's thread ends; with WEIR_NEW_NETWORK it runs in a network namespace of its own.
 * Returns the pid, or -errno of whatever failed, exec included.
 */
int weir_spawn(char *const argv[], int input, int output, int error, int flags);

/* Gives up every capability of this thread but those of the bit set, for good. Returns 0 or -errno. */
int weir_drop_capabilities(unsigned long long keep);

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

/* A non-blocking rtnetlink socket that hears of links. A descriptor, or -1 with errno set. */
int weir_link_events(void);

/* Filters of anybody on both hooks of an interface's clsact qdisc, or -errno. */
int weir_clsact_filters(int ifindex);

/* waitpid's macros, which Swift does not see: the exit code, or 128 + the signal. */
int weir_exit_code(int status);
#endif
