/*
 * What the user may be about to write: the words that can stand at one place of a command line, from the tables of
 * commands and options and from the project. The scripts for the shells (assets/) ask for it and know nothing else.
 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include <stddef.h>

struct strbuf;

/*
 * Adds the answer for the last of the `count` words (at least one, without the program's name; the last may be "").
 * First line: what follows, one of
 *   words           a candidate a line, each the whole word; behind a tab, if there is more to say, what it is
 *   files PREFIX    nothing: a file's name is wanted behind PREFIX, which the word begins with
 *   directories PREFIX
 * Changes the current directory as -C among the words says. What cannot be read (an Orchfile with errors, no project)
 * gives no candidates and no message.
 */
void complete_words(struct strbuf *out, char *const *words, size_t count);

#endif
