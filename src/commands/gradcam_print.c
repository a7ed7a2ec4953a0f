#include "src/commands/gradcam_print.h"

#include "src/commands/notice.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A probability that moves by this much when text and scales are covered is called out. */
static const double much_moved = 0.2;
/* So is a share of the heat outside the picture from here on, and half more than a blind map's. It
 * proves less: a coarse map spreads over what lies beside the place that it means. */
static const double much_outside = 0.25, more_than_blind = 1.5;

/* ---- text ---- */

static bool answer_moves(const tn_gradcam_view *v) {
    return isfinite(v->picture_only) && fabs(v->picture_only - v->probability) >= much_moved;
}

static bool heat_outside(const tn_gradcam_view *v) {
    const tn_pointing *p = &v->pointing;
    return v->has_regions && p->has_heat && p->outside >= much_outside &&
           p->outside >= more_than_blind * p->outside_area;
}

/* "heat in the nodule 45.0 % (of the view it covers 30.1 %), hottest place inside" */
static void nodule_text(const tn_gradcam_view *v, char *text, size_t room) {
    const tn_pointing *p = &v->pointing;
    snprintf(text, room,
             "heat in the nodule %.1f %% (of the view it covers %.1f %%), hottest place %s",
             100 * p->nodule, 100 * p->area, p->hit ? "inside" : "outside");
}

static void print_view(const tn_model *m, const tn_gradcam_view *v, bool nodule) {
    char text[160];
    if (tn_heat_peak(&v->heat) <= 0)
        printf("  no heat: no place speaks for %s\n", m->names[v->class_index]);
    if (v->has_regions && nodule && v->pointing.has_heat) {
        nodule_text(v, text, sizeof text);
        printf("  %s\n", text);
    }
    if (v->has_regions && v->pointing.has_heat && v->pointing.outside_area > 0)
        printf("  heat outside the ultrasound picture %.1f %% (of the view it is %.1f %%)\n",
               100 * v->pointing.outside, 100 * v->pointing.outside_area);
    if (isfinite(v->picture_only))
        printf("  with all outside the picture covered: %s %.6f\n", m->names[v->class_index],
               v->picture_only);
    if (answer_moves(v))
        printf("  WARNING: the answer changes when all outside the ultrasound picture is covered: "
               "the net may read text or scales\n");
    else if (heat_outside(v))
        printf("  note: much of the heat lies outside the ultrasound picture%s\n",
               isfinite(v->picture_only) ? ", but the answer stands without it" : "");
}

static const char *layer_word(const tn_gradcam_answer *a) {
    return isdigit((unsigned char)*a->layer) ? "layer " : "";
}

static void print_text(const tn_model *m, const tn_gradcam_answer *a) {
    printf("%s: %s %f%s%s\n", a->image, m->names[a->shown.class_index], a->shown.probability,
           a->shown.class_index == a->shown.predicted ? "" : ", predicted ",
           a->shown.class_index == a->shown.predicted ? "" : m->names[a->shown.predicted]);
    printf("  %s of %s%s, input: %s, written: %s%s%s\n", a->method, layer_word(a), a->layer,
           tn_picture_kind_name(a->input), a->png, a->raw ? ", " : "", a->raw ? a->raw : "");
    print_view(m, &a->shown, a->nodule != NULL);
    if (a->has_frame) {
        printf("  whole frame, which the net was not trained on: %s %f\n",
               m->names[a->frame.class_index], a->frame.probability);
        print_view(m, &a->frame, a->nodule != NULL);
    }
    if (isfinite(a->correlation))
        printf("  rank correlation with the map of fresh weights: %.3f\n", a->correlation);
}

/* ---- JSON ---- */

static void add_real(cJSON *object, const char *key, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    if (isfinite(value)) cJSON_AddRawToObject(object, key, text);
}

static void add_view(cJSON *object, const tn_model *m, const tn_gradcam_view *v, bool nodule) {
    cJSON_AddStringToObject(object, "class", m->names[v->class_index]);
    cJSON_AddStringToObject(object, "predicted", m->names[v->predicted]);
    add_real(object, "probability", v->probability);
    add_real(object, "peak", (double)tn_heat_peak(&v->heat));
    if (v->has_regions && v->pointing.has_heat) {
        const tn_pointing *p = &v->pointing;
        if (nodule) {
            add_real(object, "heat_in_nodule", p->nodule);
            add_real(object, "nodule_area", p->area);
            cJSON_AddBoolToObject(object, "hottest_in_nodule", p->hit);
        }
        add_real(object, "heat_outside_picture", p->outside);
        add_real(object, "outside_picture_area", p->outside_area);
    }
    add_real(object, "probability_picture_only", v->picture_only);
    if (isfinite(v->picture_only))
        cJSON_AddBoolToObject(object, "moves_without_surroundings", answer_moves(v));
}

static tn_status print_json(const tn_model *m, const tn_gradcam_answer *a) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "image", a->image);
    cJSON_AddStringToObject(root, "png", a->png);
    if (a->raw) cJSON_AddStringToObject(root, "raw", a->raw);
    cJSON_AddStringToObject(root, "method", a->method);
    cJSON_AddStringToObject(root, "layer", a->layer);
    cJSON_AddStringToObject(root, "input", tn_picture_kind_name(a->input));
    if (a->nodule) cJSON_AddStringToObject(root, "nodule", a->nodule);
    add_view(root, m, &a->shown, a->nodule != NULL);
    if (a->has_frame)
        add_view(cJSON_AddObjectToObject(root, "frame"), m, &a->frame, a->nodule != NULL);
    add_real(root, "correlation_with_fresh_weights", a->correlation);
    cJSON_AddStringToObject(root, "notice", TN_NOTICE);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (!text) return tn_fail("out of memory");
    puts(text);
    free(text);
    return TN_OK;
}

tn_status tn_gradcam_print(const tn_model *m, const tn_gradcam_answer *a, bool json) {
    if (json) TN_TRY(print_json(m, a));
    if (!json) print_text(m, a);
    return fflush(stdout) == 0 ? TN_OK : tn_fail("stdout cannot be written");
}

/* ---- the picture's words ---- */

static void add_pointing(const tn_gradcam_view *v, bool nodule, char *title) {
    const size_t at = strlen(title), room = TN_GRADCAM_TITLE - at;
    const tn_pointing *p = &v->pointing;
    if (tn_heat_peak(&v->heat) <= 0)
        snprintf(title + at, room, "\nno heat: no place speaks for this class");
    else if (v->has_regions && p->outside_area > 0 && nodule)
        snprintf(title + at, room,
                 "\nheat: %.1f %% in the nodule (area %.1f %%), %.1f %% outside "
                 "picture (%.1f %%)",
                 100 * p->nodule, 100 * p->area, 100 * p->outside, 100 * p->outside_area);
    else if (v->has_regions && nodule)
        snprintf(title + at, room, "\nheat: %.1f %% in the nodule (area %.1f %%)", 100 * p->nodule,
                 100 * p->area);
    else if (v->has_regions && p->outside_area > 0)
        snprintf(title + at, room, "\nheat: %.1f %% outside the picture (area %.1f %%)",
                 100 * p->outside, 100 * p->outside_area);
}

static void add_warning(const tn_gradcam_view *v, char *title) {
    const size_t at = strlen(title);
    if (answer_moves(v))
        snprintf(title + at, TN_GRADCAM_TITLE - at,
                 "\nWARNING: covering all outside the picture changes the answer");
    else if (heat_outside(v))
        snprintf(title + at, TN_GRADCAM_TITLE - at, "\nmuch of the heat lies outside the picture");
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void tn_gradcam_title(const tn_model *m, const tn_gradcam_answer *a, char title[TN_GRADCAM_TITLE]) {
    snprintf(title, TN_GRADCAM_TITLE, "%.60s: %.40s %.4f\n%s of %s%s, input %s",
             file_name(a->image), m->names[a->shown.class_index], a->shown.probability, a->method,
             layer_word(a), a->layer, tn_picture_kind_name(a->input));
    add_pointing(&a->shown, a->nodule != NULL, title);
    add_warning(&a->shown, title);
}

void tn_gradcam_frame_title(const tn_model *m, const tn_gradcam_answer *a,
                            char title[TN_GRADCAM_TITLE]) {
    snprintf(title, TN_GRADCAM_TITLE,
             "whole frame (not what the net learned from): %.40s %.4f\n"
             "with all outside the picture covered: %.4f",
             m->names[a->frame.class_index], a->frame.probability, a->frame.picture_only);
    add_pointing(&a->frame, a->nodule != NULL, title);
    add_warning(&a->frame, title);
}

/* ---- all together ---- */

void tn_gradcam_count(tn_gradcam_summary *s, const tn_gradcam_answer *a) {
    const tn_pointing *p = &a->shown.pointing;
    s->images++;
    s->cold += tn_heat_peak(&a->shown.heat) <= 0;
    if (a->nodule && a->shown.has_regions && p->has_heat) {
        s->with_nodule++;
        s->hits += p->hit;
        s->nodule += p->nodule;
        s->area += p->area;
    }
    if (isfinite(a->correlation)) {
        s->correlated++;
        s->correlation += a->correlation;
    }
}

void tn_gradcam_print_summary(const tn_gradcam_summary *s) {
    if (s->images > 1) printf("%d images, %d without heat\n", s->images, s->cold);
    if (s->with_nodule > 1)
        printf("pointing game on %d: mean heat in the nodule %.1f %% (a blind map: %.1f %%), "
               "hottest place inside in %d\n",
               s->with_nodule, 100 * s->nodule / s->with_nodule, 100 * s->area / s->with_nodule,
               s->hits);
    if (s->correlated) {
        const double mean = s->correlation / s->correlated;
        printf("sanity: mean rank correlation with maps of fresh weights %.3f over %d: %s\n", mean,
               s->correlated,
               mean < 0.5 ? "the maps depend on what was learned"
                          : "TOO LIKE: the maps show the images more than what was learned");
    }
    if (s->images) puts(TN_NOTICE);
}
