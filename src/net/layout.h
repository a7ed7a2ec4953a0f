/* Where buffers lie in one block, so that those never alive together share memory. */
#ifndef TN_NET_LAYOUT_H
#define TN_NET_LAYOUT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A buffer alive from time `first` to time `last`, both included. */
typedef struct tn_layout_item {
    size_t bytes;
    int first, last;
    size_t offset; /* set by tn_layout_pack: a multiple of 64 */
} tn_layout_item;

/* Places all items, the largest first, each at the lowest offset where it meets no item of an
 * overlapping lifetime. Returns the block's size in bytes, or SIZE_MAX when memory is out. */
size_t tn_layout_pack(tn_layout_item *items, int n);

#ifdef __cplusplus
}
#endif
#endif
