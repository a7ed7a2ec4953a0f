/* A net written in sections that stock Darknets and OpenCV's dnn module know. */
#ifndef TN_NET_EXPAND_H
#define TN_NET_EXPAND_H

#include "src/net/net.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the cfg. [grouped_convolutional] becomes [convolutional] groups=, [expansion_residual] its
 * convolutions, [route] and [shortcut]; references are renumbered, every value whose default
 * differs between programs is said, keys of ours alone are left out. The weights file stays the
 * same.
 *
 * `fold` makes a net for inference: batch norm is folded into weights and biases, sections that
 * only train (auxiliary heads, dropout, [cost]) are gone. Programs disagree on batch norm's
 * epsilon, so only a folded net gives the same numbers everywhere for any weights. Fails, naming
 * the section, on what has no stock counterpart. */
tn_status tn_expand_cfg(const tn_net *net, bool fold, const tn_warner *warner, FILE *to);

/* The written sections that a layer became: none when last < first. The first after [net] is 0. */
typedef struct tn_expand_span {
    int first, last;
} tn_expand_span;

/* As tn_expand_cfg without fold; span[net->plan.n_layers] is filled. `verbatim`: [convolutional]
 * stays as it stands, also with strides that one host ignores. Means over parts of a map are
 * written as something of the same shape, which whoever asks for spans computes himself; of keys
 * that are not carried over there is no warning. */
tn_status tn_expand_cfg_spans(const tn_net *net, bool verbatim, const tn_warner *warner, FILE *to,
                              tn_expand_span *span);

/* Writes the weights that belong to that cfg, atomically. */
tn_status tn_expand_weights(const tn_net *net, bool fold, const char *path);

#ifdef __cplusplus
}
#endif
#endif
