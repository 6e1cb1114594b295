/*
 * GNU make's jobserver, for what runs inside of streams: a make or cargo there finds it in its environment, and so
 * the run's slots are theirs too (sched/lend.h says when, os/tokens.h how). Every slot has pipes of its own, made when
 * it is first used, so that what a command has when it ends, however that comes, is known and ours again. A stream
 * that asks for it finds a FIFO by its path instead, which is its command's alone.
 *
 * Where orch itself was started by a make with a jobserver, streams find that one instead: see also exec/makeclient.h.
 */
#ifndef EXEC_JOBSERVER_H
#define EXEC_JOBSERVER_H

#include <stdbool.h>
#include <stdint.h>

struct attempt;
struct command;
struct jobserver; /* of a run */
struct loop;
struct makeclient;
struct project;
struct strvec;

struct jobserver_calls {
	/* from the loop: something has come back, or has been taken; jobserver_balance() is to be called */
	void (*changed)(void *data);
	/* slots cannot be shared, once a run */
	void (*warning)(void *data, const char *stream, const char *message);
	void *data;
};

/* `around`: the make that started us, whose jobserver streams are to have instead of ours; NULL: there is none. Borrows
 * all but the calls */
struct jobserver *jobserver_new(
	struct loop *loop, const struct project *project, struct makeclient *around,
	const struct jobserver_calls *calls);
void jobserver_free(struct jobserver *jobserver);
/* another Orchfile, another number of slots. With one slot nothing is shared, as in make */
void jobserver_set(struct jobserver *jobserver, const struct project *project, unsigned jobs);

/* --- of an attempt's commands --- */

/* before its environment is made: what the command is to find of descriptors */
void jobserver_prepare(struct jobserver *jobserver, const struct attempt *attempt, struct command *command);
/* adds MAKEFLAGS: with the jobserver, if `command` of the attempt has it; NULL: no command of that kind, and without */
void jobserver_environment(const struct jobserver *jobserver, const struct attempt *attempt,
	const struct command *command, struct strvec *env);
/* Adds what leads an agent's makes to the jobserver by their own way (shims.h), PATH among it; false: nothing */
bool jobserver_shims(const struct jobserver *jobserver, const struct attempt *attempt, const struct command *command,
	struct strvec *env);
/* its command has begun, has ended with all that it started */
void jobserver_join(struct jobserver *jobserver, const struct attempt *attempt);
void jobserver_leave(struct jobserver *jobserver, const struct attempt *attempt);

/* --- slots --- */

/* how many are lent just now */
unsigned jobserver_lent(const struct jobserver *jobserver);
/* Gives and takes back as lend_next() says, and sees to being woken again. True: some that were lent are free again */
bool jobserver_balance(struct jobserver *jobserver, int spare, bool wanted);

#endif
