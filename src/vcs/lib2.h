/*
 * libgit2 (https://libgit2.org), for reading only: it knows neither hooks nor filters, and harms sparse
 * checkouts when it writes. Loaded when it is first needed, since its libraries would cost every start of
 * the program more than all else it does. Private to vcs/.
 */
#ifndef VCS_LIB2_H
#define VCS_LIB2_H

struct forecast;
struct strvec;

/* Merges every two of the commits in memory and adds the pairs that conflict. Blocks: off the loop's thread. -1: there
 * is no libgit2, or it does not take this repository (reftable, SHA-256, somebody else's) or one of the commits; `out`
 * may have pairs then, which do not count */
int lib2_forecast(const char *git_dir, const struct strvec *oids, struct forecast *out);

#endif
