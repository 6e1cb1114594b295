/* The command of a stream that is a project: how it begins, for who asks the same program something else. */
#ifndef LANG_NESTED_H
#define LANG_NESTED_H

#define NESTED_START "#!/bin/sh\n"

#endif
