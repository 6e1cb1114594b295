/*
 * JSON: writing values into a strbuf by hand-made calls (fast, no tree), and reading a line into a
 * tree by jansson (strict). The writer keeps track of commas; control characters and invalid UTF-8
 * in strings are escaped or replaced by U+FFFD, so that its output is always valid.
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct strbuf;

struct json_writer {
	struct strbuf *out;
	unsigned depth;
	uint64_t has_item; /* a bit per depth */
	bool pretty;       /* two spaces a level, a line an item */
	bool after_key;
};

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_add_key(struct json_writer *w, const char *key);
/* NULL text writes null */
void json_add_string(struct json_writer *w, const char *text);
void json_add_stringn(struct json_writer *w, const char *text, size_t len);
void json_add_int(struct json_writer *w, int64_t value);
void json_add_double(struct json_writer *w, double value);
void json_add_bool(struct json_writer *w, bool value);
void json_add_null(struct json_writer *w);

/* what stands between the quotes of a JSON string, without its escapes; one that is broken or cut off stays as it is.
 * An escaped NUL, and half a surrogate pair, become U+FFFD */
void json_unescape(struct strbuf *out, const char *text, size_t len);

/* a value read; opaque, freed by json_value_free() of its root */
struct json_value;

int json_read(struct json_value **out, const char *text, size_t len, struct orch_error *err);
/* is it JSON, strictly, without a name twice in an object? -1: *offset is where it is not */
int json_check(const char *text, size_t len, size_t *offset, struct orch_error *err);
/* member of an object, NULL if absent or not an object */
const struct json_value *json_member(const struct json_value *object, const char *key);
/* NULL / fallback if absent (NULL value) or of another kind */
const char *json_member_string(const struct json_value *object, const char *key);
int64_t json_member_int(const struct json_value *object, const char *key, int64_t fallback);
double json_member_double(const struct json_value *object, const char *key, double fallback);
bool json_member_bool(const struct json_value *object, const char *key, bool fallback);
size_t json_item_count(const struct json_value *array);
const struct json_value *json_item(const struct json_value *array, size_t index);
const char *json_text(const struct json_value *value);
void json_value_free(struct json_value *root);

#endif
