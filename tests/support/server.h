/* A stand-in server for unit tests: listens on 127.0.0.1 at a port of the system's choice and runs
 * one function for each connection, in a thread of its own. Header-only, so that a test links
 * nothing but the library. */
#ifndef SUPPORT_SERVER_H
#define SUPPORT_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SERVER_CONNECTIONS_MAX 128
#define SERVER_PATIENCE_S 20 /* a peer silent this long has failed the test */

struct server;
struct peer {           /* one connection, seen from the server */
	int fd, number; /* number: 0 for the first */
	SSL *ssl;       /* NULL until peer_start_tls */
	char unread[4096];
	size_t at, end; /* of what is unread */
};
typedef void server_fn(struct server *server, struct peer *peer);

struct server {
	int listen_fd, port;
	server_fn *serve;
	void *script; /* the test's own */
	pthread_t acceptor, threads[SERVER_CONNECTIONS_MAX];
	struct peer peers[SERVER_CONNECTIONS_MAX];
	atomic_int connections;
	atomic_bool stopping;
	pthread_mutex_t mutex; /* for the test's use: what serve records */
};

struct server_connection {
	struct server *server;
	struct peer *peer;
};

static inline void *server_connection_run(void *arg)
{
	struct server_connection *connection = arg;
	struct peer *peer = connection->peer;

	connection->server->serve(connection->server, peer);
	if (peer->ssl)
		SSL_shutdown(peer->ssl);
	shutdown(peer->fd, SHUT_RDWR); /* closed in server_stop: its number stays ours */
	SSL_free(peer->ssl);
	free(connection);
	return NULL;
}

static inline void *server_accept_run(void *arg)
{
	struct server *server = arg;
	struct timeval patience = { .tv_sec = SERVER_PATIENCE_S };

	for (;;) {
		int fd = accept(server->listen_fd, NULL, NULL);
		int number = atomic_load(&server->connections);
		if (fd < 0)
			break;
		if (number >= SERVER_CONNECTIONS_MAX || atomic_load(&server->stopping)) {
			close(fd);
			break;
		}
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		struct server_connection *connection = malloc(sizeof *connection);
		server->peers[number] = (struct peer){ .fd = fd, .number = number };
		*connection = (struct server_connection){ server, &server->peers[number] };
		atomic_store(&server->connections, number + 1); /* before it can answer: tests count */
		pthread_create(&server->threads[number], NULL, server_connection_run, connection);
	}
	return NULL;
}

static inline int server_listen(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 128) < 0)
		abort();
	getsockname(fd, (struct sockaddr *)&address, &len);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static inline void server_start(struct server *server, server_fn *serve, void *script)
{
	memset(server, 0, sizeof *server);
	signal(SIGPIPE, SIG_IGN); /* as usherd does */
	server->serve = serve;
	server->script = script;
	pthread_mutex_init(&server->mutex, NULL);
	server->listen_fd = server_listen(&server->port);
	pthread_create(&server->acceptor, NULL, server_accept_run, server);
}

/* Ends every connection that still stands, and waits for their threads. */
static inline void server_stop(struct server *server)
{
	atomic_store(&server->stopping, true);
	shutdown(server->listen_fd, SHUT_RDWR); /* wakes accept */
	pthread_join(server->acceptor, NULL);
	close(server->listen_fd);
	for (int i = 0; i < server->connections; i++) {
		shutdown(server->peers[i].fd, SHUT_RDWR);
		pthread_join(server->threads[i], NULL);
		close(server->peers[i].fd);
	}
	pthread_mutex_destroy(&server->mutex);
}

/* A port on which nobody listens. */
static inline int server_dead_port(void)
{
	int port, fd = server_listen(&port);
	close(fd);
	return port;
}

/* -- Talking --------------------------------------------------------------------------------- */

/* In large pieces, whatever is asked for: a client's deadline runs while a byte at a time is read. */
static inline bool peer_fill(struct peer *peer)
{
	ssize_t n = peer->ssl ? SSL_read(peer->ssl, peer->unread, (int)sizeof peer->unread)
	                      : recv(peer->fd, peer->unread, sizeof peer->unread, 0);

	peer->at = 0;
	peer->end = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static inline ssize_t peer_receive(struct peer *peer, void *bytes, size_t len)
{
	if (peer->at == peer->end && !peer_fill(peer))
		return 0;
	if (len > peer->end - peer->at)
		len = peer->end - peer->at;
	memcpy(bytes, peer->unread + peer->at, len);
	peer->at += len;
	return (ssize_t)len;
}

static inline bool peer_send(struct peer *peer, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = peer->ssl ? SSL_write(peer->ssl, bytes, (int)len)
		                      : send(peer->fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool peer_say(struct peer *peer, const char *text)
{
	return peer_send(peer, text, strlen(text));
}

/* A received line without its CRLF; false at the end of the connection. */
static inline bool peer_line(struct peer *peer, char *line, size_t size)
{
	size_t len = 0;
	char c;

	for (;;) {
		if (peer_receive(peer, &c, 1) != 1)
			return false;
		if (c == '\n')
			break;
		if (len + 1 < size)
			line[len++] = c;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return true;
}

static inline bool peer_read(struct peer *peer, char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = peer_receive(peer, bytes, len);
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* Waits until the other side has closed; what it still says is thrown away. */
static inline void peer_drain(struct peer *peer)
{
	char bytes[512];

	while (peer_receive(peer, bytes, sizeof bytes) > 0)
		;
}

static inline bool peer_start_tls(struct peer *peer, SSL_CTX *context)
{
	peer->at = peer->end; /* what came before is not protected: it is not heard */
	peer->ssl = SSL_new(context);
	SSL_set_fd(peer->ssl, peer->fd);
	return SSL_accept(peer->ssl) == 1;
}

#endif
