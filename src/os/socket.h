/*
 * Sockets of the file system: listening, connecting, and streams on the loop that neither block nor grow without a
 * limit. A path may have any length, although an address of one cannot.
 */
#ifndef OS_SOCKET_H
#define OS_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "orch/error.h"

struct loop;
struct socket_server;
struct socket_stream;
struct strbuf;

struct socket_limits {
	size_t input;  /* bytes received that nobody has taken out yet: more are not read until some are */
	size_t output; /* bytes that the peer has not taken yet */
};

/* A listening socket at `path`, as socket_listen() makes one, for who listens by himself: its descriptor, which does
 * not block. -1 with errno */
int socket_open(const char *path, struct orch_error *err);
/* A socket at `path`, mode 0600; one that is there already is replaced, so the caller must know that its owner is gone;
 * anything else there is an error. `connected` is called for each client, with a stream that is the receiver's */
int socket_listen(struct socket_server **out, struct loop *loop, const char *path, const struct socket_limits *limits,
	void (*connected)(void *data, struct socket_stream *stream), void *data, struct orch_error *err);
/* its socket is removed from the file system if it is still there; streams stay. NULL is fine */
void socket_server_free(struct socket_server *server);

/* `received`: there is more in socket_stream_input(); `closed`: the peer is gone, or the connection has failed, and
 * nothing comes any more; the stream is still to be freed, which either may do */
void socket_stream_listen(struct socket_stream *stream, void (*received)(void *data), void (*closed)(void *data),
	void *data);
/* what came; the caller takes out what it has dealt with */
struct strbuf *socket_stream_input(struct socket_stream *stream);
/* takes bytes out of the front of the input */
void socket_stream_take(struct socket_stream *stream, size_t len);
/* sends what can be sent now and keeps the rest until the peer takes it; -1: there would be more than the limit */
int socket_stream_send(struct socket_stream *stream, const void *bytes, size_t len);
/* the user at the other end; -1: the system does not say */
int socket_stream_peer(const struct socket_stream *stream, uid_t *user);
/* closed at once; what has not been sent is lost. NULL is fine */
void socket_stream_free(struct socket_stream *stream);

/* a connection to the socket at `path`, which blocks, close-on-exec. -1 with ORCH_ENOTFOUND: nobody listens there */
int socket_connect(const char *path, struct orch_error *err);

#endif
