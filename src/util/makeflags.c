#include "config.h"

#include "util/makeflags.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/strbuf.h"

/* the next word of *at, which goes on behind it; its length, 0: there is none. *word: where it begins */
static size_t next_word(const char **at, const char **word)
{
	const char *end;

	while (isspace((unsigned char)**at))
		(*at)++;
	*word = end = *at;
	while (*end && !isspace((unsigned char)*end))
		end += end[0] == '\\' && end[1] ? 2 : 1;
	*at = end;
	return (size_t)(end - *word);
}

static bool begins(const char *word, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(word, with, strlen(with)) == 0;
}

static bool is_number(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)word[i]))
			return false;
	}
	return len > 0;
}

/* letters without a dash in front: only the first word can be that */
static bool is_letters(const char *text, const char *word, size_t len)
{
	return word == text && word[0] != '-' && !memchr(word, '=', len);
}

static bool is_jobs(const char *word, size_t len)
{
	return (begins(word, len, "-j") && (len == 2 || is_number(word + 2, len - 2))) ||
		(begins(word, len, "--jobs") && (len == 6 || word[6] == '='));
}

static const char *auth_of(const char *word, size_t len)
{
	static const char *const names[] = {"--jobserver-auth=", "--jobserver-fds="};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (begins(word, len, names[i]))
			return word + strlen(names[i]);
	}
	return NULL;
}

static void read_auth(struct makeflags *out, const char *auth, size_t len)
{
	out->has_jobserver = true;
	out->read = out->write = -1;
	out->fifo = NULL;
	if (begins(auth, len, "fifo:")) {
		out->fifo = auth + 5;
		out->fifo_len = len - 5;
	} else if (sscanf(auth, "%d,%d", &out->read, &out->write) != 2 || out->read < 0 || out->write < 0) {
		out->read = out->write = -1;
	}
}

void makeflags_read(struct makeflags *out, const char *text)
{
	const char *at = text ? text : "", *word, *digits;
	size_t len;

	*out = (struct makeflags){.read = -1, .write = -1};
	while ((len = next_word(&at, &word)) > 0 && !(len == 2 && memcmp(word, "--", 2) == 0)) {
		const char *auth = auth_of(word, len);

		if (auth)
			read_auth(out, auth, len - (size_t)(auth - word));
		digits = is_letters(text, word, len) ? memchr(word, 'j', len) : is_jobs(word, len) ? word : NULL;
		while (digits && digits < word + len && !isdigit((unsigned char)*digits))
			digits++;
		if (digits && digits < word + len)
			out->jobs = (unsigned)strtoul(digits, NULL, 10);
	}
}

static void add_letters(struct strbuf *out, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (word[i] != 'j') {
			strbuf_addch(out, word[i]);
			continue;
		}
		while (i + 1 < len && isdigit((unsigned char)word[i + 1]))
			i++;
	}
}

void makeflags_write(struct strbuf *out, const char *text, const char *add)
{
	const char *at = text ? text : "", *word, *peek;
	size_t len;

	if (at[0] && (len = next_word(&at, &word)) > 0 && is_letters(text, word, len))
		add_letters(out, word, len);
	else
		at = text ? text : "";
	if (add) {
		strbuf_addch(out, ' ');
		strbuf_addstr(out, add);
	}
	while (peek = at, (len = next_word(&at, &word)) > 0) {
		if (len == 2 && memcmp(word, "--", 2) == 0) {
			/* assignments, as they are */
			strbuf_addstr(out, peek);
			return;
		}
		if (is_jobs(word, len)) {
			const char *number, *behind = at;
			size_t digits = next_word(&behind, &number);

			/* "-j 4" */
			if (len == 2 && is_number(number, digits))
				at = behind;
			continue;
		}
		if (auth_of(word, len))
			continue;
		strbuf_addch(out, ' ');
		strbuf_add(out, word, len);
	}
}
