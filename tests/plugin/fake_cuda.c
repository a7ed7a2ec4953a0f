/* The CUDA runtime, the part of cuDNN that chooses, and a few kernels of AlexeyAB's, for a library
 * of his that is built for GPUs: they stand before the real ones and go to the emulated driver,
 * whose memory is out of the processor's reach but during copies and kernels. */
#include "tests/plugin/fake_cuda.h"

#include "layers/device/gpu_driver.h"
#include "tests/support/fake_gpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int place; /* what handles point to */
int tn_fake_cuda_kernels;

static const tn_gpu_driver *driver(void) {
    return tn_gpu_driver_in_use();
}

static tn_cu_address address(const void *p) {
    return (tn_cu_address)(uintptr_t)p;
}

static int copy(void *to, const void *from, size_t bytes) {
    const bool out = tn_fake_gpu_holds(from, bytes), in = tn_fake_gpu_holds(to, bytes);
    if (in && out) return driver()->MemcpyDtoD(address(to), address(from), bytes, NULL);
    if (in) return driver()->MemcpyHtoD(address(to), from, bytes, NULL);
    if (out) return driver()->MemcpyDtoH(to, address(from), bytes, NULL);
    return 1;
}

static void begin(void) {
    tn_fake_cuda_kernels++;
    tn_fake_gpu_reach();
}

#pragma GCC visibility push(default)

int cudaMalloc(void **memory, size_t bytes) {
    tn_cu_address at = 0;
    const int error = driver()->MemAlloc(&at, bytes);
    *memory = (void *)(uintptr_t)at;
    return error;
}

int cudaFree(void *memory) {
    return memory ? driver()->MemFree(address(memory)) : 0;
}

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
    (void)kind;
    (void)stream;
    return copy(to, from, bytes);
}

int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    (void)kind;
    return copy(to, from, bytes);
}

int cudaSetDevice(int index) {
    return index == 0 ? 0 : 101;
}

int cudaGetDevice(int *index) {
    *index = 0;
    return 0;
}

int cudaGetLastError(void) {
    return 0;
}

int cudaPeekAtLastError(void) {
    return 0;
}

int cudaDeviceSynchronize(void) {
    return 0;
}

int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
    (void)flags;
    *stream = &place;
    return 0;
}

int cudaStreamSynchronize(void *stream) {
    return stream == &place ? 0 : 400;
}

int cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
    (void)flags;
    *memory = malloc(bytes);
    return *memory ? 0 : 2;
}

int cudaFreeHost(void *memory) {
    free(memory);
    return 0;
}

int cudaMemGetInfo(size_t *room, size_t *all) {
    return driver()->MemGetInfo(room, all);
}

/* It begins with the name. */
int cudaGetDeviceProperties(void *properties, int index) {
    (void)index;
    memcpy(properties, "Emulated", sizeof "Emulated");
    return 0;
}

int cudnnCreate(void **handle) {
    *handle = &place;
    return 0;
}

int cudnnSetStream(void *handle, void *stream) {
    return handle == &place && stream == &place ? 0 : 3;
}

/* As cudnnConvolutionFwdAlgoPerf_t and its sisters begin. */
typedef struct performance {
    int algorithm, status;
    float time;
    size_t memory;
} performance;

#define CHOICES(name)                                                                              \
    int cudnnGetConvolution##name##AlgorithmMaxCount(void *handle, int *count);                    \
    int cudnnGetConvolution##name##AlgorithmMaxCount(void *handle, int *count) {                   \
        (void)handle;                                                                              \
        *count = 1;                                                                                \
        return 0;                                                                                  \
    }                                                                                              \
    int cudnnGetConvolution##name##Algorithm_v7(void *handle, void *a, void *b, void *c, void *d,  \
                                                int most, int *count, performance *found);         \
    int cudnnGetConvolution##name##Algorithm_v7(void *handle, void *a, void *b, void *c, void *d,  \
                                                int most, int *count, performance *found) {        \
        (void)handle, (void)a, (void)b, (void)c, (void)d, (void)most;                              \
        *count = 1;                                                                                \
        *found = (performance){.algorithm = 1, .time = 1};                                         \
        return 0;                                                                                  \
    }                                                                                              \
    int cudnnGetConvolution##name##WorkspaceSize(void *handle, void *a, void *b, void *c, void *d, \
                                                 int algorithm, size_t *bytes);                    \
    int cudnnGetConvolution##name##WorkspaceSize(void *handle, void *a, void *b, void *c, void *d, \
                                                 int algorithm, size_t *bytes) {                   \
        (void)handle, (void)a, (void)b, (void)c, (void)d, (void)algorithm;                         \
        *bytes = 1024;                                                                             \
        return 0;                                                                                  \
    }
CHOICES(Forward)
CHOICES(BackwardData)
CHOICES(BackwardFilter)

/* ---- his kernels ---- */

void fill_ongpu(int n, float value, float *x, int step) {
    begin();
    for (int i = 0; i < n; i++) x[i * step] = value;
    tn_fake_gpu_leave();
}

void scal_ongpu(int n, float factor, float *x, int step) {
    begin();
    for (int i = 0; i < n; i++) x[i * step] *= factor;
    tn_fake_gpu_leave();
}

void axpy_ongpu(int n, float factor, float *x, int x_step, float *y, int y_step) {
    begin();
    for (int i = 0; i < n; i++) y[i * y_step] += factor * x[i * x_step];
    tn_fake_gpu_leave();
}

void simple_copy_ongpu(int n, float *from, float *to) {
    begin();
    memmove(to, from, (size_t)n * sizeof *to);
    tn_fake_gpu_leave();
}

/* Every value that the tests hand it is finite. */
void reset_nan_and_inf(float *x, size_t n) {
    (void)x;
    (void)n;
}

void fix_nan_and_inf(float *x, size_t n) {
    (void)x;
    (void)n;
}

void softmax_gpu_new_api(float *x, int n, int batch, int batch_step, int groups, int group_step,
                         int step, float temperature, float *y) {
    begin();
    for (int at = 0; at < batch * groups; at++) {
        const int base = at / groups * batch_step + at % groups * group_step;
        float largest = -INFINITY, sum = 0;
        for (int i = 0; i < n; i++) largest = fmaxf(largest, x[base + i * step]);
        for (int i = 0; i < n; i++) {
            y[base + i * step] = expf((x[base + i * step] - largest) / temperature);
            sum += y[base + i * step];
        }
        for (int i = 0; i < n; i++) y[base + i * step] /= sum;
    }
    tn_fake_gpu_leave();
}

void softmax_x_ent_gpu(int n, float *p, float *truth, float *delta, float *error) {
    begin();
    for (int i = 0; i < n; i++) {
        error[i] = truth[i] != 0 ? -logf(p[i]) : 0;
        delta[i] = truth[i] - p[i];
    }
    tn_fake_gpu_leave();
}

#pragma GCC visibility pop
