/* See fake_cuda.c: what it defines is called by the library alone. */
#ifndef TN_TESTS_PLUGIN_FAKE_CUDA_H
#define TN_TESTS_PLUGIN_FAKE_CUDA_H

#include <stddef.h>

extern int tn_fake_cuda_kernels; /* of the library's, run so far */

int cudaMalloc(void **memory, size_t bytes);
int cudaFree(void *memory);
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream);
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind);
int cudaSetDevice(int index);
int cudaGetDevice(int *index);
int cudaGetLastError(void);
int cudaPeekAtLastError(void);
int cudaDeviceSynchronize(void);
int cudaStreamCreateWithFlags(void **stream, unsigned flags);
int cudaStreamSynchronize(void *stream);
int cudaHostAlloc(void **memory, size_t bytes, unsigned flags);
int cudaFreeHost(void *memory);
int cudaMemGetInfo(size_t *room, size_t *all);
int cudaGetDeviceProperties(void *properties, int index);
int cudnnCreate(void **handle);
int cudnnSetStream(void *handle, void *stream);
void fill_ongpu(int n, float value, float *x, int step);
void scal_ongpu(int n, float factor, float *x, int step);
void axpy_ongpu(int n, float factor, float *x, int x_step, float *y, int y_step);
void simple_copy_ongpu(int n, float *from, float *to);
void reset_nan_and_inf(float *x, size_t n);
void fix_nan_and_inf(float *x, size_t n);
void softmax_gpu_new_api(float *x, int n, int batch, int batch_step, int groups, int group_step,
                         int step, float temperature, float *y);
void softmax_x_ent_gpu(int n, float *p, float *truth, float *delta, float *error);

#endif
