/* libmicrohttpd, and what of it is variadic or a macro: Swift sees neither. */
#include <microhttpd.h>

/* Without threads: the caller polls weir_http_epoll() and calls MHD_run. Takes over `listener` when it succeeds. */
static inline struct MHD_Daemon *weir_http_start(int listener, MHD_AccessHandlerCallback handler, void *context,
						 unsigned int connections, unsigned int timeout_seconds, size_t memory)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handler, context,
				MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener,
				MHD_OPTION_CONNECTION_LIMIT, connections,
				MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
				MHD_OPTION_END);
}

static inline int weir_http_epoll(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info ? info->epoll_fd : -1;
}

static inline unsigned int weir_http_connections(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}
