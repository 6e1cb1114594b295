/*
 * Messages typed into a terminal, one after the other, so that they arrive: when its program is quiet, the text as one
 * paste (between brackets, if the program asked for that: CSI ? 2004 h); when the program has read it, Enter, by
 * itself; and only when that has been read too, it was typed.
 */
#ifndef OS_TYPING_H
#define OS_TYPING_H

#include <stddef.h>

struct loop;
struct typing;

struct typing_calls {
	/* bytes for the program; borrowed for the call */
	void (*write)(void *data, const char *bytes, size_t len);
	/* how many of them the terminal has not taken yet */
	size_t (*unwritten)(void *data);
	/* what became of a message of `from`; problem NULL: it was typed and read */
	void (*told)(void *data, void *from, const char *problem);
	void *data;
};

/* `slave`: the program's end of the terminal, borrowed */
struct typing *typing_new(struct loop *loop, int slave, const struct typing_calls *calls);
/* UTF-8 without control characters but \n */
void typing_add(struct typing *typing, void *from, const char *text, size_t len);
/* the program has written that */
void typing_see_output(struct typing *typing, const char *bytes, size_t len);
/* what became of messages of `from` is not to be told any more */
void typing_forget(struct typing *typing, const void *from);
/* tells of those that wait that they cannot be typed: `why` */
void typing_end(struct typing *typing, const char *why);
/* without telling; NULL is fine */
void typing_free(struct typing *typing);

#endif
