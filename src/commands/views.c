#include "src/commands/views.h"

#include "src/data/loader.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 16, SIZES = 5 };

const char *tn_views_name(tn_views views) {
    static const char *const names[] = {"one", "squash", "ten", "full", "multi"};
    return names[views];
}

/* What one pass over a list works with. */
typedef struct pass {
    const tn_model *model;
    const tn_list *list;
    tn_views_fn *receive;
    void *context;
    float *probability; /* (batch, classes) */
} pass;

static tn_status at_line(const pass *p, int index) {
    const tn_list *l = p->list;
    return tn_fail_in("%s:%d: %s", l->path_of_list, l->line[index], l->path[index]);
}

/* ---- one view an image: mini-batches from the loader ---- */

static tn_status feed_batches(const pass *p, tn_loader *loader, tn_run *run) {
    const tn_batch *batch;
    for (;;) {
        TN_TRY(tn_loader_next(loader, &batch));
        if (!batch) return TN_OK;
        TN_TRY(tn_model_forward_batch(p->model, run, batch, p->probability));
        for (int i = 0; i < batch->n_valid; i++)
            TN_TRY(p->receive(p->context, batch->index[i],
                              p->probability + (size_t)i * (size_t)p->model->classes));
    }
}

static tn_status run_batches(const pass *p, tn_fit fit) {
    const tn_model *m = p->model;
    const int batch = p->list->n < BATCH ? p->list->n : BATCH;
    tn_loader *loader;
    tn_run *run = NULL;
    const tn_loader_config config = {.list = p->list,
                                     .classes = m->classes,
                                     .format = m->format,
                                     .batch = batch,
                                     .fit = fit,
                                     .bytes = m->gpu != NULL,
                                     .threads = m->threads < 8 ? m->threads : 8,
                                     .cache_bytes = 1};
    TN_TRY(tn_loader_open(&config, &loader));
    tn_status status = tn_model_run_create(m, batch, &run);
    if (status == TN_OK) status = feed_batches(p, loader, run);
    tn_run_free(run);
    tn_loader_close(loader);
    return status;
}

/* ---- ten views of the net's own size ---- */

static void average(const float *answers, int n, int classes, float *mean) {
    for (int c = 0; c < classes; c++) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += (double)answers[i * classes + c];
        mean[c] = (float)(sum / n);
    }
}

static tn_status ten_views(const pass *p, tn_run *run, const tn_image *image, float *x,
                           float *mean) {
    const tn_input_format *f = &p->model->format;
    const size_t sample = (size_t)f->h * (size_t)f->w * (size_t)f->c;
    for (int v = 0; v < TN_VIEWS; v++)
        TN_TRY(tn_image_view_to_input(image, v, f, x + (size_t)v * sample));
    TN_TRY(tn_model_forward(p->model, run, x, TN_VIEWS, p->probability));
    average(p->probability, TN_VIEWS, p->model->classes, mean);
    return TN_OK;
}

static tn_status run_ten(const pass *p, tn_run *run, float *x, float *mean) {
    for (int i = 0; i < p->list->n; i++) {
        tn_image image;
        if (tn_image_load(p->list->path[i], p->model->format.c, &image) != TN_OK)
            return at_line(p, i);
        const tn_status status = ten_views(p, run, &image, x, mean);
        tn_image_free(&image);
        if (status != TN_OK) return at_line(p, i);
        TN_TRY(p->receive(p->context, i, mean));
    }
    return TN_OK;
}

static tn_status open_ten(const pass *p) {
    const tn_input_format *f = &p->model->format;
    float *x = calloc((size_t)f->h * (size_t)f->w * (size_t)f->c, TN_VIEWS * sizeof *x);
    float *mean = calloc((size_t)p->model->classes, sizeof *mean);
    tn_run *run = NULL;
    tn_status status = x && mean ? tn_model_run_create(p->model, TN_VIEWS, &run)
                                 : tn_fail("out of memory for %d views", TN_VIEWS);
    if (status == TN_OK) status = run_ten(p, run, x, mean);
    tn_run_free(run);
    free(x);
    free(mean);
    return status;
}

/* ---- views of any size: the same parameters under another plan ---- */

typedef struct sized {
    tn_plan plan;
    tn_run *run;
    float *x;
    int h, w; /* 0: empty */
} sized;

/* Sizes come again and again in a data set; so many are kept ready. */
enum { KEPT = 8 };

typedef struct sized_set {
    sized item[KEPT];
    int next; /* the one that makes room */
} sized_set;

static void release(sized *s) {
    if (!s->h) return;
    tn_run_free(s->run);
    tn_plan_free(&s->plan);
    free(s->x);
    *s = (sized){0};
}

static tn_status check_parameters(const tn_model *m, const tn_plan *plan) {
    const tn_plan *own = &m->net->plan;
    for (int i = 0; i < own->n_params; i++) {
        if (i < plan->n_params && plan->param[i].count == own->param[i].count) continue;
        const tn_plan_layer *layer = &own->layer[own->param[i].layer];
        return tn_section_fail(layer->section,
                               "its weights are made for one input size, so this net cannot see "
                               "images of another: valid and valid10 work with it");
    }
    const size_t outputs = tn_shape_count(tn_plan_shape(plan, plan->output));
    if (outputs == (size_t)m->classes) return TN_OK;
    return tn_fail("%s: %zu outputs at another input size instead of %d: [avgpool] before the last "
                   "layer would make them one a class",
                   m->args.cfg, outputs, m->classes);
}

static tn_status plan_size(const tn_model *m, int h, int w, sized *s) {
    const tn_cfg *cfg = &m->net->cfg;
    const tn_shape shape = {h, w, m->format.c};
    *s = (sized){0};
    TN_TRY(tn_plan_build(&s->plan, shape, cfg->section + 1, cfg->n_sections - 1, false, NULL));
    s->h = h;
    s->w = w;
    TN_TRY(check_parameters(m, &s->plan));
    const tn_run_options options = {
        .mode = TN_INFER, .batch = 1, .threads = m->threads, .kernels = m->kernels, .output = -1};
    TN_TRY(tn_run_create(&s->plan, m->net->param, &options, &s->run));
    s->x = calloc(tn_shape_count(shape), sizeof *s->x);
    return s->x ? TN_OK : tn_fail("out of memory for an image of %d x %d", w, h);
}

static tn_status find_size(const tn_model *m, sized_set *set, int h, int w, sized **out) {
    for (int i = 0; i < KEPT; i++) {
        *out = &set->item[i];
        if ((*out)->h == h && (*out)->w == w) return TN_OK;
    }
    *out = &set->item[set->next];
    set->next = (set->next + 1) % KEPT;
    release(*out);
    if (plan_size(m, h, w, *out) == TN_OK) return TN_OK;
    release(*out);
    return tn_fail_in("at %d x %d", w, h);
}

static tn_status answer_whole(const pass *p, sized_set *set, const tn_image *image,
                              float *probability) {
    sized *s;
    TN_TRY(find_size(p->model, set, image->h, image->w, &s));
    tn_input_format format = p->model->format;
    format.h = image->h;
    format.w = image->w;
    TN_TRY(tn_image_to_input(image, &format, s->x));
    return tn_model_forward(p->model, s->run, s->x, 1, probability);
}

/* Darknet's sizes for a net of 224: the same proportions for any other. */
static int view_side(const tn_model *m, tn_views views, int i) {
    static const int side[SIZES] = {224, 288, 320, 352, 384};
    return views == TN_VIEWS_FULL ? m->format.w : (int)((int64_t)m->format.w * side[i] / side[0]);
}

static tn_status whole_views(const pass *p, sized_set *set, tn_views views, const tn_image *image,
                             float *mean) {
    const int sizes = views == TN_VIEWS_FULL ? 1 : SIZES, flips = views == TN_VIEWS_FULL ? 1 : 2;
    int n = 0;
    for (int i = 0; i < sizes; i++) {
        tn_image view;
        TN_TRY(tn_image_resize_shorter(image, view_side(p->model, views, i), &view));
        tn_status status = TN_OK;
        for (int f = 0; f < flips && status == TN_OK; f++, n++) {
            if (f) tn_image_flip(&view);
            status =
                answer_whole(p, set, &view, p->probability + (size_t)n * (size_t)p->model->classes);
        }
        tn_image_free(&view);
        TN_TRY(status);
    }
    average(p->probability, n, p->model->classes, mean);
    return TN_OK;
}

static tn_status run_whole(const pass *p, tn_views views, float *mean) {
    sized_set set = {0};
    tn_status status = TN_OK;
    for (int i = 0; i < p->list->n && status == TN_OK; i++) {
        tn_image image;
        status = tn_image_load(p->list->path[i], p->model->format.c, &image);
        if (status == TN_OK) status = whole_views(p, &set, views, &image, mean);
        tn_image_free(&image);
        status = status == TN_OK ? p->receive(p->context, i, mean) : at_line(p, i);
    }
    for (int i = 0; i < KEPT; i++) release(&set.item[i]);
    return status;
}

static tn_status open_whole(const pass *p, tn_views views) {
    float *mean = calloc((size_t)p->model->classes, sizeof *mean);
    if (!mean) return tn_fail("out of memory for %d classes", p->model->classes);
    const tn_status status = run_whole(p, views, mean);
    free(mean);
    return status;
}

/* ---- all ---- */

tn_status tn_views_run(const tn_model *model, const tn_list *list, tn_views views,
                       tn_views_fn *receive, void *context) {
    pass p = {.model = model, .list = list, .receive = receive, .context = context};
    p.probability = calloc((size_t)model->classes, BATCH * sizeof *p.probability);
    if (!p.probability) return tn_fail("out of memory for %d classes", model->classes);
    tn_status status = TN_OK;
    switch (views) {
    case TN_VIEWS_ONE:
        status = run_batches(&p, TN_FIT_CENTRE);
        break;
    case TN_VIEWS_SQUASH:
        status = run_batches(&p, TN_FIT_SQUASH);
        break;
    case TN_VIEWS_TEN:
        status = open_ten(&p);
        break;
    case TN_VIEWS_FULL:
    case TN_VIEWS_MULTI:
        status = open_whole(&p, views);
        break;
    }
    free(p.probability);
    return status;
}
