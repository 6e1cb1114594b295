/* The scripts of assets/ as they are, a line a string, NULL at the end: the build makes them. */
#ifndef CLI_COMPLETION_ASSETS_H
#define CLI_COMPLETION_ASSETS_H

extern const char *const completion_bash[];
extern const char *const completion_zsh[];
extern const char *const completion_fish[];

#endif
