#include "layers/ops/dropout_kernels.h"

#include "layers/device/rng.h"

/* Steps beyond 2^32 change the key: any odd number would do, this one is 2^64 / golden ratio. */
#define LATE_STEPS 0x9E3779B97F4A7C15u

tn_dropout_stream tn_dropout_stream_of(const tn_step *step, int layer, int sample,
                                       double probability) {
    const double p = probability < 0 ? 0 : probability > 1 ? 1 : probability;
    return (tn_dropout_stream){
        .key = tn_rng_key(step->seed, TN_RNG_DROPOUT) + (step->step >> 32) * LATE_STEPS,
        .sample = (uint32_t)sample,
        .layer = (uint32_t)layer,
        .step = (uint32_t)step->step,
        .threshold = (uint64_t)(p * 4294967296.0),
    };
}

bool tn_dropout_keeps(const tn_step *step, int layer, int sample, uint32_t element,
                      double probability) {
    const tn_dropout_stream s = tn_dropout_stream_of(step, layer, sample, probability);
    const uint32_t counter[4] = {element / 4, s.sample, s.layer, s.step};
    uint32_t word[4];
    tn_philox(s.key, counter, word);
    return word[element % 4] >= s.threshold;
}

static unsigned keeps(const tn_op *op) {
    (void)op;
    return 0;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_dropout_forward_cuda,
    &tn_dropout_forward_avx2,
#endif
    &tn_dropout_forward_ref,
    NULL,
};

static const tn_kernel *const backward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_dropout_backward_cuda,
    &tn_dropout_backward_avx2,
#endif
    &tn_dropout_backward_ref,
    NULL,
};

const tn_op_kind tn_op_dropout = {
    .name = "dropout",
    .kernels = {[TN_FORWARD] = forward, [TN_BACKWARD_DATA] = backward},
    .keeps = keeps,
};
