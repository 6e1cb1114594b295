/*
 * Options of a command, from one table: parsing, abbreviations, suggestions and the list that --help prints all read
 * the same rows. GNU style: --name=value, --name value, --na (unique prefix), -x, -xyz (flags in one word), -j4, -j 4,
 * options behind operands, -- ends them.
 */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct strbuf;
struct strvec;

enum opt_type {
	OPT_FLAG,     /* bool: set to true */
	OPT_TEXT,     /* const char *: the last one given; points into argv */
	OPT_LIST,     /* struct strvec: each one given */
	OPT_INT,      /* int64_t within min..max */
	OPT_NUMBER,   /* double above 0 */
	OPT_DURATION, /* int64_t, milliseconds, above 0 */
	OPT_SIZE,     /* int64_t, bytes, above 0 */
	OPT_CHOICE,   /* int: position of the word in `choices` */
};

/* must the value be there? */
enum opt_value {
	OPT_REQUIRED,
	OPT_ATTACHED,  /* may be left out; --name=value or -xvalue only */
	OPT_OR_DIGITS, /* may be left out; the next word is the value too if it starts with a digit, as make's -j has it
			*/
};

struct opt {
	char letter;      /* 0: none */
	const char *name; /* without the dashes; NULL ends the table */
	enum opt_type type;
	size_t offset;    /* of its field in the options' struct */
	const char *what; /* what help calls the value; NULL for flags */
	const char *help; /* may have several lines */
	int64_t min, max; /* of OPT_INT */
	enum opt_value value;
	int64_t bare;               /* of OPT_INT whose value was left out */
	const char *const *choices; /* NULL-terminated */
};

/*
 * Reads argv[1..] (NULL-terminated) into the struct at `options`; what is no option is added to `operands`. -1 with
 * ORCH_EUSAGE: the first thing that is wrong.
 */
int opt_parse(
	const struct opt *table, void *options, char *const *argv, struct strvec *operands, struct orch_error *err);
/* Reads options of `table` from the front of argv[1..] only, by their exact names; *next is the position of the first
 * word that is none */
int opt_parse_front(const struct opt *table, void *options, char *const *argv, int *next, struct orch_error *err);
/* One word of options, as opt_parse() reads it, without setting anything: the row of the last option in it, NULL if it
 * has an unknown or ambiguous one. *value: where in the word that option's value begins, NULL if it has none there */
const struct opt *opt_look(const struct opt *table, const char *word, const char **value);
/* the list for --help: a line or more for each row */
void opt_usage(const struct opt *table, struct strbuf *out);
/* frees what OPT_LIST rows hold */
void opt_release(const struct opt *table, void *options);

#endif
