#include "src/data/image_cache.h"

#include <pthread.h>
#include <stdlib.h>

struct tn_image_cache {
    const tn_list *list;
    int channels;
    size_t budget;
    tn_image_prepare *prepare;
    void *context;

    pthread_mutex_t lock; /* guards what follows; kept pixels never change again */
    tn_image *kept;       /* [list->n], data is NULL when not kept */
    size_t bytes;
};

tn_status tn_image_cache_create(const tn_list *list, int channels, size_t budget_bytes,
                                tn_image_prepare *prepare, void *context, tn_image_cache **out) {
    *out = NULL;
    tn_image_cache *cache = calloc(1, sizeof *cache);
    tn_image *kept = calloc((size_t)list->n, sizeof *kept);
    if (!cache || !kept) {
        free(cache);
        free(kept);
        return tn_fail("no memory for a cache of %d images", list->n);
    }
    *cache = (tn_image_cache){.list = list,
                              .channels = channels,
                              .budget = budget_bytes,
                              .prepare = prepare,
                              .context = context,
                              .kept = kept};
    pthread_mutex_init(&cache->lock, NULL);
    *out = cache;
    return TN_OK;
}

void tn_image_cache_free(tn_image_cache *cache) {
    if (!cache) return;
    for (int i = 0; i < cache->list->n; i++) tn_image_free(&cache->kept[i]);
    free(cache->kept);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static size_t bytes_of(const tn_image *image) {
    return (size_t)image->h * (size_t)image->w * (size_t)image->c;
}

/* Keeps the image unless another thread was faster or the budget is spent. */
static void offer(tn_image_cache *cache, int i, tn_image *image) {
    size_t bytes = bytes_of(image);
    pthread_mutex_lock(&cache->lock);
    if (cache->kept[i].data) {
        tn_image_free(image);
        *image = cache->kept[i];
    } else if (bytes <= cache->budget - cache->bytes) {
        cache->kept[i] = *image;
        cache->bytes += bytes;
    }
    pthread_mutex_unlock(&cache->lock);
}

tn_status tn_image_cache_get(tn_image_cache *cache, int i, tn_image *out) {
    pthread_mutex_lock(&cache->lock);
    *out = cache->kept[i];
    pthread_mutex_unlock(&cache->lock);
    if (out->data) return TN_OK;
    tn_status status = tn_image_load(cache->list->path[i], cache->channels, out);
    if (status == TN_OK && cache->prepare) status = cache->prepare(cache->context, out);
    if (status != TN_OK) {
        tn_image_free(out);
        return tn_fail_in("%s:%d", cache->list->path_of_list, cache->list->line[i]);
    }
    offer(cache, i, out);
    return TN_OK;
}

void tn_image_cache_put(tn_image_cache *cache, int i, tn_image *image) {
    pthread_mutex_lock(&cache->lock);
    bool kept = cache->kept[i].data == image->data;
    pthread_mutex_unlock(&cache->lock);
    if (!kept) tn_image_free(image);
    *image = (tn_image){0};
}

size_t tn_image_cache_bytes(tn_image_cache *cache) {
    pthread_mutex_lock(&cache->lock);
    size_t bytes = cache->bytes;
    pthread_mutex_unlock(&cache->lock);
    return bytes;
}
