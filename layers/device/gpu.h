/* A GPU: memory, copies, launches of our own kernels, and the libraries that compute beside them.
 *
 * The CUDA driver, cuDNN, cuBLAS and NCCL are opened at run time: the same program starts on a
 * machine that has none of them, and says which one it misses when asked for a GPU. Everything of a
 * tn_gpu goes through one stream, in order; launches and copies to the GPU return before they are
 * done. One thread at a time uses a tn_gpu, any thread may.
 *
 * Addresses on the GPU are void pointers, which the processor must not follow; tn_tensor.data,
 * tn_param.value and the like hold them in a replica that runs on a GPU. They can be reckoned with:
 * (char *)p + bytes.
 *
 * Errors name the call, what it was for, sizes, and CUDA's own name and words for what happened. A
 * kernel that fails while it runs is met by a later call; with TN_GPU_SYNC=1 in the environment
 * every launch is waited for, so that the culprit is named. */
#ifndef TN_DEVICE_GPU_H
#define TN_DEVICE_GPU_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_gpu tn_gpu;

/* Arithmetic of matrix products. fp32: fused multiply-adds, no TF32. tf32: factors rounded to 10
 * bits in the tensor cores, sums in fp32. bf16: activations and their gradients are stored in bf16,
 * sums, statistics and master weights stay fp32. */
typedef enum tn_precision { TN_PRECISION_FP32, TN_PRECISION_TF32, TN_PRECISION_BF16 } tn_precision;
const char *tn_precision_name(tn_precision precision); /* "fp32" */

/* ---- finding and opening ---- */

/* How many GPUs there are; 0, with tn_error() saying why, when there is none or no driver. */
int tn_gpu_count(void);

typedef struct tn_gpu_options {
    int index;    /* as nvidia-smi counts, where CUDA_VISIBLE_DEVICES does not say otherwise */
    void *stream; /* a CUstream of a host's; NULL: one of its own, made and destroyed with it */
} tn_gpu_options;

/* Fails, with what to do instead, when there is no driver, no such GPU, or one older than sm_75. */
tn_status tn_gpu_open(const tn_gpu_options *options, tn_gpu **out);
void tn_gpu_close(tn_gpu *gpu);

/* "NVIDIA A100-SXM4-80GB (sm_80, 79.2 GiB), driver 13.0, cuDNN 9.19.0". Valid until closed. */
const char *tn_gpu_describe(const tn_gpu *gpu);
/* Everything that the bits of a result may depend on, as describe says it: kept in .state files. */
int tn_gpu_index(const tn_gpu *gpu);

typedef struct tn_gpu_limits {
    int arch;            /* 90 for sm_90 */
    int processors;      /* streaming multiprocessors */
    size_t shared_bytes; /* of one block at most, asked for at launch (opt-in) */
    size_t memory_bytes; /* all of it */
} tn_gpu_limits;
const tn_gpu_limits *tn_gpu_limits_of(const tn_gpu *gpu);

/* Fails, naming GPU and architecture, where it cannot compute so (bf16 needs sm_80, tf32 too). */
tn_status tn_gpu_check_precision(const tn_gpu *gpu, tn_precision precision);

/* ---- memory ---- */

/* `bytes` of uninitialised memory, 256-byte aligned. When there is too little, the message says how
 * much was free. For blocks taken once (a replica's buffers, its parameters), never in a loop. */
tn_status tn_gpu_alloc(tn_gpu *gpu, size_t bytes, const char *what, void **out);
void tn_gpu_free(tn_gpu *gpu, void *memory);
tn_status tn_gpu_memory(tn_gpu *gpu, size_t *free_bytes, size_t *all_bytes);

/* From the processor's memory, which may be reused as soon as the call is back. */
tn_status tn_gpu_copy_in(tn_gpu *gpu, void *to, const void *from, size_t bytes, const char *what);
/* To the processor's memory; waits until it is there. */
tn_status tn_gpu_copy_out(tn_gpu *gpu, void *to, const void *from, size_t bytes, const char *what);
/* Within the GPU; the two must not overlap. */
tn_status tn_gpu_copy(tn_gpu *gpu, void *to, const void *from, size_t bytes, const char *what);
tn_status tn_gpu_zero(tn_gpu *gpu, void *at, size_t bytes, const char *what);

/* Waits for all that was asked for so far. */
tn_status tn_gpu_synchronize(tn_gpu *gpu, const char *what);

/* Milliseconds on the GPU between two marks of its stream, for choosing by measurement. `mark` is 0
 * or 1; elapsed waits for the second. */
tn_status tn_gpu_mark(tn_gpu *gpu, int mark);
tn_status tn_gpu_elapsed(tn_gpu *gpu, float *milliseconds);

/* ---- our own kernels ---- */

/* The machine code of one .cu file for every architecture, linked into the program. bytes is NULL
 * in a build without nvcc. */
typedef struct tn_gpu_source {
    const char *name; /* "norm_act": of layers/ops/norm_act.cu */
    const void *data;
    const uint64_t *bytes;
} tn_gpu_source;

/* TN_GPU_SOURCE(norm_act) at file level defines `static const tn_gpu_source norm_act_source`. */
#if TN_GPU
#define TN_GPU_SOURCE(stem)                                                                        \
    extern const unsigned char tn_fatbin_##stem[];                                                 \
    extern const uint64_t tn_fatbin_##stem##_bytes;                                                \
    static const tn_gpu_source stem##_source = {#stem, tn_fatbin_##stem, &tn_fatbin_##stem##_bytes}
#else
#define TN_GPU_SOURCE(stem) static const tn_gpu_source stem##_source = {#stem, NULL, NULL}
#endif

/* Extents of a grid or a block; 0 is taken for 1. */
typedef struct tn_gpu_extent {
    unsigned x, y, z;
} tn_gpu_extent;

/* Starts the `extern "C" __global__` function `kernel` of that source. args: a pointer to each of
 * its arguments, in order. shared_bytes: of dynamic shared memory, up to limits.shared_bytes. The
 * source is loaded at its first launch and stays loaded. `what` (may be NULL) names the op in
 * messages. `kernel` must live as long as the GPU. Names of kernels are unique in the whole program
 * and begin with "tn_". */
tn_status tn_gpu_launch(tn_gpu *gpu, const tn_gpu_source *source, const char *kernel,
                        tn_gpu_extent grid, tn_gpu_extent block, size_t shared_bytes,
                        void *const *args, const char *what);

/* TN_GPU_ARGS(&x, &n) is the args of a launch. */
#define TN_GPU_ARGS(...) ((void *const[]){__VA_ARGS__})

/* Whether that source can be launched here at all: for kernels, in prepare (TN_REFUSED when not).
 */
bool tn_gpu_has(const tn_gpu *gpu, const tn_gpu_source *source);

/* ---- libraries ---- */

struct tn_cudnn;
struct tn_cublas;
/* Functions and a handle on this GPU's stream. NULL where the library is not there (tn_error() says
 * why), so that the caller refuses and another kernel serves. The library is opened at the first
 * call. */
const struct tn_cudnn *tn_gpu_cudnn(tn_gpu *gpu, void **handle);
const struct tn_cublas *tn_gpu_cublas(tn_gpu *gpu, void **handle);

#ifdef __cplusplus
}
#endif
#endif
