/* Terminals: is it one, how big, raw mode; pseudo-terminal pairs come with the runner that needs them. */
#ifndef OS_TTY_H
#define OS_TTY_H

#include <stdbool.h>

bool tty_is(int fd);
/* columns and rows; 80x24 if unknown (COLUMNS and LINES of the environment are honoured where the terminal does not
 * say) */
void tty_size(int fd, unsigned *columns, unsigned *rows);

#endif
