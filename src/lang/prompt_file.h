/*
 * `prompt = FILE`: what {{names}} in such a file mean. The file is read again for each attempt, since a stream may make
 * or change it; here it is looked at early, so that a wrong name is an error before anything runs.
 */
#ifndef LANG_PROMPT_FILE_H
#define LANG_PROMPT_FILE_H

#include <stdint.h>

#include "util/source.h"

struct eval;

/* the stream at hand has one, named at `place`: the values of the loops around it are kept */
void prompt_file_note(struct eval *eval, uint32_t stream, struct place place);
/* Once all streams and their settings are known: looks at those files that are there, and that no stream makes. Sets
 * settings.prompt_values: the values that the attempts need, which also tell whether another prompt comes of them */
void prompt_files_check(struct eval *eval);
/* a name that had a value was used in the file at hand, see struct eval.prompt_values */
void prompt_file_used(struct eval *eval, const char *name, size_t len, const char *value);
void prompt_files_release(struct eval *eval);

#endif
