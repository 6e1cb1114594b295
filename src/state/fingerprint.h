/*
 * What a stream is made from, as digests: its recipe (the resolved text that runs: not timeouts, titles, retries,
 * comments, order of settings) and the content of its inputs. A cache of (path, size, mtime, inode) -> digest in
 * .orch/files saves reading files that did not change.
 */
#ifndef STATE_FINGERPRINT_H
#define STATE_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"

struct project;
struct stamp_detail;
struct statedir;
struct strbuf;
struct stream;

struct file_cache;

int file_cache_open(struct file_cache **out, const struct statedir *dir, struct orch_error *err);
/* digest of a file's content, of a link's target, or of a directory's whole tree (names and contents); a file changed
 * less than 2 s ago is not cached by mtime alone. ENOENT: returns 1; -1: cannot be read */
int file_cache_digest(struct file_cache *cache, const char *path, uint64_t *digest, struct orch_error *err);
/* writes the cache, if it changed; not called when only looking */
int file_cache_save(struct file_cache *cache, struct orch_error *err);
void file_cache_close(struct file_cache *cache);

/* fast path first: no allocation for a stream of one plain script */
uint64_t fingerprint_recipe(const struct project *project, const struct stream *stream);
/* the same as text, a labelled line per part, for stamps and `orch why` */
void fingerprint_recipe_text(const struct project *project, const struct stream *stream, struct strbuf *out);
/* digest over the files that `inputs` name now; with `detail` each is added as a part 'i'. A named file (no glob) that
 * is absent counts as absent; *missing (may be NULL) gets its name then (points into the stream's settings). A stream
 * without inputs has digest 0 and costs nothing */
int fingerprint_inputs(struct file_cache *cache, const struct stream *stream, uint64_t *digest,
	struct stamp_detail *detail, const char **missing, struct orch_error *err);
/* the first output that does not exist in `dir` (NULL: the current one), or NULL */
const char *fingerprint_missing_output(const struct stream *stream, const char *dir);
/* digest of the outputs' content, parts 'o' added */
int fingerprint_outputs(struct file_cache *cache, const struct stream *stream, uint64_t *digest,
	struct stamp_detail *detail, struct orch_error *err);
/* what one dependency adds to the `deps` digest; summed (with wrap-around), so that their order does not matter */
uint64_t fingerprint_dep(const char *name, uint64_t result);

#endif
