/* Which image is scored by which fold. */
#include "src/commands/crossval.h"
#include "src/data/files.h"
#include "src/data/folds.h"
#include "src/data/groups.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* An image named twice would be scored twice, and could be in training too. */
static tn_status check_twins(const tn_list *list) {
    char **path = calloc((size_t)list->n + 1, sizeof *path);
    if (!path) return tn_fail("%s: out of memory", list->path_of_list);
    memcpy(path, list->path, (size_t)list->n * sizeof *path);
    qsort(path, (size_t)list->n, sizeof *path, by_text);
    tn_status status = TN_OK;
    for (int i = 1; i < list->n && status == TN_OK; i++)
        if (strcmp(path[i], path[i - 1]) == 0)
            status = tn_fail("%s: %s is named twice; expected each image once", list->path_of_list,
                             path[i]);
    free(path);
    return status;
}

static tn_status read_list(tn_crossval *c) {
    const char *path = c->options->list ? c->options->list : c->base.data.train;
    TN_TRY(tn_list_load(path, &c->base.labels, &c->list));
    return check_twins(&c->list);
}

/* ---- cases ---- */

/* Where nothing is known of cases, training and scored images may show one patient. */
static void warn_of_images(const tn_crossval *c) {
    if (c->manifest)
        fprintf(stderr, "warning: %s has no column \"case\" or \"group\" with anything in it",
                c->manifest);
    else
        fprintf(stderr,
                "warning: no manifest.csv beside %s or above it says which images are one case "
                "(-manifest FILE names one)",
                c->list.path_of_list);
    fprintf(stderr, ": every image is taken for a case of its own. Where patients have several "
                    "images, nets are then scored on patients that they were trained on\n");
}

/* Images of one case stay together, and so do cases that share a group. */
static tn_status join(const tn_crossval *c, int *cluster) {
    const tn_cases *k = &c->cases;
    const int n = c->list.n;
    tn_groups groups;
    TN_TRY(tn_groups_create(n, &groups));
    int *first_of = calloc((size_t)n + 1, sizeof *first_of);
    int *first_in = calloc((size_t)n + 1, sizeof *first_in);
    const bool ok = first_of && first_in;
    for (int i = 0; ok && i < n; i++) first_of[i] = first_in[i] = -1;
    for (int i = 0; ok && k->known && i < n; i++) {
        int *of = &first_of[k->of[i]], *in = &first_in[k->cluster[i]];
        if (*of < 0) *of = i;
        if (*in < 0) *in = i;
        tn_groups_join(&groups, i, *of);
        tn_groups_join(&groups, i, *in);
    }
    for (int i = 0; ok && i < n; i++) cluster[i] = tn_groups_find(&groups, i);
    free(first_of);
    free(first_in);
    tn_groups_free(&groups);
    return ok ? TN_OK : tn_fail("out of memory for %d images", n);
}

static tn_status read_cases(tn_crossval *c) {
    const char *given = c->options->manifest;
    const size_t n = (size_t)c->list.n;
    if (given)
        c->manifest = tn_text("%s", given);
    else
        TN_TRY(tn_cases_find(c->list.path_of_list, &c->manifest));
    if (given && !c->manifest) return tn_fail("out of memory");
    if (c->manifest &&
        tn_cases_load(c->manifest, (const char *const *)c->list.path, n, &c->cases) != TN_OK)
        return tn_fail_in("which images are one case cannot be told");
    if (!c->cases.known) warn_of_images(c);
    c->cluster = calloc(n + 1, sizeof *c->cluster);
    if (!c->cluster) return tn_fail("out of memory for %zu images", n);
    return join(c, c->cluster);
}

/* ---- counting ---- */

static int case_of(const tn_crossval *c, int i) {
    return c->cases.known ? c->cases.of[i] : i;
}

/* Images of class `label` (-1: of any) for which part[i] == which, and their cases. `seen` has room
 * for all images. */
static tn_crossval_count count(const tn_crossval *c, const int *part, int which, int label,
                               bool *seen) {
    tn_crossval_count n = {0, 0};
    for (int i = 0; i < c->list.n; i++) seen[i] = false;
    for (int i = 0; i < c->list.n; i++) {
        if ((part && part[i] != which) || (label >= 0 && c->list.label[i] != label)) continue;
        bool *one = &seen[case_of(c, i)];
        n.images++;
        n.cases += !*one;
        *one = true;
    }
    return n;
}

static tn_status count_all(tn_crossval *c) {
    bool *seen = calloc((size_t)c->list.n + 1, sizeof *seen);
    c->of_class = calloc((size_t)c->base.classes, sizeof *c->of_class);
    if (!seen || !c->of_class) {
        free(seen);
        return tn_fail("out of memory");
    }
    c->all = count(c, NULL, 0, -1, seen);
    for (int k = 0; k < c->base.classes; k++) c->of_class[k] = count(c, NULL, 0, k, seen);
    free(seen);
    return TN_OK;
}

/* ---- dealing ---- */

static tn_status deal_repeat(tn_crossval *c, const tn_folds_input *input, int r) {
    const tn_crossval_options *o = c->options;
    const size_t n = (size_t)c->list.n;
    int *fold = c->fold_of + (size_t)r * n;
    const uint64_t seed = o->train.seed + (uint64_t)r;
    TN_TRY(tn_folds_deal(input, o->folds, seed, fold));
    for (int f = 0; f < o->folds && c->inner; f++) {
        bool *inner = c->inner + ((size_t)r * (size_t)o->folds + (size_t)f) * n;
        if (tn_folds_inner(input, fold, f, o->inner, seed, inner) != TN_OK)
            return tn_fail_in("repeat %d, fold %d", r + 1, f + 1);
    }
    return TN_OK;
}

const bool *tn_crossval_inner(const tn_crossval *c, int repeat, int fold) {
    if (!c->inner) return NULL;
    return c->inner +
           ((size_t)repeat * (size_t)c->options->folds + (size_t)fold) * (size_t)c->list.n;
}

static tn_status deal(tn_crossval *c) {
    const tn_crossval_options *o = c->options;
    const size_t n = (size_t)c->list.n, runs = (size_t)o->repeats * (size_t)o->folds;
    const tn_folds_input input = {.n = c->list.n,
                                  .classes = c->base.classes,
                                  .label = c->list.label,
                                  .cluster = c->cluster,
                                  .name = (const char *const *)c->base.names.name};
    c->fold_of = calloc((size_t)o->repeats * n + 1, sizeof *c->fold_of);
    c->inner = o->inner > 0 ? calloc(runs * n + 1, sizeof *c->inner) : NULL;
    c->fold = calloc(runs, sizeof *c->fold);
    c->repeat = calloc((size_t)o->repeats, sizeof *c->repeat);
    if (!c->fold_of || !c->fold || !c->repeat || (o->inner > 0 && !c->inner))
        return tn_fail("out of memory for %zu folds of %zu images", runs, n);
    for (int r = 0; r < o->repeats; r++)
        if (deal_repeat(c, &input, r) != TN_OK) return tn_fail_in("%s", c->list.path_of_list);
    return TN_OK;
}

/* part[i] of fold f: 0 trains, 1 is scored, 2 is the inner part. */
static void part_of(const tn_crossval *c, int r, int f, int *part) {
    const int *fold = c->fold_of + (size_t)r * (size_t)c->list.n;
    const bool *inner = tn_crossval_inner(c, r, f);
    for (int i = 0; i < c->list.n; i++) part[i] = fold[i] == f ? 1 : inner && inner[i] ? 2 : 0;
}

static tn_status describe(tn_crossval *c, int r, int f, int *part, bool *seen) {
    tn_crossval_fold *x = &c->fold[r * c->options->folds + f];
    part_of(c, r, f, part);
    *x = (tn_crossval_fold){.repeat = r + 1,
                            .fold = f + 1,
                            .seed = c->options->train.seed + (uint64_t)r,
                            .train = count(c, part, 0, -1, seen),
                            .scored = count(c, part, 1, -1, seen),
                            .inner = count(c, part, 2, -1, seen)};
    x->folder = tn_text("%s/r%d-f%d", c->options->out, r + 1, f + 1);
    if (x->folder)
        x->weights =
            tn_text("%s/%s_%s.weights", x->folder, c->base.paths.base, c->inner ? "best" : "final");
    return x->weights ? TN_OK : tn_fail("out of memory");
}

typedef tn_status fold_fn(tn_crossval *c, int r, int f, int *part, bool *seen);

static tn_status each_fold(tn_crossval *c, fold_fn *act) {
    int *part = calloc((size_t)c->list.n + 1, sizeof *part);
    bool *seen = calloc((size_t)c->list.n + 1, sizeof *seen);
    tn_status status = part && seen ? TN_OK : tn_fail("out of memory");
    for (int r = 0; r < c->options->repeats && status == TN_OK; r++)
        for (int f = 0; f < c->options->folds && status == TN_OK; f++)
            status = act(c, r, f, part, seen);
    free(part);
    free(seen);
    return status;
}

tn_status tn_crossval_plan(tn_crossval *c) {
    TN_TRY(read_list(c));
    TN_TRY(read_cases(c));
    TN_TRY(count_all(c));
    TN_TRY(deal(c));
    return each_fold(c, describe);
}

/* ---- writing ---- */

/* The label stands in each line: folders above these lists may hold another's text. */
static tn_status write_list(const tn_crossval *c, const char *folder, const char *name,
                            const int *part, int which) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/%s.list", folder, name));
    for (int i = 0; i < c->list.n; i++)
        if (part[i] == which)
            fprintf(file.to, "%s\t%s\n", c->list.path[i], c->base.labels.name[c->list.label[i]]);
    return tn_text_file_commit(&file);
}

static tn_status write_data(const tn_crossval *c, const tn_crossval_fold *x) {
    const tn_data_config *d = &c->base.data;
    char preprocess[TN_PREPROCESS_TEXT];
    tn_text_file file;
    TN_TRY(tn_preprocess_write(&d->preprocess, preprocess, sizeof preprocess));
    TN_TRY(tn_text_file_open(&file, "%s/fold.data", x->folder));
    fprintf(file.to, "classes=%d\ntrain=%s/train.list\n", d->classes, x->folder);
    if (c->inner) fprintf(file.to, "valid=%s/inner.list\n", x->folder);
    fprintf(file.to, "labels=%s\n", d->labels);
    if (d->names) fprintf(file.to, "names=%s\n", d->names);
    fprintf(file.to, "backup=%s\n", x->folder);
    if (d->top) fprintf(file.to, "top=%d\n", d->top);
    if (d->positive) fprintf(file.to, "positive=%s\n", d->positive);
    fputs(preprocess, file.to);
    return tn_text_file_commit(&file);
}

static tn_status write_fold(tn_crossval *c, int r, int f, int *part, bool *seen) {
    const tn_crossval_fold *x = &c->fold[r * c->options->folds + f];
    (void)seen;
    part_of(c, r, f, part);
    TN_TRY(tn_make_folders(x->folder));
    TN_TRY(write_list(c, x->folder, "train", part, 0));
    TN_TRY(write_list(c, x->folder, "scored", part, 1));
    if (c->inner) TN_TRY(write_list(c, x->folder, "inner", part, 2));
    return write_data(c, x);
}

tn_status tn_crossval_lists(tn_crossval *c) {
    return each_fold(c, write_fold);
}
