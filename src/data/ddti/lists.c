/* The files beside the images: lists, labels, names, .data, manifest. */
#include "src/data/ddti/convert.h"
#include "src/data/files.h"
#include "src/data/listing.h"

#include <stdlib.h>
#include <string.h>

/* A list of the outputs on one side of the split whose validation part is `fold`. */
static tn_status write_list(const tn_ddti_plan *plan, const char *folder, int valid, int fold,
                            const char *const *paths) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/%s.list", folder, valid ? "valid" : "train"));
    for (int i = 0; i < plan->output_count; i++)
        if ((plan->outputs[i].part == fold) == valid) fprintf(file.to, "%s\n", paths[i]);
    return tn_text_file_commit(&file);
}

static tn_status write_data(const tn_ddti_settings *s, const char *out, const char *folder) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/ddti.data", folder));
    fprintf(file.to,
            "# DDTI: the label is a visual grade (TI-RADS), not pathology.\n"
            "classes=%d\ntrain=%s/train.list\nvalid=%s/valid.list\nlabels=%s/labels.list\n"
            "names=%s/ddti.names\nbackup=weights/\ntop=1\npositive=%s\n"
            "# What was done to the images; done again to a whole frame at prediction.\n"
            "crop=%s\ncrop_margin=%g\ndenoise=%s\n",
            TN_DDTI_LABELS, folder, folder, out, out, tn_ddti_label_names[TN_DDTI_MALIGNANT],
            tn_ddti_crop_name(s->crop), s->margin, tn_denoise_name(s->denoise));
    return tn_text_file_commit(&file);
}

static tn_status write_split(const tn_ddti_settings *settings, const tn_ddti_plan *plan,
                             const char *out, const char *folder, int fold,
                             const char *const *paths) {
    TN_TRY(write_list(plan, folder, 0, fold, paths));
    TN_TRY(write_list(plan, folder, 1, fold, paths));
    return write_data(settings, out, folder);
}

static tn_status write_labels(const char *out, const char *name) {
    char *path = tn_text("%s/%s", out, name);
    tn_status status =
        path ? tn_write_lines(path, tn_ddti_label_names, TN_DDTI_LABELS) : tn_fail("out of memory");
    free(path);
    return status;
}

static const char manifest_header[] =
    "image,source,case,group,nodule,tirads,label,fold,split,box_x,box_y,box_w,box_h,composition,"
    "echogenicity,margins,calcifications,age,sex,copy,degrees,scale,mirror,excluded\n";

/* One row: a written image (output and path) or an excluded sample (both NULL). */
static void write_row(FILE *to, const tn_ddti_collection *c, const tn_ddti_settings *settings,
                      const tn_ddti_sample *s, const tn_ddti_output *o, const char *path) {
    static const tn_ddti_field findings[] = {TN_DDTI_COMPOSITION, TN_DDTI_ECHOGENICITY,
                                             TN_DDTI_MARGINS,     TN_DDTI_CALCIFICATIONS,
                                             TN_DDTI_AGE,         TN_DDTI_SEX};
    char name[TN_DDTI_NAME];
    const tn_ddti_image *image = &c->images[s->image];
    const tn_ddti_case *record = &c->cases[image->record];
    int group = c->cases[tn_groups_find(&c->groups, image->record)].number;
    tn_csv_field(to, path ? path : "", ',');
    fprintf(to, "%s.jpg,%d,%d,", tn_ddti_image_name(c, s->image, name), record->number, group);
    if (s->nodule >= 0) fprintf(to, "%d", s->nodule);
    fputc(',', to);
    tn_csv_field(to, record->fields[TN_DDTI_TIRADS], ',');
    fprintf(to, "%s,", s->label >= 0 ? tn_ddti_label_names[s->label] : "");
    if (o && settings->folds) fprintf(to, "%d", o->part);
    fprintf(to, ",%s,", !o ? "" : tn_ddti_is_valid(settings, o->part) ? "valid" : "train");
    if (s->box.w > 0)
        fprintf(to, "%d,%d,%d,%d,", s->box.x, s->box.y, s->box.w, s->box.h);
    else
        fputs(",,,,", to);
    for (size_t f = 0; f < sizeof findings / sizeof *findings; f++)
        tn_csv_field(to, record->fields[findings[f]], ',');
    if (o && o->copy > 0)
        fprintf(to, "%d,%.2f,%.4f,%d,", o->copy, (double)o->degrees, (double)o->scale, o->mirror);
    else
        fputs(o ? "0,0,1,0," : ",,,,", to);
    tn_csv_field(to, s->excluded ? s->excluded : "", '\n');
}

static tn_status write_manifest(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                                const tn_ddti_plan *plan, const char *out,
                                const char *const *paths) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/manifest.csv", out));
    fputs(manifest_header, file.to);
    for (int i = 0, o = 0; i < plan->sample_count; i++) {
        const tn_ddti_sample *s = &plan->samples[i];
        if (s->excluded) write_row(file.to, c, settings, s, NULL, NULL);
        for (; o < plan->output_count && plan->outputs[o].sample == i; o++)
            write_row(file.to, c, settings, s, &plan->outputs[o], paths[o]);
    }
    return tn_text_file_commit(&file);
}

tn_status tn_ddti_write_lists(const tn_ddti_collection *c, const tn_ddti_settings *settings,
                              const tn_ddti_plan *plan, const char *out, const char *const *paths) {
    TN_TRY(write_labels(out, "labels.list"));
    TN_TRY(write_labels(out, "ddti.names"));
    TN_TRY(write_manifest(c, settings, plan, out, paths));
    for (int fold = 0; fold < settings->folds; fold++) {
        char *folder = tn_text("%s/fold%d", out, fold);
        tn_status status = folder ? tn_make_folders(folder) : tn_fail("out of memory");
        if (status == TN_OK) status = write_split(settings, plan, out, folder, fold, paths);
        free(folder);
        TN_TRY(status);
    }
    int fold = settings->folds ? settings->fold : TN_DDTI_VALID;
    return write_split(settings, plan, out, out, fold, paths);
}
