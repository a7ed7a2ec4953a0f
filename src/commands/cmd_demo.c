/* darknet classifier demo: scores drawn into the frames of a video or a camera. */
#include "src/commands/clock.h"
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/picture.h"
#include "src/data/canvas.h"
#include "src/data/files.h"
#include "src/data/video.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>

static const char usage[] =
    "usage: darknet classifier demo [DATA] CFG WEIGHTS VIDEO -out DIR [options]\n"
    "       darknet classifier demo [DATA] CFG WEIGHTS -c CAMERA -out DIR [options]\n"
    "\n"
    "Classifies every frame and writes it to DIR/frame_NNNNNN.jpg with its scores drawn in; "
    "Ctrl-C\n"
    "ends it. Every frame is taken as it is: give -roi where the net was trained on nodule crops.\n"
    "\n" TN_NOTICE "\n";

static const char name[] = "darknet classifier demo";

typedef struct demo {
    tn_model_options options;
    tn_picture_options picture_options;
    int camera, camera_given, frames, every;
    const char *out;
    tn_model model;
    tn_picture_plan plan;
    tn_video *video;
    tn_run *run;
    float *x, *probability;
    int *order;
} demo;

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    interrupted = number;
}

static int failed(void) {
    fprintf(stderr, "%s: %s\n", name, tn_error());
    return 1;
}

static tn_status open_video(demo *d) {
    const tn_texts *words = &d->options.arguments.positionals;
    const int first = d->model.args.used, left = words->count - first;
    if (!d->out) return tn_fail("say where the frames go: -out DIR");
    if (left + d->camera_given != 1)
        return tn_fail("name one video file after the weights, or a camera with -c N");
    TN_TRY(d->camera_given ? tn_video_open_camera(d->camera, &d->video)
                           : tn_video_open_file(words->items[first], &d->video));
    return tn_make_folders(d->out);
}

static tn_status make_room(demo *d) {
    const tn_input_format *f = &d->model.format;
    d->x = calloc((size_t)f->h * (size_t)f->w * (size_t)f->c, sizeof *d->x);
    d->probability = calloc((size_t)d->model.classes, sizeof *d->probability);
    d->order = calloc((size_t)d->model.classes, sizeof *d->order);
    if (!d->x || !d->probability || !d->order) return tn_fail("out of memory");
    return tn_model_run_create(&d->model, 1, &d->run);
}

static tn_status classify(demo *d, const tn_image *frame) {
    tn_image image;
    TN_TRY(tn_image_copy(frame, &image));
    TN_TRY(tn_picture_prepare(&d->plan, &image, name));
    tn_status status = tn_image_fit_to_input(&image, d->plan.fit, &d->model.format, d->x);
    tn_image_free(&image);
    TN_TRY(status);
    TN_TRY(tn_model_forward(&d->model, d->run, d->x, 1, d->probability));
    tn_model_rank(d->probability, d->model.classes, d->order);
    return TN_OK;
}

/* A dark box with a line a class: readable on any picture. */
static void draw(const demo *d, tn_image *frame) {
    enum { PAD = 4, ROOM = 128 };
    static const tn_colour dark = {16, 16, 16}, light = {255, 255, 255}, mark = {255, 200, 0};
    const int scale = frame->w >= 480 ? 2 : 1, line = (TN_FONT_HEIGHT + 2) * scale;
    const int lines = tn_model_top(&d->model, 0) + 1;
    char text[ROOM];
    tn_draw_box(frame, 0, 0, frame->w, lines * line + 2 * PAD, dark);
    for (int i = 0; i + 1 < lines; i++) {
        const int c = d->order[i];
        snprintf(text, sizeof text, "%s: %.1f%%", d->model.names[c],
                 100 * (double)d->probability[c]);
        tn_draw_text(frame, PAD, PAD + i * line, scale, light, text);
    }
    snprintf(text, sizeof text, "%s; not for diagnosis", tn_picture_kind_name(d->plan.kind));
    tn_draw_text(frame, PAD, PAD + (lines - 1) * line, scale, mark, text);
    if (d->plan.kind != TN_PICTURE_ROI) return;
    const double *r = d->plan.roi;
    tn_draw_frame(frame, (int)r[0], (int)r[1], (int)r[2], (int)r[3], scale, mark);
}

static tn_status save(const demo *d, const tn_image *frame, int number) {
    char *path = tn_text("%s/frame_%06d.jpg", d->out, number);
    if (!path) return tn_fail("out of memory");
    const tn_status status = tn_image_save(frame, path);
    free(path);
    return status;
}

static tn_status show(demo *d, tn_image *frame, int number) {
    const double start = tn_clock();
    TN_TRY(classify(d, frame));
    printf("frame %d (%.1f ms):", number, (tn_clock() - start) * 1e3);
    for (int i = 0; i < tn_model_top(&d->model, 0); i++)
        printf(" %s: %.1f%%", d->model.names[d->order[i]],
               100 * (double)d->probability[d->order[i]]);
    printf("\n");
    draw(d, frame);
    return save(d, frame, number);
}

static tn_status play(demo *d, int *written) {
    for (int number = 0; !interrupted && (!d->frames || *written < d->frames); number++) {
        tn_image frame;
        bool end;
        TN_TRY(tn_video_read(d->video, &frame, &end));
        if (end) return number ? TN_OK : tn_fail("the video has no frame that can be read");
        const bool wanted = number % d->every == 0;
        const tn_status status = wanted ? show(d, &frame, number) : TN_OK;
        tn_image_free(&frame);
        TN_TRY(status);
        *written += wanted;
    }
    return TN_OK;
}

static tn_status run_all(demo *d) {
    int written = 0;
    TN_TRY(tn_model_open(&d->model, &d->options, TN_MODEL_PREDICTS));
    TN_TRY(tn_picture_plan_open(&d->plan, &d->model, &d->picture_options));
    TN_TRY(open_video(d));
    TN_TRY(make_room(d));
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    TN_TRY(play(d, &written));
    printf("%d frames in %s\n%s\n", written, d->out, TN_NOTICE);
    return TN_OK;
}

int tn_cmd_demo(int argc, char **argv) {
    demo d = {.every = 1};
    const tn_option_spec specs[] = {
        {"out", TN_OPTION_TEXT, &d.out, "DIR", "where the frames go"},
        {"c", TN_OPTION_INT, &d.camera, "N", "reads camera N", 0, 1023, &d.camera_given},
        {"frames", TN_OPTION_INT, &d.frames, "N", "stops after N frames", 1, INT_MAX},
        {"every", TN_OPTION_INT, &d.every, "N", "takes every Nth frame (default 1)", 1, INT_MAX},
        {"roi", TN_OPTION_TEXT, &d.picture_options.roi, "X,Y,W,H",
         "the nodule's box in every frame, in pixels"},
        {"cropped", TN_OPTION_SWITCH, &d.picture_options.cropped, NULL,
         "frames are cut and denoised already"},
        {"letterbox", TN_OPTION_SWITCH, &d.picture_options.letterbox, NULL,
         "fits the whole frame with grey bars"},
        TN_MODEL_OPTION_ROWS(d.options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &d.options.arguments) != TN_OK) return failed();
    int status = 0;
    if (d.options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (run_all(&d) != TN_OK)
        status = failed();
    if (d.video) tn_video_close(d.video);
    free(d.x);
    free(d.probability);
    free(d.order);
    tn_run_free(d.run);
    tn_picture_plan_close(&d.plan);
    tn_model_close(&d.model);
    tn_model_options_free(&d.options);
    return status;
}
