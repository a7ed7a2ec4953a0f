/* A gate times a feature map, in plain C. The gate, in[0], has one value a channel or one a pixel.
 */
#include "layers/ops/elements.h"
#include "layers/ops/ref_kernels.h"
#include "layers/ops/scale_channels.h"

/* One value a channel, else one a pixel. */
static bool gates_channels(const tn_tensor *gate, const tn_tensor *map) {
    return gate->h == 1 && gate->w == 1 && gate->c == map->c;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *gate = &r->in[0], *map = &r->in[1];
    const bool by_channel = gates_channels(gate, map);
    const size_t pixels = tn_pixels(map), area = (size_t)map->h * map->w;
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *g = tn_pixel(gate, by_channel ? p / area : p), *x = tn_pixel(map, p);
        tn_real *to = tn_pixel(&r->out, p);
        for (int c = 0; c < map->c; c++) to[c] = g[by_channel ? c : 0] * x[c];
    }
    return TN_OK;
}

static void map_gradient(tn_op_run *r, bool by_channel) {
    const tn_tensor *gate = &r->in[0], *map = &r->in[1];
    const size_t pixels = tn_pixels(map), area = (size_t)map->h * map->w;
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *g = tn_pixel(gate, by_channel ? p / area : p);
        const tn_real *delta = tn_pixel(&r->dout, p);
        tn_real *to = tn_pixel(&r->din[1], p);
        for (int c = 0; c < map->c; c++)
            tn_put(to + c, g[by_channel ? c : 0] * delta[c], r->accumulate[1]);
    }
}

static void pixel_gate_gradient(tn_op_run *r) {
    const tn_tensor *map = &r->in[1];
    const size_t pixels = tn_pixels(map);
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *x = tn_pixel(map, p), *delta = tn_pixel(&r->dout, p);
        double sum = 0;
        for (int c = 0; c < map->c; c++) sum += (double)x[c] * (double)delta[c];
        tn_put(tn_pixel(&r->din[0], p), (tn_real)sum, r->accumulate[0]);
    }
}

static void channel_gate_gradient(tn_op_run *r) {
    const tn_tensor *map = &r->in[1];
    const size_t area = (size_t)map->h * map->w;
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < map->n; n++) {
        for (int c = 0; c < map->c; c++) {
            double sum = 0;
            for (size_t p = n * area; p < (n + 1) * area; p++)
                sum += (double)tn_pixel(map, p)[c] * (double)tn_pixel(&r->dout, p)[c];
            tn_put(tn_pixel(&r->din[0], (size_t)n) + c, (tn_real)sum, r->accumulate[0]);
        }
    }
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const bool by_channel = gates_channels(&r->in[0], &r->in[1]);
    if (r->din[1].data) map_gradient(r, by_channel);
    if (r->din[0].data && by_channel) channel_gate_gradient(r);
    if (r->din[0].data && !by_channel) pixel_gate_gradient(r);
    return TN_OK;
}

const tn_kernel tn_scale_channels_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_scale_channels_backward_ref = {"ref", NULL, backward, NULL};
