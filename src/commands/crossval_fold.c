/* One fold: trained as `train` does, scored as `valid` does. */
#include "src/commands/clock.h"
#include "src/commands/crossval.h"
#include "src/commands/log_file.h"
#include "src/commands/score_list.h"
#include "src/data/files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a fold's stages read, all owned. */
typedef struct paths {
    char *data, *list, *probs, *log, *state;
} paths;

static void free_paths(paths *p) {
    free(p->data);
    free(p->list);
    free(p->probs);
    free(p->log);
    free(p->state);
}

static tn_status make_paths(const tn_crossval *c, const tn_crossval_fold *x, paths *p) {
    *p = (paths){.data = tn_text("%s/fold.data", x->folder),
                 .list = tn_text("%s/scored.list", x->folder),
                 .probs = tn_text("%s/probs.csv", x->folder),
                 .log = tn_text("%s/train.log", x->folder),
                 .state = tn_text("%s/%s.state", x->folder, c->base.paths.base)};
    return p->data && p->list && p->probs && p->log && p->state ? TN_OK : tn_fail("out of memory");
}

/* ---- training ---- */

static tn_train_options options_of(const tn_crossval *c, const tn_crossval_fold *x,
                                   const paths *p) {
    tn_train_options o = c->options->train;
    o.model.data = p->data;
    o.seed = x->seed;
    o.seed_given = 1;
    o.backup = x->folder;
    o.stop_after = c->left;
    return o;
}

/* Where an earlier process left this fold: nowhere, inside its training, or behind it. */
static tn_status look_back(const paths *p, bool *begun, bool *trained) {
    tn_train_position there;
    uint64_t seed;
    *begun = *trained = false;
    if (access(p->state, F_OK) != 0) return TN_OK;
    TN_TRY(tn_train_state_peek(p->state, &there, &seed));
    *trained = there.finished;
    *begun = !there.finished;
    return TN_OK;
}

static tn_status train_open(tn_crossval *c, const tn_train_options *o, int *interrupted) {
    tn_trainer t;
    TN_TRY(tn_trainer_open(&t, o));
    const tn_status status = tn_trainer_run(&t, interrupted);
    const int late = tn_trainer_release_signals();
    tn_trainer_end_line(&t);
    if (c->left) {
        c->left -= (int)t.done;
        /* the last update allowed was a fold's last: what is left to do would need more */
        if (c->left <= 0) *interrupted = *interrupted ? *interrupted : -1;
    }
    if (late && !*interrupted) *interrupted = late;
    tn_trainer_close(&t);
    return status;
}

static tn_status train(tn_crossval *c, const tn_crossval_fold *x, const paths *p,
                       int *interrupted) {
    bool begun, trained;
    int back;
    TN_TRY(look_back(p, &begun, &trained));
    if (trained) return TN_OK;
    tn_train_options o = options_of(c, x, p);
    o.resume = begun;
    if (begun) o.model.weights = NULL; /* the state holds everything */
    fprintf(stderr, "r%d-f%d: %s on %d images (%d cases), %d to score; %s\n", x->repeat, x->fold,
            begun ? "goes on training" : "trains", x->train.images, x->train.cases,
            x->scored.images, p->log);
    TN_TRY(tn_log_begin(p->log, begun, &back));
    tn_trainer_speak_to(back);
    tn_status status = train_open(c, &o, interrupted);
    tn_trainer_speak_to(STDERR_FILENO);
    if (status != TN_OK) fprintf(stderr, "%s\n", tn_error());
    tn_log_end(back);
    return status == TN_OK ? TN_OK : tn_fail_in("r%d-f%d", x->repeat, x->fold);
}

/* ---- scoring ---- */

/* What the state, at the end of training, says of the weights that are scored. */
static tn_status note_training(const tn_crossval *c, const paths *p, tn_crossval_fold *x) {
    tn_train_position at;
    uint64_t seed;
    TN_TRY(tn_train_state_peek(p->state, &at, &seed));
    x->loss = at.loss_average;
    x->updates = c->inner ? at.best_step : at.updates;
    if (x->updates) return TN_OK;
    return tn_fail("%s: no epoch was the best of the inner list: -valid-every is longer than "
                   "training",
                   p->state);
}

static tn_status score_with(const tn_crossval *c, const tn_model_options *o, const paths *p) {
    tn_model model;
    tn_list list = {0};
    tn_predictions answers = {0};
    tn_status status = tn_model_open(&model, o, TN_MODEL_NEEDS_DATA);
    if (status == TN_OK) status = tn_list_load(p->list, &model.labels, &list);
    if (status == TN_OK)
        status = tn_score_list(&model, &list, (tn_views)c->options->views, &answers);
    if (status == TN_OK) status = tn_predictions_write(&answers, p->probs);
    tn_predictions_free(&answers);
    tn_list_free(&list);
    tn_model_close(&model);
    return status;
}

static tn_status score(const tn_crossval *c, const tn_crossval_fold *x, const paths *p) {
    const tn_train_options *t = &c->options->train;
    const char *words[] = {p->data, t->model.cfg, x->weights};
    const tn_model_options o = {.arguments.positionals = {words, 3},
                                .net = t->net,
                                .threads = t->threads,
                                .kernels = t->kernels};
    int back;
    TN_TRY(tn_log_begin(p->log, true, &back));
    const tn_status status = score_with(c, &o, p);
    if (status != TN_OK) fprintf(stderr, "%s\n", tn_error());
    tn_log_end(back);
    return status == TN_OK ? TN_OK : tn_fail_in("r%d-f%d", x->repeat, x->fold);
}

/* ---- the fold ---- */

/* Only going on with training needs them, and they are most of what a fold takes of the disk. */
static void tidy(const tn_crossval *c, const tn_crossval_fold *x, const paths *p) {
    static const char *const end[] = {"_last.weights", "_last.weights.json", ".state.old"};
    unlink(p->state);
    for (size_t i = 0; i < sizeof end / sizeof *end; i++) {
        char *path = tn_text("%s/%s%s", x->folder, c->base.paths.base, end[i]);
        if (path) unlink(path);
        free(path);
    }
}

static tn_status run(tn_crossval *c, tn_crossval_fold *x, const paths *p, int *interrupted) {
    bool done;
    TN_TRY(tn_crossval_marked(c, x, &done));
    if (done) {
        fprintf(stderr, "r%d-f%d: done before\n", x->repeat, x->fold);
        tidy(c, x, p);
        return TN_OK;
    }
    const double start = tn_clock();
    TN_TRY(train(c, x, p, interrupted));
    if (*interrupted) return TN_OK;
    TN_TRY(note_training(c, p, x));
    TN_TRY(score(c, x, p));
    TN_TRY(tn_crossval_mark(c, x));
    tidy(c, x, p);
    fprintf(stderr, "r%d-f%d: done, training loss %.4f after %" PRIu64 " updates, %.0f s\n",
            x->repeat, x->fold, x->loss, x->updates, tn_clock() - start);
    return TN_OK;
}

tn_status tn_crossval_run(tn_crossval *c, tn_crossval_fold *x, int *interrupted) {
    paths p;
    *interrupted = 0;
    tn_status status = make_paths(c, x, &p);
    if (status == TN_OK) status = run(c, x, &p, interrupted);
    free_paths(&p);
    return status;
}
