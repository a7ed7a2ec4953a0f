#include "src/data/burned_text.h"

#include "src/data/sector.h"

#include <stdlib.h>

enum { BRIGHT = 140 /* of 255 */, SHORTEST = 60, TALLEST = 20 /* parts of the frame's height */ };

typedef struct band {
    const tn_image *frame;
    int top, h, w;
    unsigned char *seen; /* (h, w) */
    int *stack;
} band;

static int is_bright(const band *b, int at) {
    const size_t pixel = (size_t)b->top * (size_t)b->w + (size_t)at;
    const uint8_t *p = b->frame->data + pixel * (size_t)b->frame->c;
    return p[b->frame->c == 3] >= BRIGHT; /* green, or grey */
}

/* Height and width of the connected shape (8 neighbours) that `start` belongs to. */
static void measure_shape(band *b, int start, int *height, int *width) {
    int n = 0, x0 = b->w, x1 = -1, y0 = b->h, y1 = -1;
    b->stack[n++] = start;
    b->seen[start] = 1;
    while (n > 0) {
        const int at = b->stack[--n], x = at % b->w, y = at / b->w;
        if (x < x0) x0 = x;
        if (x > x1) x1 = x;
        if (y < y0) y0 = y;
        if (y > y1) y1 = y;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                const int nx = x + dx, ny = y + dy, next = ny * b->w + nx;
                if (nx < 0 || nx >= b->w || ny < 0 || ny >= b->h) continue;
                if (b->seen[next] || !is_bright(b, next)) continue;
                b->seen[next] = 1;
                b->stack[n++] = next;
            }
    }
    *height = y1 - y0 + 1;
    *width = x1 - x0 + 1;
}

tn_status tn_count_letters_below(const tn_image *frame, int *letters) {
    enum { CLEAR = 3 /* rows below the picture's last */ };
    const tn_sector s = tn_find_sector(frame);
    band b = {.frame = frame, .top = s.y + s.h + CLEAR, .w = frame->w};
    *letters = 0;
    b.h = frame->h - b.top;
    if (b.h < 1) return TN_OK;
    b.seen = calloc((size_t)b.h * (size_t)b.w, 1);
    b.stack = calloc((size_t)b.h * (size_t)b.w, sizeof *b.stack);
    tn_status status = b.seen && b.stack ? TN_OK : tn_fail("out of memory");
    for (int at = 0; at < b.h * b.w && status == TN_OK; at++) {
        int height, width;
        if (b.seen[at] || !is_bright(&b, at)) continue;
        measure_shape(&b, at, &height, &width);
        const int least = frame->h / SHORTEST, most = frame->h / TALLEST;
        *letters += height >= least && height <= most && width <= most;
    }
    free(b.seen);
    free(b.stack);
    return status;
}
