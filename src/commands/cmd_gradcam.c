/* darknet classifier gradcam: where a net looks. */
#include "src/commands/commands.h"
#include "src/commands/gradcam_print.h"
#include "src/commands/image_paths.h"
#include "src/commands/notice.h"
#include "src/data/files.h"
#include "src/data/png16.h"
#include "src/eval/heat_net.h"
#include "src/eval/heat_picture.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: darknet classifier gradcam [DATA] CFG WEIGHTS IMAGE... -out DIR [options]\n"
    "\n"
    "Shows which places of an image speak for a class: for each IMAGE (a file, a folder, a list)\n"
    "DIR/NAME.png holds what the net was shown, beside it the same under its heat, and a scale.\n"
    "-layer counts as summary does: 16, or 16.conv2 inside a block; by default the last\n"
    "convolution with a map of more than one pixel, and the block that it ends.\n"
    "With DDTI's outlines (-xml CASE.xml, -xml FOLDER, or the manifest.csv beside DATA) it says "
    "how\n"
    "much of the heat lies in the nodule, and shows a net of nodule crops the whole frame too, "
    "with\n"
    "and without what lies outside the ultrasound picture: a net that reads text is caught.\n"
    "\n" TN_NOTICE "\n";

typedef struct gradcam {
    tn_model_options model_options;
    tn_heat_view_options view_options;
    tn_heat_options heat_options;
    const char *out, *class_name;
    int method, raw, json, sanity;
    unsigned long long seed;
    tn_model model;
    tn_heat_viewer viewer;
    tn_net *random; /* the same net with fresh weights, for -sanity */
    tn_heat_net *heat_net, *random_heat;
    tn_run *run; /* one image, for probabilities */
    int wanted;  /* class; -1: the predicted one */
    float *x, *probability;
    tn_gradcam_summary summary;
    char **written; /* names taken in DIR */
    int n_written;
    bool any_failed;
} gradcam;

static const char name[] = "darknet classifier gradcam";

static int failed(void) {
    fprintf(stderr, "%s: %s\n", name, tn_error());
    return 1;
}

/* ---- one view through the net ---- */

static tn_status read_view(gradcam *g, const tn_image *image, tn_fit fit, float *probability) {
    TN_TRY(tn_image_fit_to_input(image, fit, &g->model.format, g->x));
    return tn_model_forward(&g->model, g->run, g->x, 1, probability);
}

/* Grey bars that -letterbox adds are no part of the image: their heat does not count. */
static tn_status measure(const gradcam *g, const tn_heat *heat, const tn_image *regions, tn_fit fit,
                         tn_pointing *out) {
    const int h = g->model.format.h, w = g->model.format.w;
    tn_image fitted;
    tn_heat whole = {0}, part = {0};
    if (!regions->data) return TN_OK;
    TN_TRY(tn_image_fit(regions, fit, h, w, &fitted));
    tn_status status = tn_heat_resize(heat, h, w, &whole);
    if (status == TN_OK)
        status =
            tn_heat_crop(&whole, (w - fitted.w) / 2, (h - fitted.h) / 2, fitted.h, fitted.w, &part);
    if (status == TN_OK) status = tn_pointing_measure(&part, &fitted, out);
    tn_heat_free(&whole);
    tn_heat_free(&part);
    tn_image_free(&fitted);
    return status;
}

/* The map of a view for a class, and where it lies. */
static tn_status look(gradcam *g, const tn_image *image, const tn_image *regions, tn_fit fit,
                      tn_gradcam_view *out) {
    const tn_model *m = &g->model;
    TN_TRY(read_view(g, image, fit, g->probability));
    int *order = calloc((size_t)m->classes, sizeof *order);
    if (!order) return tn_fail("out of memory");
    tn_model_rank(g->probability, m->classes, order);
    out->predicted = order[0];
    free(order);
    out->class_index = g->wanted >= 0 ? g->wanted : out->predicted;
    out->probability = (double)g->probability[out->class_index];
    TN_TRY(tn_heat_net_map(g->heat_net, g->x, out->class_index, &out->heat));
    out->has_regions = regions->data != NULL;
    return measure(g, &out->heat, regions, fit, &out->pointing);
}

/* The whole frame, and the same with nothing but the ultrasound picture. */
static tn_status look_at_frame(gradcam *g, const tn_heat_view *view, int class_index,
                               tn_gradcam_view *out) {
    tn_image picture = {0};
    const int wanted = g->wanted;
    g->wanted = class_index; /* the class that the first view is about */
    tn_status status = look(g, &view->frame, &view->frame_regions, TN_FIT_LETTERBOX, out);
    g->wanted = wanted;
    if (status == TN_OK) status = tn_image_copy(&view->frame, &picture);
    if (status == TN_OK) {
        tn_pointing_keep_picture(&picture, &view->frame_regions);
        status = read_view(g, &picture, TN_FIT_LETTERBOX, g->probability);
    }
    if (status == TN_OK) out->picture_only = (double)g->probability[class_index];
    tn_image_free(&picture);
    return status;
}

/* What the prediction becomes when all around the ultrasound picture is black. */
static tn_status hide_surroundings(gradcam *g, const tn_heat_view *view, tn_gradcam_view *out) {
    tn_image picture;
    TN_TRY(tn_image_copy(&view->image, &picture));
    tn_pointing_keep_picture(&picture, &view->regions);
    const tn_status status = read_view(g, &picture, view->fit, g->probability);
    if (status == TN_OK) out->picture_only = (double)g->probability[out->class_index];
    tn_image_free(&picture);
    return status;
}

static tn_status check_sanity(gradcam *g, const tn_heat_view *view, tn_gradcam_answer *a) {
    tn_heat random;
    TN_TRY(tn_image_fit_to_input(&view->image, view->fit, &g->model.format, g->x));
    TN_TRY(tn_heat_net_map(g->random_heat, g->x, a->shown.class_index, &random));
    const tn_status status = tn_heat_correlation(&a->shown.heat, &random, &a->correlation);
    tn_heat_free(&random);
    return status;
}

static tn_status answer_view(gradcam *g, const tn_heat_view *view, tn_gradcam_answer *a) {
    TN_TRY(look(g, &view->image, &view->regions, view->fit, &a->shown));
    if (view->regions.data && a->input == TN_PICTURE_FRAME)
        TN_TRY(hide_surroundings(g, view, &a->shown));
    a->has_frame = view->frame.data != NULL;
    if (a->has_frame) TN_TRY(look_at_frame(g, view, a->shown.class_index, &a->frame));
    return g->random_heat ? check_sanity(g, view, a) : TN_OK;
}

/* ---- files ---- */

static tn_status draw(const gradcam *g, const tn_heat_view *view, const tn_gradcam_answer *a) {
    char title[2][TN_GRADCAM_TITLE];
    const tn_input_format *f = &g->model.format;
    tn_gradcam_title(&g->model, a, title[0]);
    tn_heat_row rows[2] = {{&view->image, view->regions.data ? &view->regions : NULL, view->fit,
                            f->h, f->w, &a->shown.heat, title[0]}};
    if (a->has_frame) {
        tn_gradcam_frame_title(&g->model, a, title[1]);
        rows[1] = (tn_heat_row){&view->frame, &view->frame_regions, TN_FIT_LETTERBOX, f->h,
                                f->w,         &a->frame.heat,       title[1]};
    }
    tn_image picture;
    TN_TRY(tn_heat_draw(rows, 1 + a->has_frame, TN_NOTICE, &picture));
    const tn_status status = tn_image_save(&picture, a->png);
    tn_image_free(&picture);
    return status;
}

/* The map over the net's input, 65535 where it is hottest. */
static tn_status write_raw(const gradcam *g, const tn_gradcam_answer *a) {
    const int h = g->model.format.h, w = g->model.format.w;
    const size_t n = (size_t)h * (size_t)w;
    tn_heat large;
    TN_TRY(tn_heat_resize(&a->shown.heat, h, w, &large));
    tn_heat_normalise(&large);
    uint16_t *sample = calloc(n, sizeof *sample);
    tn_status status = sample ? TN_OK : tn_fail("out of memory");
    for (size_t i = 0; i < n && sample; i++)
        sample[i] = (uint16_t)lroundf(fminf(large.value[i], 1) * 65535);
    if (status == TN_OK) status = tn_png16_write(a->raw, sample, h, w);
    free(sample);
    tn_heat_free(&large);
    return status;
}

static bool is_taken(const gradcam *g, const char *base) {
    for (int i = 0; i < g->n_written; i++)
        if (strcmp(g->written[i], base) == 0) return true;
    return false;
}

/* DIR/NAME.png; images of one name in several folders get _2, _3, ... */
static tn_status choose_names(gradcam *g, const char *image, tn_gradcam_answer *a) {
    const char *slash = strrchr(image, '/'), *file = slash ? slash + 1 : image;
    const char *dot = strrchr(file, '.');
    const int length = (int)(dot && dot > file ? dot - file : (long)strlen(file));
    char *base = tn_text("%.*s", length, file);
    for (int i = 2; base && is_taken(g, base); i++) {
        free(base);
        base = tn_text("%.*s_%d", length, file, i);
    }
    if (!base) return tn_fail("out of memory");
    g->written[g->n_written++] = base;
    a->png = tn_text("%s/%s.png", g->out, base);
    a->raw = g->raw ? tn_text("%s/%s_heat.png", g->out, base) : NULL;
    return a->png && (a->raw || !g->raw) ? TN_OK : tn_fail("out of memory");
}

static tn_status answer_image(gradcam *g, const char *path) {
    tn_heat_view view;
    TN_TRY(tn_heat_view_load(&g->viewer, path, &view));
    tn_gradcam_answer a = {.image = path,
                           .input = view.kind,
                           .nodule = view.nodule,
                           .method = tn_heat_method_name(g->heat_options.method),
                           .layer = tn_heat_net_layer(g->heat_net),
                           .correlation = NAN};
    a.shown.picture_only = a.frame.picture_only = NAN;
    tn_status status = choose_names(g, path, &a);
    if (status == TN_OK) status = answer_view(g, &view, &a);
    if (status == TN_OK) status = draw(g, &view, &a);
    if (status == TN_OK && g->raw) status = write_raw(g, &a);
    if (status == TN_OK) status = tn_gradcam_print(&g->model, &a, g->json);
    if (status == TN_OK) tn_gradcam_count(&g->summary, &a);
    tn_heat_free(&a.shown.heat);
    tn_heat_free(&a.frame.heat);
    free(a.png);
    free(a.raw);
    tn_heat_view_free(&view);
    if (status == TN_OK || strstr(tn_error(), path)) return status;
    return tn_fail_in("%s", path);
}

/* ---- the command ---- */

static tn_status find_class(gradcam *g) {
    const tn_model *m = &g->model;
    g->wanted = -1;
    if (!g->class_name) return TN_OK;
    for (int c = 0; c < m->classes; c++)
        if (strcmp(m->names[c], g->class_name) == 0) g->wanted = c;
    if (g->wanted >= 0) return TN_OK;
    if (tn_option_int("-class", g->class_name, 0, m->classes - 1, &g->wanted) == TN_OK)
        return TN_OK;
    return tn_fail("-class %s: no class of that name, and no number from 0 to %d (\"%s\")",
                   g->class_name, m->classes - 1, m->names[m->classes - 1]);
}

static tn_status randomise(gradcam *g) {
    TN_TRY(tn_net_load(g->model.args.cfg, g->model_options.net.items, g->model_options.net.count,
                       NULL, &g->random));
    tn_net_init(g->random, g->seed);
    return tn_heat_net_open(g->random, &g->heat_options, &g->random_heat);
}

static tn_status open_all(gradcam *g) {
    const tn_model *m = &g->model;
    if (!g->out) return tn_fail("-out DIR says where the pictures go");
    TN_TRY(tn_model_open(&g->model, &g->model_options, TN_MODEL_PREDICTS));
    TN_TRY(find_class(g));
    TN_TRY(tn_heat_viewer_open(&g->viewer, m, &g->view_options));
    g->heat_options.method = (tn_heat_method)g->method;
    g->heat_options.threads = m->threads;
    g->heat_options.kernels = m->kernels;
    TN_TRY(tn_heat_net_open(m->net, &g->heat_options, &g->heat_net));
    if (g->sanity) TN_TRY(randomise(g));
    g->x = calloc((size_t)m->format.h * (size_t)m->format.w * (size_t)m->format.c, sizeof *g->x);
    g->probability = calloc((size_t)m->classes, sizeof *g->probability);
    if (!g->x || !g->probability) return tn_fail("out of memory");
    TN_TRY(tn_model_run_create(m, 1, &g->run));
    return tn_make_folders(g->out);
}

static tn_status answer_paths(gradcam *g, const tn_image_paths *paths) {
    g->written = calloc((size_t)paths->n, sizeof *g->written);
    if (!g->written) return tn_fail("out of memory");
    for (int i = 0; i < paths->n; i++) {
        if (answer_image(g, paths->path[i]) == TN_OK) continue;
        failed();
        g->any_failed = true;
    }
    if (!g->json) tn_gradcam_print_summary(&g->summary);
    return TN_OK;
}

static tn_status run_all(gradcam *g) {
    const tn_texts *words = &g->model_options.arguments.positionals;
    tn_image_paths paths = {0};
    bool many;
    TN_TRY(open_all(g));
    if (g->model.args.used >= words->count)
        return tn_fail("name an image: [DATA] CFG WEIGHTS IMAGE... -out DIR");
    tn_status status = TN_OK;
    for (int i = g->model.args.used; i < words->count && status == TN_OK; i++)
        status = tn_image_paths_add(&paths, words->items[i], &many);
    if (status == TN_OK) status = answer_paths(g, &paths);
    tn_image_paths_free(&paths);
    return status;
}

static void close_all(gradcam *g) {
    for (int i = 0; i < g->n_written; i++) free(g->written[i]);
    free(g->written);
    free(g->x);
    free(g->probability);
    tn_run_free(g->run);
    tn_heat_net_close(g->heat_net);
    tn_heat_net_close(g->random_heat);
    tn_net_free(g->random);
    tn_heat_viewer_close(&g->viewer);
    tn_model_close(&g->model);
    tn_model_options_free(&g->model_options);
}

int tn_cmd_gradcam(int argc, char **argv) {
    gradcam g = {.seed = 1};
    tn_heat_view_options *view = &g.view_options;
    const tn_option_spec specs[] = {
        {"out", TN_OPTION_TEXT, &g.out, "DIR", "folder to write, made when missing"},
        {"method", TN_OPTION_CHOICE, &g.method, "gradcam|gradcam++|layercam|occlusion",
         "how places are weighed (default gradcam)"},
        {"layer", TN_OPTION_TEXT, &g.heat_options.layer, "N",
         "the layer looked at, or a part of it: 16, 16.conv2"},
        {"class", TN_OPTION_TEXT, &g.class_name, "NAME",
         "the class asked about, by name or number (default: the predicted one)"},
        {"window", TN_OPTION_INT, &g.heat_options.window, "N",
         "occlusion: side of the patch in pixels (default: a seventh of the input)", 2, INT_MAX},
        {"raw", TN_OPTION_SWITCH, &g.raw, NULL,
         "writes DIR/NAME_heat.png too: 16-bit grey, the net's input size, 65535 hottest"},
        {"json", TN_OPTION_SWITCH, &g.json, NULL, "one JSON object a line and image"},
        {"sanity", TN_OPTION_SWITCH, &g.sanity, NULL,
         "compares with fresh weights: a map that stays shows the image, not the net"},
        {"seed", TN_OPTION_SEED, &g.seed, "N", "of -sanity's weights (default 1)"},
        {"roi", TN_OPTION_TEXT, &view->roi, "X,Y,W,H",
         "the nodule's box in a whole frame, in pixels"},
        {"xml", TN_OPTION_TEXT, &view->xml, "FILE|DIR",
         "DDTI's case file, or the folder with those of all images (and their frames)"},
        {"outline", TN_OPTION_INT, &view->outline, "N",
         "another of -xml's outlines: 1 is the second largest", 0, 255},
        {"manifest", TN_OPTION_TEXT, &view->manifest, "FILE",
         "what ddti convert wrote of the images (default: manifest.csv beside DATA)"},
        {"cropped", TN_OPTION_SWITCH, &view->cropped, NULL,
         "images are cut and denoised already, as in DATA's lists"},
        {"letterbox", TN_OPTION_SWITCH, &view->letterbox, NULL,
         "fits the whole image with grey bars"},
        TN_MODEL_OPTION_ROWS(g.model_options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &g.model_options.arguments) != TN_OK) return failed();
    int status = 0;
    if (g.model_options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else
        status = run_all(&g) == TN_OK ? g.any_failed : failed();
    close_all(&g);
    return status;
}
