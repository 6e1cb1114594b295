#include "config.h"

#include "state/fingerprint.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "graph/project.h"
#include "os/fs.h"
#include "os/glob.h"
#include "state/stamp.h"
#include "util/digest.h"
#include "util/path.h"
#include "util/redact.h"
#include "util/strbuf.h"
#include "util/strvec.h"

/* Labels of the parts, as numbers that keep equal texts in different parts apart. They are in every stamp: a number is
 * never given to something else */
enum part {
	PART_RUN = 1,
	PART_PROMPT = 2,
	PART_PROMPT_FILE = 3,
	PART_CHECK = 4,
	PART_SETUP = 5,
	PART_AGENT = 6,
	PART_ISOLATE = 7,
	PART_SHELL = 8,
	PART_ENV = 9,
	PART_UNSET = 10,
	PART_DOTENV = 11,
	PART_NO_PROMPT_FILE = 12,
	PART_ORCHFILE = 13,
	PART_PROMPT_NAME = 14,
	PART_PROMPT_VALUE = 15,
};

enum {
	/* of a part's text in fingerprint_recipe_text(): a 10 MB prompt need not be in every stamp */
	TEXT_SHOWN_MAX = 64 * 1024,
	PROMPT_FILE_MAX = 1 << 30,
};

#define LABEL_STEP UINT64_C(0x9e3779b97f4a7c15)

static const char *const isolate_names[] = {[ISOLATE_NONE] = "none", [ISOLATE_WORKTREE] = "worktree"};

static uint64_t add_bytes(uint64_t digest, enum part part, const void *bytes, size_t len)
{
	return digest_field(digest + (uint64_t)part * LABEL_STEP, bytes, len);
}

static uint64_t add_text(uint64_t digest, enum part part, struct text text)
{
	return text.bytes ? add_bytes(digest, part, text.bytes, text.len) : digest;
}

static uint64_t add_string(uint64_t digest, enum part part, const char *text)
{
	return text ? add_bytes(digest, part, text, strlen(text)) : digest;
}

static uint64_t add_words(uint64_t digest, enum part part, struct words words)
{
	for (uint32_t i = 0; i < words.count; i++)
		digest = add_string(digest, part, words.items[i]);
	return digest;
}

/* a sum, since the order of the lines in `env:` changes nothing */
static uint64_t add_env(uint64_t digest, const struct settings *set)
{
	uint64_t sum = 0;

	if (set->env_count == 0)
		return digest;
	for (uint32_t i = 0; i < set->env_count; i++) {
		const struct env_entry *entry = &set->env[i];
		uint64_t name = digest_bytes(entry->name, strlen(entry->name));

		sum += digest_field(name, entry->value.bytes, entry->value.len);
	}
	return add_bytes(digest, PART_ENV, &sum, sizeof sum);
}

static uint64_t add_prompt_file(uint64_t digest, const char *path)
{
	char *text;
	size_t len;

	if (fs_read(path, PROMPT_FILE_MAX, &text, &len, NULL) < 0)
		return add_string(digest, PART_NO_PROMPT_FILE, path);
	digest = add_bytes(digest, PART_PROMPT_FILE, text, len);
	free(text);
	return digest;
}

static uint64_t add_prompt_values(uint64_t digest, const struct settings *set)
{
	for (uint32_t i = 0; i < set->prompt_value_count; i++) {
		digest = add_string(digest, PART_PROMPT_NAME, set->prompt_values[i].name);
		digest = add_text(digest, PART_PROMPT_VALUE, set->prompt_values[i].value);
	}
	return digest;
}

static bool has_prompt(const struct stream *stream)
{
	return stream->prompt.bytes || stream->set->prompt_file;
}

static bool has_script(const struct stream *stream)
{
	return stream->run.bytes || stream->set->check.bytes || stream->set->setup.bytes;
}

uint64_t fingerprint_recipe(const struct project *project, const struct stream *stream)
{
	const struct settings *set = stream->set;
	uint64_t digest = add_text(0, PART_RUN, stream->run);

	if (has_script(stream))
		digest = add_string(digest, PART_SHELL, project->set.shell);
	if (has_prompt(stream)) {
		digest = add_text(digest, PART_PROMPT, stream->prompt);
		if (set->prompt_file)
			digest = add_prompt_values(add_prompt_file(digest, set->prompt_file), set);
		digest = add_words(digest, PART_AGENT, set->agent);
	}
	digest = add_text(digest, PART_CHECK, set->check);
	digest = add_text(digest, PART_SETUP, set->setup);
	digest = add_string(digest, PART_ORCHFILE, set->orchfile);
	if (set->isolate != ISOLATE_DEFAULT)
		digest = add_string(digest, PART_ISOLATE, isolate_names[set->isolate]);
	digest = add_env(digest, set);
	digest = add_words(digest, PART_DOTENV, set->dotenv);
	return add_words(digest, PART_UNSET, set->unset);
}

/* the text from a new line on, ended by one; what is too long is cut, its digest tells whether the rest differs */
static void show_block(struct strbuf *out, const char *label, const char *text, size_t len)
{
	size_t shown = len > TEXT_SHOWN_MAX ? TEXT_SHOWN_MAX : len;

	strbuf_addf(out, "%s:\n", label);
	strbuf_add(out, text, shown);
	if (shown == 0 || text[shown - 1] != '\n')
		strbuf_addch(out, '\n');
	if (shown < len)
		strbuf_addf(out, "(%zu bytes more, digest %016llx)\n", len - shown,
			(unsigned long long)digest_bytes(text + shown, len - shown));
}

static void show_text(struct strbuf *out, const char *label, struct text text)
{
	if (text.bytes)
		show_block(out, label, text.bytes, text.len);
}

static void show_string(struct strbuf *out, const char *label, const char *text)
{
	if (text)
		strbuf_addf(out, "%s: %s\n", label, text);
}

static void show_words(struct strbuf *out, const char *label, struct words words)
{
	if (words.count == 0)
		return;
	strbuf_addf(out, "%s:", label);
	for (uint32_t i = 0; i < words.count; i++)
		strbuf_addf(out, " %s", words.items[i]);
	strbuf_addch(out, '\n');
}

static void show_env(struct strbuf *out, const struct settings *set)
{
	for (uint32_t i = 0; i < set->env_count; i++) {
		const struct env_entry *entry = &set->env[i];

		strbuf_addf(out, "env: %s=", entry->name);
		if (redact_is_secret_name(entry->name, strlen(entry->name)))
			strbuf_addstr(out, "(hidden)");
		else
			strbuf_add(out, entry->value.bytes,
				entry->value.len > TEXT_SHOWN_MAX ? TEXT_SHOWN_MAX : entry->value.len);
		strbuf_addch(out, '\n');
	}
}

static void show_prompt_file(struct strbuf *out, const char *path)
{
	char *text;
	size_t len;

	if (fs_read(path, PROMPT_FILE_MAX, &text, &len, NULL) < 0) {
		strbuf_addf(out, "prompt-file: %s (cannot be read)\n", path);
		return;
	}
	show_block(out, "prompt-file", text, len);
	free(text);
}

void fingerprint_recipe_text(const struct project *project, const struct stream *stream, struct strbuf *out)
{
	const struct settings *set = stream->set;

	show_text(out, "run", stream->run);
	if (has_script(stream))
		show_string(out, "shell", project->set.shell);
	if (has_prompt(stream)) {
		show_text(out, "prompt", stream->prompt);
		if (set->prompt_file)
			show_prompt_file(out, set->prompt_file);
		for (uint32_t i = 0; i < set->prompt_value_count; i++) {
			const struct env_entry *entry = &set->prompt_values[i];

			strbuf_addf(out, "prompt-value: %s = %.*s\n", entry->name, (int)entry->value.len,
				entry->value.bytes);
		}
		show_words(out, "agent", set->agent);
	}
	show_text(out, "check", set->check);
	show_text(out, "setup", set->setup);
	show_string(out, "orchfile", set->orchfile);
	if (set->isolate != ISOLATE_DEFAULT)
		show_string(out, "isolate", isolate_names[set->isolate]);
	show_env(out, set);
	show_words(out, "dotenv", set->dotenv);
	show_words(out, "unset", set->unset);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct files {
	struct file_cache *cache;
	char kind; /* of the parts */
	uint64_t digest;
	struct stamp_detail *detail; /* NULL: not wanted */
};

static void add_part(struct files *files, const char *path, uint64_t digest)
{
	files->digest = digest_field(files->digest, path, strlen(path));
	files->digest = digest_field(files->digest, &digest, sizeof digest);
	if (files->detail)
		stamp_detail_add(files->detail, files->kind, digest, path);
}

/* 1: there is none */
static int add_file(struct files *files, const char *path, struct orch_error *err)
{
	uint64_t digest;
	int result = file_cache_digest(files->cache, path, &digest, err);

	if (result == 0)
		add_part(files, path, digest);
	return result;
}

/*
 * The matches of a glob. Directories that a double star finds are left out: what is in them is found too, and hashing
 * each of them as a tree would read a deep one many times.
 */
static int add_glob(struct files *files, const char *glob, struct orch_error *err)
{
	struct strvec paths = {0};
	bool deep = strstr(glob, "**") != NULL;
	int result = glob_files(NULL, glob, &paths, err);

	if (result == 0 && paths.count > 1)
		qsort(paths.items, paths.count, sizeof *paths.items, compare_paths);
	for (size_t i = 0; i < paths.count && result == 0; i++) {
		if (deep && fs_is_directory(paths.items[i]))
			continue;
		/* 1: a broken link, or gone since it was found */
		result = add_file(files, paths.items[i], err) < 0 ? -1 : 0;
	}
	strvec_release(&paths);
	return result;
}

/* *missing: the first word that names nothing */
static int add_words_of_files(struct files *files, struct words words, const char **missing, struct orch_error *err)
{
	for (uint32_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];
		int result = path_has_glob(word) ? add_glob(files, word, err) : add_file(files, word, err);

		if (result < 0)
			return -1;
		if (result == 1) {
			add_part(files, word, 0);
			if (missing && !*missing)
				*missing = word;
		}
	}
	return 0;
}

int fingerprint_inputs(struct file_cache *cache, const struct stream *stream, uint64_t *digest,
	struct stamp_detail *detail, const char **missing, struct orch_error *err)
{
	struct files files = {.cache = cache, .kind = 'i', .detail = detail};

	*digest = 0;
	if (missing)
		*missing = NULL;
	if (stream->set->inputs.count == 0)
		return 0;
	files.digest = 1; /* a glob without matches is not the same as no inputs */
	if (add_words_of_files(&files, stream->set->inputs, missing, err) < 0)
		return -1;
	*digest = files.digest;
	return 0;
}

const char *fingerprint_missing_output(const struct stream *stream, const char *dir)
{
	struct words outputs = stream->set->outputs;

	for (uint32_t i = 0; i < outputs.count; i++) {
		bool there;

		if (path_has_glob(outputs.items[i])) {
			struct strvec paths = {0};

			there = glob_files(dir, outputs.items[i], &paths, NULL) == 0 && paths.count > 0;
			strvec_release(&paths);
		} else {
			char *path = path_join(dir ? dir : "", outputs.items[i]);

			there = fs_exists(path);
			free(path);
		}
		if (!there)
			return outputs.items[i];
	}
	return NULL;
}

int fingerprint_outputs(struct file_cache *cache, const struct stream *stream, uint64_t *digest,
	struct stamp_detail *detail, struct orch_error *err)
{
	struct files files = {.cache = cache, .kind = 'o', .detail = detail};

	*digest = 0;
	if (stream->set->outputs.count == 0)
		return 0;
	files.digest = 1;
	if (add_words_of_files(&files, stream->set->outputs, NULL, err) < 0)
		return -1;
	*digest = files.digest;
	return 0;
}

uint64_t fingerprint_dep(const char *name, uint64_t result)
{
	return digest_field(result, name, strlen(name));
}
