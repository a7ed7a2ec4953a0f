/* From the folds' predictions to figures. */
#include "src/commands/crossval.h"
#include "src/data/files.h"
#include "src/eval/members.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- putting predictions together ---- */

/* A fold's file must hold what its list asked for: it may come from an earlier process. */
static tn_status check_fold(const tn_crossval *c, const tn_crossval_fold *x, const char *path) {
    const int *fold = c->fold_of + (size_t)(x->repeat - 1) * (size_t)c->list.n;
    const tn_predictions *p = &x->set.predictions;
    size_t at = 0;
    if (p->classes != c->base.classes)
        return tn_fail("%s: %d classes, expected %d", path, p->classes, c->base.classes);
    for (int k = 0; k < p->classes; k++)
        if (strcmp(p->name[k], c->base.names.name[k]) != 0)
            return tn_fail("%s: class %d is \"%s\", expected \"%s\"", path, k, p->name[k],
                           c->base.names.name[k]);
    for (int i = 0; i < c->list.n; i++) {
        if (fold[i] != x->fold - 1) continue;
        if (at >= p->n || strcmp(p->image[at], c->list.path[i]) != 0 ||
            p->truth[at] != c->list.label[i])
            return tn_fail("%s: row %zu is %s, expected %s (%s)", path, at + 1,
                           at < p->n ? p->image[at] : "missing", c->list.path[i],
                           c->base.names.name[c->list.label[i]]);
        at++;
    }
    return at == p->n ? TN_OK : tn_fail("%s: %zu rows, expected %zu", path, p->n, at);
}

/* A net's answers are floats, which the file's digits bring back: the same numbers as before they
 * were written. */
static void restore_floats(tn_predictions *p) {
    for (size_t i = 0; i < p->n * (size_t)p->classes; i++)
        p->probability[i] = (double)(float)p->probability[i];
}

static tn_status read_fold(const tn_crossval *c, tn_crossval_fold *x) {
    char *path = tn_text("%s/probs.csv", x->folder);
    if (!path) return tn_fail("out of memory");
    tn_status status = tn_predictions_read(path, &x->set.predictions);
    if (status == TN_OK) status = check_fold(c, x, path);
    if (status == TN_OK) restore_floats(&x->set.predictions);
    free(path);
    return status;
}

/* The folds' predictions in the order of the list. */
static tn_status gather(const tn_crossval *c, int r, tn_predictions *out) {
    const int folds = c->options->folds, k = c->base.classes;
    const int *fold = c->fold_of + (size_t)r * (size_t)c->list.n;
    size_t *next = calloc((size_t)folds, sizeof *next);
    if (!next) return tn_fail("out of memory");
    tn_status status =
        tn_predictions_create(out, (const char *const *)c->base.names.name, k, (size_t)c->list.n);
    for (int i = 0; i < c->list.n && status == TN_OK; i++) {
        const tn_predictions *p = &c->fold[r * folds + fold[i]].set.predictions;
        const size_t row = next[fold[i]]++;
        status =
            tn_predictions_add(out, p->image[row], p->truth[row], p->probability + row * (size_t)k);
    }
    free(next);
    return status;
}

static tn_status write_to(const tn_predictions *p, char *path) {
    const tn_status status = path ? tn_predictions_write(p, path) : tn_fail("out of memory");
    free(path);
    return status;
}

static tn_status write_repeat(tn_crossval *c, int r) {
    char *folder = tn_text("%s/r%d", c->options->out, r + 1);
    if (!folder) return tn_fail("out of memory");
    tn_status status = gather(c, r, &c->repeat[r].predictions);
    if (status == TN_OK) status = tn_make_folders(folder);
    if (status == TN_OK)
        status = write_to(&c->repeat[r].predictions, tn_text("%s/probs.csv", folder));
    free(folder);
    return status;
}

static tn_status average(tn_crossval *c) {
    const int n = c->options->repeats;
    tn_predictions *set = calloc((size_t)n, sizeof *set);
    if (!set) return tn_fail("out of memory");
    for (int r = 0; r < n; r++) set[r] = c->repeat[r].predictions; /* lent */
    const tn_status status = tn_predictions_mean(set, n, &c->mean.predictions);
    free(set);
    TN_TRY(status);
    return write_to(&c->mean.predictions, tn_text("%s/probs.csv", c->options->out));
}

/* ---- figures ---- */

static tn_status assess(const tn_crossval *c, tn_valid_set *set, int resamples) {
    const tn_valid_options o = {
        .prevalence = NAN, .resamples = resamples, .seed = c->options->train.seed, .top = 1};
    set->list = c->list.path_of_list;
    return tn_valid_assess_set(c->base.positive, &o, set, c->manifest);
}

tn_status tn_crossval_assess(tn_crossval *c) {
    const int runs = c->options->folds * c->options->repeats;
    for (int i = 0; i < runs; i++) {
        TN_TRY(read_fold(c, &c->fold[i]));
        TN_TRY(assess(c, &c->fold[i].set, 0));
    }
    for (int r = 0; r < c->options->repeats; r++) {
        TN_TRY(write_repeat(c, r));
        TN_TRY(assess(c, &c->repeat[r], 0));
    }
    TN_TRY(average(c));
    return assess(c, &c->mean, c->options->resamples);
}

static double figure_of(const tn_valid_set *s, bool by_case, tn_figure f) {
    if (!by_case) return s->images.figure[f];
    return s->has_cases ? s->by_case.figure[f] : NAN;
}

void tn_crossval_of_folds(const tn_crossval *c, bool by_case, tn_figure f, double *value) {
    for (int i = 0; i < c->options->folds * c->options->repeats; i++)
        value[i] = figure_of(&c->fold[i].set, by_case, f);
}

void tn_crossval_of_repeats(const tn_crossval *c, bool by_case, tn_figure f, double *value) {
    for (int r = 0; r < c->options->repeats; r++) value[r] = figure_of(&c->repeat[r], by_case, f);
}
