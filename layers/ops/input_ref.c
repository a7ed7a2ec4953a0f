#include "layers/ops/input.h"

void tn_input_widen_ref(const tn_input_args *a) {
    const size_t pixels = tn_pixels(&a->to), channels = (size_t)a->to.c;
    const uint8_t *from = a->from;
    for (size_t p = 0; p < pixels; p++) {
        tn_real *to = tn_data(&a->to) + p * (size_t)a->to.pitch;
        for (size_t c = 0; c < channels; c++)
            to[c] = (tn_real)a->table[c * TN_INPUT_VALUES + *from++];
    }
}
