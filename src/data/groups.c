#include "src/data/groups.h"
#include "layers/device/rng.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_groups_create(int count, tn_groups *out) {
    *out = (tn_groups){0};
    out->parent = calloc(count > 0 ? (size_t)count : 1, sizeof *out->parent);
    if (!out->parent) return tn_fail("out of memory for %d groups", count);
    out->count = count;
    for (int i = 0; i < count; i++) out->parent[i] = i;
    return TN_OK;
}

void tn_groups_free(tn_groups *groups) {
    free(groups->parent);
    *groups = (tn_groups){0};
}

int tn_groups_find(const tn_groups *groups, int member) {
    while (groups->parent[member] != member) {
        groups->parent[member] = groups->parent[groups->parent[member]];
        member = groups->parent[member];
    }
    return member;
}

void tn_groups_join(tn_groups *groups, int a, int b) {
    a = tn_groups_find(groups, a);
    b = tn_groups_find(groups, b);
    if (a < b) groups->parent[b] = a;
    if (b < a) groups->parent[a] = b;
}

/* A split in the making. A group's samples are counted by column: labels, then strata, then one
 * column for the total; each column is weighed by how much it matters. */
typedef struct dealer {
    int parts, columns, groups;
    double *target; /* [parts][columns] samples wanted */
    double *have;   /* [parts][columns] samples dealt */
    double *counts; /* [groups][columns] */
    double *weight; /* [columns] */
    int *part;      /* [groups]; -1 before it is dealt */
    int *order;     /* [groups] */
} dealer;

static void dealer_free(dealer *d) {
    free(d->target);
    free(d->have);
    free(d->counts);
    free(d->weight);
    free(d->part);
    free(d->order);
}

static tn_status dealer_create(dealer *d, int parts, int columns, int groups) {
    *d = (dealer){.parts = parts, .columns = columns, .groups = groups};
    size_t c = (size_t)columns, p = (size_t)parts, g = (size_t)groups;
    d->target = calloc(p * c, sizeof(double));
    d->have = calloc(p * c, sizeof(double));
    d->counts = calloc(g * c, sizeof(double));
    d->weight = calloc(c, sizeof(double));
    d->part = calloc(g, sizeof(int));
    d->order = calloc(g, sizeof(int));
    if (d->target && d->have && d->counts && d->weight && d->part && d->order) return TN_OK;
    dealer_free(d);
    return tn_fail("out of memory for a split of %d groups", groups);
}

/* How much farther from (or, negative, nearer to) its targets a part gets by `sign` times group g:
 * the change of the squared distance, relative to the target. */
static double change(const dealer *d, int g, int part, double sign) {
    const double *counts = d->counts + (size_t)g * (size_t)d->columns;
    const double *have = d->have + (size_t)part * (size_t)d->columns;
    const double *target = d->target + (size_t)part * (size_t)d->columns;
    double sum = 0;
    for (int c = 0; c < d->columns; c++) {
        if (counts[c] == 0) continue;
        double off = have[c] - target[c], n = sign * counts[c];
        sum += d->weight[c] * n * (2 * off + n) / target[c];
    }
    return sum;
}

static void put(dealer *d, int g, int part, double sign) {
    const double *counts = d->counts + (size_t)g * (size_t)d->columns;
    double *have = d->have + (size_t)part * (size_t)d->columns;
    for (int c = 0; c < d->columns; c++) have[c] += sign * counts[c];
    d->part[g] = sign > 0 ? part : -1;
}

/* Puts group g, which is in no part, where it serves most. */
static int deal(dealer *d, int g) {
    int best = 0;
    double least = change(d, g, 0, 1);
    for (int p = 1; p < d->parts; p++) {
        double cost = change(d, g, p, 1);
        if (cost < least - 1e-9) least = cost, best = p;
    }
    put(d, g, best, 1);
    return best;
}

/* Exchanges group g with the group whose exchange helps most; 1 when one did. */
static int exchange(dealer *d, int g) {
    int from = d->part[g], best = -1;
    double least = -1e-6;
    put(d, g, from, -1);
    for (int i = 0; i < d->groups; i++) {
        int other = d->order[i], to = d->part[other];
        if (other == g || to == from) continue;
        put(d, other, to, -1);
        double cost = change(d, g, to, 1) + change(d, other, from, 1);
        put(d, other, to, 1);
        cost -= change(d, g, from, 1); /* against: g back home, the other where it is */
        cost += change(d, other, to, -1);
        if (cost < least) least = cost, best = other;
    }
    if (best < 0) {
        put(d, g, from, 1);
        return 0;
    }
    int to = d->part[best];
    put(d, best, to, -1);
    put(d, g, to, 1);
    put(d, best, from, 1);
    return 1;
}

static void improve(dealer *d) {
    enum { ROUNDS = 20, MOST_FOR_EXCHANGE = 4000 };
    for (int round = 0, moved = 1; moved && round < ROUNDS; round++) {
        moved = 0;
        for (int i = 0; i < d->groups; i++) {
            int g = d->order[i], from = d->part[g];
            put(d, g, from, -1);
            moved |= deal(d, g) != from;
        }
        for (int i = 0; i < d->groups && d->groups <= MOST_FOR_EXCHANGE; i++)
            moved |= exchange(d, d->order[i]);
    }
}

/* Every part must hold something, which shares near 0 or 1 do not make sure of. */
static void fill_empty_parts(dealer *d) {
    for (int p = 0; p < d->parts; p++) {
        int size[TN_SPLIT_PARTS] = {0}, giver = -1;
        for (int g = 0; g < d->groups; g++) size[d->part[g]]++;
        if (size[p]) continue;
        for (int i = 0; i < d->groups && giver < 0; i++)
            if (size[d->part[d->order[i]]] > 1) giver = d->order[i];
        put(d, giver, d->part[giver], -1);
        put(d, giver, p, 1);
    }
}

static void shuffle(int *order, int count, uint64_t seed) {
    tn_rng rng = tn_rng_stream(seed, TN_RNG_SPLIT, 0, 0, 0);
    for (int i = 0; i < count; i++) order[i] = i;
    for (int i = count - 1; i > 0; i--) {
        int j = (int)tn_rng_below(&rng, (uint32_t)i + 1), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
}

static int by_value(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Sorted distinct group names; returns how many. */
static int distinct_groups(const tn_split_sample *samples, int count, int *names) {
    int distinct = 0;
    for (int i = 0; i < count; i++) names[i] = samples[i].group;
    qsort(names, (size_t)count, sizeof *names, by_value);
    for (int i = 0; i < count; i++)
        if (i == 0 || names[i] != names[distinct - 1]) names[distinct++] = names[i];
    return distinct;
}

static int index_of(const int *names, int count, int name) {
    const int *at = bsearch(&name, names, (size_t)count, sizeof *names, by_value);
    return (int)(at - names);
}

static tn_status split(const tn_split_sample *samples, int count, const double *share, int parts,
                       uint64_t seed, int *part, int *names) {
    int groups = distinct_groups(samples, count, names), labels = 0, strata = 0;
    if (groups < parts)
        return tn_fail("%d groups of samples cannot make %d parts: a group is never divided",
                       groups, parts);
    for (int i = 0; i < count; i++) {
        if (samples[i].label >= labels) labels = samples[i].label + 1;
        if (samples[i].stratum >= strata) strata = samples[i].stratum + 1;
    }
    dealer d;
    TN_TRY(dealer_create(&d, parts, labels + strata + 1, groups));
    for (int i = 0; i < count; i++) {
        int g = index_of(names, groups, samples[i].group);
        int column[3] = {samples[i].label, labels + samples[i].stratum, labels + strata};
        for (int k = 0; k < 3; k++) {
            d.counts[(size_t)g * (size_t)d.columns + (size_t)column[k]]++;
            for (int p = 0; p < parts; p++)
                d.target[(size_t)p * (size_t)d.columns + (size_t)column[k]] += share[p];
        }
    }
    for (int c = 0; c < d.columns; c++) d.weight[c] = c < labels ? 8 : 1;
    shuffle(d.order, groups, seed);
    for (int i = 0; i < groups; i++) deal(&d, d.order[i]);
    improve(&d);
    fill_empty_parts(&d);
    for (int i = 0; i < count; i++) part[i] = d.part[index_of(names, groups, samples[i].group)];
    dealer_free(&d);
    return TN_OK;
}

tn_status tn_split_groups(const tn_split_sample *samples, int count, const double *share, int parts,
                          uint64_t seed, int *part) {
    if (parts < 1 || parts > TN_SPLIT_PARTS)
        return tn_fail("a split has 1 to %d parts, not %d", TN_SPLIT_PARTS, parts);
    if (count < 1) return tn_fail("no sample to split");
    for (int i = 0; i < count; i++)
        if (samples[i].label < 0 || samples[i].label >= TN_SPLIT_STRATA || samples[i].stratum < 0 ||
            samples[i].stratum >= TN_SPLIT_STRATA)
            return tn_fail("sample %d: label %d or stratum %d out of range", i, samples[i].label,
                           samples[i].stratum);
    int *names = malloc((size_t)count * sizeof *names);
    if (!names) return tn_fail("out of memory for a split of %d samples", count);
    tn_status status = split(samples, count, share, parts, seed, part, names);
    free(names);
    return status;
}
