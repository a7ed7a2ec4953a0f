/* [crop], in plain C. */
#include "layers/ops/crop.h"
#include "layers/ops/elements.h"
#include "layers/ops/ref_kernels.h"

/* Where sample n's window lies: drawn when training, else in the middle. */
static tn_crop_window window_of(const tn_op_run *r, int n) {
    const tn_crop_attr *a = r->op->attr;
    const int room_y = r->in[0].h - r->out.h, room_x = r->in[0].w - r->out.w;
    if (r->mode != TN_TRAIN || !r->step) return (tn_crop_window){room_y / 2, room_x / 2, false};
    return tn_crop_draw(r->step->seed, r->step->step, r->op->layer, r->step->first_sample + n,
                        room_y, room_x, a->flip);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *in = &r->in[0], *out = &r->out;
    if (out->h > in->h || out->w > in->w) {
        return tn_fail("%s: a %dx%d window does not fit into a %dx%d image", r->op->name, out->w,
                       out->h, in->w, in->h);
    }
    return TN_OK;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_crop_attr *a = r->op->attr;
    const tn_tensor *out = &r->out;
#pragma omp parallel for num_threads(r->threads)
    for (int n = 0; n < out->n; n++) {
        const tn_crop_window w = window_of(r, n);
        for (int y = 0; y < out->h; y++) {
            for (int x = 0; x < out->w; x++) {
                const int from_x = w.x + (w.flipped ? out->w - 1 - x : x);
                const tn_real *from = tn_pixel_at(&r->in[0], n, w.y + y, from_x);
                tn_real *to = tn_pixel_at(out, n, y, x);
                for (int c = 0; c < out->c; c++) to[c] = a->noadjust ? from[c] : 2 * from[c] - 1;
            }
        }
    }
    return TN_OK;
}

const tn_kernel tn_crop_forward_ref = {"ref", prepare, forward, NULL};
