/* darknet classifier quantize */
#include "layers/ops/convolution.h"
#include "layers/ops/int8.h"
#include "src/commands/commands.h"
#include "src/commands/model.h"
#include "src/commands/notice.h"
#include "src/data/loader.h"
#include "src/net/quantiser.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8, USUAL_IMAGES = 256 };

static const char usage[] =
    "usage: darknet classifier quantize [DATA] CFG WEIGHTS [options]\n"
    "\n"
    "Looks at what the net's convolutions are given on images (DATA's training list, or -list; no\n"
    "label is looked at), and keeps in WEIGHTS.json the scale that writes it in 8 bits. With it\n"
    "predict, valid, ... take -precision int8, which is faster and, slightly, another net: valid\n"
    "-probs and compare say by how much. What `calibrate` chose for answers in fp32 is not used "
    "for\n"
    "those in int8: calibrate -precision int8 fits them. The scales hold for these weights alone.\n"
    "\n" TN_NOTICE "\n";

typedef struct quantize {
    tn_model_options options;
    const char *list_path, *clip_name;
    int images, exact, json;
    tn_clip clip;
    tn_model model;
    tn_list list; /* as read */
    tn_list some; /* of it, spread evenly; its arrays are ours, its texts the list's */
    tn_quantiser *quantiser;
    const char **op; /* [n] as in tn_sidecar_int8 */
    tn_quantisation *scale;
    int n, n_signed, convolutions;
    float *answer[2];                   /* (images, classes): in fp32, in 8 bits */
    double mean_change, largest_change; /* of a probability; NaN: 8 bits do not run here */
} quantize;

/* ---- images ---- */

static tn_status choose_images(quantize *z) {
    const tn_list *all = &z->list;
    const int n = all->n < z->images ? all->n : z->images;
    const size_t room = (size_t)n + 1;
    z->some = (tn_list){.path_of_list = all->path_of_list,
                        .n = n,
                        .path = calloc(room, sizeof *z->some.path),
                        .label = calloc(room, sizeof *z->some.label),
                        .line = calloc(room, sizeof *z->some.line)};
    if (!z->some.path || !z->some.label || !z->some.line) return tn_fail("out of memory");
    for (int i = 0; i < n; i++) {
        const int at = (int)((long)i * all->n / n);
        z->some.path[i] = all->path[at];
        z->some.label[i] = -1;
        z->some.line[i] = all->line[at];
    }
    return TN_OK;
}

/* One pass over the images: answers, in z->answer[pass]; the first one in fp32, with the quantiser
 * looking on, the second one in 8 bits. */
static tn_status run_batches(const quantize *z, int pass, tn_loader *loader, tn_run *run) {
    const size_t classes = (size_t)z->model.classes;
    const tn_batch *batch;
    for (;;) {
        TN_TRY(tn_loader_next(loader, &batch));
        if (!batch) return TN_OK;
        const int first = batch->index[0];
        tn_status status = tn_model_forward(&z->model, run, batch->x, batch->n_valid,
                                            z->answer[pass] + (size_t)first * classes);
        if (status == TN_OK && pass == 0)
            status = tn_quantiser_see(z->quantiser, run, batch->n_valid);
        if (status != TN_OK)
            return tn_fail_in("%s:%d: %s", z->some.path_of_list, z->some.line[first],
                              z->some.path[first]);
    }
}

/* In fp32, with what convolutions read kept. */
static tn_status create_observed(const quantize *z, int batch, tn_run **run) {
    const tn_model *m = &z->model;
    tn_run_options options = {.mode = TN_INFER,
                              .batch = batch,
                              .threads = m->threads,
                              .kernels = m->kernels,
                              .output = -1};
    options.keep = tn_quantiser_tensors(z->quantiser, &options.n_keep);
    return tn_run_create(&m->net->plan, m->net->param, &options, run);
}

static tn_status run_images(quantize *z, int pass) {
    const tn_model *m = &z->model;
    const int batch = z->some.n < BATCH ? z->some.n : BATCH;
    const tn_loader_config config = {.list = &z->some,
                                     .classes = m->classes,
                                     .format = m->format,
                                     .batch = batch,
                                     .fit = TN_FIT_CENTRE,
                                     .threads = m->threads < 8 ? m->threads : 8,
                                     .cache_bytes = 1};
    tn_loader *loader;
    tn_run *run = NULL;
    z->answer[pass] = calloc((size_t)z->some.n, (size_t)m->classes * sizeof *z->answer[pass]);
    if (!z->answer[pass]) return tn_fail("out of memory for %d answers", z->some.n);
    TN_TRY(tn_loader_open(&config, &loader));
    tn_status status =
        pass == 0 ? create_observed(z, batch, &run) : tn_model_run_create(m, batch, &run);
    if (status == TN_OK) status = run_batches(z, pass, loader, run);
    tn_run_free(run);
    tn_loader_close(loader);
    return status;
}

/* ---- scales ---- */

static tn_status choose_scales(quantize *z) {
    const tn_plan *plan = &z->model.net->plan;
    z->model.quantisation = calloc((size_t)plan->n_ops, sizeof *z->model.quantisation);
    z->op = calloc((size_t)plan->n_ops, sizeof *z->op);
    z->scale = calloc((size_t)plan->n_ops, sizeof *z->scale);
    if (!z->op || !z->scale || !z->model.quantisation) return tn_fail("out of memory");
    tn_quantiser_choose(z->quantiser, z->clip, z->exact, z->scale);
    for (int i = 0; i < plan->n_ops; i++) {
        z->convolutions += plan->op[i].kind == &tn_op_convolution;
        if (!(z->scale[i].step > 0)) continue;
        z->op[z->n] = plan->op[i].name;
        z->model.quantisation[i] = z->scale[i];
        z->scale[z->n] = z->scale[i];
        z->n_signed += z->scale[i].is_signed;
        z->n++;
    }
    if (z->n) return TN_OK;
    return tn_fail(
        "%s has no convolution that is worth computing in 8 bits behind the first %d layers "
        "that have some (-exact 0 tries them too)",
        z->model.args.cfg, z->exact);
}

/* What 8 bits do to the answers. */
static tn_status measure(quantize *z) {
    const size_t n = (size_t)z->some.n * (size_t)z->model.classes;
    double sum = 0, most = 0;
    z->mean_change = z->largest_change = NAN;
    if (!tn_int8_runs_here()) return TN_OK;
    TN_TRY(run_images(z, 1));
    for (size_t i = 0; i < n; i++) {
        const double change = fabs((double)z->answer[1][i] - (double)z->answer[0][i]);
        sum += change;
        most = fmax(most, change);
    }
    z->mean_change = sum / (double)n;
    z->largest_change = most;
    return TN_OK;
}

static tn_status keep(const quantize *z) {
    const tn_model *m = &z->model;
    tn_sidecar note = tn_model_note(m);
    if (note.int8.calibrated)
        fprintf(stderr, "what `calibrate -precision int8` chose is dropped, it was of other "
                        "scales\n");
    note.int8 = (tn_sidecar_int8){.n = z->n,
                                  .op = z->op,
                                  .scale = z->scale,
                                  .clip = tn_clip_name(z->clip),
                                  .list = z->list.path_of_list,
                                  .mean_change = z->mean_change,
                                  .largest_change = z->largest_change,
                                  .images = (double)z->some.n};
    TN_TRY(tn_file_digest(z->list.path_of_list, &note.int8.list_digest));
    TN_TRY(tn_file_digest(m->args.weights, &note.int8.weights_digest));
    return tn_sidecar_write(m->args.weights, &note);
}

static void say_json(const quantize *z) {
    printf("{\"images\":%d,\"int8\":%d,\"signed\":%d,\"fp32\":%d,\"clip\":\"%s\"", z->some.n, z->n,
           z->n_signed, z->convolutions - z->n, tn_clip_name(z->clip));
    if (!isnan(z->mean_change))
        printf(",\"mean_change\":%.9g,\"largest_change\":%.9g", z->mean_change, z->largest_change);
    printf(",\"notice\":\"%s\"}\n", TN_NOTICE);
}

static void say(const quantize *z) {
    printf("%d images of %s\n"
           "%d convolutions in 8 bits (%d of them of values below zero too), %d stay in fp32; "
           "scales end by %s\n",
           z->some.n, z->list.path_of_list, z->n, z->n_signed, z->convolutions - z->n,
           tn_clip_name(z->clip));
    if (isnan(z->mean_change))
        printf("what that does to answers is not known: this processor cannot compute so\n");
    else
        printf("on these images it changes a probability by %.4f on average and by %.4f at most "
               "(more layers left in fp32, -exact N, change less)\n",
               z->mean_change, z->largest_change);
    printf("kept in %s.json\n%s\n", z->model.args.weights, TN_NOTICE);
}

/* ---- the command ---- */

static tn_status find_clip(quantize *z) {
    if (!z->clip_name) return TN_OK;
    for (z->clip = 0; z->clip < TN_CLIPS; z->clip++)
        if (strcmp(z->clip_name, tn_clip_name(z->clip)) == 0) return TN_OK;
    return tn_fail("-clip: expected least-squares, max or percentile, found \"%s\"", z->clip_name);
}

static tn_status run_all(quantize *z) {
    tn_model *m = &z->model;
    const tn_texts *words = &z->options.arguments.positionals;
    TN_TRY(find_clip(z));
    TN_TRY(tn_model_open(m, &z->options, z->list_path ? TN_MODEL_PREDICTS : TN_MODEL_NEEDS_DATA));
    if (m->args.used < words->count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG WEIGHTS",
                       words->items[m->args.used]);
    const char *path = z->list_path ? z->list_path : m->data.train;
    if (!path) return tn_fail("%s: names no train= list (-list FILE names another)", m->data_path);
    TN_TRY(tn_list_load(path, NULL, &z->list));
    TN_TRY(choose_images(z));
    TN_TRY(tn_quantiser_create(&m->net->plan, &z->quantiser));
    m->temperature = 1;
    TN_TRY(run_images(z, 0));
    TN_TRY(choose_scales(z));
    TN_TRY(measure(z));
    TN_TRY(keep(z));
    (z->json ? say_json : say)(z);
    return fflush(stdout) || ferror(stdout) ? tn_fail("stdout cannot be written") : TN_OK;
}

static void close_all(quantize *z) {
    tn_quantiser_free(z->quantiser);
    free(z->op);
    free(z->answer[0]);
    free(z->answer[1]);
    free(z->scale);
    free(z->some.path);
    free(z->some.label);
    free(z->some.line);
    tn_list_free(&z->list);
    tn_model_close(&z->model);
    tn_model_options_free(&z->options);
}

int tn_cmd_quantize(int argc, char **argv) {
    quantize z = {.images = USUAL_IMAGES, .exact = TN_QUANTISER_EXACT};
    const tn_option_spec specs[] = {
        {"list", TN_OPTION_TEXT, &z.list_path, "FILE", "another list than DATA's train="},
        {"images", TN_OPTION_INT, &z.images, "N",
         "looks at N of its images, spread evenly (default: 256)", 1, 1 << 30},
        {"clip", TN_OPTION_TEXT, &z.clip_name, "HOW",
         "where scales end: least-squares (default), max, percentile"},
        {"exact", TN_OPTION_INT, &z.exact, "N",
         "the first N layers with convolutions stay in fp32: slower, nearer (default: 2)", 0,
         1 << 20},
        {"json", TN_OPTION_SWITCH, &z.json, NULL, "one JSON object"},
        TN_MODEL_OPTION_ROWS(z.options),
        {NULL},
    };
    tn_status status = tn_options_parse(argc, argv, specs, &z.options.arguments);
    if (status == TN_OK && z.options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (status == TN_OK)
        status = run_all(&z);
    if (status != TN_OK) fprintf(stderr, "darknet classifier quantize: %s\n", tn_error());
    close_all(&z);
    return status == TN_OK ? 0 : 1;
}
