/* [crop] on the GPU: see crop.h. */
#include "layers/ops/crop_cuda.h"

#include "layers/device/kernel.cuh"
#include "layers/ops/crop.h"

enum { THREADS = TN_CROP_THREADS };

TN_DEVICE tn_crop_window window_of(const tn_crop_args &a, int n) {
    const int room_y = a.in.h - a.out.h, room_x = a.in.w - a.out.w;
    if (a.draws)
        return tn_crop_draw(a.seed, a.step, a.layer, a.first_sample + n, room_y, room_x, a.flip);
    const tn_crop_window middle = {room_y / 2, room_x / 2, false};
    return middle;
}

/* Block (n, i) does rows i, i + gridDim.y, ... of sample n. Its window is drawn once. */
TN_KERNEL(tn_crop_forward, THREADS, tn_crop_args a) {
    TN_SHARED(tn_crop_window, w);
    const int n = (int)blockIdx.x, row = a.out.w * a.out.c;
    if (threadIdx.x == 0) w = window_of(a, n);
    __syncthreads();
    for (int y = (int)blockIdx.y; y < a.out.h; y += (int)gridDim.y) {
        const size_t from = ((size_t)n * a.in.h + w.y + y) * a.in.w + w.x;
        const size_t to = ((size_t)n * a.out.h + y) * a.out.w;
        for (int i = (int)threadIdx.x; i < row; i += THREADS) {
            const int x = i / a.out.c, c = i % a.out.c;
            const size_t source = from + (w.flipped ? a.out.w - 1 - x : x);
            const float value = tn_get(a.in, source * a.in.pitch + c);
            tn_set(a.out, (to + x) * a.out.pitch + c, a.adjust ? 2 * value - 1 : value);
        }
    }
}
