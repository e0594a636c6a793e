/* libmicrohttpd, and what of it is variadic or a macro: Swift sees neither. */
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <sys/socket.h>

/* Without threads: the caller polls weir_http_epoll() and calls MHD_run. Takes over `listener` when it succeeds. */
static inline struct MHD_Daemon *weir_http_start(int listener, MHD_AccessHandlerCallback handler, MHD_NotifyConnectionCallback connected,
						 void *context, unsigned int connections, unsigned int timeout_seconds, size_t memory)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handler, context,
				MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener,
				MHD_OPTION_NOTIFY_CONNECTION, connected, context,
				MHD_OPTION_CONNECTION_LIMIT, connections,
				MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
				MHD_OPTION_END);
}

/* The same over TLS, by GnuTLS. `trust` may be NULL; else a client may show a certificate, which weir_http_verified looks at. PEM texts; copied. */
static inline struct MHD_Daemon *weir_http_start_tls(int listener, MHD_AccessHandlerCallback handler,
						     MHD_NotifyConnectionCallback connected, void *context, unsigned int connections,
						     unsigned int timeout_seconds, size_t memory, const char *certificate, const char *key, const char *trust)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TLS, 0, NULL, NULL, handler, context,
				MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener,
				MHD_OPTION_NOTIFY_CONNECTION, connected, context,
				MHD_OPTION_CONNECTION_LIMIT, connections,
				MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
				MHD_OPTION_HTTPS_MEM_CERT, certificate,
				MHD_OPTION_HTTPS_MEM_KEY, key,
				trust ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, trust,
				MHD_OPTION_END);
}

/* Has the client shown a certificate of the authority that is trusted? */
static inline int weir_http_verified(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int status = 0, count = 0;

	if (!info || !info->tls_session || !gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &count) || !count)
		return 0;
	return gnutls_certificate_verify_peers2((gnutls_session_t)info->tls_session, &status) == 0 && status == 0;
}

static inline const char *weir_http_query(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static inline int weir_http_epoll(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info ? info->epoll_fd : -1;
}

/* Both directions end; the daemon sees that with its next run, and closes. */
static inline void weir_http_end(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
}

static inline unsigned int weir_http_connections(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}
