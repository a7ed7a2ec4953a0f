/* darknet classifier predict, darknet classify */
#include "src/commands/clock.h"
#include "src/commands/commands.h"
#include "src/commands/image_paths.h"
#include "src/commands/notice.h"
#include "src/commands/picture.h"
#include "src/commands/predict_print.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 16 };

static const char usage[] =
    "usage: darknet classifier predict [DATA] CFG WEIGHTS [MORE.weights...] [IMAGE...] [options]\n"
    "\n"
    "Says of each IMAGE how probable each class is. An IMAGE is a file, a folder or a list of "
    "files\n"
    "(.list, .txt); without any, paths are read from stdin. Names of the classes and what was "
    "done\n"
    "to the images in training come from WEIGHTS.json, else from DATA, else from the cfg's data=.\n"
    "A net trained on nodule crops takes an image for a crop unless -roi or -xml says where the\n"
    "nodule of a whole frame is. One image that cannot be read does not stop the others; the exit\n"
    "status is then 1.\n"
    "Words right after WEIGHTS that end in .weights are further nets of the same cfg, not images: "
    "the\n"
    "answer is their mean probability, with how far they are apart.\n"
    "\n" TN_NOTICE "\n";

typedef struct predict {
    const char *name; /* of the command, for messages */
    tn_model_options model_options;
    tn_picture_options picture_options;
    tn_print_options print;
    int top, json, csv;
    tn_ensemble ensemble;
    const tn_model *model; /* its first member: what all have in common */
    tn_picture_plan plan;
    tn_run **run; /* [ensemble.n] of `batch` images */
    int batch;
    float *x, *probability;
    float *each;  /* (ensemble.n, images of the mini-batch, classes) */
    double *rows; /* (ensemble.n, classes) of one image */
    bool any_failed;
} predict;

static int failed(const predict *p) {
    fprintf(stderr, "%s: %s\n", p->name, tn_error());
    return 1;
}

/* ---- one mini-batch ---- */

/* How far the members are apart on image i of n. */
static void compare_members(predict *p, int i, int n, tn_answer *answer) {
    const size_t k = (size_t)p->model->classes;
    const int members = p->ensemble.n;
    if (members == 1) return;
    for (size_t c = 0; c < k; c++) p->rows[c] = (double)answer->probability[c];
    answer->looked_at = tn_members_class(p->model->positive, p->rows, p->model->classes);
    for (size_t m = 0; m < (size_t)members; m++)
        for (size_t c = 0; c < k; c++)
            p->rows[m * k + c] = (double)p->each[(m * (size_t)n + (size_t)i) * k + c];
    answer->members = tn_members_disagree(p->rows, members, p->model->classes, answer->looked_at);
}

typedef struct slot {
    char error[1024]; /* "" when the image was read */
} slot;

/* Images are read by all threads; the messages of those that fail are kept per image. */
static void read_images(predict *p, char *const *path, int n, slot *slots) {
    const size_t sample =
        (size_t)p->model->format.h * (size_t)p->model->format.w * (size_t)p->model->format.c;
#pragma omp parallel for schedule(dynamic) num_threads(p->model->threads)
    for (int i = 0; i < n; i++) {
        slots[i].error[0] = 0;
        if (tn_picture_read(&p->plan, path[i], p->x + (size_t)i * sample) != TN_OK)
            snprintf(slots[i].error, sizeof slots[i].error, "%s", tn_error());
    }
}

/* Samples that were read, moved together; order[i] is the image of sample i. */
static int gather(predict *p, int n, const slot *slots, int *order) {
    const size_t sample =
        (size_t)p->model->format.h * (size_t)p->model->format.w * (size_t)p->model->format.c;
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (slots[i].error[0]) continue;
        if (kept < i)
            memcpy(p->x + (size_t)kept * sample, p->x + (size_t)i * sample, sample * sizeof *p->x);
        order[kept++] = i;
    }
    return kept;
}

static tn_status predict_batch(predict *p, char *const *path, int n) {
    slot slots[BATCH];
    int order[BATCH];
    read_images(p, path, n, slots);
    for (int i = 0; i < n; i++) {
        if (!slots[i].error[0]) continue;
        fprintf(stderr, "%s: %s\n", p->name, slots[i].error);
        p->any_failed = true;
    }
    const int kept = gather(p, n, slots, order);
    if (kept == 0) return TN_OK;
    const double start = tn_clock();
    TN_TRY(tn_ensemble_forward(&p->ensemble, p->run, p->x, kept, p->each, p->probability));
    tn_answer answer = {.kind = p->plan.kind, .milliseconds = (tn_clock() - start) * 1e3 / kept};
    for (int i = 0; i < kept; i++) {
        answer.image = path[order[i]];
        answer.probability = p->probability + (size_t)i * (size_t)p->model->classes;
        compare_members(p, i, kept, &answer);
        TN_TRY(tn_print_answer(&p->ensemble, &p->print, &answer));
    }
    return TN_OK;
}

/* ---- many images, and the prompt ---- */

static tn_status make_room(predict *p, int batch) {
    const tn_input_format *f = &p->model->format;
    const size_t sample = (size_t)f->h * (size_t)f->w * (size_t)f->c;
    p->batch = batch;
    p->x = calloc((size_t)batch * sample, sizeof *p->x);
    const size_t k = (size_t)p->model->classes, members = (size_t)p->ensemble.n;
    p->probability = calloc((size_t)batch * k, sizeof *p->probability);
    p->each = calloc(members * (size_t)batch * k, sizeof *p->each);
    p->rows = calloc(members * k, sizeof *p->rows);
    p->run = calloc(members, sizeof(tn_run *));
    if (!p->x || !p->probability || !p->each || !p->rows || !p->run)
        return tn_fail("out of memory for %d images", batch);
    return tn_ensemble_runs_create(&p->ensemble, batch, p->run);
}

static tn_status predict_paths(predict *p, const tn_image_paths *paths) {
    for (int i = 0; i < paths->n; i += p->batch) {
        const int n = paths->n - i < p->batch ? paths->n - i : p->batch;
        TN_TRY(predict_batch(p, paths->path + i, n));
    }
    return TN_OK;
}

static tn_status predict_words(predict *p, const tn_texts *words, int first) {
    tn_image_paths paths = {0};
    tn_status status = TN_OK;
    bool many;
    for (int i = first; i < words->count && status == TN_OK; i++)
        status = tn_image_paths_add(&paths, words->items[i], &many);
    if (status == TN_OK) status = make_room(p, paths.n < BATCH ? paths.n : BATCH);
    if (status == TN_OK) status = predict_paths(p, &paths);
    tn_image_paths_free(&paths);
    return status;
}

static tn_status predict_word(predict *p, const char *word) {
    tn_image_paths paths = {0};
    bool many;
    tn_status status = tn_image_paths_add(&paths, word, &many);
    if (status == TN_OK) status = predict_paths(p, &paths);
    tn_image_paths_free(&paths);
    return status;
}

/* As Darknet does: a path a line, until the end of stdin. The prompt is no result. */
static tn_status predict_prompt(predict *p) {
    char *line = NULL;
    size_t room = 0;
    TN_TRY(make_room(p, 1));
    for (;;) {
        fputs("Enter Image Path: ", stderr);
        if (getline(&line, &room, stdin) < 0) break;
        line[strcspn(line, "\r\n")] = 0;
        if (!*line) continue;
        if (predict_word(p, line) != TN_OK) {
            failed(p);
            p->any_failed = true;
        }
        fflush(stdout);
    }
    fputs("\n", stderr);
    free(line);
    return TN_OK;
}

/* ---- the command ---- */

static void close_all(predict *p) {
    for (int m = 0; p->run && m < p->ensemble.n; m++) tn_run_free(p->run[m]);
    free(p->run);
    free(p->x);
    free(p->probability);
    free(p->each);
    free(p->rows);
    tn_picture_plan_close(&p->plan);
    tn_ensemble_close(&p->ensemble);
}

static tn_status run_all(predict *p) {
    const tn_texts *words = &p->model_options.arguments.positionals;
    if (p->json && p->csv) return tn_fail("-json or -csv, not both");
    p->print.form = p->json ? TN_PRINT_JSON : p->csv ? TN_PRINT_CSV : TN_PRINT_TEXT;
    TN_TRY(tn_ensemble_open(&p->ensemble, &p->model_options, TN_MODEL_PREDICTS));
    p->model = &p->ensemble.member[0];
    TN_TRY(tn_picture_plan_open(&p->plan, p->model, &p->picture_options));
    p->print.top = p->top || p->print.form == TN_PRINT_TEXT ? tn_model_top(p->model, p->top)
                                                            : p->model->classes;
    tn_print_begin(&p->ensemble, &p->print);
    const int first = p->ensemble.used;
    TN_TRY(first < words->count ? predict_words(p, words, first) : predict_prompt(p));
    return tn_print_end(&p->ensemble, &p->print);
}

static int predict_main(int argc, char **argv, predict *p) {
    const tn_option_spec specs[] = {
        {"t", TN_OPTION_INT, &p->top, "N", "shows the N most probable classes", 1, INT_MAX},
        {"json", TN_OPTION_SWITCH, &p->json, NULL, "one JSON object a line and image"},
        {"csv", TN_OPTION_SWITCH, &p->csv, NULL,
         "CSV: image, a column a class, input, time; of several nets how far they are apart"},
        {"roi", TN_OPTION_TEXT, &p->picture_options.roi, "X,Y,W,H",
         "the nodule's box in a whole frame, in pixels; context is added as in training"},
        {"xml", TN_OPTION_TEXT, &p->picture_options.xml, "FILE",
         "a DDTI case: the nodule is the largest outline that it draws on the image"},
        {"outline", TN_OPTION_INT, &p->picture_options.outline, "N",
         "another of -xml's outlines: 1 is the second largest", 0, 255},
        {"cropped", TN_OPTION_SWITCH, &p->picture_options.cropped, NULL,
         "images are cut and denoised already, as in DATA's lists"},
        {"letterbox", TN_OPTION_SWITCH, &p->picture_options.letterbox, NULL,
         "fits the whole image with grey bars, as Debian's Darknet does"},
        TN_MODEL_OPTION_ROWS(p->model_options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &p->model_options.arguments) != TN_OK) return failed(p);
    int status = 0;
    if (p->model_options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else
        status = run_all(p) == TN_OK ? p->any_failed : failed(p);
    close_all(p);
    tn_model_options_free(&p->model_options);
    return status;
}

int tn_cmd_predict(int argc, char **argv) {
    predict p = {.name = "darknet classifier predict"};
    return predict_main(argc, argv, &p);
}

int tn_cmd_classify(int argc, char **argv) {
    predict p = {.name = "darknet classify"};
    return predict_main(argc, argv, &p);
}
