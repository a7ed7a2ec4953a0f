/* How figures stand in tables for people: their order, which of them, and their digits. */
#ifndef TN_COMMANDS_FIGURE_TEXT_H
#define TN_COMMANDS_FIGURE_TEXT_H

#include "src/eval/figures.h"
#include "src/eval/interval.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All of them; what ranks first in judging a classifier of unequal classes stands first. */
extern const tn_figure tn_figure_order[TN_FIGURES];

/* Without a positive class (-1) what counts it is left out, without a prevalence (NaN) what needs
 * one. */
bool tn_figure_is_shown(tn_figure figure, int positive, double prevalence);

/* "0.7312", "-" where undefined; the text lies in `text` or is constant. */
const char *tn_figure_text(double value, char text[32]);
/* "0.6512 to 0.8102" */
const char *tn_interval_text(tn_interval interval, char text[32]);

#ifdef __cplusplus
}
#endif
#endif
