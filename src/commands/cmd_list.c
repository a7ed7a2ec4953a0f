/* darknet list: Darknet classifier lists from any folder of class folders. */
#include "src/commands/commands.h"
#include "src/commands/options.h"
#include "src/data/class_folders.h"
#include "src/data/files.h"
#include "src/data/listing.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: darknet list DIR -out OUT [options]\n"
    "\n"
    "Reads DIR/<class>/**.jpg, .png, .bmp and writes OUT/train.list, valid.list, labels.list,\n"
    "<name>.names, <name>.data (name: OUT's last part) and manifest.csv. Images of one group (a\n"
    "patient) are never on both sides, and byte-identical files join their groups.\n"
    "Example: darknet list breast -group '^p([0-9]+)_' -out data/breast -positive malignant\n";

typedef struct list_options {
    const char *out, *group, *positive;
    double valid_fraction;
    int folds, fold;
    unsigned long long seed;
} list_options;

/* Everything that the writers need. */
typedef struct list_job {
    const list_options *options;
    tn_class_folders folders;
    char **labels; /* as written in labels.list */
    int *part;     /* of each image; -1 when it is left out */
    const char *name;
} list_job;

static tn_status split(list_job *job) {
    const list_options *o = job->options;
    const tn_class_folders *f = &job->folders;
    double share[TN_SPLIT_PARTS] = {1 - o->valid_fraction, o->valid_fraction};
    int parts = o->folds ? o->folds : 2, count = 0;
    for (int p = 0; o->folds && p < parts; p++) share[p] = 1.0 / parts;
    tn_split_sample *samples = calloc((size_t)f->image_count, sizeof *samples);
    int *part = calloc((size_t)f->image_count, sizeof *part);
    for (int i = 0; samples && i < f->image_count; i++)
        if (!f->images[i].fault)
            samples[count++] = (tn_split_sample){tn_groups_find(&f->groups, i), f->images[i].label,
                                                 f->images[i].label};
    tn_status status = samples && part
                           ? tn_split_groups(samples, count, share, parts, o->seed, part)
                           : tn_fail("out of memory for %d images", f->image_count);
    count = 0;
    for (int i = 0; status == TN_OK && i < f->image_count; i++)
        job->part[i] = f->images[i].fault ? -1 : part[count++];
    free(samples);
    free(part);
    return status;
}

static tn_status write_list(const list_job *job, const char *folder, int valid, int fold) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/%s.list", folder, valid ? "valid" : "train"));
    for (int i = 0; i < job->folders.image_count; i++)
        if (job->part[i] >= 0 && (job->part[i] == fold) == valid)
            fprintf(file.to, "%s\n", job->folders.images[i].path);
    return tn_text_file_commit(&file);
}

static tn_status write_data(const list_job *job, const char *folder) {
    const list_options *o = job->options;
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/%s.data", folder, job->name));
    fprintf(file.to,
            "classes=%d\ntrain=%s/train.list\nvalid=%s/valid.list\nlabels=%s/labels.list\n"
            "names=%s/%s.names\nbackup=weights/\ntop=1\n",
            job->folders.label_count, folder, folder, o->out, o->out, job->name);
    if (o->positive) fprintf(file.to, "positive=%s\n", o->positive);
    return tn_text_file_commit(&file);
}

static tn_status write_split(const list_job *job, const char *folder, int fold) {
    TN_TRY(write_list(job, folder, 0, fold));
    TN_TRY(write_list(job, folder, 1, fold));
    return write_data(job, folder);
}

static tn_status write_manifest(const list_job *job) {
    const list_options *o = job->options;
    const tn_class_folders *f = &job->folders;
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s/manifest.csv", o->out));
    fputs("image,label,group,fold,split,same_bytes_as,excluded\n", file.to);
    for (int i = 0; i < f->image_count; i++) {
        const tn_class_image *image = &f->images[i];
        int used = job->part[i] >= 0, valid = job->part[i] == (o->folds ? o->fold : 1);
        tn_csv_field(file.to, image->path, ',');
        tn_csv_field(file.to, f->labels[image->label], ',');
        tn_csv_field(file.to, o->group ? image->group : "", ',');
        if (used && o->folds) fprintf(file.to, "%d", job->part[i]);
        fprintf(file.to, ",%s,", !used ? "" : valid ? "valid" : "train");
        tn_csv_field(file.to, image->twin == i ? "" : f->images[image->twin].path, ',');
        tn_csv_field(file.to, image->fault ? image->fault : "", '\n');
    }
    return tn_text_file_commit(&file);
}

static tn_status write_names(const list_job *job) {
    const tn_class_folders *f = &job->folders;
    char *labels = tn_text("%s/labels.list", job->options->out);
    char *names = tn_text("%s/%s.names", job->options->out, job->name);
    tn_status status = labels && names ? TN_OK : tn_fail("out of memory");
    if (status == TN_OK)
        status = tn_write_lines(labels, (const char *const *)job->labels, f->label_count);
    if (status == TN_OK)
        status = tn_write_lines(names, (const char *const *)f->labels, f->label_count);
    free(labels);
    free(names);
    return status;
}

static tn_status write_all(const list_job *job) {
    const list_options *o = job->options;
    TN_TRY(tn_make_folders(o->out));
    TN_TRY(write_names(job));
    TN_TRY(write_manifest(job));
    for (int fold = 0; fold < o->folds; fold++) {
        char *folder = tn_text("%s/fold%d", o->out, fold);
        tn_status status = folder ? tn_make_folders(folder) : tn_fail("out of memory");
        if (status == TN_OK) status = write_split(job, folder, fold);
        free(folder);
        TN_TRY(status);
    }
    return write_split(job, o->out, o->folds ? o->fold : 1);
}

static void print_counts(const list_job *job) {
    const tn_class_folders *f = &job->folders;
    const list_options *o = job->options;
    int damaged = 0, twins = 0, groups = 0, conflicts = 0;
    for (int i = 0; i < f->image_count; i++) {
        const tn_class_image *image = &f->images[i];
        damaged += image->fault != NULL;
        twins += image->twin != i;
        conflicts += image->label != f->images[image->twin].label;
        groups += tn_groups_find(&f->groups, i) == i;
        if (image->fault) fprintf(stderr, "left out: %s\n", image->fault);
    }
    printf("images: %d in %d classes, %d groups; %d damaged and left out; %d repeat another's "
           "bytes; %d other files\n",
           f->image_count, f->label_count, groups, damaged, twins, f->other_count);
    if (conflicts)
        fprintf(stderr,
                "warning: %d image%s with the bytes of one in another class (see same_bytes_as "
                "in manifest.csv): one of the two labels is wrong\n",
                conflicts, conflicts == 1 ? "" : "s");
    printf("seed %llu\n%-24s %8s %8s\n", o->seed, "class", "train", "valid");
    for (int l = 0; l < f->label_count; l++) {
        int count[2] = {0};
        for (int i = 0; i < f->image_count; i++)
            if (f->images[i].label == l && job->part[i] >= 0)
                count[job->part[i] == (o->folds ? o->fold : 1)]++;
        printf("%-24s %8d %8d\n", f->labels[l], count[0], count[1]);
    }
    printf("wrote %s/%s.data, train.list, valid.list, labels.list, %s.names, manifest.csv\n",
           o->out, job->name, job->name);
}

static tn_status check(const list_job *job) {
    const list_options *o = job->options;
    const tn_class_folders *f = &job->folders;
    int known = o->positive == NULL;
    for (int l = 0; l < f->label_count; l++)
        known |= o->positive && strcmp(f->labels[l], o->positive) == 0;
    if (!known)
        return tn_fail("-positive %s: no such class folder (the first is \"%s\")", o->positive,
                       f->labels[0]);
    return TN_OK;
}

static tn_status run(list_job *job, const char *folder) {
    const list_options *o = job->options;
    const char *slash = strrchr(o->out, '/');
    job->name = slash ? slash + 1 : o->out;
    if (!*job->name || *job->name == '.')
        return tn_fail("-out %s: expected a folder with a name, as data/breast", o->out);
    if (o->folds && o->fold >= o->folds)
        return tn_fail("-fold %d: expected 0 to %d with -folds %d", o->fold, o->folds - 1,
                       o->folds);
    if (o->fold && !o->folds) return tn_fail("-fold %d needs -folds K", o->fold);
    TN_TRY(tn_labels_check_folder(NULL, 0, o->out));
    TN_TRY(tn_class_folders_open(folder, o->group, &job->folders));
    TN_TRY(check(job));
    job->labels = calloc((size_t)job->folders.label_count, sizeof *job->labels);
    job->part = calloc((size_t)job->folders.image_count, sizeof *job->part);
    if (!job->labels || !job->part) return tn_fail("out of memory");
    TN_TRY(tn_class_labels(&job->folders, job->labels));
    TN_TRY(split(job));
    return write_all(job);
}

static int list(const char *given, const list_options *o) {
    list_job job = {.options = o};
    char *folder = strdup(given);
    for (size_t n = folder ? strlen(folder) : 0; n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = 0;
    tn_status status = folder ? run(&job, folder) : tn_fail("out of memory");
    if (status == TN_OK) {
        print_counts(&job);
        if (!o->group)
            fputs("warning: without -group every file counts as its own patient: images of one "
                  "patient may be on both sides.\n",
                  stderr);
    } else {
        fprintf(stderr, "darknet list: %s\n", tn_error());
    }
    for (int l = 0; job.labels && l < job.folders.label_count; l++) free(job.labels[l]);
    free(job.labels);
    free(job.part);
    tn_class_folders_close(&job.folders);
    free(folder);
    return status == TN_OK ? 0 : 1;
}

int tn_cmd_list(int argc, char **argv) {
    list_options o = {.valid_fraction = 0.2};
    const tn_option_spec specs[] = {
        {"out", TN_OPTION_TEXT, &o.out, "OUT", "folder to write"},
        {"group", TN_OPTION_TEXT, &o.group, "REGEX",
         "POSIX extended expression on the path below the class folder; (...) is the patient"},
        {"positive", TN_OPTION_TEXT, &o.positive, "CLASS", "the class that metrics ask about"},
        {"valid-fraction", TN_OPTION_REAL, &o.valid_fraction, "F",
         "share of the images to validate on (default 0.2)", 0.001, 0.999},
        {"folds", TN_OPTION_INT, &o.folds, "K", "K folds, each with lists in OUT/fold<i>/", 2,
         TN_SPLIT_PARTS},
        {"fold", TN_OPTION_INT, &o.fold, "I", "fold to validate on in OUT/valid.list (default 0)",
         0, TN_SPLIT_PARTS - 1},
        {"seed", TN_OPTION_SEED, &o.seed, "N", "seed of the split (default 0)"},
        {NULL},
    };
    tn_arguments arguments;
    if (tn_options_parse(argc, argv, specs, &arguments) != TN_OK) {
        fprintf(stderr, "darknet list: %s\n", tn_error());
        return 1;
    }
    int status = 1;
    if (arguments.help) {
        tn_options_help(stdout, usage, specs);
        status = 0;
    } else if (arguments.positionals.count != 1 || !o.out) {
        fputs("darknet list: name one folder and where to write: darknet list DIR -out OUT\n",
              stderr);
    } else {
        status = list(arguments.positionals.items[0], &o);
    }
    tn_arguments_free(&arguments);
    return status;
}
