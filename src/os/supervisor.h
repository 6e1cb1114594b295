/*
 * The parent of process trees: a mode of the program (supervisor_main), and a program of its own inside it
 * (supervisor_image.h), so small that a thousand of them are no burden. It makes itself the subreaper of what it starts
 * (os/child.h), takes requests from a socket, and tells over it what became of them. When the other end of the socket
 * is closed it ends the trees that are not to outlive it, step by step, and goes when the last one is gone.
 *
 * The two ends are the same build of the program on the same machine, so structs go over the socket as they are.
 */
#ifndef OS_SUPERVISOR_H
#define OS_SUPERVISOR_H

#include <stdint.h>

#include "os/child.h"
#include "os/supervised.h"

enum {
	SUPERVISOR_SOCKET = 0, /* descriptors that it finds open: requests and answers; */
	SUPERVISOR_KEPT = 1,   /* see supervision_keep_open() */
};

enum request_type { REQUEST_START = 1, REQUEST_SIGNAL, REQUEST_WITHDRAW, REQUEST_TOKENS };

/* has it a terminal of its own, see supervised_terminal? */
enum request_terminal { REQUEST_NO_TERMINAL, REQUEST_TERMINAL, REQUEST_TERMINAL_WINDOW };

/* what every request begins with */
struct request {
	uint32_t size; /* of all of it */
	uint32_t type;
	uint64_t id;
	int32_t signo; /* of REQUEST_SIGNAL */
	/* of REQUEST_START, with the descriptor for its log beside the first byte, and before it that for its input,
	 * if it has one. Behind the struct: the steps, then the texts, each with a NUL: argv, env, dir, mark, record
	 * (empty: none), path of its terminal's socket (likewise; the descriptor for its input is that socket then),
	 * writable, filter */
	uint32_t step_count, argc, envc, writec; /* writec 0: it may write anything */
	uint32_t filterc; /* texts for the filter of its log (os/filter.h), behind all those above; 0: it has none */
	int64_t linger_ms;
	int64_t memory; /* see supervised_spec, too for the next two */
	int32_t memory_each, own_group, wraps;
	/* where it runs; -1: nowhere in particular. One that waits has instead, behind the other texts, those of each
	 * slot; and `seen`, how many ends in slots the asker knew of */
	int32_t slot;
	uint32_t slots, per_slot;
	uint64_t seen;
	uint32_t terminal, columns, rows; /* terminal: one of request_terminal */
	/* it finds the tokens of its slot (-1: of slot 0), which came before, with two descriptors, by a REQUEST_TOKENS
	 * for that slot */
	int32_t has_tokens;
	int32_t has_input; /* a descriptor for it; else it is /dev/null */
};

enum answer_type { ANSWER_STARTED = 1, ANSWER_FAILED, ANSWER_ENDED, ANSWER_WITHDRAWN };

struct answer {
	uint32_t type;
	int32_t number; /* process id, or errno */
	uint64_t id;
	int32_t slot;          /* where it runs or ran; -1: nowhere in particular */
	struct child_exit how; /* of ANSWER_ENDED */
	char message[1024];    /* of ANSWER_FAILED; the others are sent without it */
};

/* the word that makes the program a supervisor */
#define SUPERVISOR_WORD "__supervise"

/* its whole life; the exit status */
int supervisor_main(void);

/* of a tree that a scheduler has started here for somebody on another machine: PROGRAM SUPERVISOR_REMOTE_WORD RECORD
 * TOKEN (os/remote.h). The exit status is the scheduler's business alone: 0, or 1 if it did not run */
#define SUPERVISOR_REMOTE_WORD "__supervise-remote"
int supervisor_remote_main(const char *record, const char *token);

#endif
