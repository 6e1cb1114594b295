/* Tests of what permissions forbid: root is not forbidden anything, so as root such a test gives the right up for its
 * time. */
#ifndef TESTS_LIB_UNPRIVILEGED_H
#define TESTS_LIB_UNPRIVILEGED_H

#include <unistd.h>

enum { NOBODY = 65534 };

/* the current directory, with what is in it already, becomes nobody's, and so do we */
static inline void unprivileged_begin(void)
{
	if (getuid() == 0) {
		assert_int_equal(chown(".", NOBODY, NOBODY), 0);
		assert_int_equal(seteuid(NOBODY), 0);
	}
}

static inline void unprivileged_end(void)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

#endif
