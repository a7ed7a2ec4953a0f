#include "src/data/ddti/counts.h"

#include "src/data/burned_text.h"

#include <string.h>

enum { MANY_COLOURED = 200 };

const char *const tn_ddti_label_names[TN_DDTI_LABELS] = {"benign", "malignant"};

static tn_status parse_grades(const char *list, int label, tn_ddti_label_map *out) {
    int named = 0;
    for (const char *at = list; *at;) {
        char word[16];
        size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", length > 15 ? 15 : (int)length, at);
        int grade = *word ? tn_ddti_grade(word) : -1;
        if (grade < 0)
            return tn_fail("-%s %s: \"%s\" is no TI-RADS grade, expected some of 1, 2, 3, 4, 4a, "
                           "4b, 4c, 5",
                           tn_ddti_label_names[label], list, word);
        if (out->label[grade] >= 0)
            return tn_fail("-%s %s: grade %s is named twice", tn_ddti_label_names[label], list,
                           word);
        out->label[grade] = label;
        named++;
        at += length + (at[length] == ',');
    }
    return named ? TN_OK : tn_fail("-%s: no grade named", tn_ddti_label_names[label]);
}

tn_status tn_ddti_label_map_parse(const char *benign, const char *malignant,
                                  tn_ddti_label_map *out) {
    for (int i = 0; i < TN_DDTI_GRADES; i++) out->label[i] = -1;
    TN_TRY(parse_grades(benign, TN_DDTI_BENIGN, out));
    return parse_grades(malignant, TN_DDTI_MALIGNANT, out);
}

int tn_ddti_case_label(const tn_ddti_case *record, const tn_ddti_label_map *map) {
    int grade = tn_ddti_grade(record->fields[TN_DDTI_TIRADS]);
    return grade <= 0 ? -1 : map->label[grade];
}

static int most(int n) {
    return n < TN_DDTI_MOST ? n : TN_DDTI_MOST - 1;
}

static int disjoint(const tn_ddti_box *a, const tn_ddti_box *b) {
    return a->x + a->w <= b->x || b->x + b->w <= a->x || a->y + a->h <= b->y || b->y + b->h <= a->y;
}

static void count_cases(const tn_ddti_collection *c, const tn_ddti_label_map *map,
                        tn_ddti_counts *n) {
    for (int r = 0; r < c->case_count; r++) {
        const tn_ddti_case *record = &c->cases[r];
        int grade = tn_ddti_grade(record->fields[TN_DDTI_TIRADS]), images = 0;
        int label = tn_ddti_case_label(record, map);
        for (int i = 0; i < c->image_count; i++) images += c->images[i].record == r;
        n->cases_with_images[most(images)]++;
        n->number_mismatch += record->written != record->number;
        for (int f = 0; f < TN_DDTI_FIELDS; f++) n->empty_fields[f] += !*record->fields[f];
        if (grade < 0) {
            n->unknown_grades++;
        } else {
            n->grade_cases[grade]++;
            n->grade_images[grade] += images;
        }
        if (label >= 0) n->label_cases[label]++, n->label_images[label] += images;
    }
    n->cases = c->case_count;
    if (n->cases == 0) return;
    n->first_case = c->cases[0].number;
    n->last_case = c->cases[n->cases - 1].number;
    n->missing_cases = n->last_case - n->first_case + 1 - n->cases;
}

static void count_regions(const tn_ddti_image *image, int label, tn_ddti_counts *n) {
    const tn_ddti_mark *mark = image->mark;
    int freehand = 0, usable = 0;
    tn_ddti_box box, boxes[2] = {{0}};
    if (!mark) return;
    n->svg_empty += mark->svg == TN_DDTI_SVG_EMPTY;
    n->svg_invalid += mark->svg == TN_DDTI_SVG_INVALID;
    if (mark->svg != TN_DDTI_SVG_INVALID) n->images_with_regions[most(mark->region_count)]++;
    for (int i = 0; i < mark->region_count; i++) {
        const tn_ddti_region *region = &mark->regions[i];
        int clamped, width = image->present ? image->width : TN_DDTI_WIDTH;
        int height = image->present ? image->height : TN_DDTI_HEIGHT;
        n->arrows += region->kind == TN_DDTI_ARROW;
        n->other_regions += region->kind == TN_DDTI_OTHER;
        if (region->kind != TN_DDTI_FREEHAND) continue;
        int good = tn_ddti_region_box(region, width, height, &box, &clamped);
        if (freehand < 2) boxes[freehand] = box;
        freehand++;
        usable += good;
        n->clamped += clamped;
        n->unusable_freehand += !good;
    }
    n->freehand += freehand;
    if (freehand == 2) n->two_outlines++, n->two_disjoint += disjoint(&boxes[0], &boxes[1]);
    if (label >= 0) n->label_usable[label] += usable > 0, n->label_outlines[label] += usable;
}

int tn_ddti_look_alike(const tn_ddti_collection *c, int i, int j) {
    const tn_ddti_image *a = &c->images[i], *b = &c->images[j];
    return a->present && b->present && a->twin != b->twin &&
           tn_perceptual_distance(&a->look, &b->look) <= TN_PERCEPTUAL_NEAR;
}

static void count_images(const tn_ddti_collection *c, const tn_ddti_label_map *map,
                         tn_ddti_counts *n) {
    n->images = c->image_count;
    for (int i = 0; i < c->image_count; i++) {
        const tn_ddti_image *image = &c->images[i];
        n->unmarked_images += image->mark == NULL;
        count_regions(image, tn_ddti_case_label(&c->cases[image->record], map), n);
        if (!image->present) {
            int missing = image->size == 0;
            n->missing_images += missing;
            n->damaged_images += !missing;
            continue;
        }
        n->other_size += image->width != TN_DDTI_WIDTH || image->height != TN_DDTI_HEIGHT;
        n->not_baseline += !image->baseline;
        n->not_three += image->components != 3;
        n->grey += image->grey;
        n->coloured += image->coloured > MANY_COLOURED;
        n->lettered += image->letters >= TN_BURNED_TEXT_LETTERS;
        for (int j = 0; j < i; j++) n->near_pairs += tn_ddti_look_alike(c, j, i);
    }
}

/* A set is named by its first image; it is across cases when any of it is in another case. */
static void twin_set(const tn_ddti_collection *c, int first, int *size, int *across) {
    *size = 0;
    *across = 0;
    for (int i = first; i < c->image_count; i++) {
        if (c->images[i].twin != first) continue;
        ++*size;
        *across |= c->images[i].record != c->images[first].record;
    }
}

void tn_ddti_count(const tn_ddti_collection *c, const tn_ddti_label_map *map, tn_ddti_counts *n) {
    *n = (tn_ddti_counts){0};
    n->unread = c->unread_count;
    n->orphans = c->orphan_count;
    n->other_files = c->other_count;
    count_cases(c, map, n);
    count_images(c, map, n);
    for (int i = 0; i < c->image_count; i++) {
        int size, across;
        twin_set(c, i, &size, &across);
        if (size < 2) continue;
        n->twin_sets_across += across;
        n->twin_sets_within += !across;
    }
}
