#include "config.h"

#include "util/digest.h"

#include "util/alloc.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ALIGNMENT = 64 }; /* what XXH3_state_t asks for, more than xmalloc() gives */

struct digest_stream {
	XXH3_state_t *state; /* in `block`, behind this struct */
	char block[];
};

uint64_t digest_bytes(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

uint64_t digest_chain(uint64_t seed, const void *bytes, size_t len)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

uint64_t digest_field(uint64_t seed, const void *bytes, size_t len)
{
	uint64_t length = len;

	return digest_chain(digest_chain(seed, &length, sizeof length), bytes, len);
}

struct digest_stream *digest_stream_new(void)
{
	struct digest_stream *stream = xmalloc(sizeof *stream + sizeof *stream->state + ALIGNMENT - 1);
	size_t past = (uintptr_t)stream->block % ALIGNMENT;

	stream->state = (XXH3_state_t *)(void *)(stream->block + (past ? ALIGNMENT - past : 0));
	XXH3_INITSTATE(stream->state);
	XXH3_64bits_reset(stream->state);
	return stream;
}

void digest_stream_add(struct digest_stream *stream, const void *bytes, size_t len)
{
	XXH3_64bits_update(stream->state, bytes, len);
}

uint64_t digest_stream_value(const struct digest_stream *stream)
{
	return XXH3_64bits_digest(stream->state);
}

void digest_stream_free(struct digest_stream *stream)
{
	free(stream);
}
