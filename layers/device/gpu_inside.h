/* A GPU from inside: for the files that implement gpu.h. */
#ifndef TN_DEVICE_GPU_INSIDE_H
#define TN_DEVICE_GPU_INSIDE_H

#include "layers/device/cudnn.h"
#include "layers/device/gpu_driver.h"

enum { TN_GPU_SOURCES = 64, TN_GPU_KERNELS = 256 };

typedef struct tn_gpu_loaded {
    const char *name;
    void *function;
    size_t shared_bytes; /* asked for so far */
} tn_gpu_loaded;

struct tn_gpu {
    const tn_gpu_driver *driver;
    int index, device;
    void *context, *stream, *mark[2];
    bool owns_stream, waits;
    tn_gpu_limits limits;
    char text[256];
    struct {
        const char *name;
        void *module;
    } source[TN_GPU_SOURCES];
    tn_gpu_loaded kernel[TN_GPU_KERNELS];
    int n_sources, n_kernels;
    const tn_cudnn *cudnn;
    const tn_cublas *cublas;
    void *cudnn_handle, *cublas_handle;
};

/* Calls the driver, or returns a failure that names the call. */
#define TN_GPU_CALL(gpu, expression, ...)                                                          \
    do {                                                                                           \
        const int call_error_ = (gpu)->driver->expression;                                         \
        if (call_error_) return tn_gpu_fail((gpu)->driver, call_error_, __VA_ARGS__);              \
    } while (0)

/* What a message is about. */
static inline const char *tn_gpu_named(const char *what) {
    return what ? what : "a GPU";
}

static inline double tn_gpu_mebibytes(size_t bytes) {
    return (double)bytes / (1 << 20);
}

#endif
