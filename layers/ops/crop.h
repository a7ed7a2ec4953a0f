/* [crop]: a window of the image, values mapped to 2x-1 unless noadjust. In TN_TRAIN the window's
 * place and a left-right flip are drawn per sample from (seed, step, layer, sample); otherwise
 * centred and unflipped. No gradient passes (it is only ever a first layer). in[0]: (n,h,w,c);
 * out: (n,oh,ow,c). */
#ifndef TN_OPS_CROP_H
#define TN_OPS_CROP_H

#include "layers/device/rng.h"
#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_crop_attr {
    bool flip, noadjust;
} tn_crop_attr;

extern const tn_op_kind tn_op_crop;

/* A sample's window: its upper left corner in the image, and whether it is mirrored. */
typedef struct tn_crop_window {
    int y, x;
    bool flipped;
} tn_crop_window;

/* One of the windows whose corner lies in 0..room_y, 0..room_x. */
TN_BOTH tn_crop_window tn_crop_draw(uint64_t seed, uint64_t step, int layer, int sample, int room_y,
                                    int room_x, bool flip) {
    tn_rng rng =
        tn_rng_stream(seed, TN_RNG_CROP, (uint32_t)step, (uint32_t)layer, (uint32_t)sample);
    tn_crop_window w;
    w.y = (int)tn_rng_below(&rng, (uint32_t)room_y + 1);
    w.x = (int)tn_rng_below(&rng, (uint32_t)room_x + 1);
    w.flipped = flip && tn_rng_below(&rng, 2) == 1;
    return w;
}

#ifdef __cplusplus
}
#endif
#endif
