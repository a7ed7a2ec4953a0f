#include "layers/ops/dense_slab.h"

tn_slab_axis tn_slab_axis_of(const tn_conv_axis *phase, int phases) {
    tn_slab_axis a = {.reach = 0, .read_step = phase[0].read_step};
    int end = 0;
    for (int q = 0; q < phases; q++) {
        const tn_conv_axis *p = &phase[q];
        if (p->taps == 0 || p->count == 0) continue;
        const int last = p->read + (p->taps - 1) * p->read_tap + 1;
        if (a.reach == 0 || p->read < a.first) a.first = p->read;
        if (a.reach == 0 || last > end) end = last;
        a.reach = end - a.first;
    }
    a.step = a.reach < a.read_step ? a.reach : a.read_step;
    return a;
}

static int at_least_1(long n) {
    return n < 1 ? 1 : (int)n;
}

tn_slab_units tn_slab_units_of(const tn_slab_axis *y, int batch, int rows, int columns,
                               size_t row_bytes, size_t most, int least, int threads) {
    tn_slab_units u = {.images = 1, .cuts = 1, .batch = batch, .rows = rows};
    const size_t image_bytes = (size_t)tn_slab_extent(y, rows) * row_bytes;
    if (image_bytes * 2 <= most) {
        u.images = at_least_1((long)(most / (image_bytes + 1)));
        if (u.images > batch) u.images = batch;
        /* Groups of nearly equal size. */
        const int groups = (batch + u.images - 1) / u.images;
        u.images = (batch + groups - 1) / groups;
    } else if (image_bytes > most) {
        const long fit = row_bytes ? (long)(most / row_bytes) : rows;
        int band = at_least_1((fit - y->reach) / (y->step > 0 ? y->step : 1) + 1);
        if (band * columns < least) band = (least + columns - 1) / columns;
        if (band > rows) band = rows;
        u.cuts = (rows + band - 1) / band;
        const int even = (u.cuts + threads - 1) / threads * threads;
        if (even <= rows) u.cuts = even;
    }
    u.count = (batch + u.images - 1) / u.images * u.cuts;
    return u;
}

tn_slab_part tn_slab_part_of(const tn_slab_units *u, int unit) {
    const int cut = unit % u->cuts, image = unit / u->cuts * u->images;
    const int from = (int)((long)u->rows * cut / u->cuts);
    const int to = (int)((long)u->rows * (cut + 1) / u->cuts);
    const int left = u->batch - image;
    return (tn_slab_part){image, left < u->images ? left : u->images, from, to - from};
}
