/* The functions of cuDNN 9 (C API, libcudnn.so.9) and cuBLAS (libcublas.so.12 or .13) that are
 * used. A row more is all it takes to use another one. Descriptors are opaque pointers, enums ints;
 * gpu_abi.c holds the values against the headers. */
#ifndef TN_DEVICE_CUDNN_H
#define TN_DEVICE_CUDNN_H

#include "layers/device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TN_CUDNN_SUCCESS = 0,
    TN_CUDNN_FLOAT = 0, /* cudnnDataType_t */
    TN_CUDNN_BFLOAT16 = 9,
    TN_CUDNN_NCHW = 0, /* cudnnTensorFormat_t */
    TN_CUDNN_NHWC = 1,
    TN_CUDNN_CROSS_CORRELATION = 1, /* cudnnConvolutionMode_t */
    TN_CUDNN_DEFAULT_MATH = 0,      /* cudnnMathType_t: TF32 where the factors are fp32 */
    TN_CUDNN_TENSOR_OP_MATH = 1,
    TN_CUDNN_FMA_MATH = 3, /* true fp32 */
    TN_CUDNN_DETERMINISTIC = 1,
    TN_CUDNN_FORWARD_ALGORITHMS = 8,
    TN_CUDNN_BACKWARD_DATA_ALGORITHMS = 6,
    TN_CUDNN_BACKWARD_FILTER_ALGORITHMS = 7,
};

/* cudnnConvolution{Fwd,BwdData,BwdFilter}AlgoPerf_t, which are laid out alike. */
typedef struct tn_cudnn_timing {
    int algorithm, status;
    float milliseconds;
    size_t workspace_bytes;
    int deterministic, math;
    int reserved[3];
} tn_cudnn_timing;

#define TN_CUDNN_FIND(a, b, c)                                                                     \
    (void *handle, void *a##_descriptor, const void *a, void *b##_descriptor, const void *b,       \
     void *convolution, void *c##_descriptor, void *c, int asked, int *found,                      \
     tn_cudnn_timing *timing, void *workspace, size_t workspace_bytes)
#define TN_CUDNN_RUN(a, b, c)                                                                      \
    (void *handle, const void *alpha, void *a##_descriptor, const void *a, void *b##_descriptor,   \
     const void *b, void *convolution, int algorithm, void *workspace, size_t workspace_bytes,     \
     const void *beta, void *c##_descriptor, void *c)
#define TN_CUDNN_ROOM(a, b, c)                                                                     \
    (void *handle, void *a##_descriptor, void *b##_descriptor, void *convolution,                  \
     void *c##_descriptor, int algorithm, size_t *bytes)

#define TN_CUDNN_FUNCTIONS(X)                                                                      \
    X(Create, (void **handle))                                                                     \
    X(Destroy, (void *handle))                                                                     \
    X(SetStream, (void *handle, void *stream))                                                     \
    X(CreateTensorDescriptor, (void **tensor))                                                     \
    X(DestroyTensorDescriptor, (void *tensor))                                                     \
    X(SetTensor4dDescriptorEx, (void *tensor, int type, int n, int c, int h, int w, int n_stride,  \
                                int c_stride, int h_stride, int w_stride))                         \
    X(CreateFilterDescriptor, (void **filter))                                                     \
    X(DestroyFilterDescriptor, (void *filter))                                                     \
    X(SetFilter4dDescriptor, (void *filter, int type, int format, int k, int c, int h, int w))     \
    X(CreateConvolutionDescriptor, (void **convolution))                                           \
    X(DestroyConvolutionDescriptor, (void *convolution))                                           \
    X(SetConvolution2dDescriptor,                                                                  \
      (void *convolution, int pad_y, int pad_x, int stride_y, int stride_x, int dilation_y,        \
       int dilation_x, int mode, int compute_type))                                                \
    X(SetConvolutionGroupCount, (void *convolution, int groups))                                   \
    X(SetConvolutionMathType, (void *convolution, int math))                                       \
    X(FindConvolutionForwardAlgorithmEx, TN_CUDNN_FIND(x, w, y))                                   \
    X(FindConvolutionBackwardDataAlgorithmEx, TN_CUDNN_FIND(w, dy, dx))                            \
    X(FindConvolutionBackwardFilterAlgorithmEx, TN_CUDNN_FIND(x, dy, dw))                          \
    X(GetConvolutionForwardWorkspaceSize, TN_CUDNN_ROOM(x, w, y))                                  \
    X(GetConvolutionBackwardDataWorkspaceSize, TN_CUDNN_ROOM(w, dy, dx))                           \
    X(GetConvolutionBackwardFilterWorkspaceSize, TN_CUDNN_ROOM(x, dy, dw))                         \
    X(ConvolutionForward, TN_CUDNN_RUN(x, w, y))                                                   \
    X(ConvolutionBackwardData, TN_CUDNN_RUN(w, dy, dx))                                            \
    X(ConvolutionBackwardFilter, TN_CUDNN_RUN(x, dy, dw))

typedef struct tn_cudnn {
    size_t (*GetVersion)(void); /* 91900 is 9.19.0 */
    const char *(*GetErrorString)(int status);
#define TN_CUDNN_ROW(name, arguments) int(*name) arguments;
    TN_CUDNN_FUNCTIONS(TN_CUDNN_ROW)
#undef TN_CUDNN_ROW
} tn_cudnn;

/* ---- cuBLAS: matrices are column-major there ---- */

enum {
    TN_CUBLAS_SUCCESS = 0,
    TN_CUBLAS_PLAIN = 0, /* cublasOperation_t */
    TN_CUBLAS_TRANSPOSED = 1,
    TN_CUBLAS_REAL_32F = 0, /* cudaDataType */
    TN_CUBLAS_REAL_16BF = 14,
    TN_CUBLAS_COMPUTE_32F = 68, /* cublasComputeType_t */
    TN_CUBLAS_COMPUTE_32F_PEDANTIC = 69,
    TN_CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
    TN_CUBLAS_GEMM_DEFAULT = -1,
};

#define TN_CUBLAS_FUNCTIONS(X)                                                                     \
    X(Create, "cublasCreate_v2", (void **handle))                                                  \
    X(Destroy, "cublasDestroy_v2", (void *handle))                                                 \
    X(SetStream, "cublasSetStream_v2", (void *handle, void *stream))                               \
    X(SetWorkspace, "cublasSetWorkspace_v2", (void *handle, void *workspace, size_t bytes))        \
    X(GemmEx, "cublasGemmEx",                                                                      \
      (void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a,    \
       int type_a, int lda, const void *b, int type_b, int ldb, const void *beta, void *c,         \
       int type_c, int ldc, int compute, int algorithm))

typedef struct tn_cublas {
    const char *(*GetStatusString)(int status);
#define TN_CUBLAS_ROW(name, symbol, arguments) int(*name) arguments;
    TN_CUBLAS_FUNCTIONS(TN_CUBLAS_ROW)
#undef TN_CUBLAS_ROW
} tn_cublas;

/* The real libraries, opened at the first call; NULL with tn_error() set when one is not there. */
const tn_cudnn *tn_cudnn_open(void);
const tn_cublas *tn_cublas_open(void);

/* Checked calls for kernels: `call` is the function's name as its library knows it, `what` the op.
 */
tn_status tn_cudnn_check(const tn_cudnn *cudnn, int status, const char *call, const char *what);
tn_status tn_cublas_check(const tn_cublas *cublas, int status, const char *call, const char *what);

#ifdef __cplusplus
}
#endif
#endif
