/* [crop]: a window of the image, values mapped to 2x-1 unless noadjust. In TN_TRAIN the window's
 * place and a left-right flip are drawn per sample from (seed, step, layer, sample); otherwise
 * centred and unflipped. No gradient passes (it is only ever a first layer). in[0]: (n,h,w,c);
 * out: (n,oh,ow,c). */
#ifndef TN_OPS_CROP_H
#define TN_OPS_CROP_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_crop_attr {
    bool flip, noadjust;
} tn_crop_attr;

extern const tn_op_kind tn_op_crop;

#ifdef __cplusplus
}
#endif
#endif
