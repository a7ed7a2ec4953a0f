/* Widening a mini-batch of images that are bytes: on a GPU a quarter of the bytes cross the bus,
 * and since what each byte becomes is looked up, the bits are those of the processor's floats. */
#ifndef TN_OPS_INPUT_H
#define TN_OPS_INPUT_H

#include "layers/device/gpu.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_INPUT_VALUES = 256, TN_INPUT_CHANNELS = 4, TN_INPUT_THREADS = 256 };

/* What the kernel takes, by value: byte v of channel c becomes table[c * TN_INPUT_VALUES + v]. */
typedef struct tn_input_args {
    tn_tensor to;        /* up to TN_INPUT_CHANNELS channels */
    const uint8_t *from; /* dense (n,h,w,c) */
    const float *table;  /* one row of TN_INPUT_VALUES a channel */
} tn_input_args;

/* In the processor's memory; `to` is of tn_real. */
void tn_input_widen_ref(const tn_input_args *args);

/* Whether that GPU has the kernel for images of so many channels; and the kernel, all addresses
 * there. */
bool tn_input_serves(const tn_gpu *gpu, int channels);
tn_status tn_input_widen(tn_gpu *gpu, const tn_input_args *args);

#ifdef __cplusplus
}
#endif
#endif
