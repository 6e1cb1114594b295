/*
 * How many descriptors this process may have open. Its soft limit is low for the sake of programs that use select(2),
 * which writes past its sets with a descriptor of 1024 or more; we do not, and with a thousand attempts need more. What
 * we start is to find the limit as we found it.
 */
#ifndef OS_OPEN_FILES_H
#define OS_OPEN_FILES_H

/* raises the soft limit to the hard one; the soft limit as it is then, -1 if it cannot be known. Where it may not be
 * raised it stays as it is */
long open_files_raise(void);

/* about how many more may be opened: those between the lowest that is free and the limit. INT32_MAX if that cannot be
 * known */
long open_files_left(void);

/* in a child that is about to become another program: it gets the limit as it was before open_files_raise() */
void open_files_restore(void);

#endif
