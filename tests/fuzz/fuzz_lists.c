/* Any bytes as a labels file and, after the first 0xFF, as a list with those labels. */
#include "src/data/lists.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *split = size ? memchr(data, 0xFF, size) : NULL;
    size_t first = split ? (size_t)(split - data) : size;
    tn_labels labels;
    int classes = first ? data[0] % 8 + 1 : 2;
    bool labelled =
        tn_labels_parse((const char *)data, first, "labels", classes, true, &labels) == TN_OK;
    tn_list list;
    if (split && tn_list_parse((const char *)split + 1, size - first - 1, "list",
                               labelled ? &labels : NULL, false, &list) == TN_OK) {
        for (int i = 0; i < list.n; i++)
            if (list.label[i] >= classes || (labelled && list.label[i] < 0)) abort();
        tn_list_free(&list);
    }
    if (labelled) tn_labels_free(&labels);
    return 0;
}
