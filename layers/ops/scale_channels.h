/* out = in[1] * in[0] broadcast: in[0] is (n,1,1,c), or (n,h,w,1) with scale_wh; in[1], out:
 * (n,h,w,c). Squeeze-and-excitation's last step (Hu et al. 2018). */
#ifndef TN_OPS_SCALE_CHANNELS_H
#define TN_OPS_SCALE_CHANNELS_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_op_kind tn_op_scale_channels;

#ifdef __cplusplus
}
#endif
#endif
