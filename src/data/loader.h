/* Batches of a list, filled by background threads while the net computes.
 *
 * In training, the batch that starts at a position of the stream is a function of list, format,
 * augmentation, seed and that position alone: not of the number of threads, of what was read
 * before, or of timing. A run that is resumed at its position sees what it would have seen. */
#ifndef TN_DATA_LOADER_H
#define TN_DATA_LOADER_H

#include "src/data/augment.h"
#include "src/data/lists.h"
#include "src/data/preprocess.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_loader_config {
    const tn_list *list; /* must outlive the loader */
    int classes;
    tn_input_format format;
    int batch; /* samples of a batch */

    /* Training: NULL means evaluation: images in the list's order, once through, fitted by `fit`.
     */
    const tn_augment *augment;
    uint64_t seed;
    bool balanced; /* classes drawn equally often: tn_order_create */

    tn_fit fit;
    /* Evaluation: samples as bytes and a table, for who can take them (tn_run_input_bytes). Fits
     * that leave a border have no byte for it and give floats all the same. */
    bool bytes;

    int threads;        /* that fill batches; 0: one */
    size_t cache_bytes; /* of decoded images that are kept; 0: 2 GiB */
} tn_loader_config;

typedef struct tn_batch {
    uint64_t position; /* of its first sample in the stream */
    int n;             /* samples there is room for, as configured */
    int n_valid;       /* samples that are there: fewer than n only at the end of an evaluation;
                        * the others' x and truth are zero and their index is -1 */
    float *x;          /* (n,h,w,c); NULL: see bytes */
    uint8_t *bytes;    /* (n,h,w,c), value v of channel c standing for table[256 * c + v]; NULL:
                        * see x */
    const float *table;
    float *truth; /* (n,classes): adds up to 1 each, zeros when unlabelled */
    int *index;   /* [n] image of the list (when mixed: the one it started from) */
} tn_batch;

typedef struct tn_loader tn_loader;

/* Whether tn_loader_open would take this configuration; its format is not looked at. */
tn_status tn_loader_check(const tn_loader_config *config);

/* Checks the configuration and starts the threads, which begin at position 0. */
tn_status tn_loader_open(const tn_loader_config *config, tn_loader **out);

/* The next batch, the loader's until the next call of tn_loader_next, _seek or _close; NULL at the
 * end of an evaluation. An image that cannot be read fails, naming LIST:LINE and the file, and so
 * does every call after until tn_loader_seek. */
tn_status tn_loader_next(tn_loader *loader, const tn_batch **batch);

/* Goes on from a position: a resumed run, or 0 for another evaluation. */
tn_status tn_loader_seek(tn_loader *loader, uint64_t position);

/* Samples of an epoch: the list's length, or more when classes are balanced. */
uint32_t tn_loader_epoch_size(const tn_loader *loader);

/* Bytes of decoded images in memory. */
size_t tn_loader_cached_bytes(tn_loader *loader);

void tn_loader_close(tn_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
