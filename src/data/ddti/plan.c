#include "src/data/ddti/plan.h"
#include "src/data/files.h"

#include <stdlib.h>
#include <string.h>

void tn_ddti_plan_free(tn_ddti_plan *plan) {
    for (int i = 0; i < plan->sample_count; i++) free(plan->samples[i].excluded);
    free(plan->samples);
    free(plan->outputs);
    *plan = (tn_ddti_plan){0};
}

int tn_ddti_is_valid(const tn_ddti_settings *settings, int part) {
    return settings->folds ? part == settings->fold : part == TN_DDTI_VALID;
}

static tn_status check(const tn_ddti_settings *s) {
    if (s->folds == 1 || s->folds < 0 || s->folds > TN_SPLIT_PARTS)
        return tn_fail("-folds %d: expected 2 to %d", s->folds, TN_SPLIT_PARTS);
    if (!s->folds && s->fold) return tn_fail("-fold %d needs -folds K", s->fold);
    if (s->folds && (s->fold < 0 || s->fold >= s->folds))
        return tn_fail("-fold %d: expected 0 to %d with -folds %d", s->fold, s->folds - 1,
                       s->folds);
    if (s->folds && s->paper)
        return tn_fail("-paper makes the paper's one split: leave -folds out");
    if (!s->folds && !s->paper && !(s->valid_fraction > 0 && s->valid_fraction < 1))
        return tn_fail("-valid-fraction %g: expected a number between 0 and 1", s->valid_fraction);
    return TN_OK;
}

/* Adds a sample; `excluded` (may be NULL) is copied. */
static tn_status add(tn_ddti_plan *plan, tn_ddti_sample sample, const char *excluded) {
    if (excluded) {
        sample.label = -1;
        sample.excluded = strdup(excluded);
        if (!sample.excluded) return tn_fail("out of memory");
    }
    plan->samples[plan->sample_count++] = sample;
    return TN_OK;
}

/* Why no sample can come from an image, as text to be freed; *why stays NULL when one can. */
static tn_status why_not_image(const tn_ddti_case *record, const tn_ddti_image *image,
                               const tn_ddti_settings *settings, char **why) {
    const char *written = record->fields[TN_DDTI_TIRADS];
    int grade = tn_ddti_grade(written);
    const tn_ddti_mark *mark = image->mark;
    *why = NULL;
    if (grade == 0)
        *why = strdup("no TI-RADS grade");
    else if (grade < 0)
        *why = tn_text("unknown TI-RADS grade \"%.20s\"", written);
    else if (settings->map.label[grade] < 0)
        *why = tn_text("grade %s is left out", tn_ddti_grade_names[grade]);
    else if (!image->present)
        *why = tn_text("image cannot be read: %s", image->fault);
    else if (settings->crop != TN_DDTI_CROP_NODULE)
        return TN_OK;
    else if (!mark)
        *why = strdup("no mark names the image");
    else if (mark->svg == TN_DDTI_SVG_INVALID)
        *why = tn_text("outline is no valid JSON: %s", mark->why);
    else if (mark->svg == TN_DDTI_SVG_EMPTY)
        *why = strdup("outline is empty");
    else if (tn_ddti_mark_boxes(mark, image->width, image->height, NULL, NULL, 0) == 0)
        *why = strdup("no usable outline");
    else
        return TN_OK;
    return *why ? TN_OK : tn_fail("out of memory");
}

static const char *why_not_region(const tn_ddti_region *region, int usable, int is_largest,
                                  const tn_ddti_settings *settings) {
    if (region->kind == TN_DDTI_ARROW) return "arrow, not an outline";
    if (region->kind != TN_DDTI_FREEHAND) return "not a freehand outline";
    if (!usable) return "outline is smaller than 4 pixels";
    if (settings->per_image && !is_largest) return "not the largest outline of its image";
    return NULL;
}

static tn_status add_regions(const tn_ddti_image *image, tn_ddti_sample sample,
                             const tn_ddti_settings *settings, tn_ddti_plan *plan) {
    tn_ddti_box first;
    int largest = -1;
    tn_ddti_mark_boxes(image->mark, image->width, image->height, &first, &largest, 1);
    for (int i = 0; i < image->mark->region_count; i++) {
        const tn_ddti_region *region = &image->mark->regions[i];
        sample.nodule = i;
        int usable = tn_ddti_region_box(region, image->width, image->height, &sample.box, NULL);
        TN_TRY(add(plan, sample, why_not_region(region, usable, i == largest, settings)));
    }
    return TN_OK;
}

static tn_status add_image(const tn_ddti_collection *c, int index, const tn_ddti_settings *settings,
                           tn_ddti_plan *plan) {
    const tn_ddti_image *image = &c->images[index];
    const tn_ddti_case *record = &c->cases[image->record];
    int grade = tn_ddti_grade(record->fields[TN_DDTI_TIRADS]);
    tn_ddti_sample sample = {.image = index, .nodule = -1, .grade = grade > 0 ? grade : 0};
    sample.label = tn_ddti_case_label(record, &settings->map);
    char *why;
    TN_TRY(why_not_image(record, image, settings, &why));
    tn_status status = why || settings->crop != TN_DDTI_CROP_NODULE
                           ? add(plan, sample, why)
                           : add_regions(image, sample, settings, plan);
    free(why);
    return status;
}

static tn_status add_samples(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                             tn_ddti_plan *plan) {
    size_t room = 1;
    for (int i = 0; i < c->image_count; i++)
        room += 1 + (c->images[i].mark ? (size_t)c->images[i].mark->region_count : 0);
    plan->samples = calloc(room, sizeof *plan->samples);
    if (!plan->samples) return tn_fail("out of memory for %zu samples", room);
    for (int i = 0; i < c->image_count; i++) TN_TRY(add_image(c, i, settings, plan));
    return TN_OK;
}

/* Two crops of one image always stay together; with -split image nothing else does. */
static int group_of(const tn_ddti_collection *c, const tn_ddti_settings *settings, int image) {
    return settings->split_images ? image : tn_groups_find(&c->groups, c->images[image].record);
}

static tn_status check_labels(const tn_split_sample *items, int count) {
    int labels[TN_DDTI_LABELS] = {0};
    for (int i = 0; i < count; i++) labels[items[i].label]++;
    for (int l = 0; l < TN_DDTI_LABELS; l++)
        if (!labels[l])
            return tn_fail("no %s sample: %d usable sample%s in all, and two classes are needed",
                           tn_ddti_label_names[l], count, count == 1 ? "" : "s");
    return TN_OK;
}

static tn_status deal(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                      tn_ddti_plan *plan, tn_split_sample *items, int *part) {
    double share[TN_SPLIT_PARTS] = {1 - settings->valid_fraction, settings->valid_fraction};
    int count = 0, parts = settings->folds ? settings->folds : 2;
    if (settings->paper) {
        double valid = TN_DDTI_PAPER_VALID_BENIGN + TN_DDTI_PAPER_VALID_MALIGNANT;
        share[1] = valid / (valid + TN_DDTI_PAPER_TRAIN_BENIGN + TN_DDTI_PAPER_TRAIN_MALIGNANT);
        share[0] = 1 - share[1];
    }
    for (int p = 0; settings->folds && p < parts; p++) share[p] = 1.0 / parts;
    for (int i = 0; i < plan->sample_count; i++) {
        const tn_ddti_sample *s = &plan->samples[i];
        if (!s->excluded)
            items[count++] = (tn_split_sample){group_of(c, settings, s->image), s->label, s->grade};
    }
    TN_TRY(check_labels(items, count));
    TN_TRY(tn_split_groups(items, count, share, parts, settings->seed, part));
    count = 0;
    for (int i = 0; i < plan->sample_count; i++)
        if (!plan->samples[i].excluded) plan->samples[i].fold = part[count++];
    return TN_OK;
}

static tn_status split(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                       tn_ddti_plan *plan) {
    size_t room = (size_t)plan->sample_count + 1;
    tn_split_sample *items = calloc(room, sizeof *items);
    int *part = calloc(room, sizeof *part);
    tn_status status = items && part ? deal(c, settings, plan, items, part)
                                     : tn_fail("out of memory for %zu samples", room);
    free(items);
    free(part);
    return status;
}

static tn_status one_output_each(tn_ddti_plan *plan) {
    plan->outputs = calloc((size_t)plan->sample_count + 1, sizeof *plan->outputs);
    if (!plan->outputs) return tn_fail("out of memory for %d samples", plan->sample_count);
    for (int i = 0; i < plan->sample_count; i++)
        if (!plan->samples[i].excluded)
            plan->outputs[plan->output_count++] =
                (tn_ddti_output){.sample = i, .part = plan->samples[i].fold, .scale = 1};
    return TN_OK;
}

static tn_status make(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                      tn_ddti_plan *plan) {
    TN_TRY(add_samples(c, settings, plan));
    TN_TRY(split(c, settings, plan));
    return settings->paper ? tn_ddti_plan_paper(settings, plan) : one_output_each(plan);
}

tn_status tn_ddti_plan_make(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                            tn_ddti_plan *out) {
    *out = (tn_ddti_plan){0};
    TN_TRY(check(settings));
    tn_status status = make(c, settings, out);
    if (status != TN_OK) tn_ddti_plan_free(out);
    return status;
}
