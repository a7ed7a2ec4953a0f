#include "src/data/order.h"

#include "layers/device/rng.h"

#include <stdlib.h>
#include <string.h>

/* Fisher-Yates from the top. */
static void shuffle(int *v, uint32_t n, tn_rng *rng) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = tn_rng_below(rng, i);
        int kept = v[i - 1];
        v[i - 1] = v[j];
        v[j] = kept;
    }
}

/* Sorts images into member by class (one class holds all when not balanced). */
static tn_status group(tn_order *o, const int *label) {
    for (int i = 0; i < o->n; i++) {
        int k = label ? label[i] : 0;
        if (k < 0 || k >= o->classes)
            return tn_fail("image %d has class %d: 0 to %d expected", i, k, o->classes - 1);
        o->first[k + 1]++;
    }
    for (int k = 0; k < o->classes; k++) {
        if (o->first[k + 1] == 0)
            return tn_fail("classes cannot be balanced: class %d has no image", k);
        o->first[k + 1] += o->first[k];
    }
    /* drawn counts how many of a class were placed: classes <= n here. */
    for (int i = 0; i < o->n; i++) {
        int k = label ? label[i] : 0;
        o->member[o->first[k] + o->drawn[k]++] = i;
    }
    return TN_OK;
}

tn_status tn_order_create(int n, const int *label, int classes, bool shuffled, bool balanced,
                          uint64_t seed, tn_order *out) {
    *out = (tn_order){.seed = seed, .shuffled = shuffled, .n = n, .epoch = -1};
    out->classes = balanced ? classes : 1;
    if (n < 1) return tn_fail("an order of %d images", n);
    if (balanced && !shuffled) return tn_fail("balanced classes need a shuffled order");
    if (out->classes < 1 || out->classes > n)
        return tn_fail("%d classes cannot be balanced with %d images", classes, n);
    out->member = malloc(sizeof *out->member * (size_t)n);
    out->drawn = calloc((size_t)n, sizeof *out->drawn);
    out->first = calloc((size_t)out->classes + 1, sizeof *out->first);
    tn_status status = out->member && out->drawn && out->first
                           ? group(out, balanced ? label : NULL)
                           : tn_fail("no memory for the order of %d images", n);
    uint64_t largest = 0;
    for (int k = 0; status == TN_OK && k < out->classes; k++) {
        uint64_t images = (uint64_t)(out->first[k + 1] - out->first[k]);
        if (images > largest) largest = images;
    }
    uint64_t size = largest * (uint64_t)out->classes;
    if (status == TN_OK && size > INT32_MAX)
        status = tn_fail("an epoch of %llu samples is too long", (unsigned long long)size);
    if (status == TN_OK) {
        out->size = (uint32_t)size;
        out->permutation = malloc(sizeof *out->permutation * (size_t)size);
        if (!out->permutation) status = tn_fail("no memory for an epoch's order");
    }
    if (status != TN_OK) tn_order_free(out);
    return status;
}

void tn_order_free(tn_order *order) {
    free(order->member);
    free(order->first);
    free(order->drawn);
    free(order->permutation);
    *order = (tn_order){0};
}

static void make_epoch(tn_order *o, uint32_t epoch) {
    tn_rng rng = tn_rng_stream(o->seed, TN_RNG_SHUFFLE, epoch, 0, 0);
    memcpy(o->drawn, o->member, sizeof *o->drawn * (size_t)o->n);
    uint32_t share = o->size / (uint32_t)o->classes, at = 0;
    for (int k = 0; k < o->classes; k++) {
        uint32_t images = (uint32_t)(o->first[k + 1] - o->first[k]);
        int *class_images = o->drawn + o->first[k];
        /* Which images are repeated once more than the others changes from epoch to epoch. */
        if (o->shuffled) shuffle(class_images, images, &rng);
        for (uint32_t i = 0; i < share; i++) o->permutation[at++] = class_images[i % images];
    }
    if (o->classes > 1) shuffle(o->permutation, o->size, &rng);
    o->epoch = epoch;
}

int tn_order_at(tn_order *order, uint64_t position) {
    uint32_t epoch = (uint32_t)(position / order->size);
    if (order->epoch != (int64_t)epoch) make_epoch(order, epoch);
    return order->permutation[position % order->size];
}
