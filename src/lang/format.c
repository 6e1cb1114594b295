/* orch fmt: text -> AST -> the same text in canonical form. Nothing is evaluated: no variable, no include. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lang/ast_print.h"
#include "lang/load.h"
#include "lang/parse.h"
#include "util/alloc.h"
#include "util/diag.h"

static void keep(void *data, struct ast *node)
{
	ast_list_add(data, node);
}

int format_text(struct source_set *sources, const char *name, const char *text, size_t len, struct diag_list *diags,
	struct strbuf *out)
{
	struct arena arena = {0};
	struct ast_list list = {0};
	struct parse parse = {.sources = sources, .arena = &arena, .diags = diags, .statement = keep, .data = &list};
	size_t errors = diags->errors;
	char *copy;

	if (len > INT32_MAX - 16) {
		diag_error(diags, (struct place){0}, "'%s' is too large: an Orchfile has less than 2 GiB", name);
		return -1;
	}
	copy = xmalloc(len + 2);
	if (len)
		memcpy(copy, text, len);
	copy[len] = copy[len + 1] = '\0';
	parse.source = parse_source_add(sources, name, copy, len, (struct place){0});
	if (!parse.source) {
		free(copy);
		diag_error(diags, (struct place){0}, "too many files");
		return -1;
	}
	if (parse_check_text(sources, parse.source, diags) == 0)
		parse_run(&parse);
	if (diags->errors == errors)
		ast_print(list.first, parse.text, parse.len, out);
	arena_release(&arena);
	return diags->errors > errors ? -1 : 0;
}
