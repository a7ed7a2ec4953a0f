/* The generated sample's cases: what they say, what is odd in them, and where their nodules lie. */
#include "src/data/ddti/synth.h"
#include "layers/device/rng.h"
#include "src/data/files.h"
#include "src/data/text.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double PI = 3.14159265358979323846;

/* Grades in the proportion in which they are dealt: 5 benign, 6 malignant, one empty. */
static const char *const deck[] = {"2", "4a", "3", "4b", "2", "5", "3", "4c", "2", "4a", "5", ""};
enum { DECK = sizeof deck / sizeof *deck };

/* The oddities recur in every run of 60 cases; these are their places in it. */
enum {
    CYCLE = 60,
    AT_CUT_JSON = 2,
    AT_EMPTY_SVG = 3,
    AT_ARROWS = 4,
    AT_OUTSIDE = 6,
    AT_TWINS_WITHIN = 7,
    AT_TWIN_FIRST = 8,
    AT_TWIN_SECOND = 10, /* in another case, without a grade */
    CUT_LENGTH = 500,
    OUTLINE_POINTS = 48,
    MOST_NODULES = 2
};

typedef struct picture {
    tn_ddti_nodule nodules[MOST_NODULES];
    int count, panes;
} picture;

typedef struct synth {
    const char *folder;
    uint64_t seed;
    int cases, number; /* the last number used */
    int images;
    char *twin; /* path of the image that another case shows too */
} synth;

static double between(tn_rng *rng, double low, double high) {
    return low + (high - low) * (double)tn_rng_uniform(rng, 0, 1);
}

static int chance(tn_rng *rng, double probability) {
    return between(rng, 0, 1) < probability;
}

/* 0 for a plainly benign look to 1 for a plainly malignant one; empty grades may be anything. */
static double severity(const char *grade, tn_rng *rng) {
    static const struct {
        const char *grade;
        double value;
    } table[] = {{"2", 0.05}, {"3", 0.25}, {"4a", 0.55}, {"4b", 0.7}, {"4c", 0.85}, {"5", 1}};
    double value = between(rng, 0, 1);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].grade, grade) == 0) value = table[i].value + between(rng, -0.12, 0.12);
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static tn_ddti_nodule make_nodule(double s, tn_rng *rng) {
    tn_ddti_nodule n = {0};
    double area = between(rng, 30, 48), aspect = 0.6 + 0.65 * s + between(rng, -0.12, 0.12);
    n.rx = area / sqrt(aspect);
    n.ry = area * sqrt(aspect);
    n.echo = 1.1 - 0.75 * s + between(rng, -0.12, 0.12);
    n.roughness = 0.01 + 0.13 * s * between(rng, 0.6, 1.2);
    for (int k = 0; k < 4; k++) n.phase[k] = between(rng, 0, 2 * PI);
    n.cystic = s < 0.4 && chance(rng, 0.5) ? between(rng, 0.25, 0.45) : 0;
    n.specks = s > 0.4 && chance(rng, 0.7) ? (int)between(rng, 3, 5 + 12 * s) : 0;
    n.shadow = s * between(rng, 0, 0.5);
    return n;
}

/* One nodule, or the same one in two panes: another plane of it, so not quite the same. */
static picture compose(const tn_ddti_nodule *nodule, tn_rng *rng) {
    picture p = {.count = 1, .panes = 1};
    if (chance(rng, 0.25)) p.count = p.panes = 2;
    for (int i = 0; i < p.count; i++) {
        tn_ddti_nodule *n = &p.nodules[i];
        *n = *nodule;
        n->rx *= between(rng, 0.92, 1.08);
        n->ry *= between(rng, 0.92, 1.08);
        for (int k = 0; k < 4; k++) n->phase[k] += between(rng, -0.4, 0.4);
        double centre = p.panes == 2 ? (i == 0 ? 165 : 395) : 280;
        n->x = centre + between(rng, -20, 20) * (p.panes == 2 ? 1 : 4);
        n->y = between(rng, 155, 195);
    }
    return p;
}

static void write_outline(FILE *to, const tn_ddti_nodule *n, int outside, tn_rng *rng) {
    fputs("{\"points\": [", to);
    for (int i = 0; i < OUTLINE_POINTS; i++) {
        double angle = 2 * PI * i / OUTLINE_POINTS;
        double r = tn_ddti_nodule_border(n, angle) * between(rng, 1.0, 1.05);
        int x = (int)lround(n->x + r * n->rx * cos(angle));
        int y = (int)lround(n->y + r * n->ry * sin(angle));
        if (outside && i == OUTLINE_POINTS / 4) y = TN_DDTI_HEIGHT + 34;
        fprintf(to, "%s{\"x\": %d, \"y\": %d}", i ? ", " : "", x, y);
    }
    fputs("], \"annotation\": {}, \"regionType\": \"freehand\"}", to);
}

/* The JSON of a picture's regions, with the oddity of its place; to be freed. */
static char *make_svg(const picture *p, int place, int image, tn_rng *rng) {
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return NULL;
    if (place != AT_EMPTY_SVG || image > 1) {
        fputc('[', to);
        for (int i = 0; i < p->count; i++) {
            if (i) fputs(", ", to);
            write_outline(to, &p->nodules[i], place == AT_OUTSIDE && i == 0 && image == 1, rng);
        }
        if (place == AT_ARROWS)
            fprintf(to,
                    ", {\"points\": [{\"x\": %d, \"y\": 290}, {\"x\": %d, \"y\": 230}], "
                    "\"annotation\": {}, \"regionType\": \"arrow\"}",
                    (int)p->nodules[0].x + 60, (int)p->nodules[0].x + 30);
        fputc(']', to);
    }
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    if (place == AT_CUT_JSON && image == 1 && size > CUT_LENGTH) text[CUT_LENGTH] = 0;
    return text;
}

static tn_status copy_file(const char *from, const char *to) {
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(from, 64u << 20, &bytes, &size));
    tn_status status = tn_file_write(to, bytes, size);
    free(bytes);
    return status;
}

static tn_status draw(synth *s, const picture *p, const char *grade, int index, tn_rng *rng,
                      const char *path) {
    char text[16] = "";
    if (index * 10 >= s->cases * 7 && *grade && chance(rng, 0.6)) {
        snprintf(text, sizeof text, "TIRADS %s", grade);
        if (text[8]) text[8] = (char)(text[8] - 'a' + 'A');
    }
    tn_image frame;
    TN_TRY(tn_ddti_draw_frame(p->nodules, p->count, p->panes, *text ? text : NULL, index % 20 == 1,
                              s->seed, (uint32_t)s->images, &frame));
    tn_status status = tn_image_save(&frame, path);
    tn_image_free(&frame);
    return status;
}

/* Writes image k of a case, or copies the one that it is byte for byte, and its <mark>. */
static tn_status write_image(synth *s, FILE *xml, int index, int k, const picture *p,
                             const char *grade, tn_rng *rng) {
    int place = index % CYCLE;
    char *path = tn_text("%s/%d_%d.jpg", s->folder, s->number, k);
    char *first = tn_text("%s/%d_1.jpg", s->folder, s->number);
    char *svg = make_svg(p, place, k, rng);
    tn_status status = path && first && svg ? TN_OK : tn_fail("out of memory");
    if (status == TN_OK) {
        if (place == AT_TWINS_WITHIN && k == 2)
            status = copy_file(first, path);
        else if (place == AT_TWIN_SECOND && k == 1 && s->twin)
            status = copy_file(s->twin, path);
        else
            status = draw(s, p, grade, index, rng, path);
        fprintf(xml, "<mark><image>%d</image><svg>%s</svg></mark>", k, svg);
        s->images++;
    }
    if (status == TN_OK && place == AT_TWIN_FIRST && k == 1) {
        free(s->twin);
        s->twin = path;
        path = NULL;
    }
    free(path);
    free(first);
    free(svg);
    return status;
}

static void write_findings(FILE *xml, int number, const char *grade, double severity_seen,
                           const tn_ddti_nodule *n, tn_rng *rng) {
    int known = chance(rng, 0.75), described = known && chance(rng, 0.7);
    fprintf(xml, "<case><number>%d</number><age>", number);
    if (known) fprintf(xml, "%d", (int)between(rng, 20, 85));
    fprintf(xml, "</age><sex>%s</sex>", !known ? "" : chance(rng, 0.85) ? "F" : "M");
    fprintf(xml, "<composition>%s</composition>",
            !described      ? ""
            : n->cystic > 0 ? "spongiform"
                            : "solid");
    fprintf(xml, "<echogenicity>%s</echogenicity>",
            !described      ? ""
            : n->echo < 0.5 ? "marked hypoechogenicity"
            : n->echo < 0.8 ? "hypoechogenicity"
                            : "isoechogenicity");
    const char *rough = chance(rng, 0.5) ? "ill defined" : "ill- defined";
    fprintf(xml, "<margins>%s</margins>",
            !known                ? ""
            : severity_seen > 0.8 ? "spiculated"
            : severity_seen > 0.5 ? rough
                                  : "well defined smooth");
    const char *specks = chance(rng, 0.7) ? "microcalcifications" : "microcalcification";
    fprintf(xml, "<calcifications>%s</calcifications><tirads>%s</tirads>",
            !known      ? ""
            : n->specks ? specks
                        : "non",
            grade);
    fputs("<reportbacaf></reportbacaf><reporteco></reporteco>", xml);
}

static int image_count(int place, tn_rng *rng) {
    double u = between(rng, 0, 1);
    if (place == AT_TWINS_WITHIN) return 2;
    if (place == AT_TWIN_FIRST || place == AT_TWIN_SECOND) return 1;
    return u < 0.8 ? 1 : u < 0.95 ? 2 : 3;
}

static tn_status write_case(synth *s, int index, const char *grade, picture *shared) {
    int place = index % CYCLE;
    tn_rng rng = tn_rng_stream(s->seed, TN_RNG_SYNTH, (uint32_t)index, 0, 0);
    if (place == AT_TWIN_SECOND) grade = "";
    double look = severity(grade, &rng);
    tn_ddti_nodule nodule = make_nodule(look, &rng);
    if (++s->number % 11 == 5) s->number++; /* some numbers are missing */
    tn_text_file xml;
    TN_TRY(tn_text_file_open(&xml, "%s/%d.xml", s->folder, s->number));
    write_findings(xml.to, s->number, grade, look, &nodule, &rng);
    tn_status status = TN_OK;
    int images = image_count(place, &rng);
    picture p = {0};
    for (int k = 1; status == TN_OK && k <= images; k++) {
        if (!(place == AT_TWINS_WITHIN && k == 2)) p = compose(&nodule, &rng);
        if (place == AT_TWIN_SECOND && shared->count) p = *shared;
        status = write_image(s, xml.to, index, k, &p, grade, &rng);
        if (place == AT_TWIN_FIRST) *shared = p;
    }
    fputs("</case>", xml.to);
    if (status == TN_OK) return tn_text_file_commit(&xml);
    tn_text_file_discard(&xml);
    return status;
}

static void deal_grades(const char **grades, int cases, uint64_t seed) {
    tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 2, 0);
    for (int from = 0; from < cases; from += DECK) {
        const char *hand[DECK];
        memcpy(hand, deck, sizeof hand);
        for (int i = DECK - 1; i > 0; i--) {
            int j = (int)tn_rng_below(&rng, (uint32_t)i + 1);
            const char *keep = hand[i];
            hand[i] = hand[j];
            hand[j] = keep;
        }
        for (int i = 0; i < DECK && from + i < cases; i++) grades[from + i] = hand[i];
    }
}

static tn_status check_empty(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) return tn_fail("%s: cannot list the folder: %s", folder, strerror(errno));
    int files = 0;
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        files += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
    closedir(dir);
    if (files)
        return tn_fail("%s: holds %d file%s already: name an empty or new folder, nothing is "
                       "overwritten",
                       folder, files, files == 1 ? "" : "s");
    return TN_OK;
}

tn_status tn_ddti_synth(const char *folder, int cases, uint64_t seed, tn_ddti_progress progress,
                        void *context, tn_ddti_synth_counts *out) {
    *out = (tn_ddti_synth_counts){0};
    if (cases < TN_DDTI_SYNTH_LEAST || cases > TN_DDTI_SYNTH_MOST)
        return tn_fail("%d cases: expected %d to %d", cases, TN_DDTI_SYNTH_LEAST,
                       TN_DDTI_SYNTH_MOST);
    TN_TRY(tn_make_folders(folder));
    TN_TRY(check_empty(folder));
    const char **grades = calloc((size_t)cases, sizeof *grades);
    if (!grades) return tn_fail("out of memory for %d cases", cases);
    deal_grades(grades, cases, seed);
    synth s = {.folder = folder, .seed = seed, .cases = cases};
    picture shared = {0};
    tn_status status = TN_OK;
    for (int i = 0; status == TN_OK && i < cases; i++) {
        status = write_case(&s, i, grades[i], &shared);
        if (status == TN_OK && progress) progress(context, i + 1, cases);
    }
    free(s.twin);
    free(grades);
    *out = (tn_ddti_synth_counts){cases, s.images};
    return status;
}
