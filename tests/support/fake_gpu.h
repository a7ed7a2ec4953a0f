/* A GPU that is none: an emulated CUDA driver for tests.
 *
 * Its memory is the processor's, out of reach (a page fault) but during copies and launches, so
 * that code of the processor which follows an address of the GPU's is caught. It can fail where it
 * is told to. Kernels are found by name with `find` and run by `launch`, which whoever emulates
 * kernels puts there; without, there is no kernel and everything is staged. */
#ifndef TN_TESTS_FAKE_GPU_H
#define TN_TESTS_FAKE_GPU_H

#include "layers/device/gpu_driver.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_fake_gpu {
    /* May be changed after installing. */
    int devices, arch; /* 1, 90 */
    size_t memory_bytes;
    bool (*emulates)(const char *source); /* "norm_act"; NULL: every source, once `find` is set */
    void *(*find)(const char *kernel);    /* NULL: no such kernel */
    int (*launch)(void *kernel, tn_gpu_extent grid, tn_gpu_extent block, size_t shared_bytes,
                  void **args); /* a CUresult */
    /* Libraries; NULL: none. */
    const struct tn_cudnn *(*cudnn)(void);
    const struct tn_cublas *(*cublas)(void);

    const char *fail_call; /* "MemAlloc": the (fail_after + 1)th such call fails with fail_code */
    int fail_after, fail_code;

    /* Counted. */
    size_t used_bytes;
    int allocations, open_contexts, streams, launches, copies_in, copies_out;
} tn_fake_gpu;

/* Installs it (tn_gpu_use_driver) with its counts at zero and nothing failing. */
tn_fake_gpu *tn_fake_gpu_install(void);
/* Puts the real driver back; fails the test when something was left open. */
void tn_fake_gpu_remove(void);

/* For what computes there: all of its memory within reach, and out of it; whether `bytes` at `at`
 * are its memory. */
void tn_fake_gpu_reach(void);
void tn_fake_gpu_leave(void);
bool tn_fake_gpu_holds(const void *at, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
