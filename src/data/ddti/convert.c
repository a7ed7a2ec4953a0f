#include "src/data/ddti/convert.h"
#include "src/data/files.h"
#include "src/data/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *tn_ddti_crop_name(tn_ddti_crop crop) {
    static const char *const names[] = {"nodule", "frame", "none"};
    return names[crop];
}

static tn_status check_out(const tn_ddti_collection *c, const char *out) {
    struct stat source, target;
    TN_TRY(tn_labels_check_folder(tn_ddti_label_names, TN_DDTI_LABELS, out));
    if (stat(c->folder, &source) != 0) return tn_fail("%s: %s", c->folder, strerror(errno));
    if (stat(out, &target) == 0 && source.st_dev == target.st_dev && source.st_ino == target.st_ino)
        return tn_fail("%s: is the folder that the database is read from: choose another for -out",
                       out);
    return TN_OK;
}

/* OUT/images/benign/12_1_0.png; a whole image has no outline's number, a copy has its own. */
static char *output_path(const tn_ddti_collection *c, const tn_ddti_plan *plan, int index,
                         const char *out) {
    const tn_ddti_output *o = &plan->outputs[index];
    const tn_ddti_sample *s = &plan->samples[o->sample];
    char name[TN_DDTI_NAME], nodule[16] = "", copy[16] = "";
    if (s->nodule >= 0) snprintf(nodule, sizeof nodule, "_%d", s->nodule);
    if (o->copy > 0) snprintf(copy, sizeof copy, "_a%02d", o->copy);
    return tn_text("%s/images/%s/%s%s%s.png", out, tn_ddti_label_names[s->label],
                   tn_ddti_image_name(c, s->image, name), nodule, copy);
}

static tn_status make_paths(const tn_ddti_collection *c, const tn_ddti_plan *plan, const char *out,
                            char **paths, int *truth) {
    for (int i = 0; i < plan->output_count; i++) {
        paths[i] = output_path(c, plan, i, out);
        if (!paths[i]) return tn_fail("out of memory for %d paths", plan->output_count);
        truth[i] = plan->samples[plan->outputs[i].sample].label;
    }
    return tn_labels_check(tn_ddti_label_names, TN_DDTI_LABELS, (const char *const *)paths, truth,
                           plan->output_count);
}

static tn_status make_image_folders(const char *out) {
    for (int l = 0; l < TN_DDTI_LABELS; l++) {
        char *folder = tn_text("%s/images/%s", out, tn_ddti_label_names[l]);
        tn_status status = folder ? tn_make_folders(folder) : tn_fail("out of memory");
        free(folder);
        TN_TRY(status);
    }
    return TN_OK;
}

/* Beside its name first: a run that is cut off leaves no half image under a name in a list. */
static tn_status save(const tn_image *image, const char *path) {
    char *temporary = tn_text("%.*s.part.png", (int)(strlen(path) - 4), path);
    if (!temporary) return tn_fail("out of memory");
    tn_status status = tn_image_save(image, temporary);
    if (status == TN_OK && rename(temporary, path) != 0)
        status = tn_fail("%s: cannot put in place: %s", path, strerror(errno));
    if (status != TN_OK) unlink(temporary);
    free(temporary);
    return status;
}

/* Every output of one source image, outputs[from..to). */
static tn_status write_image(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                             const tn_ddti_plan *plan, int from, int to, char **paths) {
    tn_image frame = {0}, picture = {0};
    int index = plan->samples[plan->outputs[from].sample].image;
    TN_TRY(tn_image_load(c->images[index].path, 3, &frame));
    tn_status status = tn_image_denoise(&frame, settings->denoise);
    for (int i = from; status == TN_OK && i < to; i++) {
        const tn_ddti_output *o = &plan->outputs[i];
        status = tn_ddti_render(&frame, settings, &plan->samples[o->sample], o, &picture);
        if (status == TN_OK) status = save(&picture, paths[i]);
        tn_image_free(&picture);
    }
    tn_image_free(&frame);
    return status == TN_OK ? TN_OK : tn_fail_in("%s", c->images[index].path);
}

/* The outputs of one source image. */
typedef struct span {
    int from, to;
} span;

static int find_spans(const tn_ddti_plan *plan, span *spans) {
    int count = 0;
    for (int i = 0; i < plan->output_count; i++) {
        int image = plan->samples[plan->outputs[i].sample].image;
        int same = i && plan->samples[plan->outputs[i - 1].sample].image == image;
        if (!same) spans[count++].from = i;
        spans[count - 1].to = i + 1;
    }
    return count;
}

/* Images are independent: each is written by one thread. The first failure ends the work. */
static tn_status write_images(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                              const tn_ddti_plan *plan, char **paths, tn_ddti_progress progress,
                              void *context) {
    span *spans = calloc((size_t)plan->output_count + 1, sizeof *spans);
    if (!spans) return tn_fail("out of memory for %d images", plan->output_count);
    int count = find_spans(plan, spans), done = 0, failed = 0;
    char message[1024] = "";
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < count; i++) {
        int stop;
#pragma omp atomic read
        stop = failed;
        if (stop) continue;
        tn_status status = write_image(c, settings, plan, spans[i].from, spans[i].to, paths);
#pragma omp critical(tn_ddti_progress)
        {
            if (status != TN_OK) {
                if (!failed) snprintf(message, sizeof message, "%s", tn_error());
#pragma omp atomic write
                failed = 1;
            } else {
                done++;
                if (progress) progress(context, done, count);
            }
        }
    }
    free(spans);
    return failed ? tn_fail_with(message) : TN_OK;
}

tn_status tn_ddti_convert(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                          const tn_ddti_plan *plan, const char *out, tn_ddti_progress progress,
                          void *context) {
    TN_TRY(check_out(c, out));
    size_t room = (size_t)plan->output_count + 1;
    char **paths = calloc(room, sizeof *paths);
    int *truth = calloc(room, sizeof *truth);
    tn_status status = paths && truth ? make_paths(c, plan, out, paths, truth)
                                      : tn_fail("out of memory for %d paths", plan->output_count);
    if (status == TN_OK) status = make_image_folders(out);
    if (status == TN_OK) status = write_images(c, settings, plan, paths, progress, context);
    if (status == TN_OK)
        status = tn_ddti_write_lists(c, settings, plan, out, (const char *const *)paths);
    for (int i = 0; paths && i < plan->output_count; i++) free(paths[i]);
    free(paths);
    free(truth);
    return status;
}
