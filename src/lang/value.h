/*
 * Values of settings: text -> words, numbers, choices; checked, with a message that names the setting, the value and
 * what was expected; stored in the field that the row names.
 */
#ifndef LANG_VALUE_H
#define LANG_VALUE_H

#include "graph/project.h"
#include "lang/setting.h"

#include <stdbool.h>
#include <stddef.h>

struct eval;

/* walks over the words of an expanded value. Quotes count at the start of a word and behind '=' */
struct word_walk {
	const char *rest, *end;
	bool templates; /* `{{...}}` is part of a word, whatever is in it */
};

struct raw_word {
	const char *bytes;
	size_t len;
	bool quoted; /* has quotes to be taken away: word_unquote() */
	bool unterminated;
};

bool word_next(struct word_walk *walk, struct raw_word *word);
/* without its quotes; in the arena */
char *word_unquote(struct arena *arena, const struct raw_word *word);
/* a whole value: without the quotes around it, if it is one quoted word; in the arena */
char *value_string(struct arena *arena, const char *bytes, size_t len);
/* all words; -1 after an error */
int value_words(struct eval *eval, const char *bytes, size_t len, struct place place, struct words *out);

struct value {
	struct words words;
	const char *string;
	int64_t number, number2;
	unsigned choice; /* of an enum; bits of rerun */
	double money;
	const struct kill_step *kill;
	const struct env_entry *env;
	uint32_t count; /* of kill or env */
};

/* -1 after an error. Also refuses what this version cannot do */
int value_parse(
	struct eval *eval, const struct setting *row, struct text text, struct place place, struct value *value);
/* NAME=value lines of an env: block */
int value_env_block(struct eval *eval, struct text text, struct place place, struct value *value);
/* the lines of a tasks: block */
void value_tasks(struct eval *eval, struct text text, struct value *value);
/* 'X' is not available in this version: an error, or a warning when only looking; false if it is an error */
bool value_unavailable(struct eval *eval, struct place place, const char *what);

/* stores it; append: behind what is there */
void value_store(
	struct eval *eval, const struct setting *row, const struct value *value, bool append, struct settings *set);
void value_store_project(struct eval *eval, const struct setting *row, const struct value *value, bool append,
	struct project_settings *set);
/* the field of `row` from one to the other */
void value_copy(const struct setting *row, struct settings *to, const struct settings *from);
/* lists: those of `from` go before those of `to` (the same name of the environment is `to`'s) */
void value_prepend(struct eval *eval, const struct setting *row, struct settings *to, const struct settings *from);
/* may `+=` be used? */
bool value_is_list(const struct setting *row);

/* "TERM", without SIG; NULL if there is none of that number */
const char *signal_name(int number);
int signal_number(const char *name);

#endif
