/* Style and script of the HTML report, as they are built into the program: made from assets/ by Makefile.am. */
#ifndef LISTENER_REPORT_ASSETS_H
#define LISTENER_REPORT_ASSETS_H

/* lines, NULL behind the last */
extern const char *const report_css[];
extern const char *const report_js[];

#endif
