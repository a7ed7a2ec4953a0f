/* norm_act on the GPU: see norm_act.h. Every pass over a map is bound by memory, so there are as
 * few as can be: forward one that reads for the statistics and one that writes, backward one that
 * sums and one that writes. Sums and moments are those of threads, of blocks (in float, around a
 * value of the channel's own) and of the map (in double), each joined in one fixed order. */
#include "layers/ops/norm_act_cuda.h"

#include "layers/device/map.cuh"
#include "layers/ops/activation_formulas.h"

/* ---- what the rows of a block found, joined ---- */

/* Moments of a set of values of V channels, and of their union (norm_act_kernels.h). */
template <int V> struct moments {
    float seen;
    tn_wide<V> mean, m2;
};
template <int V> TN_DEVICE void join(moments<V> &a, const moments<V> &b) {
    if (b.seen == 0) return;
    const float all = a.seen + b.seen, share = b.seen / all, cross = a.seen * share;
    for (int k = 0; k < V; k++) {
        const float apart = b.mean.x[k] - a.mean.x[k];
        a.mean.x[k] += apart * share;
        a.m2.x[k] += b.m2.x[k] + apart * apart * cross;
    }
    a.seen = all;
}

/* Sums of dz, and of dz times x less its mean. */
template <int V> struct sums { tn_wide<V> dz, dz_x; };
template <int V> TN_DEVICE void join(sums<V> &a, const sums<V> &b) {
    for (int k = 0; k < V; k++) {
        a.dz.x[k] += b.dz.x[k];
        a.dz_x.x[k] += b.dz_x.x[k];
    }
}

template <class T> struct half_block { T of[TN_NORM_THREADS / 2]; };

/* Joins the upper half of a block's rows to the lower one until row 0 has all. All threads call. */
template <class T> TN_DEVICE void join_rows(T &mine) {
    TN_SHARED(half_block<T>, other);
    const unsigned lanes = blockDim.x, y = threadIdx.y;
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (y >= half && y < 2 * half) other.of[(y - half) * lanes + threadIdx.x] = mine;
        __syncthreads();
        if (y < half) join(mine, other.of[y * lanes + threadIdx.x]);
        __syncthreads();
    }
}

/* ---- forward: statistics ---- */

/* Chunk by chunk: the mean of a chunk, then its deviations from that, then both join what is known.
 * All is less the block's first value of the channel, so that a large mean costs no digits. */
template <int V> TN_DEVICE void find_moments(const tn_norm_act_args &a) {
    const tn_tensor &in = a.in[0];
    const int c = tn_map_channel<V>();
    const unsigned begin = blockIdx.y * a.part_pixels, end = min(begin + a.part_pixels, a.count);
    moments<V> mine = {0, tn_wide_zero<V>(), tn_wide_zero<V>()};
    tn_wide<V> around = tn_wide_zero<V>();
    if (c < in.c) around = tn_get_wide<V>(in, begin, c);
    for (unsigned p = begin + threadIdx.y; p < end && c < in.c; p += TN_NORM_CHUNK * blockDim.y) {
        tn_wide<V> x[TN_NORM_CHUNK];
        const unsigned left = (end - p + blockDim.y - 1) / blockDim.y;
#pragma unroll
        for (unsigned i = 0; i < TN_NORM_CHUNK; i++)
            x[i] = i < left ? tn_get_wide<V>(in, p + i * blockDim.y, c) : around;
        moments<V> chunk = {(float)min(left, (unsigned)TN_NORM_CHUNK), tn_wide_zero<V>(),
                            tn_wide_zero<V>()};
        const float share = 1 / chunk.seen;
        for (int k = 0; k < V; k++) {
            float sum = 0;
#pragma unroll
            for (unsigned i = 0; i < TN_NORM_CHUNK; i++) sum += x[i].x[k] -= around.x[k];
            chunk.mean.x[k] = sum * share;
#pragma unroll
            for (unsigned i = 0; i < TN_NORM_CHUNK; i++) {
                const float apart = i < left ? x[i].x[k] - chunk.mean.x[k] : 0;
                chunk.m2.x[k] += apart * apart;
            }
        }
        join(mine, chunk);
    }
    join_rows(mine);
    if (threadIdx.y > 0 || c >= in.c) return;
    for (int k = 0; k < V; k++) {
        tn_norm_part *to = a.part + (size_t)(c + k) * a.parts + blockIdx.y;
        to->first = (double)around.x[k] + (double)mine.mean.x[k];
        to->second = (double)mine.m2.x[k];
    }
}

/* ---- a warp to each channel: what the blocks found, put together ---- */

TN_DEVICE int warp_channel(void) {
    return (int)((blockIdx.x * blockDim.x + threadIdx.x) / TN_WARP);
}

/* Pixels that count of part i. */
TN_DEVICE double part_count(const tn_norm_act_args &a, unsigned i) {
    return (double)min(a.part_pixels, a.count - i * a.part_pixels);
}

/* Every lane gets the mean and the centred sum of squares of channel c. */
TN_DEVICE void whole_moments(const tn_norm_act_args &a, int c, double *mean, double *m2) {
    const tn_norm_part *part = a.part + (size_t)c * a.parts;
    double sum = 0, squares = 0;
    for (unsigned i = threadIdx.x % TN_WARP; i < a.parts; i += TN_WARP)
        sum += part_count(a, i) * part[i].first;
    *mean = tn_warp_sum(sum) / (double)a.count;
    for (unsigned i = threadIdx.x % TN_WARP; i < a.parts; i += TN_WARP) {
        const double apart = part[i].first - *mean;
        squares += part[i].second + part_count(a, i) * apart * apart;
    }
    *m2 = tn_warp_sum(squares);
}

/* What normalises channel c: forward's own statistics, or the running ones. */
TN_DEVICE void statistics_of(const tn_norm_act_args &a, int c, double *mean, double *inv_std) {
    *mean = a.batch ? a.saved.mean[c] : (double)a.mean[c];
    *inv_std = a.batch ? a.saved.inv_std[c] : tn_norm_inv_std((double)a.variance[c]);
}

/* What float leaves over of a mean is in the shift. */
TN_DEVICE void set_rows(const tn_norm_act_args &a, int c, double mean, double inv_std) {
    const double factor = inv_std * (double)a.scale[c], rest = mean - (double)(float)mean;
    const size_t channels = (size_t)a.out.c;
    a.row[TN_ROW_MEAN * channels + c] = (float)mean;
    a.row[TN_ROW_FACTOR * channels + c] = (float)factor;
    a.row[TN_ROW_SHIFT * channels + c] = (float)((double)a.bias[c] - rest * factor);
}

/* Batch norm without sums: a thread to each channel. */
TN_KERNEL(tn_norm_act_rows, TN_NORM_THREADS, tn_norm_act_args a) {
    const int c = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (c >= a.out.c) return;
    double mean, inv_std;
    statistics_of(a, c, &mean, &inv_std);
    set_rows(a, c, mean, inv_std);
}

/* Saves the mini-batch's statistics and moves the running ones; with padding alone these serve. */
TN_KERNEL(tn_norm_act_statistics, TN_NORM_THREADS, tn_norm_act_args a) {
    const int c = warp_channel();
    if (c >= a.out.c) return;
    double mean = (double)a.mean[c], inv_std = tn_norm_inv_std((double)a.variance[c]), m2 = 0;
    if (a.count > 0) {
        whole_moments(a, c, &mean, &m2);
        inv_std = tn_norm_inv_std(m2 / (double)a.count);
    }
    if (threadIdx.x % TN_WARP != 0) return;
    a.saved.mean[c] = mean;
    a.saved.inv_std[c] = inv_std;
    if (a.count > 0) {
        a.mean[c] = tn_norm_running(a.mean[c], mean);
        a.variance[c] = tn_norm_running(a.variance[c], m2 / (double)(a.count - 1));
    }
    set_rows(a, c, mean, inv_std);
}

/* Gives the sums to the parameters, and to the input's gradient as tilt and offset: with S0 = sum
 * dz and S1 = sum dz * xhat over the N pixels of the statistics, dx = factor * (dz - S0/N - xhat *
 * S1/N),  xhat = (x - mean) * inv_std. */
TN_KERNEL(tn_norm_act_share_sums, TN_NORM_THREADS, tn_norm_act_args a) {
    const int c = warp_channel();
    if (c >= a.out.c) return;
    const tn_norm_part *part = a.part + (size_t)c * a.parts;
    double dz = 0, dz_x = 0;
    for (unsigned i = threadIdx.x % TN_WARP; i < a.parts; i += TN_WARP) {
        dz += part[i].first;
        dz_x += part[i].second;
    }
    dz = tn_warp_sum(dz);
    dz_x = tn_warp_sum(dz_x);
    if (threadIdx.x % TN_WARP != 0) return;
    if (a.dbias) a.dbias[c] += (float)dz;
    if (!a.batch_norm) return;
    const size_t channels = (size_t)a.out.c;
    double mean, inv_std;
    statistics_of(a, c, &mean, &inv_std);
    const double rest = mean - (double)(float)mean;
    dz_x = (dz_x - rest * dz) * inv_std; /* now of xhat */
    if (a.dscale) a.dscale[c] += (float)dz_x;
    if (!a.batch) return;
    const double factor = inv_std * (double)a.scale[c], n = (double)a.count;
    const double tilt = -factor * inv_std * dz_x / n;
    a.row[TN_ROW_TILT * channels + c] = (float)tilt;
    a.row[TN_ROW_OFFSET * channels + c] = (float)(-factor * dz / n - tilt * rest);
}

/* ---- values ---- */

/* Those with exponentials and the like would be copied to every channel of every unrolled step. */
TN_DEVICE_APART float any_value(tn_activation f, float z) {
    return tn_activation_value(f, z);
}
TN_DEVICE_APART float any_derivative(tn_activation f, float z, float y) {
    return tn_activation_derivative(f, z, y);
}

/* The branches are the same for a whole launch. */
TN_DEVICE float value_of(tn_activation f, float z) {
    if (f == TN_LINEAR) return z;
    if (f == TN_RELU) return tn_activation_value(TN_RELU, z);
    return any_value(f, z);
}
TN_DEVICE float derivative_of(tn_activation f, float z, float y) {
    if (f == TN_RELU) return tn_activation_derivative(TN_RELU, z, y);
    return any_derivative(f, z, y);
}

/* The constants of V channels, in registers. */
template <int V> struct lines { tn_wide<V> mean, factor, shift; };
template <int V> TN_DEVICE lines<V> lines_of(const tn_norm_act_args &a, int c) {
    const size_t channels = (size_t)a.out.c;
    lines<V> l = {tn_wide_zero<V>(), tn_wide_zero<V>(), tn_wide_zero<V>()};
    if (a.batch_norm) {
        l.mean = tn_get_wide<V>(a.row + TN_ROW_MEAN * channels + c);
        l.factor = tn_get_wide<V>(a.row + TN_ROW_FACTOR * channels + c);
        l.shift = tn_get_wide<V>(a.row + TN_ROW_SHIFT * channels + c);
        return l;
    }
    for (int k = 0; k < V; k++) {
        l.factor.x[k] = 1;
        l.shift.x[k] = a.bias ? a.bias[c + k] : 0;
    }
    return l;
}

/* Forward and backward find the same bits. */
template <int V> TN_DEVICE tn_wide<V> normalised(const lines<V> &l, tn_wide<V> x) {
    for (int k = 0; k < V; k++)
        x.x[k] = fmaf(tn_add(x.x[k], -l.mean.x[k]), l.factor.x[k], l.shift.x[k]);
    return x;
}

template <int V>
TN_DEVICE tn_wide<V> with_skips(const tn_norm_act_args &a, tn_wide<V> z, unsigned p, int c) {
    for (int i = 1; i < a.n_in; i++) {
        const tn_wide<V> skip = tn_get_wide<V>(a.in[i], p, c);
        for (int k = 0; k < V; k++) z.x[k] += skip.x[k];
    }
    return z;
}

/* The last parts first: what the pass before this one read last is still in the cache. */
TN_DEVICE unsigned part_backwards(void) {
    return gridDim.y - 1 - blockIdx.y;
}

template <int V> TN_DEVICE void write_values(const tn_norm_act_args &a) {
    const int c = tn_map_channel<V>();
    if (c >= a.out.c) return;
    const lines<V> l = lines_of<V>(a, c);
    const unsigned begin = part_backwards() * a.part_pixels;
    const unsigned end = min(begin + a.part_pixels, a.pixels);
    for (unsigned p = begin + threadIdx.y; p < end; p += blockDim.y) {
        tn_wide<V> z = with_skips<V>(a, normalised<V>(l, tn_get_wide<V>(a.in[0], p, c)), p, c);
        for (int k = 0; k < V; k++) z.x[k] = value_of(a.activation, z.x[k]);
        tn_give_wide<V>(a.out, p, c, z, false);
    }
}

/* ---- backward ---- */

/* Whether in[0] is read at all. */
TN_DEVICE bool reads_x(const tn_norm_act_args &a) {
    return a.batch_norm || a.slope == TN_SLOPE_SIGN || a.slope == TN_SLOPE_INPUT;
}

/* Gradient with respect to what the activation is given; x is in[0] there. */
template <int V>
TN_DEVICE tn_wide<V> dz_of(const tn_norm_act_args &a, const lines<V> &l, const tn_wide<V> &x,
                           unsigned p, int c) {
    tn_wide<V> dz = tn_get_wide<V>(a.dout, p, c);
    if (a.slope == TN_SLOPE_ONE) return dz;
    tn_wide<V> y = a.slope == TN_SLOPE_OUTPUT ? tn_get_wide<V>(a.out, p, c) : normalised<V>(l, x);
    if (a.slope == TN_SLOPE_INPUT) y = with_skips<V>(a, y, p, c);
    for (int k = 0; k < V; k++) dz.x[k] *= derivative_of(a.activation, y.x[k], y.x[k]);
    return dz;
}

template <int V> TN_DEVICE void find_sums(const tn_norm_act_args &a) {
    const int c = tn_map_channel<V>();
    const unsigned begin = blockIdx.y * a.part_pixels, end = min(begin + a.part_pixels, a.count);
    sums<V> mine = {tn_wide_zero<V>(), tn_wide_zero<V>()};
    if (c < a.out.c) {
        const lines<V> l = lines_of<V>(a, c);
#pragma unroll 4
        for (unsigned p = begin + threadIdx.y; p < end; p += blockDim.y) {
            const tn_wide<V> x = reads_x(a) ? tn_get_wide<V>(a.in[0], p, c) : tn_wide_zero<V>();
            const tn_wide<V> dz = dz_of<V>(a, l, x, p, c);
            for (int k = 0; k < V; k++) {
                mine.dz.x[k] += dz.x[k];
                mine.dz_x.x[k] += dz.x[k] * (x.x[k] - l.mean.x[k]);
            }
        }
    }
    join_rows(mine);
    if (threadIdx.y > 0 || c >= a.out.c) return;
    for (int k = 0; k < V; k++) {
        tn_norm_part *to = a.part + (size_t)(c + k) * a.parts + blockIdx.y;
        to->first = (double)mine.dz.x[k];
        to->second = (double)mine.dz_x.x[k];
    }
}

template <int V> TN_DEVICE void write_gradients(const tn_norm_act_args &a) {
    const int c = tn_map_channel<V>();
    if (c >= a.out.c) return;
    const lines<V> l = lines_of<V>(a, c);
    tn_wide<V> tilt = tn_wide_zero<V>(), offset = tn_wide_zero<V>();
    if (a.batch && a.count > 0) {
        tilt = tn_get_wide<V>(a.row + TN_ROW_TILT * (size_t)a.out.c + c);
        offset = tn_get_wide<V>(a.row + TN_ROW_OFFSET * (size_t)a.out.c + c);
    }
    const unsigned begin = part_backwards() * a.part_pixels;
    const unsigned end = min(begin + a.part_pixels, a.pixels);
    for (unsigned p = begin + threadIdx.y; p < end; p += blockDim.y) {
        const tn_wide<V> x = reads_x(a) ? tn_get_wide<V>(a.in[0], p, c) : tn_wide_zero<V>();
        const tn_wide<V> dz = dz_of<V>(a, l, x, p, c);
        tn_wide<V> dx;
        for (int k = 0; k < V; k++) {
            dx.x[k] = dz.x[k] * l.factor.x[k];
            if (a.batch && p < a.count)
                dx.x[k] += fmaf(x.x[k] - l.mean.x[k], tilt.x[k], offset.x[k]);
        }
        if (a.din[0].data) tn_give_wide<V>(a.din[0], p, c, dx, a.add & 1);
        for (int i = 1; i < a.n_in; i++)
            if (a.din[i].data) tn_give_wide<V>(a.din[i], p, c, dz, a.add >> i & 1);
    }
}

/* ---- the kernels over maps, for threads of one channel and of four ---- */

TN_KERNEL(tn_norm_act_moments_1, TN_NORM_THREADS, tn_norm_act_args a) {
    find_moments<1>(a);
}
TN_KERNEL(tn_norm_act_moments_4, TN_NORM_THREADS, tn_norm_act_args a) {
    find_moments<4>(a);
}
TN_KERNEL(tn_norm_act_values_1, TN_NORM_THREADS, tn_norm_act_args a) {
    write_values<1>(a);
}
TN_KERNEL(tn_norm_act_values_4, TN_NORM_THREADS, tn_norm_act_args a) {
    write_values<4>(a);
}
TN_KERNEL(tn_norm_act_sums_1, TN_NORM_THREADS, tn_norm_act_args a) {
    find_sums<1>(a);
}
TN_KERNEL(tn_norm_act_sums_4, TN_NORM_THREADS, tn_norm_act_args a) {
    find_sums<4>(a);
}
TN_KERNEL(tn_norm_act_gradients_1, TN_NORM_THREADS, tn_norm_act_args a) {
    write_gradients<1>(a);
}
TN_KERNEL(tn_norm_act_gradients_4, TN_NORM_THREADS, tn_norm_act_args a) {
    write_gradients<4>(a);
}
