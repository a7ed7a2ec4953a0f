/* Convolution with 1x1 windows and the fully connected layer as matrix products, by cuBLAS.
 *
 * With x (rows, columns) for in, w (outputs, columns) for the weights as they lie in files, and y
 * (rows, outputs) for out:   y = x w'    dx = dy w    dw += dy' x.
 * Rows are pixels of a convolution and images of a fully connected layer, whose columns are in
 * c,h,w order: images are put in that order before and out of it after. The product's factors are
 * fp32, or bf16 with -precision bf16; sums are fp32. */
#include "layers/device/bfloat16.h"
#include "layers/device/cudnn.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/cuda_kernels.h"
#include "layers/ops/inner_product_kernels.h"
#include "layers/ops/strided_copy_cuda.h"

enum { ALIGNMENT = 256 };

/* One op's matrices. */
typedef struct shapes {
    int rows, columns, outputs;
    bool planar; /* images have to be put in c,h,w order */
    tn_dtype factor;
} shapes;

/* Row-major, `stride` elements from row to row; scratch: it is a copy there. */
typedef struct matrix {
    void *data;
    tn_dtype dtype;
    int stride;
    bool transposed;
} matrix;

static shapes shapes_of(const tn_op_run *r, const tn_tensor *out) {
    const tn_tensor *in = &r->in[0];
    const bool pixels = r->op->kind == &tn_op_convolution;
    return (shapes){
        .rows = pixels ? (int)tn_pixels(in) : in->n,
        .columns = pixels ? in->c : in->c * in->h * in->w,
        .outputs = out->c,
        .planar = !pixels && in->h * in->w > 1,
        .factor = r->precision == TN_PRECISION_BF16 ? TN_BF16 : TN_REAL,
    };
}

static bool is_product(const tn_op_run *r) {
    if (r->op->kind != &tn_op_convolution) return true;
    const tn_convolution_attr *a = r->op->attr;
    return a->kh == 1 && a->kw == 1 && a->stride_y == 1 && a->stride_x == 1 && a->pad_y == 0 &&
           a->pad_x == 0 && a->groups == 1;
}

/* ---- scratch: copies of what cuBLAS cannot read where it lies ---- */

static size_t bytes_of(tn_dtype dtype, size_t count) {
    const size_t bytes = count * (dtype == TN_BF16 ? sizeof(tn_bf16) : sizeof(float));
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t weight_bytes(const shapes *s) {
    return s->factor == TN_REAL ? 0 : bytes_of(s->factor, (size_t)s->outputs * (size_t)s->columns);
}

static bool is_copied(const shapes *s, const tn_tensor *view, bool planar) {
    return planar || view->dtype != s->factor;
}

static size_t view_bytes(const shapes *s, const tn_tensor *view, bool planar) {
    return is_copied(s, view, planar) ? bytes_of(s->factor, tn_elements(view)) : 0;
}

/* A place in scratch for `bytes`. */
static void *take(char **scratch, size_t bytes) {
    void *place = *scratch;
    *scratch += bytes;
    return place;
}

static tn_status matrix_of(const tn_op_run *r, const shapes *s, const tn_tensor *view, bool planar,
                           char **scratch, matrix *out) {
    const size_t bytes = view_bytes(s, view, planar);
    if (!bytes) {
        *out = (matrix){.data = view->data, .dtype = view->dtype, .stride = view->pitch};
        return TN_OK;
    }
    void *copy = take(scratch, bytes);
    if (planar) {
        *out = (matrix){.data = copy, .dtype = s->factor, .stride = s->columns};
        return tn_cuda_pack_images(r, view, copy, s->factor);
    }
    const size_t c = (size_t)view->c, pixels = tn_pixels(view);
    *out = (matrix){.data = copy, .dtype = s->factor, .stride = view->c};
    return tn_cuda_strided_copy(r,
                                &(tn_strided_copy_args){
                                    .from = {view->data, view->dtype, {0, (size_t)view->pitch, 1}},
                                    .to = {copy, s->factor, {0, c, 1}},
                                    .extent = {1, pixels, c},
                                });
}

static tn_status weight_matrix(const tn_op_run *r, const shapes *s, char **scratch, matrix *out) {
    void *data = r->param[0]->value;
    const size_t bytes = weight_bytes(s);
    if (bytes) {
        data = take(scratch, bytes);
        TN_TRY(tn_cuda_pack_filters(r, r->param[0], 1, (size_t)s->outputs * (size_t)s->columns, 1,
                                    data, s->factor));
    }
    *out = (matrix){.data = data, .dtype = s->factor, .stride = s->columns};
    return TN_OK;
}

/* ---- the product ---- */

static int type_of(tn_dtype dtype) {
    return dtype == TN_BF16 ? TN_CUBLAS_REAL_16BF : TN_CUBLAS_REAL_32F;
}

/* c (m,n) = a (m,k) b (k,n), or added to it. cuBLAS counts columns first, so that it sees each
 * matrix transposed: c' = b' a'. */
static tn_status multiply(const tn_op_run *r, int m, int n, int k, matrix a, matrix b, bool add,
                          matrix c) {
    static const float zero = 0, one = 1;
    static const int compute[] = {TN_CUBLAS_COMPUTE_32F_PEDANTIC, TN_CUBLAS_COMPUTE_32F_FAST_TF32,
                                  TN_CUBLAS_COMPUTE_32F};
    void *handle = NULL;
    const tn_cublas *blas = tn_gpu_cublas(r->gpu, &handle);
    if (!blas) return TN_FAIL;
    const int status = blas->GemmEx(
        handle, b.transposed ? TN_CUBLAS_TRANSPOSED : TN_CUBLAS_PLAIN,
        a.transposed ? TN_CUBLAS_TRANSPOSED : TN_CUBLAS_PLAIN, n, m, k, &one, b.data,
        type_of(b.dtype), b.stride, a.data, type_of(a.dtype), a.stride, add ? &one : &zero, c.data,
        type_of(c.dtype), c.stride, compute[r->precision], TN_CUBLAS_GEMM_DEFAULT);
    return tn_cublas_check(blas, status, "cublasGemmEx", r->op->name);
}

static matrix transposed(matrix m) {
    m.transposed = true;
    return m;
}

/* ---- passes ---- */

static tn_status check(tn_op_run *r, const tn_tensor *out) {
    void *handle = NULL;
    const bool mixed =
        r->precision != TN_PRECISION_BF16 && (r->in[0].dtype != TN_REAL || out->dtype != TN_REAL);
    if (!is_product(r) || mixed || r->in[0].dtype == TN_U8 || !tn_cuda_copies(r->gpu))
        return TN_REFUSED;
    return tn_gpu_cublas(r->gpu, &handle) ? TN_OK : TN_REFUSED;
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(check(r, &r->out));
    const shapes s = shapes_of(r, &r->out);
    k->scratch_bytes = weight_bytes(&s) + view_bytes(&s, &r->in[0], s.planar);
    return TN_OK;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const shapes s = shapes_of(r, &r->out);
    char *scratch = k->scratch;
    matrix x, w;
    TN_TRY(matrix_of(r, &s, &r->in[0], s.planar, &scratch, &x));
    TN_TRY(weight_matrix(r, &s, &scratch, &w));
    const matrix y = {.data = r->out.data, .dtype = r->out.dtype, .stride = r->out.pitch};
    return multiply(r, s.rows, s.outputs, s.columns, x, transposed(w), false, y);
}

static tn_status prepare_data(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(check(r, &r->dout));
    const shapes s = shapes_of(r, &r->dout);
    k->scratch_bytes = weight_bytes(&s) + view_bytes(&s, &r->dout, false);
    if (s.planar) k->scratch_bytes += bytes_of(TN_REAL, tn_elements(&r->in[0]));
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    const tn_tensor *din = &r->din[0];
    if (!din->data) return TN_OK;
    const shapes s = shapes_of(r, &r->dout);
    char *scratch = k->scratch;
    matrix dy, w;
    TN_TRY(matrix_of(r, &s, &r->dout, false, &scratch, &dy));
    TN_TRY(weight_matrix(r, &s, &scratch, &w));
    if (!s.planar) {
        const matrix dx = {.data = din->data, .dtype = din->dtype, .stride = din->pitch};
        return multiply(r, s.rows, s.columns, s.outputs, dy, w, r->accumulate[0], dx);
    }
    const matrix dx = {.data = scratch, .dtype = TN_REAL, .stride = s.columns};
    TN_TRY(multiply(r, s.rows, s.columns, s.outputs, dy, w, false, dx));
    return tn_cuda_unpack_images(r, dx.data, TN_REAL, din, r->accumulate[0]);
}

static tn_status prepare_params(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(check(r, &r->dout));
    const shapes s = shapes_of(r, &r->dout);
    k->scratch_bytes = view_bytes(&s, &r->dout, false) + view_bytes(&s, &r->in[0], s.planar);
    return TN_OK;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const shapes s = shapes_of(r, &r->dout);
    char *scratch = k->scratch;
    matrix x, dy;
    TN_TRY(matrix_of(r, &s, &r->in[0], s.planar, &scratch, &x));
    TN_TRY(matrix_of(r, &s, &r->dout, false, &scratch, &dy));
    const matrix dw = {.data = r->param[0]->grad, .dtype = TN_REAL, .stride = s.columns};
    return multiply(r, s.outputs, s.columns, s.rows, transposed(dy), x, true, dw);
}

const tn_kernel tn_product_forward_cublas = {"cublas", prepare_forward, forward, NULL, TN_ON_GPU};
const tn_kernel tn_product_backward_data_cublas = {"cublas", prepare_data, backward_data, NULL,
                                                   TN_ON_GPU};
const tn_kernel tn_product_backward_params_cublas = {"cublas", prepare_params, backward_params,
                                                     NULL, TN_ON_GPU};
