#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

int weir_network_events(void)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (s < 0)
		return -1;
	if (bind(s, (struct sockaddr *)&address, sizeof(address)) < 0)
		goto failed;
	for (unsigned i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups + i, sizeof(*groups)) < 0)
			goto failed;
	return s;
failed:
	close(s);
	return -1;
}

int weir_take_network_events(int s)
{
	char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	int news = 0;

	for (;;) {
		ssize_t got = recv(s, buffer, sizeof(buffer), MSG_DONTWAIT);

		/* ENOBUFS: there were more than fit, so anything may have happened. */
		if (got < 0 && errno == ENOBUFS) {
			news |= WEIR_NEWS_LINK | WEIR_NEWS_ROUTE;
			continue;
		}
		if (got <= 0)
			return news;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			const struct rtmsg *route = NLMSG_DATA(h);

			if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
				news |= WEIR_NEWS_LINK;
			/* Of a router's many routes only those that may be a default one are of interest. */
			else if ((h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_DELROUTE) && route->rtm_dst_len <= 1)
				news |= WEIR_NEWS_ROUTE;
		}
	}
}
