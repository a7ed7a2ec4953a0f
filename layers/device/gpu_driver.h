/* What a tn_gpu stands on: the CUDA driver's functions and those of the libraries, as tables that
 * can be replaced.
 *
 * The tables are filled from the shared libraries when the first GPU is asked for. A test puts an
 * emulated driver there (GPU memory is the processor's, kernels are compiled as C++), or one that
 * fails where it is told to. Types are declared here, so that building needs no header of CUDA's;
 * layers/device/gpu_abi.c holds them against the headers wherever there are any. */
#ifndef TN_DEVICE_GPU_DRIVER_H
#define TN_DEVICE_GPU_DRIVER_H

#include "layers/device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t tn_cu_address; /* CUdeviceptr */

/* Each row: name in the table, symbol in libcuda.so.1, arguments. All return a CUresult, 0 when all
 * is well. Handles (context, module, function, stream, event) are opaque pointers. */
#define TN_CUDA_FUNCTIONS(X)                                                                       \
    X(Init, "cuInit", (unsigned flags))                                                            \
    X(DriverGetVersion, "cuDriverGetVersion", (int *version))                                      \
    X(GetErrorName, "cuGetErrorName", (int error, const char **text))                              \
    X(GetErrorString, "cuGetErrorString", (int error, const char **text))                          \
    X(DeviceGetCount, "cuDeviceGetCount", (int *count))                                            \
    X(DeviceGet, "cuDeviceGet", (int *device, int index))                                          \
    X(DeviceGetName, "cuDeviceGetName", (char *name, int room, int device))                        \
    X(DeviceGetAttribute, "cuDeviceGetAttribute", (int *value, int attribute, int device))         \
    X(DeviceTotalMem, "cuDeviceTotalMem_v2", (size_t * bytes, int device))                         \
    X(DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (void **context, int device))            \
    X(DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (int device))                       \
    X(CtxSetCurrent, "cuCtxSetCurrent", (void *context))                                           \
    X(MemGetInfo, "cuMemGetInfo_v2", (size_t * free, size_t * total))                              \
    X(MemAlloc, "cuMemAlloc_v2", (tn_cu_address * memory, size_t bytes))                           \
    X(MemFree, "cuMemFree_v2", (tn_cu_address memory))                                             \
    X(MemcpyHtoD, "cuMemcpyHtoDAsync_v2",                                                          \
      (tn_cu_address to, const void *from, size_t bytes, void *stream))                            \
    X(MemcpyDtoH, "cuMemcpyDtoHAsync_v2",                                                          \
      (void *to, tn_cu_address from, size_t bytes, void *stream))                                  \
    X(MemcpyDtoD, "cuMemcpyDtoDAsync_v2",                                                          \
      (tn_cu_address to, tn_cu_address from, size_t bytes, void *stream))                          \
    X(MemsetD8, "cuMemsetD8Async",                                                                 \
      (tn_cu_address at, unsigned char value, size_t bytes, void *stream))                         \
    X(StreamCreate, "cuStreamCreate", (void **stream, unsigned flags))                             \
    X(StreamDestroy, "cuStreamDestroy_v2", (void *stream))                                         \
    X(StreamSynchronize, "cuStreamSynchronize", (void *stream))                                    \
    X(EventCreate, "cuEventCreate", (void **event, unsigned flags))                                \
    X(EventDestroy, "cuEventDestroy_v2", (void *event))                                            \
    X(EventRecord, "cuEventRecord", (void *event, void *stream))                                   \
    X(EventSynchronize, "cuEventSynchronize", (void *event))                                       \
    X(EventElapsedTime, "cuEventElapsedTime", (float *milliseconds, void *from, void *to))         \
    X(ModuleLoadData, "cuModuleLoadData", (void **module, const void *image))                      \
    X(ModuleUnload, "cuModuleUnload", (void *module))                                              \
    X(ModuleGetFunction, "cuModuleGetFunction", (void **function, void *module, const char *name)) \
    X(FuncSetAttribute, "cuFuncSetAttribute", (void *function, int attribute, int value))          \
    X(LaunchKernel, "cuLaunchKernel",                                                              \
      (void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,        \
       unsigned block_y, unsigned block_z, unsigned shared_bytes, void *stream, void **args,       \
       void **extra))

/* CUresult and CUdevice_attribute values that are used. */
enum {
    TN_CUDA_SUCCESS = 0,
    TN_CUDA_OUT_OF_MEMORY = 2,
    TN_CUDA_NO_DEVICE = 100,
    TN_CUDA_INVALID_IMAGE = 200,
    TN_CUDA_NO_BINARY = 209,
    TN_CUDA_NOT_FOUND = 500,
    TN_CUDA_LAUNCH_FAILED = 719,
    TN_CUDA_ATTRIBUTE_PROCESSORS = 16,
    TN_CUDA_ATTRIBUTE_MAJOR = 75,
    TN_CUDA_ATTRIBUTE_MINOR = 76,
    TN_CUDA_ATTRIBUTE_SHARED_OPTIN = 97,
    TN_CUDA_FUNCTION_MAX_SHARED = 8, /* CUfunction_attribute */
    TN_CUDA_STREAM_NON_BLOCKING = 1,
};

struct tn_cudnn;
struct tn_cublas;
struct tn_nccl;

typedef struct tn_gpu_driver {
#define TN_CUDA_ROW(name, symbol, arguments) int(*name) arguments;
    TN_CUDA_FUNCTIONS(TN_CUDA_ROW)
#undef TN_CUDA_ROW
    /* NULL but in an emulated driver, which finds kernels by name and needs no machine code: it
     * says whether it can run those of this source ("norm_act"). */
    bool (*emulates)(const char *source);
    /* Opens a library; NULL when it is not there, tn_error() saying why. */
    const struct tn_cudnn *(*cudnn)(void);
    const struct tn_cublas *(*cublas)(void);
    const struct tn_nccl *(*nccl)(void);
} tn_gpu_driver;

/* Replaces the driver for every tn_gpu opened from now on; NULL puts the real one back. For tests,
 * while no tn_gpu is open. */
void tn_gpu_use_driver(const tn_gpu_driver *driver);

/* The driver in use: opened at the first call; NULL with tn_error() set when there is none. */
const tn_gpu_driver *tn_gpu_driver_in_use(void);
const tn_gpu_driver *tn_gpu_driver_of(const tn_gpu *gpu);
/* The stream of a GPU, and making its context the calling thread's: for calls of libraries. */
void *tn_gpu_stream(const tn_gpu *gpu);
tn_status tn_gpu_make_current(tn_gpu *gpu);

/* tn_fail with CUDA's name and words for `error`: "cuMemAlloc of 9.1 GiB for buffers: ...". */
tn_status tn_gpu_fail(const tn_gpu_driver *driver, int error, const char *format, ...)
    TN_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
