/* The functions of NCCL (libnccl.so.2) that are used. */
#ifndef TN_DEVICE_NCCL_H
#define TN_DEVICE_NCCL_H

#include "layers/device/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_NCCL_SUCCESS = 0, TN_NCCL_FLOAT = 7, TN_NCCL_SUM = 0 };

#define TN_NCCL_FUNCTIONS(X)                                                                       \
    X(CommInitAll, (void **communicator, int count, const int *device))                            \
    X(CommDestroy, (void *communicator))                                                           \
    X(GroupStart, (void))                                                                          \
    X(GroupEnd, (void))                                                                            \
    X(AllReduce, (const void *from, void *to, size_t count, int type, int operation,               \
                  void *communicator, void *stream))

typedef struct tn_nccl {
    const char *(*GetErrorString)(int status);
#define TN_NCCL_ROW(name, arguments) int(*name) arguments;
    TN_NCCL_FUNCTIONS(TN_NCCL_ROW)
#undef TN_NCCL_ROW
} tn_nccl;

/* Opened at the first call; NULL with tn_error() set when it is not there. */
const tn_nccl *tn_nccl_open(void);
tn_status tn_nccl_check(const tn_nccl *nccl, int status, const char *call);

#ifdef __cplusplus
}
#endif
#endif
