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

/* ---- for both: arithmetic, within reach (fake_gpu.h) ---- */

enum { TN_FAKE_STEP = 4 };

/* How an element lies there. TF32 lies as fp32 and is rounded to 10 bits where it is a factor. */
typedef enum tn_fake_type { TN_FAKE_FP32, TN_FAKE_BF16, TN_FAKE_TF32 } tn_fake_type;
double tn_fake_get(const void *data, tn_fake_type type, size_t at);
void tn_fake_set(void *data, tn_fake_type type, size_t at, double x);

/* One side of a product: to[TN_FAKE_STEP * i] = term first + i of `row`, for `count` terms. */
typedef struct tn_fake_factor {
    size_t rows;
    void (*row)(const void *context, size_t row, size_t first, size_t count, double *to);
    const void *context;
} tn_fake_factor;

/* Gives every sum over `terms` of a's row i times b's row j to `take`, in double, once. Each sum
 * runs from the first term to the last. false: no memory. */
typedef void tn_fake_taker(void *context, size_t i, size_t j, double sum);
bool tn_fake_product(const tn_fake_factor *a, const tn_fake_factor *b, size_t terms,
                     tn_fake_taker *take, void *context);

#endif
