#include "src/commands/predict_print.h"

#include "src/commands/notice.h"
#include "src/data/listing.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The answer where a threshold was chosen: the positive class, or the most probable other one. */
static int answer_at_threshold(const tn_model *m, double threshold, const float *probability) {
    if ((double)probability[m->positive] >= threshold) return m->positive;
    int best = -1;
    for (int c = 0; c < m->classes; c++)
        if (c != m->positive && (best < 0 || probability[c] > probability[best])) best = c;
    return best;
}

/* ---- text ---- */

static const char *explain(tn_picture_kind kind) {
    switch (kind) {
    case TN_PICTURE_ASSUMED_CROP:
        return "assumed_crop: taken for a crop around a nodule, as the net was trained on; for a "
               "whole frame give -roi or -xml";
    case TN_PICTURE_NODULE_CROP:
        return "nodule_crop: a crop made as in training (-cropped)";
    case TN_PICTURE_ROI:
        return "roi: cut from the frame around -roi";
    case TN_PICTURE_XML:
        return "xml: cut from the frame around the outline in -xml";
    case TN_PICTURE_FRAME:
        break;
    }
    return "frame: the whole image";
}

static void print_members_line(const tn_ensemble *e, const tn_answer *a) {
    if (e->n == 1) return;
    printf("members: %d nets; \"%s\" standard deviation %.4f, from %.4f to %.4f%s\n", e->n,
           e->member[0].names[a->looked_at], a->members.deviation, a->members.low, a->members.high,
           a->members.divided ? "; THEY DO NOT AGREE ON THE ANSWER" : "");
}

static void print_scores_line(const tn_ensemble *e, const tn_answer *a) {
    const tn_model *m = &e->member[0];
    char *calibration = tn_ensemble_calibration_text(e);
    printf("scores: %s\n", calibration ? calibration : "out of memory");
    free(calibration);
    const double threshold = tn_ensemble_threshold(e);
    if (isnan(threshold)) return;
    const tn_calibration *c = m->calibration;
    printf("at the operating threshold: %s (\"%s\" from %.4g on, chosen for a sensitivity of %g on "
           "%s)\n",
           m->names[answer_at_threshold(m, threshold, a->probability)], m->names[m->positive],
           threshold, c->wanted_sensitivity, c->list);
}

static void print_text(const tn_ensemble *e, const tn_answer *a, const int *order, int top) {
    const tn_model *m = &e->member[0];
    printf("%s: Predicted in %f milli-seconds.\n", a->image, a->milliseconds);
    for (int i = 0; i < top; i++)
        printf("%s: %f\n", m->names[order[i]], (double)a->probability[order[i]]);
    printf("input: %s\n", explain(a->kind));
    if (strcmp(tn_model_precision(m), "fp32") != 0)
        printf("precision: %s\n", tn_model_precision(m));
    print_members_line(e, a);
    print_scores_line(e, a);
}

/* ---- JSON ---- */

static bool add_real(cJSON *object, const char *name, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

static bool add_classes(cJSON *root, const tn_model *m, const tn_answer *a, const int *order,
                        int top) {
    cJSON *list = cJSON_AddArrayToObject(root, "classes");
    for (int i = 0; list && i < top; i++) {
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item)) return false;
        if (!cJSON_AddStringToObject(item, "name", m->names[order[i]])) return false;
        if (!add_real(item, "probability", (double)a->probability[order[i]])) return false;
    }
    return list != NULL;
}

static bool add_members(cJSON *root, const tn_ensemble *e, const tn_answer *a) {
    if (e->n == 1) return true;
    cJSON *o = cJSON_AddObjectToObject(root, "disagreement");
    return o && cJSON_AddNumberToObject(o, "members", e->n) &&
           cJSON_AddStringToObject(o, "class", e->member[0].names[a->looked_at]) &&
           add_real(o, "sd", a->members.deviation) && add_real(o, "min", a->members.low) &&
           add_real(o, "max", a->members.high) &&
           cJSON_AddBoolToObject(o, "divided", a->members.divided);
}

static bool add_calibration(cJSON *root, const tn_ensemble *e, const tn_answer *a) {
    const tn_model *m = &e->member[0];
    const double threshold = tn_ensemble_threshold(e);
    if (!cJSON_AddBoolToObject(root, "calibrated", tn_ensemble_calibrated(e))) return false;
    if (e->n == 1 && m->calibrated && !add_real(root, "temperature", m->temperature)) return false;
    if (isnan(threshold)) return true;
    return add_real(root, "threshold", threshold) &&
           cJSON_AddStringToObject(root, "answer_at_threshold",
                                   m->names[answer_at_threshold(m, threshold, a->probability)]);
}

static tn_status print_json(const tn_ensemble *e, const tn_answer *a, const int *order, int top) {
    const tn_model *m = &e->member[0];
    cJSON *root = cJSON_CreateObject();
    bool ok = root && cJSON_AddStringToObject(root, "image", a->image);
    ok = ok && add_classes(root, m, a, order, top);
    ok = ok && cJSON_AddStringToObject(root, "input", tn_picture_kind_name(a->kind));
    ok = ok && cJSON_AddStringToObject(root, "precision", tn_model_precision(m));
    ok = ok && add_members(root, e, a) && add_calibration(root, e, a);
    ok = ok && add_real(root, "time_ms", a->milliseconds);
    ok = ok && cJSON_AddStringToObject(root, "notice", TN_NOTICE);
    char *text = ok ? cJSON_PrintUnformatted(root) : NULL;
    if (text) puts(text);
    const tn_status status = text ? TN_OK : tn_fail("out of memory");
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}

/* ---- CSV ---- */

static void print_csv(const tn_ensemble *e, const tn_answer *a) {
    tn_csv_field(stdout, a->image, ',');
    for (int c = 0; c < e->member[0].classes; c++) printf("%.9g,", (double)a->probability[c]);
    printf("%s,%.3f", tn_picture_kind_name(a->kind), a->milliseconds);
    if (e->n > 1)
        printf(",%.9g,%.9g,%.9g,%s", a->members.deviation, a->members.low, a->members.high,
               a->members.divided ? "yes" : "no");
    putchar('\n');
}

/* ---- all ---- */

void tn_print_begin(const tn_ensemble *e, const tn_print_options *options) {
    const tn_model *m = &e->member[0];
    if (options->form != TN_PRINT_CSV) return;
    fputs("image,", stdout);
    for (int c = 0; c < m->classes; c++) tn_csv_field(stdout, m->names[c], ',');
    fputs("input,time_ms", stdout);
    puts(e->n > 1 ? ",sd,min,max,divided" : "");
}

tn_status tn_print_answer(const tn_ensemble *e, const tn_print_options *options,
                          const tn_answer *a) {
    const tn_model *m = &e->member[0];
    if (options->form == TN_PRINT_CSV) {
        print_csv(e, a);
        return TN_OK;
    }
    int *order = calloc((size_t)m->classes, sizeof *order);
    if (!order) return tn_fail("out of memory for %d classes", m->classes);
    tn_model_rank(a->probability, m->classes, order);
    tn_status status = TN_OK;
    if (options->form == TN_PRINT_JSON)
        status = print_json(e, a, order, options->top);
    else
        print_text(e, a, order, options->top);
    free(order);
    return status;
}

tn_status tn_print_end(const tn_ensemble *e, const tn_print_options *options) {
    (void)e;
    if (options->form == TN_PRINT_TEXT) printf("%s\n", TN_NOTICE);
    if (options->form == TN_PRINT_CSV) fprintf(stderr, "%s\n", TN_NOTICE);
    if (fflush(stdout) != 0 || ferror(stdout)) return tn_fail("stdout cannot be written");
    return TN_OK;
}
