#include "tests/support/fake_libraries.h"

#include "layers/device/bfloat16.h"

enum { NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };

static int made; /* what a handle points to */

double tn_fake_get(const void *data, bool bf16, size_t at) {
    return bf16 ? (double)tn_bf16_to_float(((const tn_bf16 *)data)[at])
                : (double)((const float *)data)[at];
}

void tn_fake_set(void *data, bool bf16, size_t at, double x) {
    if (bf16)
        ((tn_bf16 *)data)[at] = tn_bf16_from_float((float)x);
    else
        ((float *)data)[at] = (float)x;
}

static const char *status_string(int status) {
    return status == INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_OTHER";
}

static int create(void **handle) {
    *handle = &made;
    return 0;
}

static int destroy(void *handle) {
    return handle == &made ? 0 : NOT_INITIALIZED;
}

static int set_stream(void *handle, void *stream) {
    return handle == &made && stream ? 0 : NOT_INITIALIZED;
}

static int set_workspace(void *handle, void *workspace, size_t bytes) {
    (void)workspace;
    (void)bytes;
    return handle == &made ? 0 : NOT_INITIALIZED;
}

typedef struct side { /* one matrix, rows x columns as it lies, column-major */
    const void *data;
    int rows, columns, distance;
    bool bf16, transposed;
} side;

static bool is_there(const side *s) {
    const size_t elements = (size_t)(s->columns - 1) * (size_t)s->distance + (size_t)s->rows;
    return s->distance >= s->rows && tn_fake_gpu_holds(s->data, elements * (s->bf16 ? 2 : 4));
}

static double at(const side *s, int row, int column) {
    const int r = s->transposed ? column : row, c = s->transposed ? row : column;
    return tn_fake_get(s->data, s->bf16, (size_t)c * (size_t)s->distance + (size_t)r);
}

static int gemm(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
                const void *a, int type_a, int lda, const void *b, int type_b, int ldb,
                const void *beta, void *c, int type_c, int ldc, int compute, int algorithm) {
    if (handle != &made) return NOT_INITIALIZED;
    const bool float_output = type_c == TN_CUBLAS_REAL_32F;
    if (type_a != type_b || (type_a == TN_CUBLAS_REAL_32F && !float_output)) return NOT_SUPPORTED;
    if (type_a == TN_CUBLAS_REAL_16BF && compute != TN_CUBLAS_COMPUTE_32F) return NOT_SUPPORTED;
    if (m <= 0 || n <= 0 || k <= 0 || algorithm != TN_CUBLAS_GEMM_DEFAULT) return INVALID_VALUE;
    const side sa = {a,
                     op_a ? k : m,
                     op_a ? m : k,
                     lda,
                     type_a == TN_CUBLAS_REAL_16BF,
                     op_a == TN_CUBLAS_TRANSPOSED},
               sb = {b,
                     op_b ? n : k,
                     op_b ? k : n,
                     ldb,
                     type_b == TN_CUBLAS_REAL_16BF,
                     op_b == TN_CUBLAS_TRANSPOSED},
               sc = {c, m, n, ldc, !float_output, false};
    if (!is_there(&sa) || !is_there(&sb) || !is_there(&sc)) return INVALID_VALUE;
    const double scale = (double)*(const float *)alpha, keep = (double)*(const float *)beta;
    tn_fake_gpu_reach();
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            double sum = 0;
            for (int l = 0; l < k; l++) sum += at(&sa, i, l) * at(&sb, l, j);
            const size_t place = (size_t)j * (size_t)ldc + (size_t)i;
            const double kept = keep != 0 ? keep * tn_fake_get(c, sc.bf16, place) : 0;
            tn_fake_set(c, sc.bf16, place, scale * sum + kept);
        }
    tn_fake_gpu_leave();
    return 0;
}

const tn_cublas *tn_fake_cublas(void) {
    static const tn_cublas table = {
        .GetStatusString = status_string,
        .Create = create,
        .Destroy = destroy,
        .SetStream = set_stream,
        .SetWorkspace = set_workspace,
        .GemmEx = gemm,
    };
    return &table;
}
