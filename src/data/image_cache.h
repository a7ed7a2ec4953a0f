/* The images of a list, decoded once and kept while they fit a budget. Any thread may ask. */
#ifndef TN_DATA_IMAGE_CACHE_H
#define TN_DATA_IMAGE_CACHE_H

#include "src/data/image.h"
#include "src/data/lists.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Done to an image between decoding and keeping it, in place. */
typedef tn_status tn_image_prepare(void *context, tn_image *image);

typedef struct tn_image_cache tn_image_cache;

/* The list must outlive the cache. Images are decoded to `channels` channels. Beyond budget_bytes
 * of pixels nothing more is kept, and what was not kept is decoded at each use. */
tn_status tn_image_cache_create(const tn_list *list, int channels, size_t budget_bytes,
                                tn_image_prepare *prepare, void *context, tn_image_cache **out);
void tn_image_cache_free(tn_image_cache *cache);

/* Image i, to be read and given back. A failure names LIST:LINE and the file. */
tn_status tn_image_cache_get(tn_image_cache *cache, int i, tn_image *out);
void tn_image_cache_put(tn_image_cache *cache, int i, tn_image *image);

/* Bytes of pixels that are kept now. */
size_t tn_image_cache_bytes(tn_image_cache *cache);

#ifdef __cplusplus
}
#endif
#endif
