#include "src/commands/picture.h"

#include "src/data/sector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tn_picture_kind_name(tn_picture_kind kind) {
    static const char *const names[] = {"frame", "assumed_crop", "nodule_crop", "roi", "xml"};
    return names[kind];
}

/* ---- options ---- */

tn_status tn_picture_read_roi(const char *text, double roi[4]) {
    const char *at = text;
    for (int i = 0; i < 4; i++) {
        char number[32];
        const size_t length = strcspn(at, ",");
        if (length >= sizeof number || (at[length] == ',') != (i < 3))
            return tn_fail("-roi: expected x,y,w,h in pixels, found \"%s\"", text);
        snprintf(number, sizeof number, "%.*s", (int)length, at);
        TN_TRY(tn_option_real("-roi", number, 0, 0, &roi[i]));
        at += length + (i < 3);
    }
    if (roi[2] > 0 && roi[3] > 0) return TN_OK;
    return tn_fail("-roi %s: width and height must be above 0", text);
}

static tn_status read_case(tn_picture_plan *plan, const char *xml) {
    tn_ddti_case *record = calloc(1, sizeof *record);
    if (!record) return tn_fail("out of memory");
    if (tn_ddti_case_load(xml, record) != TN_OK) {
        free(record);
        return TN_FAIL;
    }
    plan->record = record;
    plan->xml = xml;
    return TN_OK;
}

static tn_status check_options(const tn_model *m, const tn_picture_options *o) {
    if ((o->roi != NULL) + (o->xml != NULL) + (o->cropped != 0) > 1)
        return tn_fail("-roi, -xml and -cropped each say what the image is: give one of them");
    if ((o->roi || o->xml) && m->preprocess.crop != TN_CROP_NODULE)
        return tn_fail("%s cuts a nodule out, but the net was trained on images with crop=%s; if "
                       "they were nodule crops, write crop=nodule into DATA",
                       o->roi ? "-roi" : "-xml", tn_crop_name(m->preprocess.crop));
    return TN_OK;
}

tn_status tn_picture_plan_open(tn_picture_plan *plan, const tn_model *model,
                               const tn_picture_options *o) {
    *plan = (tn_picture_plan){
        .model = model, .fit = o->letterbox ? TN_FIT_LETTERBOX : o->fit, .outline = o->outline};
    TN_TRY(check_options(model, o));
    const bool crops = model->preprocess.crop == TN_CROP_NODULE;
    plan->kind = o->roi                ? TN_PICTURE_ROI
                 : o->xml              ? TN_PICTURE_XML
                 : crops && o->cropped ? TN_PICTURE_NODULE_CROP
                 : crops               ? TN_PICTURE_ASSUMED_CROP
                                       : TN_PICTURE_FRAME;
    plan->prepared = o->cropped || plan->kind == TN_PICTURE_ASSUMED_CROP;
    if (o->roi) return tn_picture_read_roi(o->roi, plan->roi);
    return o->xml ? read_case(plan, o->xml) : TN_OK;
}

void tn_picture_plan_close(tn_picture_plan *plan) {
    if (plan->record) tn_ddti_case_free(plan->record);
    free(plan->record);
    *plan = (tn_picture_plan){0};
}

/* ---- the nodule ---- */

tn_status tn_picture_find_mark(const tn_ddti_case *record, const char *xml, const char *path,
                               const tn_ddti_mark **mark) {
    const char *slash = strrchr(path, '/');
    int number = 0, k = 0, used = 0;
    *mark = NULL;
    if (sscanf(slash ? slash + 1 : path, "%7d_%7d.%n", &number, &k, &used) == 2 && used > 0) {
        if (number != record->number)
            return tn_fail("%s is an image of case %d, but %s describes case %d", path, number, xml,
                           record->number);
        *mark = tn_ddti_case_mark(record, k);
        if (!*mark) return tn_fail("%s has no <mark> for image %d", xml, k);
        return TN_OK;
    }
    if (record->mark_count != 1)
        return tn_fail("%s marks %d images, and %s is not named NUMBER_K.jpg to tell which it is",
                       xml, record->mark_count, path);
    *mark = &record->marks[0];
    return TN_OK;
}

static tn_status find_outline(const tn_picture_plan *plan, const char *path, const tn_image *frame,
                              tn_ddti_box *box) {
    enum { ROOM = 256 };
    const tn_ddti_mark *mark;
    TN_TRY(tn_picture_find_mark(plan->record, plan->xml, path, &mark));
    if (mark->svg == TN_DDTI_SVG_INVALID)
        return tn_fail("%s: the outline of image %d cannot be read: %s", plan->xml, mark->image,
                       mark->why ? mark->why : "no such text");
    tn_ddti_box boxes[ROOM];
    int n = tn_ddti_mark_boxes(mark, frame->w, frame->h, boxes, NULL, ROOM);
    if (n > ROOM) n = ROOM;
    if (plan->outline >= n)
        return tn_fail("%s has %d usable outlines on image %d, so there is none of number %d "
                       "(0 is the largest)",
                       plan->xml, n, mark->image, plan->outline);
    *box = boxes[plan->outline];
    return TN_OK;
}

static tn_status cut_nodule(const tn_picture_plan *plan, const char *path, const tn_image *frame,
                            tn_image *out) {
    const double margin = plan->model->preprocess.crop_margin, *roi = plan->roi;
    if (plan->kind == TN_PICTURE_ROI)
        return tn_crop_nodule(frame, roi[0], roi[1], roi[2], roi[3], margin, out);
    tn_ddti_box box;
    TN_TRY(find_outline(plan, path, frame, &box));
    return tn_crop_nodule(frame, box.x, box.y, box.w, box.h, margin, out);
}

/* ---- images ---- */

static tn_status cut(const tn_picture_plan *plan, const char *path, const tn_image *frame,
                     tn_image *out) {
    if (plan->kind == TN_PICTURE_ROI || plan->kind == TN_PICTURE_XML)
        return cut_nodule(plan, path, frame, out);
    if (plan->model->preprocess.crop == TN_CROP_FRAME) return tn_crop_sector(frame, out);
    return tn_image_copy(frame, out);
}

/* The converter denoises whole frames, then cuts. What is (taken to be) one of its crops has been
 * through both. */
static tn_status prepare(const tn_picture_plan *plan, const char *path, tn_image *image) {
    const tn_model *m = plan->model;
    if (plan->prepared) return tn_image_set_channels(image, m->format.c);
    tn_image part = {0};
    TN_TRY(tn_image_denoise(image, m->preprocess.denoise));
    TN_TRY(cut(plan, path, image, &part));
    tn_image_free(image);
    *image = part;
    return tn_image_set_channels(image, m->format.c);
}

tn_status tn_picture_prepare(const tn_picture_plan *plan, tn_image *image, const char *name) {
    if (prepare(plan, name, image) == TN_OK) return TN_OK;
    tn_image_free(image);
    return TN_FAIL;
}

tn_status tn_picture_load(const tn_picture_plan *plan, const char *path, tn_image *out) {
    TN_TRY(tn_image_load(path, 3, out));
    if (tn_picture_prepare(plan, out, path) == TN_OK) return TN_OK;
    return strstr(tn_error(), path) ? TN_FAIL : tn_fail_in("%s", path);
}

tn_status tn_picture_read(const tn_picture_plan *plan, const char *path, float *x) {
    tn_image image;
    TN_TRY(tn_picture_load(plan, path, &image));
    const tn_status status = tn_image_fit_to_input(&image, plan->fit, &plan->model->format, x);
    tn_image_free(&image);
    return status == TN_OK ? TN_OK : tn_fail_in("%s", path);
}
