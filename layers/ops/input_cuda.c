#include "layers/ops/input.h"

TN_GPU_SOURCE(input);

enum { ELEMENTS = 16, MOST_BLOCKS = 1024 }; /* of a thread, about; as many as keep any GPU busy */

bool tn_input_serves(const tn_gpu *gpu, int channels) {
    return channels <= TN_INPUT_CHANNELS && tn_gpu_has(gpu, &input_source);
}

tn_status tn_input_widen(tn_gpu *gpu, const tn_input_args *args) {
    const size_t each = (size_t)TN_INPUT_THREADS * ELEMENTS;
    const size_t blocks = (tn_elements(&args->to) + each - 1) / each;
    tn_input_args a = *args;
    return tn_gpu_launch(gpu, &input_source, "tn_input_widen_bytes",
                         (tn_gpu_extent){(unsigned)(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS)},
                         (tn_gpu_extent){TN_INPUT_THREADS}, 0, TN_GPU_ARGS(&a), "a net's input");
}
