/* libFuzzer: case files. Build with
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -I. -D_GNU_SOURCE $(pkg-config --cflags
 *   libxml-2.0 libcjson) tests/fuzz/fuzz_ddti_xml.c src/data/ddti/case.c src/data/ddti/outline.c
 *   src/data/text.c layers/device/status.c $(pkg-config --libs libxml-2.0 libcjson) */
#include "src/data/ddti/case.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_ddti_case record;
    if (tn_ddti_case_parse(data, size, "1.xml", &record) != TN_OK) return 0;
    for (int m = 0; m < record.mark_count; m++) {
        tn_ddti_box boxes[4];
        int count =
            tn_ddti_mark_boxes(&record.marks[m], TN_DDTI_WIDTH, TN_DDTI_HEIGHT, boxes, NULL, 4);
        for (int i = 0; i < count && i < 4; i++)
            if (boxes[i].x < 0 || boxes[i].x + boxes[i].w > TN_DDTI_WIDTH || boxes[i].y < 0 ||
                boxes[i].y + boxes[i].h > TN_DDTI_HEIGHT)
                abort();
    }
    tn_ddti_case_free(&record);
    return 0;
}
