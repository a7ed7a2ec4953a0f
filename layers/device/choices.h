/* What was chosen by measurement: chosen once, kept with a run, taken up again when it goes on.
 *
 * A choice is a number under a name that says everything it was measured for ("cudnn backward data
 * 16 32x56x56x64 5x5/1 bf16"). Choices made on one GPU mean nothing on another: they are kept with
 * the name of the device and forgotten when that differs. */
#ifndef TN_DEVICE_CHOICES_H
#define TN_DEVICE_CHOICES_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_choices tn_choices;

/* `device` is copied: the text that tn_gpu_describe gives. */
tn_status tn_choices_create(const char *device, tn_choices **out);
void tn_choices_free(tn_choices *choices);

/* NULL choices find nothing and keep nothing. */
bool tn_choices_find(const tn_choices *choices, const char *name, int *value);
tn_status tn_choices_add(tn_choices *choices, const char *name, int value);

/* All of them as text: the device in the first line, then "value name" lines. Valid until the next
 * add. */
const char *tn_choices_text(const tn_choices *choices, size_t *bytes);
/* Adds what such a text holds. *taken is false, and nothing is added, when it was made on another
 * device. Fails on a damaged text. */
tn_status tn_choices_read(tn_choices *choices, const char *text, size_t bytes, bool *taken);

#ifdef __cplusplus
}
#endif
#endif
