#include "src/data/loader.h"

#include "src/data/image_cache.h"
#include "src/data/order.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 64, MAX_BATCH = 1 << 16, ERROR_BYTES = 1024 };

typedef enum slot_state { SLOT_EMPTY, SLOT_FILLING, SLOT_READY, SLOT_FAILED } slot_state;

typedef struct ring_slot {
    slot_state state;
    tn_batch batch;
    char error[ERROR_BYTES];
} ring_slot;

/* Memory of one thread for the partner of a mixed sample. */
typedef struct scratch {
    float *x, *truth;
} scratch;

struct tn_loader {
    tn_loader_config config;
    tn_augment augment;
    size_t sample; /* elements of one sample */
    bool bytes;    /* batches hold them, and no floats */
    float table[3][256];
    tn_image_cache *cache;
    scratch scratch[MAX_THREADS];
    pthread_t thread[MAX_THREADS];
    int n_threads;

    pthread_mutex_t lock; /* guards what follows and the states of slots */
    pthread_cond_t changed;
    tn_order order;
    int n_slots;
    ring_slot *slots;  /* ticket t is in slots[t % n_slots] */
    uint64_t start;    /* position of ticket 0 */
    uint64_t claimed;  /* tickets that threads have taken */
    uint64_t given;    /* tickets that tn_loader_next has given out */
    bool holding;      /* the caller holds ticket given - 1 */
    bool paused, stop; /* no thread takes a ticket */
    int filling;       /* threads inside a batch */
};

/* --- one sample ------------------------------------------------------------------------------ */

static tn_status augmented(tn_loader *l, int index, tn_rng rng, float *x, float *truth) {
    const tn_input_format *f = &l->config.format;
    tn_image image;
    TN_TRY(tn_image_cache_get(l->cache, index, &image));
    tn_augment_draw draw = tn_augment_draw_for(&l->augment, image.h, image.w, f->h, f->w, &rng);
    tn_status status = tn_augment_apply(&image, &draw, l->augment.border, f, x);
    tn_image_cache_put(l->cache, index, &image);
    if (status != TN_OK) return tn_fail_in("%s", l->config.list->path[index]);
    tn_truth_fill(l->config.list->label[index], l->config.classes, l->augment.label_smooth_eps,
                  truth);
    return TN_OK;
}

/* Streams of random numbers of one sample. */
enum { DRAW_SAMPLE, DRAW_MIX, DRAW_PARTNER };

static tn_status training_sample(tn_loader *l, uint64_t position, int index, const scratch *s,
                                 float *x, float *truth) {
    const tn_input_format *f = &l->config.format;
    uint32_t epoch = (uint32_t)(position / l->order.size);
    uint32_t place = (uint32_t)(position % l->order.size);
    uint64_t seed = l->config.seed;
    tn_rng rng = tn_rng_stream(seed, TN_RNG_AUGMENT, epoch, place, DRAW_SAMPLE);
    TN_TRY(augmented(l, index, rng, x, truth));
    tn_rng mix_rng = tn_rng_stream(seed, TN_RNG_AUGMENT, epoch, place, DRAW_MIX);
    tn_mix mix = tn_mix_draw(&l->augment, (uint32_t)l->config.list->n, f->h, f->w, &mix_rng);
    if (mix.kind == TN_MIX_NONE) return TN_OK;
    tn_rng partner_rng = tn_rng_stream(seed, TN_RNG_AUGMENT, epoch, place, DRAW_PARTNER);
    TN_TRY(augmented(l, (int)mix.partner, partner_rng, s->x, s->truth));
    tn_mix_apply(&mix, f->h, f->w, f->c, l->config.classes, s->x, s->truth, x, truth);
    return TN_OK;
}

/* x or bytes: the other is NULL. */
static tn_status evaluation_sample(tn_loader *l, int index, float *x, uint8_t *bytes,
                                   float *truth) {
    tn_image image;
    TN_TRY(tn_image_cache_get(l->cache, index, &image)); /* fitted already */
    tn_status status = bytes ? tn_image_to_bytes(&image, &l->config.format, bytes)
                             : tn_image_to_input(&image, &l->config.format, x);
    tn_image_cache_put(l->cache, index, &image);
    tn_truth_fill(l->config.list->label[index], l->config.classes, 0, truth);
    return status;
}

/* Evaluation keeps images as the net sees them. Training keeps them no larger than the largest
 * window's scale: averaging them down once, here, is what keeps bilinear sampling from aliasing. */
static tn_status prepare_image(void *context, tn_image *image) {
    const tn_loader *l = context;
    const tn_input_format *f = &l->config.format;
    tn_image out;
    if (!l->config.augment) {
        TN_TRY(tn_image_fit(image, l->config.fit, f->h, f->w, &out));
    } else {
        int shorter = image->h < image->w ? image->h : image->w;
        if (shorter <= l->augment.max_crop) return TN_OK;
        TN_TRY(tn_image_resize_shorter(image, l->augment.max_crop, &out));
    }
    tn_image_free(image);
    *image = out;
    return TN_OK;
}

static tn_status fill(tn_loader *l, tn_batch *b, const scratch *s) {
    size_t classes = (size_t)l->config.classes;
    for (int i = 0; i < b->n; i++) {
        const size_t at = (size_t)i * l->sample;
        float *x = b->x ? b->x + at : NULL, *truth = b->truth + (size_t)i * classes;
        uint8_t *bytes = b->bytes ? b->bytes + at : NULL;
        if (i >= b->n_valid) {
            if (x) memset(x, 0, l->sample * sizeof *x);
            if (bytes) memset(bytes, 0, l->sample);
            memset(truth, 0, classes * sizeof *truth);
        } else if (l->config.augment) {
            TN_TRY(training_sample(l, b->position + (uint64_t)i, b->index[i], s, x, truth));
        } else {
            TN_TRY(evaluation_sample(l, b->index[i], x, bytes, truth));
        }
    }
    return TN_OK;
}

/* --- threads --------------------------------------------------------------------------------- */

static uint64_t position_of(const tn_loader *l, uint64_t ticket) {
    return l->start + ticket * (uint64_t)l->config.batch;
}

/* An evaluation has an end; training has none. */
static bool is_past_end(const tn_loader *l, uint64_t ticket) {
    return !l->config.augment && position_of(l, ticket) >= l->order.size;
}

static bool can_claim(const tn_loader *l) {
    uint64_t oldest = l->given - (l->holding ? 1 : 0);
    return !l->paused && l->claimed - oldest < (uint64_t)l->n_slots && !is_past_end(l, l->claimed);
}

/* Decides which images a batch holds. Under the lock: the order is one for all threads. */
static void plan(tn_loader *l, uint64_t ticket, tn_batch *b) {
    b->position = position_of(l, ticket);
    b->n_valid = b->n;
    if (!l->config.augment && l->order.size - b->position < (uint64_t)b->n)
        b->n_valid = (int)(l->order.size - b->position);
    for (int i = 0; i < b->n; i++)
        b->index[i] = i < b->n_valid ? tn_order_at(&l->order, b->position + (uint64_t)i) : -1;
}

static void work(tn_loader *l, const scratch *s) {
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->stop && !can_claim(l)) pthread_cond_wait(&l->changed, &l->lock);
        if (l->stop) break;
        uint64_t ticket = l->claimed++;
        ring_slot *slot = &l->slots[ticket % (uint64_t)l->n_slots];
        slot->state = SLOT_FILLING;
        l->filling++;
        plan(l, ticket, &slot->batch);
        pthread_mutex_unlock(&l->lock);

        tn_status status = fill(l, &slot->batch, s);

        pthread_mutex_lock(&l->lock);
        if (status != TN_OK) {
            strncpy(slot->error, tn_error(), ERROR_BYTES - 1);
            slot->error[ERROR_BYTES - 1] = 0;
        }
        slot->state = status == TN_OK ? SLOT_READY : SLOT_FAILED;
        l->filling--;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
}

typedef struct worker {
    tn_loader *loader;
    int i;
} worker;

static void *work_entry(void *argument) {
    worker w = *(worker *)argument;
    free(argument);
    work(w.loader, &w.loader->scratch[w.i]);
    return NULL;
}

static tn_status start_threads(tn_loader *l, int n) {
    /* Signals are the main thread's: a worker must not be the one that ^C lands on. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    tn_status status = TN_OK;
    while (status == TN_OK && l->n_threads < n) {
        worker *w = malloc(sizeof *w);
        if (w) *w = (worker){l, l->n_threads};
        if (w && pthread_create(&l->thread[l->n_threads], NULL, work_entry, w) == 0) {
            l->n_threads++;
        } else {
            free(w);
            status =
                tn_fail("thread %d of %d that load images cannot be started", l->n_threads + 1, n);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* --- opening, reading, closing --------------------------------------------------------------- */

tn_status tn_loader_check(const tn_loader_config *c) {
    if (!c->list || c->list->n < 1) return tn_fail("a list without images cannot be loaded");
    if (c->batch < 1 || c->batch > MAX_BATCH)
        return tn_fail("batch of %d images: 1 to %d expected", c->batch, MAX_BATCH);
    if (c->threads < 0 || c->threads > MAX_THREADS)
        return tn_fail("%d threads that load images: 0 to %d expected", c->threads, MAX_THREADS);
    if (c->classes < 1) return tn_fail("%d classes: at least 1 expected", c->classes);
    for (int i = 0; i < c->list->n; i++)
        if (c->list->label[i] >= c->classes || (c->augment && c->list->label[i] < 0))
            return tn_fail("%s:%d: class %d: 0 to %d expected", c->list->path_of_list,
                           c->list->line[i], c->list->label[i], c->classes - 1);
    if (c->augment) TN_TRY(tn_augment_check(c->augment));
    return TN_OK;
}

static tn_status create_slots(tn_loader *l, int threads) {
    /* One that the caller holds, one that waits, and one for each thread. */
    int n = threads + 2;
    size_t batch = (size_t)l->config.batch, classes = (size_t)l->config.classes;
    l->slots = calloc((size_t)n, sizeof *l->slots);
    if (!l->slots) return tn_fail("no memory to load images");
    l->n_slots = n;
    for (int i = 0; i < n; i++) {
        tn_batch *b = &l->slots[i].batch;
        b->n = l->config.batch;
        const size_t each = l->bytes ? 1 : sizeof *b->x;
        const size_t bytes = (batch * l->sample * each + 63) / 64 * 64;
        if (l->bytes)
            b->bytes = aligned_alloc(64, bytes);
        else
            b->x = aligned_alloc(64, bytes);
        b->table = l->bytes ? &l->table[0][0] : NULL;
        b->truth = calloc(batch * classes, sizeof *b->truth);
        b->index = calloc(batch, sizeof *b->index);
        if ((!b->x && !b->bytes) || !b->truth || !b->index)
            return tn_fail("no memory for batches of %zu images (%zu bytes each)", batch, bytes);
    }
    for (int i = 0; i < threads; i++) {
        l->scratch[i].x = malloc(l->sample * sizeof(float));
        l->scratch[i].truth = malloc(classes * sizeof(float));
        if (!l->scratch[i].x || !l->scratch[i].truth) return tn_fail("no memory to load images");
    }
    return TN_OK;
}

static tn_status set_up(tn_loader *l) {
    const tn_loader_config *c = &l->config;
    int threads = c->threads ? c->threads : 1;
    size_t budget = c->cache_bytes ? c->cache_bytes : (size_t)2 << 30;
    l->sample = (size_t)c->format.h * (size_t)c->format.w * (size_t)c->format.c;
    l->bytes = c->bytes && !c->augment && c->fit != TN_FIT_LETTERBOX;
    tn_input_table(&c->format, l->table);
    TN_TRY(tn_order_create(c->list->n, c->list->label, c->classes, c->augment != NULL, c->balanced,
                           c->seed, &l->order));
    TN_TRY(tn_image_cache_create(c->list, c->format.c, budget, prepare_image, l, &l->cache));
    TN_TRY(create_slots(l, threads));
    return start_threads(l, threads);
}

tn_status tn_loader_open(const tn_loader_config *config, tn_loader **out) {
    *out = NULL;
    TN_TRY(tn_loader_check(config));
    tn_loader *l = calloc(1, sizeof *l);
    if (!l) return tn_fail("no memory to load images");
    l->config = *config;
    if (config->augment) {
        l->augment = *config->augment;
        l->config.augment = &l->augment; /* the caller's may go */
    }
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    tn_status status = set_up(l);
    if (status == TN_OK)
        *out = l;
    else
        tn_loader_close(l);
    return status;
}

tn_status tn_loader_next(tn_loader *l, const tn_batch **batch) {
    *batch = NULL;
    tn_status status = TN_OK;
    pthread_mutex_lock(&l->lock);
    if (l->holding) {
        l->holding = false;
        l->slots[(l->given - 1) % (uint64_t)l->n_slots].state = SLOT_EMPTY;
        pthread_cond_broadcast(&l->changed);
    }
    if (!is_past_end(l, l->given)) {
        ring_slot *slot = &l->slots[l->given % (uint64_t)l->n_slots];
        while (slot->state != SLOT_READY && slot->state != SLOT_FAILED)
            pthread_cond_wait(&l->changed, &l->lock);
        if (slot->state == SLOT_FAILED) {
            status = tn_fail_with(slot->error);
        } else {
            *batch = &slot->batch;
            l->given++;
            l->holding = true;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return status;
}

tn_status tn_loader_seek(tn_loader *l, uint64_t position) {
    if (!l->config.augment && position > l->order.size)
        return tn_fail("position %llu of a list of %u images", (unsigned long long)position,
                       l->order.size);
    pthread_mutex_lock(&l->lock);
    l->paused = true;
    while (l->filling > 0) pthread_cond_wait(&l->changed, &l->lock);
    for (int i = 0; i < l->n_slots; i++) l->slots[i].state = SLOT_EMPTY;
    l->start = position;
    l->claimed = l->given = 0;
    l->holding = l->paused = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return TN_OK;
}

uint32_t tn_loader_epoch_size(const tn_loader *l) {
    return l->order.size;
}

size_t tn_loader_cached_bytes(tn_loader *l) {
    return tn_image_cache_bytes(l->cache);
}

void tn_loader_close(tn_loader *l) {
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++) pthread_join(l->thread[i], NULL);
    for (int i = 0; i < l->n_slots; i++) {
        free(l->slots[i].batch.x);
        free(l->slots[i].batch.bytes);
        free(l->slots[i].batch.truth);
        free(l->slots[i].batch.index);
    }
    free(l->slots);
    for (int i = 0; i < MAX_THREADS; i++) {
        free(l->scratch[i].x);
        free(l->scratch[i].truth);
    }
    tn_image_cache_free(l->cache);
    tn_order_free(&l->order);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
