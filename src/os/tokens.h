/*
 * Tokens of GNU make's jobserver: bytes in a pipe. A program that may run one job for nothing reads a byte before it
 * runs another one beside it, and writes it back when that is done. Here a program gets two pipes: one it reads from,
 * and another that it writes to. So what it has given back is ours until we give it again, and how much it has is known
 * at any time: what it was given, less what still lies in the first pipe, less what came back.
 *
 * Nothing says that a program waits for a token. But a pipe of one page that has something in it is full for poll(2),
 * and can be written again the moment it is empty: so a watch for that (loop_fd_on_writable() on `give`) says that what
 * was given has been taken.
 *
 * What programs find by a path alone is one FIFO for both ways. There what has been given back lies beside what has not
 * been taken, so it has to be looked at whenever somebody has used it (os/usage.h). It has room as any pipe: one of a
 * single page would be full before it is empty, and then whoever gives back waits for ever if we are gone.
 */
#ifndef OS_TOKENS_H
#define OS_TOKENS_H

#include <stdbool.h>

#include "orch/error.h"

struct tokens {
	int give;      /* our end of what is read there */
	int take;      /* the other one, to have back what nobody has read */
	int back;      /* our end of what is written there; -1: that comes to `take` too */
	int client[2]; /* theirs: to read from, to write to; -1: they open them by their paths */
};

#define TOKENS_NONE ((struct tokens){-1, -1, -1, {-1, -1}})

/* all of them close on exec, ours never block */
int tokens_pipes(struct tokens *tokens, struct orch_error *err);
/* the same as two FIFOs that are made at these paths */
int tokens_fifos(struct tokens *tokens, const char *forth, const char *back, struct orch_error *err);
/* one FIFO, made at that path, for both ways */
int tokens_fifo(struct tokens *tokens, const char *path, struct orch_error *err);
/* one token; false: there is no room, so some lie there */
bool tokens_give(const struct tokens *tokens);
/* takes back all that nobody has read: how many */
unsigned tokens_take(const struct tokens *tokens);
/* of one FIFO: how many lie there, given back or not taken; takes `most` of them at the most: how many there were */
unsigned tokens_lying(const struct tokens *tokens);
unsigned tokens_take_some(const struct tokens *tokens, unsigned most);
/* how many have come back by the other pipe since the last call */
unsigned tokens_returned(const struct tokens *tokens);
/* does not remove FIFOs */
void tokens_close(struct tokens *tokens);

/* --- somebody else's, of a make around us --- */

/* A copy of descriptor `fd`, a pipe's end that somebody else reads (or writes, `writing`) too, that does not block
 * although theirs may; -1 with *err: it is none, or is closed */
int tokens_reopen(int fd, bool writing, struct orch_error *err);
/* one token from a descriptor that does not block: its byte, or -1: none is there */
int tokens_read_one(int fd);
/* gives it back */
int tokens_write_one(int fd, char byte);

#endif
