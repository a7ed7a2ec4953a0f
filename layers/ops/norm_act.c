#include "layers/ops/norm_act_kernels.h"

#include "layers/ops/elements.h"

tn_status tn_norm_act_prepare(tn_op_run *r) {
    if (!tn_norm_uses_batch(r)) return TN_OK;
    const tn_tensor *x = &r->in[0];
    if (tn_pixels(x) == 1) {
        return tn_fail("%s: one value a channel (1x1 map, mini-batch 1): batch norm needs a larger "
                       "batch or map to train",
                       r->op->name);
    }
    const size_t bytes = tn_norm_save_bytes(x->c);
    if (r->save_bytes < bytes) r->save_bytes = bytes;
    return TN_OK;
}

static size_t signs_offset(const tn_op_run *r) {
    return tn_norm_uses_batch(r) ? tn_norm_save_bytes(r->out.c) : 0;
}

static size_t signs_bytes(const tn_op_run *r) {
    return tn_pixels(&r->out) * tn_norm_signs_pitch(r->out.c);
}

static bool wants_signs(const tn_op_run *r) {
    const tn_norm_act_attr *a = r->op->attr;
    const tn_norm_shape shape = tn_norm_shape_of(a->activation);
    return r->mode != TN_INFER && (shape == TN_SHAPE_RELU || shape == TN_SHAPE_LEAKY) &&
           (r->op->n_in > 1 || !a->batch_norm);
}

void tn_norm_act_prepare_signs(tn_op_run *r) {
    if (wants_signs(r)) r->save_bytes = signs_offset(r) + signs_bytes(r);
}

uint8_t *tn_norm_signs(const tn_op_run *r) {
    const size_t offset = signs_offset(r);
    if (!wants_signs(r) || !r->save || r->save_bytes < offset + signs_bytes(r)) return NULL;
    return (uint8_t *)r->save + offset;
}

tn_status tn_norm_act_count(const tn_op_run *r, size_t *count) {
    *count = (size_t)tn_valid_samples(r) * r->in[0].h * r->in[0].w;
    if (*count != 1) return TN_OK;
    return tn_fail("%s: one value a channel (1x1 map, one sample in the last mini-batch): batch "
                   "norm needs a larger batch or map to train",
                   r->op->name);
}

void tn_norm_act_running(const tn_op_run *r, int c, double *mean, double *inv_std) {
    const double variance = (double)r->param[TN_NORM_VARIANCE]->value[c];
    *mean = (double)r->param[TN_NORM_MEAN]->value[c];
    *inv_std = tn_norm_inv_std(variance);
}

static void move(tn_real *running, double towards) {
    *running = tn_norm_running(*running, towards);
}

void tn_norm_act_settle(tn_op_run *r, int c, tn_moments m, double *mean, double *inv_std) {
    *mean = m.mean;
    *inv_std = tn_norm_inv_std(m.m2 / m.count);
    move(r->param[TN_NORM_MEAN]->value + c, m.mean);
    move(r->param[TN_NORM_VARIANCE]->value + c, m.m2 / (m.count - 1));
}

void tn_norm_act_moved(tn_op_run *r) {
    r->param[TN_NORM_MEAN]->version++;
    r->param[TN_NORM_VARIANCE]->version++;
}

static unsigned keeps(const tn_op *op) {
    const tn_norm_act_attr *a = op->attr;
    unsigned kept = a->batch_norm ? TN_KEEPS_IN(0) : 0;
    if (!tn_activation_from_output(a->activation)) {
        for (int i = 0; i < op->n_in; i++) kept |= TN_KEEPS_IN(i);
    } else if (a->activation != TN_LINEAR) {
        kept |= TN_KEEPS_OUT;
    }
    return kept;
}

/* act(norm(x) + skip): what a linear batch norm and the addition behind it come to. */
static tn_status merge(const tn_op *op, const tn_op *reader, tn_arena *arena, tn_op **merged) {
    const tn_norm_act_attr *first = op->attr, *then = reader->attr;
    if (reader->kind != op->kind || reader->in[0] != op->out) return TN_REFUSED;
    if (first->activation != TN_LINEAR || then->batch_norm || then->bias) return TN_REFUSED;
    const int n_in = op->n_in + reader->n_in - 1;
    tn_norm_act_attr *attr = tn_arena_alloc(arena, sizeof *attr);
    int *in = tn_arena_alloc(arena, (size_t)n_in * sizeof *in);
    *merged = tn_arena_alloc(arena, sizeof **merged);
    if (!attr || !in || !*merged) return TN_FAIL;
    *attr = *first;
    attr->activation = then->activation;
    for (int i = 0; i < n_in; i++) in[i] = i < op->n_in ? op->in[i] : reader->in[i - op->n_in + 1];
    **merged = *op;
    (*merged)->attr = attr;
    (*merged)->in = in;
    (*merged)->n_in = n_in;
    (*merged)->out = reader->out;
    return TN_OK;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_norm_act_forward_cuda,   &tn_norm_act_forward_bf16,
    &tn_norm_act_forward_avx512, &tn_norm_act_forward_avx2,
#endif
    &tn_norm_act_forward_ref,    NULL,
};

static const tn_kernel *const backward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_norm_act_backward_cuda,   &tn_norm_act_backward_bf16,
    &tn_norm_act_backward_avx512, &tn_norm_act_backward_avx2,
#endif
    &tn_norm_act_backward_ref,    NULL,
};

const tn_op_kind tn_op_norm_act = {
    .name = "norm_act",
    .kernels = {[TN_FORWARD] = forward, [TN_BACKWARD_DATA] = backward},
    .keeps = keeps,
    .merge = merge,
};
