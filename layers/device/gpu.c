#include "layers/device/gpu.h"

#include "layers/device/gpu_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_ARCH = 75, TENSOR_ARCH = 80 };

const char *tn_precision_name(tn_precision precision) {
    static const char *const names[] = {"fp32", "tf32", "bf16"};
    return names[precision];
}

/* ---- errors ---- */

tn_status tn_gpu_fail(const tn_gpu_driver *driver, int error, const char *format, ...) {
    char call[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call, sizeof call, format, arguments);
    va_end(arguments);
    const char *name = NULL, *words = NULL;
    if (driver->GetErrorName(error, &name) != TN_CUDA_SUCCESS || !name) name = "unknown error";
    if (driver->GetErrorString(error, &words) != TN_CUDA_SUCCESS || !words) words = "no text";
    return tn_fail("%s failed: %s (%d, %s)", call, name, error, words);
}

/* ---- finding and opening ---- */

int tn_gpu_count(void) {
    const tn_gpu_driver *driver = tn_gpu_driver_in_use();
    if (!driver) return 0;
    int count = 0;
    const int error = driver->DeviceGetCount(&count);
    if (error && error != TN_CUDA_NO_DEVICE)
        (void)tn_gpu_fail(driver, error, "cuDeviceGetCount");
    else if (error || count == 0)
        (void)tn_fail("the CUDA driver finds no GPU");
    return error ? 0 : count;
}

static tn_status read_limits(tn_gpu *gpu) {
    const struct {
        int attribute, *to;
    } wanted[] = {{TN_CUDA_ATTRIBUTE_PROCESSORS, &gpu->limits.processors},
                  {TN_CUDA_ATTRIBUTE_MAJOR, &(int){0}},
                  {TN_CUDA_ATTRIBUTE_MINOR, &(int){0}},
                  {TN_CUDA_ATTRIBUTE_SHARED_OPTIN, &(int){0}}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        TN_GPU_CALL(gpu, DeviceGetAttribute(wanted[i].to, wanted[i].attribute, gpu->device),
                    "cuDeviceGetAttribute %d of GPU %d", wanted[i].attribute, gpu->index);
    gpu->limits.arch = 10 * *wanted[1].to + *wanted[2].to;
    gpu->limits.shared_bytes = (size_t)*wanted[3].to;
    TN_GPU_CALL(gpu, DeviceTotalMem(&gpu->limits.memory_bytes, gpu->device),
                "cuDeviceTotalMem of GPU %d", gpu->index);
    return TN_OK;
}

static tn_status describe(tn_gpu *gpu) {
    char name[128] = "";
    int version = 0;
    TN_GPU_CALL(gpu, DeviceGetName(name, sizeof name, gpu->device), "cuDeviceGetName of GPU %d",
                gpu->index);
    TN_GPU_CALL(gpu, DriverGetVersion(&version), "cuDriverGetVersion");
    const int used = snprintf(
        gpu->text, sizeof gpu->text, "%s (sm_%d, %.1f GiB), driver %d.%d", name, gpu->limits.arch,
        tn_gpu_mebibytes(gpu->limits.memory_bytes) / 1024, version / 1000, version % 1000 / 10);
    const tn_cudnn *cudnn = gpu->driver->cudnn ? gpu->driver->cudnn() : NULL;
    if (!cudnn) return TN_OK;
    const size_t v = cudnn->GetVersion();
    snprintf(gpu->text + used, sizeof gpu->text - (size_t)used, ", cuDNN %zu.%zu.%zu", v / 10000,
             v % 10000 / 100, v % 100);
    return TN_OK;
}

static tn_status start(tn_gpu *gpu, void *stream) {
    TN_GPU_CALL(gpu, DeviceGet(&gpu->device, gpu->index), "cuDeviceGet of GPU %d", gpu->index);
    TN_TRY(read_limits(gpu));
    TN_TRY(describe(gpu));
    if (gpu->limits.arch < OLDEST_ARCH)
        return tn_fail("GPU %d, %s: architecture sm_%d, expected sm_%d or newer", gpu->index,
                       gpu->text, gpu->limits.arch, OLDEST_ARCH);
    TN_GPU_CALL(gpu, DevicePrimaryCtxRetain(&gpu->context, gpu->device),
                "cuDevicePrimaryCtxRetain of GPU %d", gpu->index);
    TN_TRY(tn_gpu_make_current(gpu));
    gpu->stream = stream;
    if (!stream) {
        TN_GPU_CALL(gpu, StreamCreate(&gpu->stream, TN_CUDA_STREAM_NON_BLOCKING),
                    "cuStreamCreate on GPU %d", gpu->index);
        gpu->owns_stream = true;
    }
    for (int i = 0; i < 2; i++)
        TN_GPU_CALL(gpu, EventCreate(&gpu->mark[i], 0), "cuEventCreate on GPU %d", gpu->index);
    return TN_OK;
}

tn_status tn_gpu_open(const tn_gpu_options *options, tn_gpu **out) {
    *out = NULL;
    const int count = tn_gpu_count();
    if (count == 0) return TN_FAIL;
    if (options->index < 0 || options->index >= count)
        return tn_fail("GPU %d: there %s %d, counted from 0", options->index,
                       count == 1 ? "is" : "are", count);
    tn_gpu *gpu = calloc(1, sizeof *gpu);
    if (!gpu) return tn_fail("GPU %d: out of memory", options->index);
    gpu->driver = tn_gpu_driver_in_use();
    gpu->index = options->index;
    const char *waits = getenv("TN_GPU_SYNC");
    gpu->waits = waits && *waits && strcmp(waits, "0") != 0;
    const tn_status status = start(gpu, options->stream);
    if (status != TN_OK) {
        tn_gpu_close(gpu);
        return status;
    }
    *out = gpu;
    return TN_OK;
}

void tn_gpu_close(tn_gpu *gpu) {
    if (!gpu) return;
    const tn_gpu_driver *d = gpu->driver;
    if (gpu->context) {
        (void)d->CtxSetCurrent(gpu->context);
        if (gpu->stream) (void)d->StreamSynchronize(gpu->stream);
        if (gpu->cudnn_handle) (void)gpu->cudnn->Destroy(gpu->cudnn_handle);
        if (gpu->cublas_handle) (void)gpu->cublas->Destroy(gpu->cublas_handle);
        for (int i = 0; i < gpu->n_sources; i++) (void)d->ModuleUnload(gpu->source[i].module);
        for (int i = 0; i < 2; i++)
            if (gpu->mark[i]) (void)d->EventDestroy(gpu->mark[i]);
        if (gpu->owns_stream) (void)d->StreamDestroy(gpu->stream);
        (void)d->DevicePrimaryCtxRelease(gpu->device);
    }
    free(gpu);
}

const char *tn_gpu_describe(const tn_gpu *gpu) {
    return gpu->text;
}

int tn_gpu_index(const tn_gpu *gpu) {
    return gpu->index;
}

const tn_gpu_limits *tn_gpu_limits_of(const tn_gpu *gpu) {
    return &gpu->limits;
}

const tn_gpu_driver *tn_gpu_driver_of(const tn_gpu *gpu) {
    return gpu->driver;
}

void *tn_gpu_stream(const tn_gpu *gpu) {
    return gpu->stream;
}

tn_status tn_gpu_make_current(tn_gpu *gpu) {
    TN_GPU_CALL(gpu, CtxSetCurrent(gpu->context), "cuCtxSetCurrent of GPU %d", gpu->index);
    return TN_OK;
}

tn_status tn_gpu_check_precision(const tn_gpu *gpu, tn_precision precision) {
    if (precision == TN_PRECISION_FP32 || gpu->limits.arch >= TENSOR_ARCH) return TN_OK;
    return tn_fail("-precision %s: GPU %d, %s, is sm_%d, expected sm_%d or newer; it can fp32",
                   tn_precision_name(precision), gpu->index, gpu->text, gpu->limits.arch,
                   TENSOR_ARCH);
}

/* ---- our own kernels ---- */

bool tn_gpu_has(const tn_gpu *gpu, const tn_gpu_source *source) {
    if (!gpu) return false;
    return gpu->driver->emulates ? gpu->driver->emulates(source->name) : source->bytes != NULL;
}

static tn_status load_source(tn_gpu *gpu, const tn_gpu_source *source, void **module) {
    for (int i = 0; i < gpu->n_sources; i++) {
        if (strcmp(gpu->source[i].name, source->name) != 0) continue;
        *module = gpu->source[i].module;
        return TN_OK;
    }
    if (!tn_gpu_has(gpu, source))
        return tn_fail("no machine code of %s.cu: the program was built without nvcc",
                       source->name);
    if (gpu->n_sources == TN_GPU_SOURCES) return tn_fail("more than %d sources", TN_GPU_SOURCES);
    const int error = gpu->driver->ModuleLoadData(module, source->data);
    if (error == TN_CUDA_NO_BINARY || error == TN_CUDA_INVALID_IMAGE)
        return tn_gpu_fail(gpu->driver, error, "loading %s.cu, which holds no code for sm_%d,",
                           source->name, gpu->limits.arch);
    if (error) return tn_gpu_fail(gpu->driver, error, "loading %s.cu", source->name);
    gpu->source[gpu->n_sources].name = source->name;
    gpu->source[gpu->n_sources++].module = *module;
    return TN_OK;
}

static tn_status find_kernel(tn_gpu *gpu, const tn_gpu_source *source, const char *name,
                             tn_gpu_loaded **out) {
    for (int i = 0; i < gpu->n_kernels; i++) {
        *out = &gpu->kernel[i];
        if ((*out)->name == name || strcmp((*out)->name, name) == 0) return TN_OK;
    }
    if (gpu->n_kernels == TN_GPU_KERNELS) return tn_fail("more than %d kernels", TN_GPU_KERNELS);
    void *module;
    TN_TRY(load_source(gpu, source, &module));
    *out = &gpu->kernel[gpu->n_kernels];
    **out = (tn_gpu_loaded){.name = name};
    TN_GPU_CALL(gpu, ModuleGetFunction(&(*out)->function, module, name), "finding %s in %s.cu",
                name, source->name);
    gpu->n_kernels++;
    return TN_OK;
}

static unsigned at_least_one(unsigned extent) {
    return extent ? extent : 1;
}

tn_status tn_gpu_launch(tn_gpu *gpu, const tn_gpu_source *source, const char *kernel,
                        tn_gpu_extent grid, tn_gpu_extent block, size_t shared_bytes,
                        void *const *args, const char *what) {
    enum { SHARED_WITHOUT_ASKING = 48 << 10 };
    tn_gpu_loaded *k = NULL;
    TN_TRY(tn_gpu_make_current(gpu));
    TN_TRY(find_kernel(gpu, source, kernel, &k));
    if (shared_bytes > SHARED_WITHOUT_ASKING && shared_bytes > k->shared_bytes) {
        TN_GPU_CALL(gpu,
                    FuncSetAttribute(k->function, TN_CUDA_FUNCTION_MAX_SHARED, (int)shared_bytes),
                    "asking for %zu bytes of shared memory (at most %zu) for %s of %s",
                    shared_bytes, gpu->limits.shared_bytes, kernel, tn_gpu_named(what));
        k->shared_bytes = shared_bytes;
    }
    TN_GPU_CALL(gpu,
                LaunchKernel(k->function, at_least_one(grid.x), at_least_one(grid.y),
                             at_least_one(grid.z), at_least_one(block.x), at_least_one(block.y),
                             at_least_one(block.z), (unsigned)shared_bytes, gpu->stream,
                             (void **)(uintptr_t)args, NULL),
                "launching %s of %s (grid %ux%ux%u, block %ux%ux%u, %zu bytes shared)", kernel,
                tn_gpu_named(what), grid.x, at_least_one(grid.y), at_least_one(grid.z), block.x,
                at_least_one(block.y), at_least_one(block.z), shared_bytes);
    return gpu->waits ? tn_gpu_synchronize(gpu, kernel) : TN_OK;
}

/* ---- libraries ---- */

const tn_cudnn *tn_gpu_cudnn(tn_gpu *gpu, void **handle) {
    const tn_cudnn *cudnn = gpu->driver->cudnn ? gpu->driver->cudnn() : NULL;
    if (!cudnn || tn_gpu_make_current(gpu) != TN_OK) return NULL;
    if (!gpu->cudnn_handle) {
        void *made = NULL;
        if (tn_cudnn_check(cudnn, cudnn->Create(&made), "cudnnCreate", gpu->text) != TN_OK)
            return NULL;
        gpu->cudnn = cudnn;
        gpu->cudnn_handle = made;
        if (tn_cudnn_check(cudnn, cudnn->SetStream(made, gpu->stream), "cudnnSetStream",
                           gpu->text) != TN_OK)
            return NULL;
    }
    *handle = gpu->cudnn_handle;
    return cudnn;
}

const tn_cublas *tn_gpu_cublas(tn_gpu *gpu, void **handle) {
    const tn_cublas *cublas = gpu->driver->cublas ? gpu->driver->cublas() : NULL;
    if (!cublas || tn_gpu_make_current(gpu) != TN_OK) return NULL;
    if (!gpu->cublas_handle) {
        void *made = NULL;
        if (tn_cublas_check(cublas, cublas->Create(&made), "cublasCreate", gpu->text) != TN_OK)
            return NULL;
        gpu->cublas = cublas;
        gpu->cublas_handle = made;
        if (tn_cublas_check(cublas, cublas->SetStream(made, gpu->stream), "cublasSetStream",
                            gpu->text) != TN_OK)
            return NULL;
    }
    *handle = gpu->cublas_handle;
    return cublas;
}
