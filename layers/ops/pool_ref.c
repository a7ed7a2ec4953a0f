/* Pooling in plain C: what the other kernels are compared with. */
#include "layers/ops/elements.h"
#include "layers/ops/pool_kernels.h"

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_pool_prepare(r);
}

static void remember(const tn_op_run *r, size_t element, int place) {
    if (!r->save) return;
    if (tn_pool_small(r->op->attr))
        ((uint8_t *)r->save)[element] = (uint8_t)place;
    else
        ((uint32_t *)r->save)[element] = (uint32_t)place;
}

/* The first maximum in row order; the first NaN, where there is one, so that it is seen. */
static tn_real maximum(const tn_op_run *r, int n, tn_pool_range rows, tn_pool_range columns, int c,
                       int *place) {
    const tn_pool_attr *a = r->op->attr;
    bool first = true;
    tn_real best = 0;
    for (int y = rows.begin; y < rows.end; y++) {
        for (int x = columns.begin; x < columns.end; x++) {
            const tn_real v = tn_pixel_at(&r->in[0], n, y, x)[c];
            if (!first && !(v > best || (v != v && best == best))) continue;
            first = false;
            best = v;
            *place = (y - rows.start) * a->size_x + (x - columns.start);
        }
    }
    return best;
}

static tn_real mean(const tn_op_run *r, int n, tn_pool_range rows, tn_pool_range columns, int c) {
    double sum = 0;
    for (int y = rows.begin; y < rows.end; y++)
        for (int x = columns.begin; x < columns.end; x++)
            sum += (double)tn_pixel_at(&r->in[0], n, y, x)[c];
    return (tn_real)(sum / ((double)(rows.end - rows.begin) * (columns.end - columns.begin)));
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *out = &r->out;
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < out->n; n++) {
        for (int y = 0; y < out->h; y++) {
            const tn_pool_range rows = tn_pool_rows(r, y);
            for (int x = 0; x < out->w; x++) {
                const tn_pool_range columns = tn_pool_columns(r, x);
                const size_t element = (((size_t)n * out->h + y) * out->w + x) * out->c;
                tn_real *to = tn_pixel_at(out, n, y, x);
                for (int c = 0; c < out->c; c++) {
                    int place = 0;
                    to[c] = a->type == TN_POOL_MAX ? maximum(r, n, rows, columns, c, &place)
                                                   : mean(r, n, rows, columns, c);
                    if (a->type == TN_POOL_MAX) remember(r, element + c, place);
                }
            }
        }
    }
    return TN_OK;
}

/* Gives output (n, y, x)'s gradient to the cells it came from. */
static void spread(tn_op_run *r, int n, int y, int x) {
    const tn_pool_attr *a = r->op->attr;
    const tn_pool_range rows = tn_pool_rows(r, y), columns = tn_pool_columns(r, x);
    const tn_real *delta = tn_pixel_at(&r->dout, n, y, x);
    if (a->type == TN_POOL_MAX) {
        const size_t element = (((size_t)n * r->dout.h + y) * r->dout.w + x) * r->dout.c;
        for (int c = 0; c < r->dout.c; c++) {
            const int place = (int)tn_pool_place(r, element + c);
            const int from_y = rows.start + place / a->size_x;
            const int from_x = columns.start + place % a->size_x;
            tn_pixel_at(&r->din[0], n, from_y, from_x)[c] += delta[c];
        }
        return;
    }
    const double cells = (double)(rows.end - rows.begin) * (columns.end - columns.begin);
    for (int from_y = rows.begin; from_y < rows.end; from_y++) {
        for (int from_x = columns.begin; from_x < columns.end; from_x++) {
            tn_real *to = tn_pixel_at(&r->din[0], n, from_y, from_x);
            for (int c = 0; c < r->dout.c; c++) to[c] += (tn_real)((double)delta[c] / cells);
        }
    }
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *din = &r->din[0];
    if (!din->data) return TN_OK;
    const size_t area = (size_t)din->h * din->w;
#pragma omp parallel for num_threads(r->threads)
    for (int n = 0; n < din->n; n++) {
        for (size_t p = n * area; p < (n + 1) * area && !r->accumulate[0]; p++)
            for (int c = 0; c < din->c; c++) tn_pixel(din, p)[c] = 0;
        for (int y = 0; y < r->dout.h; y++)
            for (int x = 0; x < r->dout.w; x++) spread(r, n, y, x);
    }
    return TN_OK;
}

const tn_kernel tn_pool_forward_ref = {"ref", prepare, forward, NULL};
const tn_kernel tn_pool_backward_ref = {"ref", prepare, backward, NULL};
