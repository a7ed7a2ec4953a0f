#include "src/commands/figure_text.h"

#include <math.h>
#include <stdio.h>

const tn_figure tn_figure_order[TN_FIGURES] = {
    TN_FIGURE_AUC,
    TN_FIGURE_BALANCED_ACCURACY,
    TN_FIGURE_SENSITIVITY,
    TN_FIGURE_SPECIFICITY,
    TN_FIGURE_SPECIFICITY_90,
    TN_FIGURE_SPECIFICITY_95,
    TN_FIGURE_ACCURACY,
    TN_FIGURE_PRECISION,
    TN_FIGURE_NPV,
    TN_FIGURE_F1,
    TN_FIGURE_MCC,
    TN_FIGURE_AVERAGE_PRECISION,
    TN_FIGURE_PPV_AT,
    TN_FIGURE_NPV_AT,
    TN_FIGURE_LOSS,
    TN_FIGURE_BRIER,
    TN_FIGURE_ECE,
};

bool tn_figure_is_shown(tn_figure f, int positive, double prevalence) {
    const bool of_positive = f == TN_FIGURE_SENSITIVITY || f == TN_FIGURE_SPECIFICITY ||
                             f == TN_FIGURE_NPV || f == TN_FIGURE_SPECIFICITY_90 ||
                             f == TN_FIGURE_SPECIFICITY_95;
    if (f == TN_FIGURE_PPV_AT || f == TN_FIGURE_NPV_AT) return !isnan(prevalence);
    return positive >= 0 || !of_positive;
}

const char *tn_figure_text(double value, char text[32]) {
    if (isnan(value)) return "-";
    snprintf(text, 32, "%.4f", value);
    return text;
}

const char *tn_interval_text(tn_interval interval, char text[32]) {
    if (!tn_interval_is(interval)) return "-";
    snprintf(text, 32, "%.4f to %.4f", interval.low, interval.high);
    return text;
}
