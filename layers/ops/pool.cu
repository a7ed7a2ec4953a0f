/* Pooling on the GPU: see pool.h. Backward gathers: each input pixel looks up the windows that
 * cover it, in their order, so nothing is zeroed first and no two threads meet. */
#include "layers/ops/pool_cuda.h"

#include "layers/device/map.cuh"

/* A pixel of a view. */
struct place_of {
    unsigned n, y, x;
};
TN_DEVICE place_of place_in(const tn_tensor &t, unsigned pixel) {
    const unsigned row = pixel / (unsigned)t.w;
    return place_of{row / (unsigned)t.h, row % (unsigned)t.h, pixel % (unsigned)t.w};
}
TN_DEVICE size_t pixel_at(const tn_tensor &t, unsigned n, int y, int x) {
    return ((size_t)n * t.h + y) * t.w + x;
}

/* Cells of the input that output row y, or column x, covers. */
TN_DEVICE tn_pool_range rows_of(const tn_pool_args &a, int y) {
    const tn_pool_attr &p = a.attr;
    return p.type == TN_POOL_ADAPTIVE ? tn_pool_adaptive(y, a.out.h, a.in.h)
                                      : tn_pool_window(y, p.size_y, p.stride_y, p.before_y, a.in.h);
}
TN_DEVICE tn_pool_range columns_of(const tn_pool_args &a, int x) {
    const tn_pool_attr &p = a.attr;
    return p.type == TN_POOL_ADAPTIVE ? tn_pool_adaptive(x, a.out.w, a.in.w)
                                      : tn_pool_window(x, p.size_x, p.stride_x, p.before_x, a.in.w);
}

/* ---- maxima ---- */

/* Where V maxima came from, from element `at` of the output on, counted without gaps. */
template <int V> TN_DEVICE void get_places(const tn_pool_args &a, size_t at, uint32_t place[V]) {
    if (!a.small) {
        for (int k = 0; k < V; k++) place[k] = ((const uint32_t *)a.places)[at + k];
    } else if (V == 4) {
        const uint32_t four = *(const uint32_t *)((const uint8_t *)a.places + at);
        for (int k = 0; k < V; k++) place[k] = four >> 8 * k & 255;
    } else {
        for (int k = 0; k < V; k++) place[k] = ((const uint8_t *)a.places)[at + k];
    }
}
template <int V>
TN_DEVICE void set_places(const tn_pool_args &a, size_t at, const uint32_t place[V]) {
    if (!a.small) {
        for (int k = 0; k < V; k++) ((uint32_t *)a.places)[at + k] = place[k];
    } else if (V == 4) {
        uint32_t four = 0;
        for (int k = 0; k < V; k++) four |= place[k] << 8 * k;
        *(uint32_t *)((uint8_t *)a.places + at) = four;
    } else {
        for (int k = 0; k < V; k++) ((uint8_t *)a.places)[at + k] = (uint8_t)place[k];
    }
}

/* The first maximum in row order; the first NaN, where there is one. */
template <int V> TN_DEVICE void max_forward(const tn_pool_args &a) {
    const unsigned pixels = (unsigned)tn_pixels(&a.out);
    const int c = tn_map_channel<V>();
    if (c >= a.out.c) return;
    for (unsigned p = tn_map_pixel(); p < pixels; p += tn_map_step()) {
        const place_of o = place_in(a.out, p);
        const tn_pool_range rows = rows_of(a, (int)o.y), columns = columns_of(a, (int)o.x);
        const int from = columns.begin - columns.start;
        uint32_t place[V];
        tn_wide<V> best = tn_get_wide<V>(a.in, pixel_at(a.in, o.n, rows.begin, columns.begin), c);
        for (int k = 0; k < V; k++)
            place[k] = (uint32_t)((rows.begin - rows.start) * a.attr.size_x + from);
        for (int y = rows.begin; y < rows.end; y++) {
            uint32_t at = (uint32_t)((y - rows.start) * a.attr.size_x + from);
            for (int x = columns.begin; x < columns.end; x++, at++) {
                const tn_wide<V> v = tn_get_wide<V>(a.in, pixel_at(a.in, o.n, y, x), c);
                for (int k = 0; k < V; k++) {
                    const bool replaces = !(v.x[k] <= best.x[k]) && best.x[k] == best.x[k];
                    best.x[k] = replaces ? v.x[k] : best.x[k];
                    place[k] = replaces ? at : place[k];
                }
            }
        }
        tn_give_wide<V>(a.out, p, c, best, false);
        if (a.places) set_places<V>(a, (size_t)p * a.out.c + c, place);
    }
}

template <int V> TN_DEVICE void max_backward(const tn_pool_args &a) {
    const tn_pool_attr &f = a.attr;
    const unsigned pixels = (unsigned)tn_pixels(&a.in);
    const int c = tn_map_channel<V>();
    if (c >= a.in.c) return;
    for (unsigned p = tn_map_pixel(); p < pixels; p += tn_map_step()) {
        const place_of i = place_in(a.in, p);
        const int y = (int)i.y + f.before_y, x = (int)i.x + f.before_x;
        const tn_pool_range rows =
            tn_pool_covering(f.type, (int)i.y, f.size_y, f.stride_y, f.before_y, a.out.h, a.in.h);
        const tn_pool_range columns =
            tn_pool_covering(f.type, (int)i.x, f.size_x, f.stride_x, f.before_x, a.out.w, a.in.w);
        tn_wide<V> sum = tn_wide_zero<V>();
        for (int oy = rows.begin; oy < rows.end; oy++)
            for (int ox = columns.begin; ox < columns.end; ox++) {
                const uint32_t mine =
                    (uint32_t)((y - oy * f.stride_y) * f.size_x + (x - ox * f.stride_x));
                const size_t o = pixel_at(a.out, i.n, oy, ox);
                const tn_wide<V> delta = tn_get_wide<V>(a.out, o, c);
                uint32_t place[V];
                get_places<V>(a, o * a.out.c + c, place);
                for (int k = 0; k < V; k++) sum.x[k] += place[k] == mine ? delta.x[k] : 0;
            }
        tn_give_wide<V>(a.in, p, c, sum, a.add);
    }
}

/* ---- means ---- */

TN_DEVICE float cells_of(const tn_pool_range &rows, const tn_pool_range &columns) {
    return (float)((rows.end - rows.begin) * (columns.end - columns.begin));
}

/* Sums row by row: rounding grows with the window's sides, not with its area. */
template <int V> TN_DEVICE void mean_forward(const tn_pool_args &a) {
    const unsigned pixels = (unsigned)tn_pixels(&a.out);
    const int c = tn_map_channel<V>();
    if (c >= a.out.c) return;
    for (unsigned p = tn_map_pixel(); p < pixels; p += tn_map_step()) {
        const place_of o = place_in(a.out, p);
        const tn_pool_range rows = rows_of(a, (int)o.y), columns = columns_of(a, (int)o.x);
        tn_wide<V> sum = tn_wide_zero<V>();
        for (int y = rows.begin; y < rows.end; y++) {
            tn_wide<V> row = tn_wide_zero<V>();
            for (int x = columns.begin; x < columns.end; x++) {
                const tn_wide<V> v = tn_get_wide<V>(a.in, pixel_at(a.in, o.n, y, x), c);
                for (int k = 0; k < V; k++) row.x[k] += v.x[k];
            }
            for (int k = 0; k < V; k++) sum.x[k] += row.x[k];
        }
        for (int k = 0; k < V; k++) sum.x[k] /= cells_of(rows, columns);
        tn_give_wide<V>(a.out, p, c, sum, false);
    }
}

/* One for each thread of a block. */
template <int V> struct sums { tn_wide<V> of[TN_POOL_THREADS]; };

/* A block to each output pixel, for windows of many cells: its rows of threads share the cells out,
 * then the sums are added up in their order. */
template <int V> TN_DEVICE void large_mean_forward(const tn_pool_args &a) {
    TN_SHARED(sums<V>, all);
    const unsigned pixels = (unsigned)tn_pixels(&a.out);
    const int c = tn_map_channel<V>();
    for (unsigned p = blockIdx.y; p < pixels; p += gridDim.y) {
        const place_of o = place_in(a.out, p);
        const tn_pool_range rows = rows_of(a, (int)o.y), columns = columns_of(a, (int)o.x);
        const int wide = columns.end - columns.begin, cells = (rows.end - rows.begin) * wide;
        tn_wide<V> sum = tn_wide_zero<V>();
        for (int i = (int)threadIdx.y; i < cells && c < a.out.c; i += (int)blockDim.y) {
            const int y = rows.begin + i / wide, x = columns.begin + i % wide;
            const tn_wide<V> v = tn_get_wide<V>(a.in, pixel_at(a.in, o.n, y, x), c);
            for (int k = 0; k < V; k++) sum.x[k] += v.x[k];
        }
        all.of[threadIdx.y * blockDim.x + threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y == 0 && c < a.out.c) {
            for (unsigned y = 1; y < blockDim.y; y++)
                for (int k = 0; k < V; k++) sum.x[k] += all.of[y * blockDim.x + threadIdx.x].x[k];
            for (int k = 0; k < V; k++) sum.x[k] /= (float)cells;
            tn_give_wide<V>(a.out, p, c, sum, false);
        }
        __syncthreads();
    }
}

template <int V> TN_DEVICE void mean_backward(const tn_pool_args &a) {
    const tn_pool_attr &f = a.attr;
    const unsigned pixels = (unsigned)tn_pixels(&a.in);
    const int c = tn_map_channel<V>();
    if (c >= a.in.c) return;
    for (unsigned p = tn_map_pixel(); p < pixels; p += tn_map_step()) {
        const place_of i = place_in(a.in, p);
        const tn_pool_range rows =
            tn_pool_covering(f.type, (int)i.y, f.size_y, f.stride_y, f.before_y, a.out.h, a.in.h);
        const tn_pool_range columns =
            tn_pool_covering(f.type, (int)i.x, f.size_x, f.stride_x, f.before_x, a.out.w, a.in.w);
        tn_wide<V> sum = tn_wide_zero<V>();
        for (int oy = rows.begin; oy < rows.end; oy++)
            for (int ox = columns.begin; ox < columns.end; ox++) {
                const float weight = 1 / cells_of(rows_of(a, oy), columns_of(a, ox));
                const tn_wide<V> delta = tn_get_wide<V>(a.out, pixel_at(a.out, i.n, oy, ox), c);
                for (int k = 0; k < V; k++) sum.x[k] += delta.x[k] * weight;
            }
        tn_give_wide<V>(a.in, p, c, sum, a.add);
    }
}

/* ---- the kernels: threads over the pixels that they write ---- */

TN_KERNEL(tn_pool_max_1, TN_POOL_THREADS, tn_pool_args a) {
    max_forward<1>(a);
}
TN_KERNEL(tn_pool_max_4, TN_POOL_THREADS, tn_pool_args a) {
    max_forward<4>(a);
}
TN_KERNEL(tn_pool_mean_1, TN_POOL_THREADS, tn_pool_args a) {
    mean_forward<1>(a);
}
TN_KERNEL(tn_pool_mean_4, TN_POOL_THREADS, tn_pool_args a) {
    mean_forward<4>(a);
}
TN_KERNEL(tn_pool_large_mean_1, TN_POOL_THREADS, tn_pool_args a) {
    large_mean_forward<1>(a);
}
TN_KERNEL(tn_pool_large_mean_4, TN_POOL_THREADS, tn_pool_args a) {
    large_mean_forward<4>(a);
}
TN_KERNEL(tn_pool_max_gradient_1, TN_POOL_THREADS, tn_pool_args a) {
    max_backward<1>(a);
}
TN_KERNEL(tn_pool_max_gradient_4, TN_POOL_THREADS, tn_pool_args a) {
    max_backward<4>(a);
}
TN_KERNEL(tn_pool_mean_gradient_1, TN_POOL_THREADS, tn_pool_args a) {
    mean_backward<1>(a);
}
TN_KERNEL(tn_pool_mean_gradient_4, TN_POOL_THREADS, tn_pool_args a) {
    mean_backward<4>(a);
}
