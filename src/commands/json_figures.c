#include "src/commands/json_figures.h"

#include <math.h>
#include <stdio.h>

bool tn_json_real(cJSON *object, const char *name, double value) {
    char text[32];
    if (!isfinite(value)) return cJSON_AddNullToObject(object, name) != NULL;
    snprintf(text, sizeof text, "%.17g", value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

bool tn_json_count(cJSON *object, const char *name, size_t count) {
    return cJSON_AddNumberToObject(object, name, (double)count) != NULL;
}

bool tn_json_interval(cJSON *object, const char *name, tn_interval interval) {
    char text[72];
    if (!tn_interval_is(interval)) return cJSON_AddNullToObject(object, name) != NULL;
    snprintf(text, sizeof text, "[%.17g,%.17g]", interval.low, interval.high);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}
