/* What a run writes: weights with their notes, the .state file, metrics and chart. */
#include "src/commands/clock.h"
#include "src/commands/notice.h"
#include "src/commands/train.h"
#include "src/data/sidecar.h"
#include "src/eval/chart.h"
#include "src/net/atomic_file.h"
#include "src/net/weights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* folder/base + end */
static char *path_of(const char *folder, const char *base, const char *end) {
    size_t size = strlen(folder) + strlen(base) + strlen(end) + 2;
    char *path = malloc(size);
    size_t n = strlen(folder);
    const char *slash = n && folder[n - 1] == '/' ? "" : "/";
    if (path) snprintf(path, size, "%s%s%s%s", folder, slash, base, end);
    return path;
}

/* Makes the folder and those above it. */
static tn_status make_folders(const char *folder) {
    char *path = strdup(folder);
    if (!path) return tn_fail("%s: out of memory", folder);
    tn_status status = TN_OK;
    for (char *at = path + 1; status == TN_OK; at++) {
        if (*at && *at != '/') continue;
        char here = *at;
        *at = 0;
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            status =
                tn_fail("backup folder %s cannot be made: %s: %s", folder, path, strerror(errno));
        *at = here;
        if (!here) break;
    }
    free(path);
    return status;
}

/* Writes and removes a file: better to know now than when the first epoch is done. */
static tn_status try_folder(const char *folder) {
    char *path = path_of(folder, ".write", "-test");
    if (!path) return tn_fail("%s: out of memory", folder);
    tn_atomic_file file;
    tn_status status = tn_atomic_open(&file, path);
    if (status == TN_OK) status = tn_atomic_commit(&file);
    unlink(path);
    free(path);
    return status == TN_OK ? TN_OK : tn_fail_in("backup folder %s cannot be written to", folder);
}

tn_status tn_trainer_make_folder(tn_trainer *t) {
    tn_train_paths *p = &t->paths;
    const char *folder = t->options->backup ? t->options->backup : t->data.backup;
    if (!folder || !*folder) folder = "weights";
    p->folder = strdup(folder);
    p->base = tn_model_base(t->options->model.cfg);
    if (!p->folder || !p->base) return tn_fail("out of memory");
    p->state = path_of(folder, p->base, ".state");
    p->metrics = path_of(folder, "metrics", ".jsonl");
    p->chart = path_of(folder, "chart", ".png");
    char *chart = path_of(folder, "chart_", p->base);
    p->chart_last = chart ? path_of("", chart, ".png") : NULL;
    free(chart);
    if (!p->state || !p->metrics || !p->chart || !p->chart_last) return tn_fail("out of memory");
    memmove(p->chart_last, p->chart_last + 1, strlen(p->chart_last));
    TN_TRY(make_folders(folder));
    return try_folder(folder);
}

char *tn_trainer_weights_path(const tn_trainer *t, const char *suffix) {
    char end[64];
    snprintf(end, sizeof end, "_%s.weights", suffix);
    return path_of(t->paths.folder, t->paths.base, end);
}

static tn_sidecar note_of(const tn_trainer *t) {
    const char *cfg = t->options->model.cfg, *slash = strrchr(cfg, '/');
    return (tn_sidecar){
        .classes = t->classes,
        .name = (const char *const *)t->names.name,
        .positive = t->positive < 0 ? NULL : t->names.name[t->positive],
        .cfg = slash ? slash + 1 : cfg,
        .width = t->net->keys.width,
        .height = t->net->keys.height,
        .channels = t->net->keys.channels,
        .preprocess = t->preprocess,
        .seed = t->seed,
        .step = t->position.updates,
        .epoch = tn_schedule_epochs(&t->schedule, t->position.updates),
        .notice = TN_NOTICE,
    };
}

tn_status tn_trainer_save_note(const tn_trainer *t, const char *weights) {
    const tn_sidecar note = note_of(t);
    return tn_sidecar_write(weights, &note);
}

/* With an average, that is what is validated, kept and shipped. */
tn_status tn_trainer_save_weights(tn_trainer *t, const char *suffix) {
    char *path = tn_trainer_weights_path(t, suffix);
    if (!path) return tn_fail("out of memory");
    tn_net *net = t->net;
    if (tn_replicas_settle(t->replicas, false) != TN_OK) {
        free(path);
        return TN_FAIL;
    }
    net->seen = t->position.updates * (uint64_t)t->batch;
    tn_status status = tn_weights_save(t->average ? t->average->param : net->param,
                                       net->plan.n_params, net->seen, path);
    if (status == TN_OK) status = tn_trainer_save_note(t, path);
    free(path);
    return status;
}

tn_status tn_trainer_save(tn_trainer *t) {
    double start = tn_clock();
    const tn_train_memory memory = tn_trainer_memory(t);
    TN_TRY(tn_replicas_settle(t->replicas, true));
    tn_train_position kept = t->position;
    t->position.epoch_seconds += start - t->epoch_started;
    tn_status status = tn_train_state_save(t->paths.state, &memory, &t->identity);
    t->position = kept;
    if (status == TN_OK) status = tn_trainer_save_weights(t, "last");
    t->last_save = tn_clock();
    t->save_cost = t->last_save - start;
    return status;
}

/* When epochs are short, pictures are drawn less often than lines are written. A picture that
 * cannot be drawn is no reason to lose a run. */
static void save_chart(tn_trainer *t, bool must) {
    double start = tn_clock();
    if (!must && start - t->last_chart < t->chart_cost / TN_SAVE_SHARE) return;
    if (tn_chart_save(&t->history, t->paths.base, t->paths.chart_last, t->paths.chart) != TN_OK) {
        tn_trainer_end_line(t);
        fprintf(stderr, "warning: no chart: %s\n", tn_error());
    }
    t->last_chart = tn_clock();
    t->chart_cost = t->last_chart - start;
}

tn_status tn_trainer_save_reports(tn_trainer *t, bool must) {
    if (t->history.n) save_chart(t, must);
    return tn_history_save(&t->history, t->paths.metrics);
}

/* What a sample's numbers look like: the format undone, back to bytes. */
static tn_status sample_image(const tn_trainer *t, const float *x, tn_image *out) {
    const tn_net_keys *k = &t->net->keys;
    const tn_preprocess *p = &t->preprocess;
    TN_TRY(tn_image_create(k->height, k->width, k->channels, out));
    size_t count = (size_t)out->h * (size_t)out->w * (size_t)out->c;
    for (size_t i = 0; i < count; i++) {
        size_t c = i % (size_t)out->c;
        float v = 255 * (x[i] * p->input_std[c] + p->input_mean[c]) + 0.5f;
        out->data[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    return TN_OK;
}

tn_status tn_trainer_show_images(tn_trainer *t) {
    const tn_batch *batch;
    TN_TRY(tn_loader_next(t->loader, &batch));
    size_t stride =
        (size_t)t->net->keys.height * (size_t)t->net->keys.width * (size_t)t->net->keys.channels;
    for (int i = 0; i < batch->n_valid; i++) {
        char name[32];
        tn_image image;
        snprintf(name, sizeof name, "aug_%d", i);
        char *path = path_of(t->paths.folder, name, ".png");
        if (!path) return tn_fail("out of memory");
        tn_status status = sample_image(t, batch->x + (size_t)i * stride, &image);
        if (status == TN_OK) {
            status = tn_image_save(&image, path);
            tn_image_free(&image);
        }
        free(path);
        TN_TRY(status);
    }
    fprintf(stderr, "the first %d augmented images are in %s: aug_0.png ...\n", batch->n_valid,
            t->paths.folder);
    return TN_OK;
}
