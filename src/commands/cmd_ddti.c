/* darknet ddti: the thyroid ultrasound database in, Darknet classifier lists out. */
#include "layers/device/cpu.h"
#include "src/commands/commands.h"
#include "src/commands/leak_check.h"
#include "src/commands/notice.h"
#include "src/commands/options.h"
#include "src/data/ddti/convert.h"
#include "src/data/ddti/synth.h"

#include <string.h>
#include <unistd.h>

static const char overview[] =
    "usage: darknet ddti convert DIR -out OUT [options]   lists and crops from the database\n"
    "       darknet ddti stats DIR                        what is in it, counted\n"
    "       darknet ddti stats TRAIN.list VALID.list      which images leak from one to the other\n"
    "       darknet ddti synth DIR [options]              a generated sample of its shape\n"
    "`darknet ddti convert -h` and so on say more.\n";

static const char convert_usage[] =
    "usage: darknet ddti convert DIR [-out OUT] [options]\n"
    "\n"
    "Reads every <number>.xml and <number>_<k>.jpg of DIR and writes OUT/train.list, valid.list,\n"
    "labels.list, ddti.names, ddti.data, manifest.csv and the images under OUT/images/<label>/.\n"
    "Labels are a visual grade (TI-RADS), not pathology.\n";

static int failed(const char *what) {
    fprintf(stderr, "darknet ddti %s: %s\n", what, tn_error());
    return 1;
}

/* The one positional of a command, or NULL with a message when there is none or more. */
static const char *only_folder(const char *what, const tn_arguments *arguments) {
    if (arguments->positionals.count == 1) return arguments->positionals.items[0];
    if (arguments->positionals.count == 0)
        fprintf(stderr, "darknet ddti %s: name the folder: darknet ddti %s DIR\n", what, what);
    else
        fprintf(stderr, "darknet ddti %s: expected one folder, found \"%s\" too\n", what,
                arguments->positionals.items[1]);
    return NULL;
}

static void show_progress(void *context, int done, int total) {
    if (!isatty(STDERR_FILENO)) return;
    fprintf(stderr, "\r%s %d of %d", (const char *)context, done, total);
    if (done == total) fputc('\n', stderr);
}

static void print_side(const tn_ddti_plan *plan, const char *name, int from, int to, int other) {
    int counts[TN_DDTI_LABELS] = {0}, total = 0;
    for (int i = 0; i < plan->output_count; i++) {
        int part = plan->outputs[i].part;
        if (part < from || part > to || part == other) continue;
        counts[plan->samples[plan->outputs[i].sample].label]++;
        total++;
    }
    printf("  %s: %d (%d benign + %d malignant)\n", name, total, counts[TN_DDTI_BENIGN],
           counts[TN_DDTI_MALIGNANT]);
}

static void print_split(const tn_ddti_settings *s, const tn_ddti_plan *plan, const char *by) {
    printf("split: by %s, seed %llu\n", by, (unsigned long long)s->seed);
    char name[32];
    for (int f = 0; f < s->folds; f++) {
        snprintf(name, sizeof name, "fold %d", f);
        print_side(plan, name, f, f, -1);
    }
    int valid = s->folds ? s->fold : TN_DDTI_VALID;
    print_side(plan, "train", 0, TN_SPLIT_PARTS, valid);
    print_side(plan, "valid", valid, valid, -1);
}

static void print_paper(const tn_ddti_settings *s) {
    if (s->paper == TN_DDTI_PAPER_OFF) return;
    printf("paper's counts, %s; copies are turned up to %g degrees either way, scaled %g to %g, "
           "mirrored left-right half the time (ranges not stated in the paper)\n",
           s->paper == TN_DDTI_PAPER_SPLIT_FIRST ? "split first, then augmented on each side"
                                                 : "augmented first, then split",
           (double)TN_DDTI_PAPER_DEGREES, 1 - (double)TN_DDTI_PAPER_SCALE,
           1 + (double)TN_DDTI_PAPER_SCALE);
}

static void warn(const tn_ddti_settings *s) {
    if (s->paper == TN_DDTI_PAPER_AUGMENT_FIRST)
        fputs("warning: -paper augment-first LEAKS: copies of nearly every validation image are in "
              "training; scores on it say nothing about new patients.\n",
              stderr);
    else if (s->split_images)
        fputs("warning: -split image LEAKS: images of one case are on both sides; scores on it say "
              "nothing about new patients. Use -split case for figures that count.\n",
              stderr);
    if (s->crop == TN_DDTI_CROP_NONE)
        fputs("warning: -crop none keeps what the scanner wrote into the frame; about 76 frames of "
              "DDTI carry the diagnosis as text, and a net can read it there.\n",
              stderr);
}

static void print_excluded(const tn_ddti_plan *plan) {
    int samples = 0, excluded = 0;
    for (int i = 0; i < plan->sample_count; i++) {
        excluded += plan->samples[i].excluded != NULL;
        samples += plan->samples[i].excluded == NULL;
    }
    printf("used: %d samples; left out: %d, each with the reason in manifest.csv\n", samples,
           excluded);
}

typedef struct convert_options {
    tn_ddti_settings settings;
    const char *out, *benign, *malignant;
    int crop, denoise, per, split, paper, fraction_given;
    unsigned long long seed;
} convert_options;

static int convert(const char *folder, convert_options *o) {
    tn_ddti_settings *s = &o->settings;
    s->crop = (tn_ddti_crop)o->crop;
    s->denoise = (tn_denoise)o->denoise;
    s->per_image = o->per;
    s->split_images = o->split;
    s->paper = (tn_ddti_paper)o->paper;
    s->seed = o->seed;
    if (tn_ddti_label_map_parse(o->benign, o->malignant, &s->map) != TN_OK)
        return failed("convert");
    if (s->paper && o->fraction_given) {
        fputs("darknet ddti convert: -paper fixes the sizes: leave -valid-fraction out\n", stderr);
        return 1;
    }
    tn_ddti_collection collection;
    tn_ddti_counts counts;
    tn_ddti_plan plan = {0};
    if (tn_ddti_collection_open(folder, &collection) != TN_OK) return failed("convert");
    tn_ddti_count(&collection, &s->map, &counts);
    tn_status status = tn_ddti_plan_make(&collection, s, &plan);
    if (status == TN_OK) {
        warn(s);
        status = tn_ddti_convert(&collection, s, &plan, o->out, show_progress, (void *)"image");
    }
    if (status == TN_OK) {
        static const char *const by[] = {"case (cases that share an image together)", "image"};
        tn_ddti_counts_print(stdout, &collection, &counts);
        printf("labels: benign %s; malignant %s; a visual grade (TI-RADS), not pathology\n",
               o->benign, o->malignant);
        printf("crop: %s, margin %g, one sample per %s; denoise: %s\n", tn_ddti_crop_name(s->crop),
               s->margin, s->crop || s->per_image ? "image" : "outline",
               tn_denoise_name(s->denoise));
        print_excluded(&plan);
        print_paper(s);
        print_split(s, &plan, s->paper == TN_DDTI_PAPER_AUGMENT_FIRST ? "copy" : by[o->split]);
        printf("wrote %s/ddti.data, train.list, valid.list, labels.list, ddti.names, "
               "manifest.csv, images/\n%s\n",
               o->out, TN_NOTICE);
    }
    tn_ddti_plan_free(&plan);
    tn_ddti_collection_close(&collection);
    return status == TN_OK ? 0 : failed("convert");
}

static int cmd_convert(int argc, char **argv) {
    convert_options o = {.out = "data/ddti", .benign = "2,3", .malignant = "4a,4b,4c,5"};
    o.settings.margin = 0.25;
    o.settings.valid_fraction = 0.2;
    const tn_option_spec specs[] = {
        {"out", TN_OPTION_TEXT, &o.out, "OUT", "folder to write (default data/ddti)"},
        {"crop", TN_OPTION_CHOICE, &o.crop, "nodule|frame|none",
         "square around each outline (default), the ultrasound picture, or the whole image"},
        {"margin", TN_OPTION_REAL, &o.settings.margin, "F",
         "context on each side, in parts of the outline's longer side (default 0.25)", 0, 10},
        {"per", TN_OPTION_CHOICE, &o.per, "outline|image",
         "one crop an outline (default), or the largest of each image"},
        {"denoise", TN_OPTION_CHOICE, &o.denoise, "none|median|nlm|srad",
         "filter for whole frames (default none; it may erase microcalcifications)"},
        {"size", TN_OPTION_INT, &o.settings.size, "N",
         "longer side of the written images (default 0: as cut)", 0, 4096},
        {"benign", TN_OPTION_TEXT, &o.benign, "GRADES", "benign grades (default 2,3)"},
        {"malignant", TN_OPTION_TEXT, &o.malignant, "GRADES",
         "malignant grades (default 4a,4b,4c,5); a grade in neither is left out"},
        {"valid-fraction", TN_OPTION_REAL, &o.settings.valid_fraction, "F",
         "share of the samples to validate on (default 0.2)", 0.001, 0.999, &o.fraction_given},
        {"folds", TN_OPTION_INT, &o.settings.folds, "K", "K folds, each with lists in OUT/fold<i>/",
         2, TN_SPLIT_PARTS},
        {"fold", TN_OPTION_INT, &o.settings.fold, "I",
         "fold to validate on in OUT/valid.list (default 0)", 0, TN_SPLIT_PARTS - 1},
        {"split", TN_OPTION_CHOICE, &o.split, "case|image",
         "what stays together (default case; image leaks)"},
        {"paper", TN_OPTION_CHOICE, &o.paper, "off|split-first|augment-first",
         "the published counts: 624+622 to train on, 286+292 to validate on"},
        {"seed", TN_OPTION_SEED, &o.seed, "N", "seed of split and copies (default 0)"},
        {NULL},
    };
    tn_arguments arguments;
    if (tn_options_parse(argc, argv, specs, &arguments) != TN_OK) return failed("convert");
    int status = 0;
    if (arguments.help) {
        tn_options_help(stdout, convert_usage, specs);
    } else {
        const char *folder = only_folder("convert", &arguments);
        status = folder ? convert(folder, &o) : 1;
    }
    tn_arguments_free(&arguments);
    return status;
}

static const char stats_usage[] =
    "usage: darknet ddti stats DIR [options]\n"
    "       darknet ddti stats TRAIN.list VALID.list\n"
    "\n"
    "Counts what is in a folder of the DDTI, every oddity named: images that are the same or look\n"
    "alike, text burned in below the picture. Of two lists it says which images of the second the\n"
    "first knows already: the same bytes, a near-duplicate (perceptual hash), the same case (by "
    "the\n"
    "manifest.csv beside them).\n";

static int compare_lists(const char *first, const char *second) {
    tn_list a = {0}, b = {0};
    tn_leaks leaks = {0};
    tn_status status = tn_list_load(first, NULL, &a);
    if (status == TN_OK) status = tn_list_load(second, NULL, &b);
    if (status == TN_OK) status = tn_leak_check(&a, &b, 1, tn_cpu_use_threads(0), &leaks);
    if (status == TN_OK) tn_leak_print(&a, &b, &leaks);
    tn_leaks_free(&leaks);
    tn_list_free(&a);
    tn_list_free(&b);
    return status == TN_OK ? 0 : failed("stats");
}

static int cmd_stats(int argc, char **argv) {
    const char *benign = "2,3", *malignant = "4a,4b,4c,5";
    const tn_option_spec specs[] = {
        {"benign", TN_OPTION_TEXT, &benign, "GRADES", "benign grades (default 2,3)"},
        {"malignant", TN_OPTION_TEXT, &malignant, "GRADES",
         "malignant grades (default 4a,4b,4c,5)"},
        {NULL},
    };
    tn_arguments arguments;
    if (tn_options_parse(argc, argv, specs, &arguments) != TN_OK) return failed("stats");
    int status = 1;
    if (arguments.help) {
        tn_options_help(stdout, stats_usage, specs);
        status = 0;
    } else if (arguments.positionals.count == 2) {
        status = compare_lists(arguments.positionals.items[0], arguments.positionals.items[1]);
    } else {
        const char *folder = only_folder("stats", &arguments);
        tn_ddti_collection collection;
        tn_ddti_label_map map;
        tn_ddti_counts counts;
        if (folder && (tn_ddti_label_map_parse(benign, malignant, &map) != TN_OK ||
                       tn_ddti_collection_open(folder, &collection) != TN_OK)) {
            status = failed("stats");
        } else if (folder) {
            tn_ddti_count(&collection, &map, &counts);
            tn_ddti_counts_print(stdout, &collection, &counts);
            puts(TN_NOTICE);
            tn_ddti_collection_close(&collection);
            status = 0;
        }
    }
    tn_arguments_free(&arguments);
    return status;
}

static int cmd_synth(int argc, char **argv) {
    int cases = 60;
    unsigned long long seed = 0;
    const tn_option_spec specs[] = {
        {"cases", TN_OPTION_INT, &cases, "N", "cases to make (default 60)", TN_DDTI_SYNTH_LEAST,
         TN_DDTI_SYNTH_MOST},
        {"seed", TN_OPTION_SEED, &seed, "N", "seed (default 0)"},
        {NULL},
    };
    tn_arguments arguments;
    if (tn_options_parse(argc, argv, specs, &arguments) != TN_OK) return failed("synth");
    int status = 1;
    if (arguments.help) {
        tn_options_help(stdout,
                        "usage: darknet ddti synth DIR [options]\n\nWrites a generated sample of "
                        "DDTI's shape into DIR, which is made.\n",
                        specs);
        status = 0;
    } else {
        const char *folder = only_folder("synth", &arguments);
        tn_ddti_synth_counts made;
        if (folder && tn_ddti_synth(folder, cases, seed, show_progress, (void *)"case", &made)) {
            status = failed("synth");
        } else if (folder) {
            printf("wrote %d cases with %d generated images to %s (seed %llu): no patient's data\n",
                   made.cases, made.images, folder, seed);
            status = 0;
        }
    }
    tn_arguments_free(&arguments);
    return status;
}

int tn_cmd_ddti(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "convert") == 0) return cmd_convert(argc - 1, argv + 1);
    if (strcmp(what, "stats") == 0) return cmd_stats(argc - 1, argv + 1);
    if (strcmp(what, "synth") == 0) return cmd_synth(argc - 1, argv + 1);
    if (strcmp(what, "-h") == 0 || strcmp(what, "-help") == 0 || strcmp(what, "--help") == 0) {
        fputs(overview, stdout);
        return 0;
    }
    if (*what) fprintf(stderr, "darknet ddti: unknown command \"%s\"\n", what);
    fputs(overview, stderr);
    return 1;
}
