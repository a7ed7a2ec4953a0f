/* Any bytes as a .data file and as a sidecar's preprocessing keys. */
#include "src/data/datafile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_data_config config;
    if (tn_data_config_parse((const char *)data, size, "fuzz.data", &config) == TN_OK) {
        /* What was accepted must survive being written and read again. */
        char text[TN_PREPROCESS_TEXT];
        tn_preprocess again;
        if (tn_preprocess_write(&config.preprocess, text, sizeof text) != TN_OK ||
            tn_preprocess_read(text, "again", &again) != TN_OK ||
            tn_preprocess_compare(&config.preprocess, &again) != TN_OK)
            abort();
        tn_data_config_free(&config);
    }
    return 0;
}
