#include "tests/support/fake_libraries.h"

enum { NOT_INITIALIZED = 1, ALLOC_FAILED = 3, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };

static int made; /* what a handle points to */

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
    tn_fake_type type;
    bool terms_lie; /* terms of the product are its rows */
} side;

static bool is_there(const side *s) {
    const size_t elements = (size_t)(s->columns - 1) * (size_t)s->distance + (size_t)s->rows;
    const size_t width = s->type == TN_FAKE_BF16 ? 2 : 4;
    return s->distance >= s->rows && tn_fake_gpu_holds(s->data, elements * width);
}

static void row(const void *context, size_t row, size_t first, size_t count, double *to) {
    const side *s = context;
    const size_t distance = (size_t)s->distance, step = s->terms_lie ? 1 : distance;
    const size_t at = row * (s->terms_lie ? distance : 1) + first * step;
    for (size_t i = 0; i < count; i++)
        to[TN_FAKE_STEP * i] = tn_fake_get(s->data, s->type, at + i * step);
}

typedef struct target {
    side c;
    void *data;
    double scale, keep;
} target;

static void take(void *context, size_t i, size_t j, double sum) {
    const target *t = context;
    const size_t place = j * (size_t)t->c.distance + i;
    const double kept = t->keep != 0 ? t->keep * tn_fake_get(t->data, t->c.type, place) : 0;
    tn_fake_set(t->data, t->c.type, place, t->scale * sum + kept);
}

static tn_fake_type type_of(int type, int compute) {
    if (type == TN_CUBLAS_REAL_16BF) return TN_FAKE_BF16;
    return compute == TN_CUBLAS_COMPUTE_32F_FAST_TF32 ? TN_FAKE_TF32 : TN_FAKE_FP32;
}

static int gemm(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
                const void *a, int type_a, int lda, const void *b, int type_b, int ldb,
                const void *beta, void *c, int type_c, int ldc, int compute, int algorithm) {
    if (handle != &made) return NOT_INITIALIZED;
    const bool float_output = type_c == TN_CUBLAS_REAL_32F;
    if (type_a != type_b || (type_a == TN_CUBLAS_REAL_32F && !float_output)) return NOT_SUPPORTED;
    if (type_a == TN_CUBLAS_REAL_16BF && compute != TN_CUBLAS_COMPUTE_32F) return NOT_SUPPORTED;
    if (m <= 0 || n <= 0 || k <= 0 || algorithm != TN_CUBLAS_GEMM_DEFAULT) return INVALID_VALUE;
    const tn_fake_type type = type_of(type_a, compute);
    const bool turn_a = op_a == TN_CUBLAS_TRANSPOSED, turn_b = op_b == TN_CUBLAS_TRANSPOSED;
    const side sa = {a, op_a ? k : m, op_a ? m : k, lda, type, turn_a};
    const side sb = {b, op_b ? n : k, op_b ? k : n, ldb, type, !turn_b};
    target t = {{c, m, n, ldc, float_output ? TN_FAKE_FP32 : TN_FAKE_BF16, false},
                c,
                (double)*(const float *)alpha,
                (double)*(const float *)beta};
    if (!is_there(&sa) || !is_there(&sb) || !is_there(&t.c)) return INVALID_VALUE;
    const tn_fake_factor fa = {(size_t)m, row, &sa}, fb = {(size_t)n, row, &sb};
    tn_fake_gpu_reach();
    const bool good = tn_fake_product(&fa, &fb, (size_t)k, take, &t);
    tn_fake_gpu_leave();
    return good ? 0 : ALLOC_FAILED;
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
