/* Where CUDA's headers are at hand, what gpu_driver.h, cudnn.h and nccl.h declare is held against
 * them: values of enums, sizes and places. Nothing of this is in the program. */
#include "layers/device/cudnn.h"
#include "layers/device/gpu_driver.h"
#include "layers/device/nccl.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours " is " #theirs)

#if defined(__has_include)
#if __has_include(<cuda.h>)
#include <cuda.h>
SAME(TN_CUDA_SUCCESS, CUDA_SUCCESS);
SAME(TN_CUDA_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME(TN_CUDA_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME(TN_CUDA_INVALID_IMAGE, CUDA_ERROR_INVALID_IMAGE);
SAME(TN_CUDA_NO_BINARY, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(TN_CUDA_NOT_FOUND, CUDA_ERROR_NOT_FOUND);
SAME(TN_CUDA_LAUNCH_FAILED, CUDA_ERROR_LAUNCH_FAILED);
SAME(TN_CUDA_ATTRIBUTE_PROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(TN_CUDA_ATTRIBUTE_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(TN_CUDA_ATTRIBUTE_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(TN_CUDA_ATTRIBUTE_SHARED_OPTIN, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(TN_CUDA_FUNCTION_MAX_SHARED, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(TN_CUDA_STREAM_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
SAME(sizeof(tn_cu_address), sizeof(CUdeviceptr));
SAME(sizeof(int), sizeof(CUresult));
SAME(sizeof(int), sizeof(CUdevice));
SAME(sizeof(void *), sizeof(CUstream));
#endif

#if __has_include(<cudnn.h>)
#include <cudnn.h>
#include <stddef.h>
SAME(TN_CUDNN_SUCCESS, CUDNN_STATUS_SUCCESS);
SAME(TN_CUDNN_FLOAT, CUDNN_DATA_FLOAT);
SAME(TN_CUDNN_BFLOAT16, CUDNN_DATA_BFLOAT16);
SAME(TN_CUDNN_NCHW, CUDNN_TENSOR_NCHW);
SAME(TN_CUDNN_NHWC, CUDNN_TENSOR_NHWC);
SAME(TN_CUDNN_CROSS_CORRELATION, CUDNN_CROSS_CORRELATION);
SAME(TN_CUDNN_DEFAULT_MATH, CUDNN_DEFAULT_MATH);
SAME(TN_CUDNN_TENSOR_OP_MATH, CUDNN_TENSOR_OP_MATH);
SAME(TN_CUDNN_FMA_MATH, CUDNN_FMA_MATH);
SAME(TN_CUDNN_DETERMINISTIC, CUDNN_DETERMINISTIC);
SAME(TN_CUDNN_FORWARD_ALGORITHMS, CUDNN_CONVOLUTION_FWD_ALGO_COUNT);
SAME(TN_CUDNN_BACKWARD_DATA_ALGORITHMS, CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT);
SAME(TN_CUDNN_BACKWARD_FILTER_ALGORITHMS, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT);
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define SAME_TIMING(theirs)                                                                        \
    SAME(sizeof(tn_cudnn_timing), sizeof(theirs));                                                 \
    SAME(offsetof(tn_cudnn_timing, status), offsetof(theirs, status));                             \
    SAME(offsetof(tn_cudnn_timing, milliseconds), offsetof(theirs, time));                         \
    SAME(offsetof(tn_cudnn_timing, workspace_bytes), offsetof(theirs, memory));                    \
    SAME(offsetof(tn_cudnn_timing, deterministic), offsetof(theirs, determinism));                 \
    SAME(offsetof(tn_cudnn_timing, math), offsetof(theirs, mathType))
SAME_TIMING(cudnnConvolutionFwdAlgoPerf_t);
SAME_TIMING(cudnnConvolutionBwdDataAlgoPerf_t);
SAME_TIMING(cudnnConvolutionBwdFilterAlgoPerf_t);
#endif

#if __has_include(<cublas_v2.h>)
#include <cublas_v2.h>
SAME(TN_CUBLAS_SUCCESS, CUBLAS_STATUS_SUCCESS);
SAME(TN_CUBLAS_PLAIN, CUBLAS_OP_N);
SAME(TN_CUBLAS_TRANSPOSED, CUBLAS_OP_T);
SAME(TN_CUBLAS_REAL_32F, CUDA_R_32F);
SAME(TN_CUBLAS_REAL_16BF, CUDA_R_16BF);
SAME(TN_CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F);
SAME(TN_CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F_PEDANTIC);
SAME(TN_CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_TF32);
SAME(TN_CUBLAS_GEMM_DEFAULT, CUBLAS_GEMM_DEFAULT);
#endif

#if __has_include(<nccl.h>)
#include <nccl.h>
SAME(TN_NCCL_SUCCESS, ncclSuccess);
SAME(TN_NCCL_FLOAT, ncclFloat32);
SAME(TN_NCCL_SUM, ncclSum);
#endif
#endif

typedef int tn_gpu_abi_is_checked; /* a file of declarations alone is none */
