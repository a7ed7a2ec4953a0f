/* Ends of a net: softmax with cross-entropy, and Darknet's [cost].
 *
 * Softmax: out = softmax(in[0] / temperature) within each of `groups` equal runs of the image's
 * c,h,w order. With step->truth (n, outputs): r->loss = loss_weight * sum over valid samples of
 * -sum_k t_k log p_k (true cross-entropy, also for soft targets; log from the logits, never log 0),
 * and BACKWARD_DATA writes din = loss_weight * grad_scale * (p * sum_k t_k - t) / temperature for
 * valid samples, 0 for padding. If dout.data is set (the probabilities are read further on, or a
 * heat map asks for them) the softmax Jacobian times dout is added to that. loss_weight 0: no loss.
 *
 * Cost: out = in[0]; per valid sample, with d = x - t: sse sum d^2/2; smooth (Huber) sum of d^2/2
 * or |d|-1/2; L1 sum |d|; masked is sse without the elements whose truth is -1234; each times
 * scale. Darknet's delta is the derivative of exactly this; what it prints for sse is twice it. */
#ifndef TN_OPS_LOSS_H
#define TN_OPS_LOSS_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_softmax_attr {
    int groups;
    double temperature;
    double loss_weight;
} tn_softmax_attr;
extern const tn_op_kind tn_op_softmax;

typedef enum tn_cost_type { TN_COST_SSE, TN_COST_MASKED, TN_COST_SMOOTH, TN_COST_L1 } tn_cost_type;
typedef struct tn_cost_attr {
    tn_cost_type type;
    double scale;
} tn_cost_attr;
extern const tn_op_kind tn_op_cost;

/* Kinds whose forward computes a loss from step->truth. */
static inline bool tn_op_has_loss(const tn_op *op) {
    return op->kind == &tn_op_softmax || op->kind == &tn_op_cost;
}

#ifdef __cplusplus
}
#endif
#endif
