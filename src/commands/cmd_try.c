/* darknet classifier try: what the layers make of one image. */
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/picture.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

static const char usage[] =
    "usage: darknet classifier try [DATA] CFG WEIGHTS IMAGE [LAYER] [options]\n"
    "\n"
    "Runs one image through the net and prints, for every layer or each channel of LAYER (counted\n"
    "from 0, the first section after [net]), what its outputs look like; then the prediction.\n"
    "\n" TN_NOTICE "\n";

typedef struct try_command {
    tn_model_options options;
    tn_picture_options picture_options;
    int values;
    tn_model model;
    tn_picture_plan plan;
    tn_run *run;
    int layer; /* -1: all */
    int *keep, n_keep;
    float *x, *probability;
} try_command;

static const char name[] = "darknet classifier try";

static int failed(void) {
    fprintf(stderr, "%s: %s\n", name, tn_error());
    return 1;
}

/* ---- statistics ---- */

typedef struct summary {
    double mean, deviation, min, max, zeros; /* zeros: their share */
} summary;

/* Of channels [first, first + count) of a single sample. */
static summary summarise(const tn_tensor *t, int first, int count) {
    const size_t pixels = tn_pixels(t);
    summary s = {.min = INFINITY, .max = -INFINITY};
    double squares = 0;
    const double n = (double)pixels * count;
    for (size_t p = 0; p < pixels; p++)
        for (int c = first; c < first + count; c++) {
            const double v = (double)tn_data(t)[p * (size_t)t->pitch + (size_t)c];
            s.mean += v / n;
            s.min = fmin(s.min, v);
            s.max = fmax(s.max, v);
            s.zeros += (v == 0) / n;
        }
    for (size_t p = 0; p < pixels; p++)
        for (int c = first; c < first + count; c++) {
            const double d = (double)tn_data(t)[p * (size_t)t->pitch + (size_t)c] - s.mean;
            squares += d * d;
        }
    s.deviation = sqrt(squares / n);
    return s;
}

static void print_summary(const summary *s) {
    printf(" %11.5g %11.5g %11.5g %11.5g %6.1f%%", s->mean, s->deviation, s->min, s->max,
           100 * s->zeros);
}

static void print_layers(const try_command *t) {
    const tn_plan *plan = &t->model.net->plan;
    printf("%5s %-24s %-16s %11s %11s %11s %11s %7s\n", "layer", "type", "output", "mean",
           "deviation", "min", "max", "zeros");
    for (int i = 0; i < plan->n_layers; i++) {
        const tn_plan_layer *layer = &plan->layer[i];
        const tn_tensor v = tn_run_value(t->run, layer->out);
        char shape[48];
        if (!v.data) continue; /* heads that only train */
        snprintf(shape, sizeof shape, "%d x %d x %d", v.w, v.h, v.c);
        const summary s = summarise(&v, 0, v.c);
        printf("%5d %-24s %-16s", i, layer->type->name, shape);
        print_summary(&s);
        printf("\n");
    }
}

/* The layer's last running mean and variance over so many channels: those of what it puts out. */
static const tn_param *statistic(const try_command *t, tn_param_kind kind, int channels) {
    const tn_plan_layer *layer = &t->model.net->plan.layer[t->layer];
    const tn_param *found = NULL;
    for (int i = 0; i < layer->n_params; i++) {
        const tn_param *p = &t->model.net->param[layer->first_param + i];
        if (p->spec->kind == kind && p->spec->count == (size_t)channels) found = p;
    }
    return found;
}

static void print_values(const tn_tensor *v, int c) {
    for (int y = 0; y < v->h; y++)
        for (int x = 0; x < v->w; x++)
            printf("%s%g", x ? "\t" : "\n",
                   (double)tn_data(
                       v)[((size_t)y * (size_t)v->w + (size_t)x) * (size_t)v->pitch + (size_t)c]);
    printf("\n");
}

static tn_status print_channels(const try_command *t) {
    const tn_plan_layer *layer = &t->model.net->plan.layer[t->layer];
    const tn_tensor v = tn_run_value(t->run, layer->out);
    if (!v.data)
        return tn_fail("layer %d [%s] only trains: it is no part of a prediction", t->layer,
                       layer->type->name);
    const tn_param *mean = statistic(t, TN_PARAM_MEAN, v.c);
    const tn_param *variance = statistic(t, TN_PARAM_VARIANCE, v.c);
    printf("layer %d [%s], output %d x %d x %d\n", t->layer, layer->type->name, v.w, v.h, v.c);
    printf("%7s %11s %11s %11s %11s %7s", "channel", "mean", "deviation", "min", "max", "zeros");
    if (mean && variance) printf(" %13s %13s", "running mean", "variance");
    printf("\n");
    for (int c = 0; c < v.c; c++) {
        const summary s = summarise(&v, c, 1);
        printf("%7d", c);
        print_summary(&s);
        if (mean && variance)
            printf(" %13.5g %13.5g", (double)mean->value[c], (double)variance->value[c]);
        if (t->values)
            print_values(&v, c);
        else
            printf("\n");
    }
    return TN_OK;
}

/* ---- running ---- */

static tn_status choose_layers(try_command *t, const tn_texts *words) {
    const tn_plan *plan = &t->model.net->plan;
    const int first = t->model.args.used;
    if (words->count <= first) return tn_fail("name an image: [DATA] CFG WEIGHTS IMAGE [LAYER]");
    if (words->count > first + 2)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG WEIGHTS IMAGE [LAYER]",
                       words->items[first + 2]);
    t->layer = -1;
    if (words->count == first + 2)
        TN_TRY(tn_option_int("LAYER", words->items[first + 1], 0, plan->n_layers - 1, &t->layer));
    t->keep = calloc((size_t)plan->n_layers, sizeof *t->keep);
    if (!t->keep) return tn_fail("out of memory");
    for (int i = 0; i < plan->n_layers; i++)
        if (t->layer < 0 || t->layer == i) t->keep[t->n_keep++] = plan->layer[i].out;
    return TN_OK;
}

static tn_status run_image(try_command *t, const char *image) {
    const tn_model *m = &t->model;
    const tn_run_options options = {.mode = TN_INFER,
                                    .batch = 1,
                                    .threads = m->threads,
                                    .kernels = m->kernels,
                                    .keep = t->keep,
                                    .n_keep = t->n_keep,
                                    .output = -1};
    t->x = calloc((size_t)m->format.h * (size_t)m->format.w * (size_t)m->format.c, sizeof *t->x);
    t->probability = calloc((size_t)m->classes, sizeof *t->probability);
    if (!t->x || !t->probability) return tn_fail("out of memory");
    TN_TRY(tn_picture_read(&t->plan, image, t->x));
    TN_TRY(tn_run_create(&m->net->plan, m->net->param, &options, &t->run));
    return tn_model_forward(m, t->run, t->x, 1, t->probability);
}

static tn_status print_prediction(const try_command *t) {
    const tn_model *m = &t->model;
    int *order = calloc((size_t)m->classes, sizeof *order);
    if (!order) return tn_fail("out of memory");
    tn_model_rank(t->probability, m->classes, order);
    for (int i = 0; i < tn_model_top(m, 0); i++)
        printf("%s: %f\n", m->names[order[i]], (double)t->probability[order[i]]);
    free(order);
    printf("input: %s\n%s\n", tn_picture_kind_name(t->plan.kind), TN_NOTICE);
    return TN_OK;
}

static tn_status run_all(try_command *t) {
    const tn_texts *words = &t->options.arguments.positionals;
    TN_TRY(tn_model_open(&t->model, &t->options, TN_MODEL_PREDICTS));
    TN_TRY(choose_layers(t, words));
    TN_TRY(tn_picture_plan_open(&t->plan, &t->model, &t->picture_options));
    TN_TRY(run_image(t, words->items[t->model.args.used]));
    if (t->layer < 0)
        print_layers(t);
    else
        TN_TRY(print_channels(t));
    return print_prediction(t);
}

int tn_cmd_try(int argc, char **argv) {
    try_command t = {.layer = -1};
    const tn_option_spec specs[] = {
        {"values", TN_OPTION_SWITCH, &t.values, NULL, "prints every output of LAYER"},
        {"cropped", TN_OPTION_SWITCH, &t.picture_options.cropped, NULL,
         "IMAGE is cut and denoised already, as in DATA's lists"},
        {"roi", TN_OPTION_TEXT, &t.picture_options.roi, "X,Y,W,H",
         "the nodule's box in a whole frame, in pixels"},
        {"xml", TN_OPTION_TEXT, &t.picture_options.xml, "FILE", "a DDTI case that outlines it"},
        TN_MODEL_OPTION_ROWS(t.options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &t.options.arguments) != TN_OK) return failed();
    int status = 0;
    if (t.options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (run_all(&t) != TN_OK)
        status = failed();
    free(t.keep);
    free(t.x);
    free(t.probability);
    tn_run_free(t.run);
    tn_picture_plan_close(&t.plan);
    tn_model_close(&t.model);
    tn_model_options_free(&t.options);
    return status;
}
