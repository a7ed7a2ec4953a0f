/* A small op on the GPU that tests run on (op_there.h): its arrays are copied there for each pass
 * and back after it. */
#ifndef TN_TESTS_SMALL_THERE_H
#define TN_TESTS_SMALL_THERE_H

#include "tests/support/op_there.h"
#include "tests/support/small_op.h"

/* Kernels that known values are tried with: "cuda" last, left out where nothing runs it. */
static const char *const tn_small_kernels[] = {"ref", "avx2", "avx512", "cuda"};
static inline int tn_small_n_kernels(void) {
    return tn_there_gpu() ? 4 : 3;
}

/* tn_small_prepare, on the GPU for "cuda". */
tn_status tn_small_choose(tn_small_op *s, const char *kernel);
/* tn_op_forward and tn_op_backward, wherever the op was prepared. */
tn_status tn_small_forward(tn_small_op *s);
tn_status tn_small_backward(tn_small_op *s);

#endif
