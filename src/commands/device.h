/* Where the program computes: one choice for all of it, made by flags that every command takes.
 *
 *   -gpus 0,1   these GPUs (train: a replica each; other commands use the first); -i N: one
 *   -i -1, -nogpu   the processor
 *   -precision fp32|tf32|bf16; int8: inference on the processor, in 8 bits
 * Without them, GPU 0 where there is one and this program holds CUDA code, else the processor. */
#ifndef TN_COMMANDS_DEVICE_H
#define TN_COMMANDS_DEVICE_H

#include "layers/device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the flags out of argv, wherever they stand before "--". GPUs that are asked for, or
 * a precision that takes one, are opened at once: fails, saying why and what to do, when that
 * cannot be. */
tn_status tn_device_take_flags(int *argc, char **argv);

/* The GPUs to compute on, opened at the first call: *n of them, 0 for the processor. They stay open
 * until tn_device_close. Fails where the precision asked for cannot be had there. */
tn_status tn_device_use(tn_gpu *const **gpu, int *n);
tn_precision tn_device_precision(void);
/* Whether int8 was asked for: then the processor computes, and can do it; precision is fp32. */
bool tn_device_int8(void);
void tn_device_close(void);

/* Fails where the processor cannot have the precision asked for, saying what to do. */
tn_status tn_device_check_processor(void);

/* The first of them; NULL on the processor. */
tn_status tn_device_first(tn_gpu **gpu);

#ifdef __cplusplus
}
#endif
#endif
