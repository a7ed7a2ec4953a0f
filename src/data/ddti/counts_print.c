/* The counts as text, in the order in which one would ask. */
#include "src/data/ddti/counts.h"

#include "src/data/burned_text.h"

static const char *plural(int n) {
    return n == 1 ? "" : "s";
}

static void print_grades(FILE *to, const tn_ddti_counts *n) {
    fprintf(to, "TI-RADS (cases/images):");
    for (int g = 1; g < TN_DDTI_GRADES; g++)
        if (n->grade_cases[g])
            fprintf(to, " %s %d/%d,", tn_ddti_grade_names[g], n->grade_cases[g],
                    n->grade_images[g]);
    fprintf(to, " empty %d/%d\n", n->grade_cases[0], n->grade_images[0]);
    if (n->unknown_grades)
        fprintf(to, "unknown grade: %d case%s, left out\n", n->unknown_grades,
                plural(n->unknown_grades));
    int graded = n->label_cases[TN_DDTI_BENIGN] + n->label_cases[TN_DDTI_MALIGNANT];
    fprintf(to, "graded: %d cases (the paper says 299)\n", graded);
    for (int l = 0; l < TN_DDTI_LABELS; l++)
        fprintf(to, "  %s: %d cases, %d images, %d with a usable outline, %d outlines\n",
                tn_ddti_label_names[l], n->label_cases[l], n->label_images[l], n->label_usable[l],
                n->label_outlines[l]);
}

/* Lists the images that have the given fault. */
static void print_svg(FILE *to, const tn_ddti_collection *c, tn_ddti_svg kind, const char *what,
                      int count) {
    char name[TN_DDTI_NAME];
    if (!count) return;
    fprintf(to, "%s: %d image%s:", what, count, plural(count));
    for (int i = 0; i < c->image_count; i++)
        if (c->images[i].mark && c->images[i].mark->svg == kind)
            fprintf(to, " %s", tn_ddti_image_name(c, i, name));
    fputc('\n', to);
}

static void print_regions(FILE *to, const tn_ddti_collection *c, const tn_ddti_counts *n) {
    char name[TN_DDTI_NAME];
    fprintf(to, "regions: %d freehand, %d arrow (not outlines)", n->freehand, n->arrows);
    if (n->other_regions) fprintf(to, ", %d of another kind", n->other_regions);
    if (n->unusable_freehand) fprintf(to, "; %d freehand too small", n->unusable_freehand);
    fprintf(to, "\nregions per image (images):");
    for (int i = 0, comma = 0; i < TN_DDTI_MOST; i++)
        if (n->images_with_regions[i])
            fprintf(to, "%s %d (%d)", comma++ ? "," : "", i, n->images_with_regions[i]);
    fprintf(to, "\nimages with two outlines: %d, %d with the outlines apart (split screen)\n",
            n->two_outlines, n->two_disjoint);
    print_svg(to, c, TN_DDTI_SVG_INVALID, "outlines that are no valid JSON", n->svg_invalid);
    print_svg(to, c, TN_DDTI_SVG_EMPTY, "outlines empty", n->svg_empty);
    if (!n->clamped) return;
    fprintf(to, "outlines that leave the frame: %d, clamped:", n->clamped);
    for (int i = 0; i < c->image_count; i++) {
        const tn_ddti_image *image = &c->images[i];
        for (int r = 0; image->mark && r < image->mark->region_count; r++) {
            tn_ddti_box box;
            int clamped, width = image->present ? image->width : TN_DDTI_WIDTH;
            int height = image->present ? image->height : TN_DDTI_HEIGHT;
            tn_ddti_region_box(&image->mark->regions[r], width, height, &box, &clamped);
            if (clamped) fprintf(to, " %s", tn_ddti_image_name(c, i, name));
        }
    }
    fputc('\n', to);
}

static void print_twins(FILE *to, const tn_ddti_collection *c, const tn_ddti_counts *n) {
    char name[TN_DDTI_NAME];
    fprintf(to,
            "byte-identical images: %d set%s across cases (these cases stay together), %d within "
            "a case\n",
            n->twin_sets_across, plural(n->twin_sets_across), n->twin_sets_within);
    for (int i = 0; i < c->image_count; i++) {
        int size = 0;
        for (int j = i; j < c->image_count; j++) size += c->images[j].twin == i;
        if (size < 2) continue;
        fprintf(to, "  ");
        for (int j = i; j < c->image_count; j++)
            if (c->images[j].twin == i)
                fprintf(to, "%s%s", j == i ? "" : " = ", tn_ddti_image_name(c, j, name));
        fputc('\n', to);
    }
}

static void print_near(FILE *to, const tn_ddti_collection *c, const tn_ddti_counts *n) {
    char name[TN_DDTI_NAME], other[TN_DDTI_NAME];
    fprintf(to, "images that look alike (perceptual hash), bytes apart: %d pair%s\n", n->near_pairs,
            plural(n->near_pairs));
    for (int j = 0; j < c->image_count; j++)
        for (int i = 0; i < j; i++) {
            const tn_ddti_image *a = &c->images[i], *b = &c->images[j];
            if (!tn_ddti_look_alike(c, i, j)) continue;
            fprintf(to, "  %s ~ %s (%d of %d bits differ), %s\n", tn_ddti_image_name(c, i, name),
                    tn_ddti_image_name(c, j, other), tn_perceptual_distance(&a->look, &b->look),
                    TN_PERCEPTUAL_BITS,
                    a->record == b->record ? "one case" : "ACROSS CASES: they can leak");
        }
}

static void print_lettered(FILE *to, const tn_ddti_collection *c, const tn_ddti_counts *n) {
    char name[TN_DDTI_NAME];
    fprintf(to, "burned-in text below the picture suspected (%d letters or more): %d image%s%s",
            TN_BURNED_TEXT_LETTERS, n->lettered, plural(n->lettered), n->lettered ? ":" : "");
    for (int i = 0; i < c->image_count; i++)
        if (c->images[i].letters >= TN_BURNED_TEXT_LETTERS)
            fprintf(to, " %s", tn_ddti_image_name(c, i, name));
    fputc('\n', to);
}

static void print_images(FILE *to, const tn_ddti_collection *c, const tn_ddti_counts *n) {
    fprintf(to,
            "images: %d not %dx%d, %d not baseline JPEG, %d not of 3 components; %d grey, %d "
            "with over 200 coloured pixels\n",
            n->other_size, TN_DDTI_WIDTH, TN_DDTI_HEIGHT, n->not_baseline, n->not_three, n->grey,
            n->coloured);
    fprintf(to, "images that no mark names: %d; missing: %d; damaged: %d; without a case: %d\n",
            n->unmarked_images, n->missing_images, n->damaged_images, n->orphans);
    for (int i = 0; i < c->image_count; i++)
        if (c->images[i].fault) fprintf(to, "  %s\n", c->images[i].fault);
}

void tn_ddti_counts_print(FILE *to, const tn_ddti_collection *c, const tn_ddti_counts *n) {
    fprintf(to, "cases: %d, numbered %d to %d, %d number%s missing; images: %d\n", n->cases,
            n->first_case, n->last_case, n->missing_cases, plural(n->missing_cases), n->images);
    fprintf(to, "images per case (cases):");
    for (int i = 0, comma = 0; i < TN_DDTI_MOST; i++)
        if (n->cases_with_images[i])
            fprintf(to, "%s %d (%d)", comma++ ? "," : "", i, n->cases_with_images[i]);
    fputc('\n', to);
    if (n->unread) fprintf(to, "case files that cannot be read, left out: %d\n", n->unread);
    for (int i = 0; i < c->unread_count; i++) fprintf(to, "  %s\n", c->unread[i]);
    if (n->number_mismatch)
        fprintf(to, "<number> differs from the file's name in %d case%s: the file's name is used\n",
                n->number_mismatch, plural(n->number_mismatch));
    if (n->other_files) fprintf(to, "other files, not read: %d\n", n->other_files);
    print_grades(to, n);
    fprintf(to, "empty fields (cases):");
    for (int f = 0, comma = 0; f < TN_DDTI_FIELDS; f++)
        fprintf(to, "%s %s %d", comma++ ? "," : "", tn_ddti_field_name((tn_ddti_field)f),
                n->empty_fields[f]);
    fputc('\n', to);
    print_regions(to, c, n);
    print_images(to, c, n);
    print_lettered(to, c, n);
    print_twins(to, c, n);
    print_near(to, c, n);
}
