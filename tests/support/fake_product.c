#include "tests/support/fake_libraries.h"

#include "layers/device/bfloat16.h"

#include <stdlib.h>
#include <string.h>

/* A tile of sums stays in registers; of either factor a block of DEEP terms stays in a cache. */
enum { TILE = TN_FAKE_STEP, DEEP = 256, WIDE = 256 };

double tn_fake_get(const void *data, tn_fake_type type, size_t at) {
    if (type == TN_FAKE_BF16) return (double)tn_bf16_to_float(((const tn_bf16 *)data)[at]);
    const float x = ((const float *)data)[at];
    if (type == TN_FAKE_FP32 || x - x != 0) return (double)x;
    uint32_t bits;
    float rounded;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x1000u) & ~0x1fffu; /* to nearest, ties away from zero */
    memcpy(&rounded, &bits, sizeof rounded);
    return (double)rounded;
}

void tn_fake_set(void *data, tn_fake_type type, size_t at, double x) {
    if (type == TN_FAKE_BF16)
        ((tn_bf16 *)data)[at] = tn_bf16_from_float((float)x);
    else
        ((float *)data)[at] = (float)x;
}

/* Rows first.. of a factor, terms begin.., as `depth` groups of TILE: to[term * TILE + row]. Rows
 * behind the last are zeros. */
static void pack(const tn_fake_factor *f, size_t first, size_t begin, size_t depth, double *to) {
    for (size_t r = 0; r < TILE; r++) {
        if (first + r < f->rows) {
            f->row(f->context, first + r, begin, depth, to + r);
        } else {
            for (size_t l = 0; l < depth; l++) to[l * TILE + r] = 0;
        }
    }
}

/* sum[i][j] += a's row i times b's row j. */
static void add_tile(const double *restrict a, const double *restrict b, size_t depth,
                     double sum[restrict TILE][TILE]) {
    double s[TILE][TILE];
    memcpy(s, sum, sizeof s);
    for (size_t l = 0; l < depth; l++, a += TILE, b += TILE)
        for (int i = 0; i < TILE; i++)
            for (int j = 0; j < TILE; j++) s[i][j] += a[i] * b[j];
    memcpy(sum, s, sizeof s);
}

typedef struct room {
    double *a, *b, (*sum)[TILE][TILE]; /* sum: a tile for each (group of a's rows, of b's) */
} room;

/* The terms begin..begin+depth of b's rows from `column` on, times all rows of a. */
static void add_block(const tn_fake_factor *a, const tn_fake_factor *b, size_t column, size_t begin,
                      size_t depth, const room *r) {
    const size_t tiles = (b->rows + TILE - 1) / TILE, first = column / TILE;
    const size_t end = first + WIDE / TILE < tiles ? first + WIDE / TILE : tiles;
    for (size_t j = first; j < end; j++)
        pack(b, j * TILE, begin, depth, r->b + (j - first) * depth * TILE);
    for (size_t i = 0; i * TILE < a->rows; i++) {
        pack(a, i * TILE, begin, depth, r->a);
        for (size_t j = first; j < end; j++)
            add_tile(r->a, r->b + (j - first) * depth * TILE, depth, r->sum[i * tiles + j]);
    }
}

static void give(const tn_fake_factor *a, const tn_fake_factor *b, const room *r,
                 tn_fake_taker *take, void *context) {
    const size_t tiles = (b->rows + TILE - 1) / TILE;
    for (size_t i = 0; i < a->rows; i++)
        for (size_t j = 0; j < b->rows; j++)
            take(context, i, j, r->sum[i / TILE * tiles + j / TILE][i % TILE][j % TILE]);
}

bool tn_fake_product(const tn_fake_factor *a, const tn_fake_factor *b, size_t terms,
                     tn_fake_taker *take, void *context) {
    const size_t tiles = ((a->rows + TILE - 1) / TILE) * ((b->rows + TILE - 1) / TILE);
    room r = {malloc(sizeof(double[DEEP][TILE])), malloc(sizeof(double[WIDE][DEEP])),
              calloc(tiles, sizeof *r.sum)};
    const bool good = r.a && r.b && r.sum;
    for (size_t l = 0; good && l < terms; l += DEEP)
        for (size_t j = 0; j < b->rows; j += WIDE)
            add_block(a, b, j, l, terms - l < DEEP ? terms - l : DEEP, &r);
    if (good) give(a, b, &r, take, context);
    free(r.a);
    free(r.b);
    free(r.sum);
    return good;
}
