/* The published counts, made again in either of the two orders that the paper leaves open. */
#include "layers/device/rng.h"
#include "src/data/ddti/plan.h"

#include <stdlib.h>
#include <string.h>

/* Streams of the split purpose that are not the split's own (0). */
enum { STREAM_CHOICE = 1, STREAM_SIDES = 2 };

static const int targets[2][TN_DDTI_LABELS] = {
    {TN_DDTI_PAPER_TRAIN_BENIGN, TN_DDTI_PAPER_TRAIN_MALIGNANT},
    {TN_DDTI_PAPER_VALID_BENIGN, TN_DDTI_PAPER_VALID_MALIGNANT},
};

static void shuffle(int *items, int count, tn_rng *rng) {
    for (int i = count - 1; i > 0; i--) {
        int j = (int)tn_rng_below(rng, (uint32_t)i + 1), keep = items[i];
        items[i] = items[j];
        items[j] = keep;
    }
}

static tn_ddti_output make_output(const tn_ddti_settings *settings, int sample, int copy,
                                  int part) {
    tn_ddti_output output = {.sample = sample, .copy = copy, .part = part, .scale = 1};
    if (copy == 0) return output;
    tn_rng rng = tn_rng_stream(settings->seed, TN_RNG_AUGMENT, (uint32_t)sample, (uint32_t)copy, 0);
    output.degrees = tn_rng_uniform(&rng, -TN_DDTI_PAPER_DEGREES, TN_DDTI_PAPER_DEGREES);
    output.scale = tn_rng_uniform(&rng, 1 - TN_DDTI_PAPER_SCALE, 1 + TN_DDTI_PAPER_SCALE);
    output.mirror = (int)tn_rng_below(&rng, 2);
    return output;
}

/* Appends `target` outputs of the samples `from`: each once as it is (a choice by seed when there
 * are more), then copies of them in turn. */
static void fill(const tn_ddti_settings *settings, tn_ddti_plan *plan, int *from, int count,
                 int target, int part, tn_rng *rng) {
    shuffle(from, count, rng);
    for (int i = 0; i < target; i++)
        plan->outputs[plan->output_count++] =
            make_output(settings, from[i % count], i / count, part);
}

/* The used samples of a label, on one side (0, 1) or on both (-1). */
static int collect(const tn_ddti_plan *plan, int label, int side, int *out) {
    int count = 0;
    for (int i = 0; i < plan->sample_count; i++) {
        const tn_ddti_sample *s = &plan->samples[i];
        if (!s->excluded && s->label == label && (side < 0 || s->fold == side)) out[count++] = i;
    }
    return count;
}

static tn_status split_first(const tn_ddti_settings *settings, tn_ddti_plan *plan, int *from) {
    tn_rng rng = tn_rng_stream(settings->seed, TN_RNG_SPLIT, STREAM_CHOICE, 0, 0);
    for (int side = 0; side < 2; side++)
        for (int label = 0; label < TN_DDTI_LABELS; label++) {
            int count = collect(plan, label, side, from);
            if (count == 0)
                return tn_fail("-paper split-first: no %s sample on the %s side to augment: more "
                               "cases are needed",
                               tn_ddti_label_names[label], side ? "validation" : "training");
            fill(settings, plan, from, count, targets[side][label], side, &rng);
        }
    return TN_OK;
}

static tn_status augment_first(const tn_ddti_settings *settings, tn_ddti_plan *plan, int *from) {
    tn_rng choice = tn_rng_stream(settings->seed, TN_RNG_SPLIT, STREAM_CHOICE, 0, 0);
    tn_rng sides = tn_rng_stream(settings->seed, TN_RNG_SPLIT, STREAM_SIDES, 0, 0);
    for (int label = 0; label < TN_DDTI_LABELS; label++) {
        int count = collect(plan, label, -1, from), first = plan->output_count;
        int total = targets[0][label] + targets[1][label];
        fill(settings, plan, from, count, total, TN_DDTI_TRAIN, &choice);
        int *order = malloc((size_t)total * sizeof *order);
        if (!order) return tn_fail("out of memory for %d images", total);
        for (int i = 0; i < total; i++) order[i] = first + i;
        shuffle(order, total, &sides);
        for (int i = 0; i < targets[1][label]; i++) plan->outputs[order[i]].part = TN_DDTI_VALID;
        free(order);
    }
    return TN_OK;
}

static int by_sample(const void *a, const void *b) {
    const tn_ddti_output *x = a, *y = b;
    if (x->sample != y->sample) return x->sample < y->sample ? -1 : 1;
    return (x->copy > y->copy) - (x->copy < y->copy);
}

/* A sample that was not chosen says so; one whose outputs lie on both sides has no side. */
static tn_status mark_samples(tn_ddti_plan *plan) {
    for (int i = 0, o = 0; i < plan->sample_count; i++) {
        tn_ddti_sample *s = &plan->samples[i];
        int first = o;
        while (o < plan->output_count && plan->outputs[o].sample == i) o++;
        if (s->excluded) continue;
        if (o > first) {
            s->fold = plan->outputs[first].part;
            continue;
        }
        s->excluded = strdup("not chosen: the paper's count was reached");
        if (!s->excluded) return tn_fail("out of memory");
        s->label = -1;
    }
    return TN_OK;
}

tn_status tn_ddti_plan_paper(const tn_ddti_settings *settings, tn_ddti_plan *plan) {
    int total = 0;
    for (int side = 0; side < 2; side++)
        for (int label = 0; label < TN_DDTI_LABELS; label++) total += targets[side][label];
    plan->outputs = calloc((size_t)total, sizeof *plan->outputs);
    int *from = calloc((size_t)plan->sample_count + 1, sizeof *from);
    tn_status status = TN_FAIL;
    if (!plan->outputs || !from)
        tn_fail("out of memory for %d images", total);
    else if (settings->paper == TN_DDTI_PAPER_SPLIT_FIRST)
        status = split_first(settings, plan, from);
    else
        status = augment_first(settings, plan, from);
    free(from);
    TN_TRY(status);
    qsort(plan->outputs, (size_t)plan->output_count, sizeof *plan->outputs, by_sample);
    return mark_samples(plan);
}
