/*
 * Content hashes: XXH3, 64 bits (https://github.com/Cyan4973/xxHash). They tell whether something
 * changed; they are no defence against somebody who wants a collision.
 */
#ifndef UTIL_DIGEST_H
#define UTIL_DIGEST_H

#include <stddef.h>
#include <stdint.h>

uint64_t digest_bytes(const void *bytes, size_t len);
/* one after the other: seed a chain with any number */
uint64_t digest_chain(uint64_t seed, const void *bytes, size_t len);
/* `len` then the bytes, so that ("ab","c") and ("a","bc") differ */
uint64_t digest_field(uint64_t seed, const void *bytes, size_t len);

/* for what comes in pieces */
struct digest_stream;
struct digest_stream *digest_stream_new(void);
void digest_stream_add(struct digest_stream *stream, const void *bytes, size_t len);
uint64_t digest_stream_value(const struct digest_stream *stream);
void digest_stream_free(struct digest_stream *stream);

#endif
