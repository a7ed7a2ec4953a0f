/* cuDNN and cuBLAS for the emulated GPU: what they are documented to compute, in plain C, and
 * complaints about what they are documented not to take. */
#ifndef TN_TESTS_FAKE_LIBRARIES_H
#define TN_TESTS_FAKE_LIBRARIES_H

#include "layers/device/cudnn.h"
#include "tests/support/fake_gpu.h"

/* Puts both there. */
void tn_fake_libraries_install(tn_fake_gpu *fake);

const tn_cublas *tn_fake_cublas(void);
/* Of its algorithms the fastest is not deterministic and the next does not work; the third is 1.
 * Dense images of a prime number of columns above 10 have none. */
const tn_cudnn *tn_fake_cudnn(void);

/* An element of the GPU's memory of cuDNN's or cuBLAS's type; within reach (fake_gpu.h). */
double tn_fake_get(const void *data, bool bf16, size_t at);
void tn_fake_set(void *data, bool bf16, size_t at, double x);

#endif
