#include "src/net/layout.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { ALIGN = 64 };

static int by_size_then_start(const void *pa, const void *pb) {
    const tn_layout_item *a = *(tn_layout_item *const *)pa, *b = *(tn_layout_item *const *)pb;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a < b ? -1 : a > b;
}

static bool alive_together(const tn_layout_item *a, const tn_layout_item *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* `placed` is ordered by offset. Finds the lowest gap for `item` and its place in that order. */
static int place(tn_layout_item *item, tn_layout_item *const *placed, int n) {
    size_t offset = 0;
    for (int i = 0; i < n; i++) {
        const tn_layout_item *p = placed[i];
        if (!alive_together(item, p)) continue;
        if (offset + item->bytes <= p->offset) break;
        if (offset < p->offset + p->bytes) offset = p->offset + p->bytes;
    }
    item->offset = offset;
    int at = n;
    while (at > 0 && placed[at - 1]->offset > offset) at--;
    return at;
}

size_t tn_layout_pack(tn_layout_item *items, int n) {
    tn_layout_item **order = malloc(2 * (size_t)(n ? n : 1) * sizeof *order);
    if (!order) return SIZE_MAX;
    tn_layout_item **placed = order + n;
    for (int i = 0; i < n; i++) {
        items[i].bytes = (items[i].bytes + ALIGN - 1) / ALIGN * ALIGN;
        order[i] = &items[i];
    }
    qsort(order, (size_t)n, sizeof *order, by_size_then_start);
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        const int at = place(order[i], placed, i);
        for (int j = i; j > at; j--) placed[j] = placed[j - 1];
        placed[at] = order[i];
        const size_t end = order[i]->offset + order[i]->bytes;
        if (end > total) total = end;
    }
    free(order);
    return total;
}
