/* The keys that [convolutional] and [grouped_convolutional] share. */
#ifndef TN_CONVOLUTIONAL_H
#define TN_CONVOLUTIONAL_H

#include "layers/conv_block.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_convolutional_keys {
    int filters, size, stride, stride_x, stride_y, padding, groups, dilation;
    bool pad, batch_normalize;
    int activation;
} tn_convolutional_keys;

/* Keys of Darknet's convolutions whose effect is not built. */
#define TN_CONVOLUTIONAL_UNSUPPORTED                                                               \
    TN_UNSUPPORTED("cbn", "0", "cross-iteration batch norm"),                                      \
        TN_UNSUPPORTED("binary", "0", "binary weights"),                                           \
        TN_UNSUPPORTED("xnor", "0", "binary weights and inputs"),                                  \
        TN_UNSUPPORTED("bin_output", "0", "binary outputs"),                                       \
        TN_UNSUPPORTED("flipped", "0", "transposed weights"),                                      \
        TN_UNSUPPORTED("dot", "0", "experimental"),                                                \
        TN_UNSUPPORTED("antialiasing", "0", "blurred subsampling"),                                \
        TN_UNSUPPORTED("assisted_excitation", "0", "detectors"),                                   \
        TN_UNSUPPORTED("sway", "0", "augmented filters"),                                          \
        TN_UNSUPPORTED("rotate", "0", "augmented filters"),                                        \
        TN_UNSUPPORTED("stretch", "0", "augmented filters"),                                       \
        TN_UNSUPPORTED("stretch_sway", "0", "augmented filters"),                                  \
        TN_UNSUPPORTED("grad_centr", "0", "centred gradients"),                                    \
        TN_UNSUPPORTED("reverse", "0", "reversed gradient"),                                       \
        TN_UNSUPPORTED("coordconv", "0", "coordinates as channels"),                               \
        TN_UNSUPPORTED("share_index", "-1", "parameters shared with another layer"),               \
        TN_IGNORED("angle", "only with rotate"), TN_IGNORED("stream", "GPU"),                      \
        TN_IGNORED("wait_stream", "GPU")

/* Plans either; fills in the summary's detail. */
tn_status tn_convolutional_plan(tn_plan *plan, const tn_section *section, const void *values);

/* Writes either as stock sections. */
tn_status tn_convolutional_expand(FILE *to, const tn_section *section, const void *values,
                                  tn_shape in, int *n_sections);

/* What the keys come to: pad=1 means "same size" (size/2, times dilation), as Darknet means it. */
tn_conv_block tn_convolutional_block(const tn_convolutional_keys *keys);

#ifdef __cplusplus
}
#endif
#endif
