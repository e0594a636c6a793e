#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* <linux/if_link.h> of the distribution may be older (Linux 5.14). */
#define PARENT_DEVICE 56
#define BUFFER 32768
/* A dump is read again when the kernel changed its subject meanwhile. */
#define ATTEMPTS 4

/* What a dump fills: at most `limit` items of `size` bytes. */
struct list {
	char *items;
	unsigned size, count, room, limit;
};

static void *add(struct list *l)
{
	if (l->count == l->limit)
		return 0;
	if (l->count == l->room) {
		unsigned room = l->room ? l->room * 2 : 64;
		char *more = realloc(l->items, (size_t)room * l->size);

		if (!more)
			return 0;
		l->items = more;
		l->room = room;
	}
	return memset(l->items + (size_t)l->count++ * l->size, 0, l->size);
}

static const struct rtattr *attribute(const struct rtattr *first, int size, unsigned type)
{
	for (; RTA_OK(first, size); first = RTA_NEXT(first, size))
		if ((first->rta_type & NLA_TYPE_MASK) == type)
			return first;
	return 0;
}

static unsigned number(const struct rtattr *a)
{
	unsigned value = 0;

	if (a && RTA_PAYLOAD(a) >= sizeof(value))
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

static void text(char *into, unsigned size, const struct rtattr *a)
{
	unsigned length = a ? RTA_PAYLOAD(a) : 0;

	if (length >= size)
		length = size - 1;
	if (length)
		memcpy(into, RTA_DATA(a), length);
}

/* 0, -EINTR when the answer is not of one moment, or -errno. */
static int once(int s, const void *question, size_t size, struct list *l, void (*take)(struct list *, const struct nlmsghdr *))
{
	static __thread char buffer[BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
	int interrupted = 0;

	if (send(s, question, size, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(s, buffer, sizeof(buffer), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			interrupted |= h->nlmsg_flags & NLM_F_DUMP_INTR;
			if (h->nlmsg_type == NLMSG_DONE)
				return interrupted ? -EINTR : 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			take(l, h);
		}
	}
}

static int dump(const void *question, size_t size, struct list *l, void (*take)(struct list *, const struct nlmsghdr *))
{
	unsigned before = l->count;
	int s, error = -EINTR;

	for (int attempt = 0; attempt < ATTEMPTS && error == -EINTR; attempt++) {
		l->count = before;
		/* Each time anew: what is left of an earlier answer would be taken for this one's. */
		s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
		if (s < 0)
			return -errno;
		error = once(s, question, size, l, take);
		close(s);
	}
	/* Never of one moment: what there is is better than nothing. */
	return error == -EINTR ? 0 : error;
}

static int ended(struct list *l, int error, void *into)
{
	if (error) {
		free(l->items);
		l->items = 0;
	}
	memcpy(into, &l->items, sizeof(l->items));
	return error ? error : (int)l->count;
}

static void take_link(struct list *l, const struct nlmsghdr *h)
{
	const struct ifinfomsg *message = NLMSG_DATA(h);
	const struct rtattr *first = IFLA_RTA(message), *a;
	int size = IFLA_PAYLOAD(h);
	struct rtnl_link_stats64 statistics;
	struct weir_link *link;

	if (h->nlmsg_type != RTM_NEWLINK || !(link = add(l)))
		return;
	link->index = message->ifi_index;
	link->type = message->ifi_type;
	link->flags = message->ifi_flags;
	link->master = number(attribute(first, size, IFLA_MASTER));
	link->is_hardware = attribute(first, size, PARENT_DEVICE) != 0;
	text(link->name, sizeof(link->name), attribute(first, size, IFLA_IFNAME));
	a = attribute(first, size, IFLA_STATS64);
	if (a && RTA_PAYLOAD(a) >= 2 * sizeof(__u64)) {
		memcpy(&statistics, RTA_DATA(a), 2 * sizeof(__u64));
		link->received = statistics.rx_packets;
		link->sent = statistics.tx_packets;
	}
}

int weir_links(struct weir_link **links)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg message;
		struct rtattr attribute;
		unsigned mask;
	} ask = {
		{ sizeof(ask), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 }, { .ifi_family = AF_UNSPEC },
		{ RTA_LENGTH(sizeof(unsigned)), IFLA_EXT_MASK }, RTEXT_FILTER_SKIP_STATS,
	};
	struct list l = { .size = sizeof(struct weir_link), .limit = WEIR_LINKS };

	return ended(&l, dump(&ask, sizeof(ask), &l, take_link), links);
}

static void hop(struct list *l, const struct rtmsg *message, unsigned table, const struct rtattr *to, unsigned interface, int gateway, unsigned object)
{
	struct weir_route *route;

	if (!interface && !object)
		return;
	/* A router has a million routes by few interfaces: of those that lead on, one each tells all. */
	if (gateway && message->rtm_dst_len > 1)
		for (unsigned i = l->count; i-- > 0 && l->count - i <= 64;) {
			const struct weir_route *known = (const struct weir_route *)l->items + i;

			if (known->interface == interface && known->object == object && known->has_gateway && known->length > 1)
				return;
		}
	route = add(l);
	if (!route)
		return;
	route->interface = interface;
	route->object = object;
	route->table = table;
	route->family = message->rtm_family;
	route->length = message->rtm_dst_len;
	route->has_gateway = gateway;
	if (to)
		memcpy(route->destination, RTA_DATA(to), RTA_PAYLOAD(to) < 16 ? RTA_PAYLOAD(to) : 16);
}

static void take_route(struct list *l, const struct nlmsghdr *h)
{
	const struct rtmsg *message = NLMSG_DATA(h);
	const struct rtattr *first = RTM_RTA(message), *to, *many;
	int size = RTM_PAYLOAD(h);
	unsigned table;

	if (h->nlmsg_type != RTM_NEWROUTE || message->rtm_type != RTN_UNICAST || message->rtm_flags & RTM_F_CLONED)
		return;
	table = number(attribute(first, size, RTA_TABLE));
	to = attribute(first, size, RTA_DST);
	many = attribute(first, size, RTA_MULTIPATH);
	if (many) {
		const struct rtnexthop *next = RTA_DATA(many);
		int left = RTA_PAYLOAD(many);

		for (; left >= (int)sizeof(*next) && RTNH_OK(next, left); left -= RTNH_ALIGN(next->rtnh_len), next = RTNH_NEXT(next)) {
			int inner = next->rtnh_len - sizeof(*next);

			hop(l, message, table, to, next->rtnh_ifindex,
			    attribute(RTNH_DATA(next), inner, RTA_GATEWAY) || attribute(RTNH_DATA(next), inner, RTA_VIA), 0);
		}
	} else {
		unsigned interface = number(attribute(first, size, RTA_OIF));

		hop(l, message, table, to, interface, attribute(first, size, RTA_GATEWAY) || attribute(first, size, RTA_VIA),
		    interface ? 0 : number(attribute(first, size, RTA_NH_ID)));
	}
}

int weir_routes(struct weir_route **routes)
{
	struct list l = { .size = sizeof(struct weir_route), .limit = WEIR_ROUTES };
	int error = 0;

	for (int six = 0; six < 2 && !error; six++) {
		struct {
			struct nlmsghdr header;
			struct rtmsg message;
		} ask = { { sizeof(ask), RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 }, { .rtm_family = six ? AF_INET6 : AF_INET } };

		error = dump(&ask, sizeof(ask), &l, take_route);
	}
	return ended(&l, error, routes);
}

static void take_nexthop(struct list *l, const struct nlmsghdr *h)
{
	const struct nhmsg *message = NLMSG_DATA(h);
	const struct rtattr *first = (const struct rtattr *)((const char *)message + NLMSG_ALIGN(sizeof(*message))), *group;
	int size = NLMSG_PAYLOAD(h, sizeof(*message));
	unsigned id;
	struct weir_nexthop *hop;

	if (h->nlmsg_type != RTM_NEWNEXTHOP)
		return;
	id = number(attribute(first, size, NHA_ID));
	group = attribute(first, size, NHA_GROUP);
	if (!group) {
		hop = add(l);
		if (hop)
			*hop = (struct weir_nexthop){ id, number(attribute(first, size, NHA_OIF)), 0 };
		return;
	}
	for (unsigned i = 0; i < RTA_PAYLOAD(group) / sizeof(struct nexthop_grp); i++) {
		hop = add(l);
		if (hop)
			*hop = (struct weir_nexthop){ id, 0, ((const struct nexthop_grp *)RTA_DATA(group))[i].id };
	}
}

int weir_nexthops(struct weir_nexthop **hops)
{
	struct {
		struct nlmsghdr header;
		struct nhmsg message;
	} ask = { { sizeof(ask), RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 }, { .nh_family = AF_UNSPEC } };
	struct list l = { .size = sizeof(struct weir_nexthop), .limit = WEIR_ROUTES };

	return ended(&l, dump(&ask, sizeof(ask), &l, take_nexthop), hops);
}

static void take_filter(struct list *l, const struct nlmsghdr *h)
{
	const struct tcmsg *message = NLMSG_DATA(h);
	const struct rtattr *first = TCA_RTA(message), *options;
	int size = TCA_PAYLOAD(h);
	struct weir_filter *filter;

	/* A list of filters is told of as well, with no handle. */
	if (h->nlmsg_type != RTM_NEWTFILTER || !message->tcm_handle || !(filter = add(l)))
		return;
	filter->priority = TC_H_MAJ(message->tcm_info) >> 16;
	filter->handle = message->tcm_handle;
	text(filter->kind, sizeof(filter->kind), attribute(first, size, TCA_KIND));
	options = attribute(first, size, TCA_OPTIONS);
	if (options && !strcmp(filter->kind, "bpf")) {
		text(filter->name, sizeof(filter->name), attribute(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_NAME));
		filter->program = number(attribute(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_ID));
	}
}

int weir_filters(int ifindex, int egress, struct weir_filter **filters)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg message;
	} ask = {
		{ sizeof(ask), RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 },
		{ .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS) },
	};
	struct list l = { .size = sizeof(struct weir_filter), .limit = WEIR_FILTERS };
	int error = dump(&ask, sizeof(ask), &l, take_filter);

	/* No qdisc, so no filter. */
	return ended(&l, error == -EINVAL || error == -ENOENT ? 0 : error, filters);
}
