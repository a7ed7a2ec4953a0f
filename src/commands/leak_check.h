/* Leaks between two lists, with the cases that a manifest beside them tells. */
#ifndef TN_COMMANDS_LEAK_CHECK_H
#define TN_COMMANDS_LEAK_CHECK_H

#include "src/data/leaks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* tn_leaks_find with cases from the manifest.csv that tn_cases_find finds beside `b`, if it names
 * the images of both lists; cases joined by a shared image count as one. */
tn_status tn_leak_check(const tn_list *a, const tn_list *b, int look, int threads, tn_leaks *out);

/* One warning on stderr when images of `b` (called `name`: "validation") leak; nothing else. */
void tn_leak_warn(const tn_list *a, const tn_list *b, const char *name, const tn_leaks *leaks);

/* All of them on stdout, one a line. */
void tn_leak_print(const tn_list *a, const tn_list *b, const tn_leaks *leaks);

#ifdef __cplusplus
}
#endif
#endif
