#include "src/data/ddti/collection.h"
#include "src/data/burned_text.h"
#include "src/data/files.h"
#include "src/data/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { LARGEST_IMAGE = 64 << 20, COLOURED = 20, JPEG_ROUNDING = 7 };

const char *const tn_ddti_grade_names[TN_DDTI_GRADES] = {"",   "1",  "2",  "3", "4",
                                                         "4a", "4b", "4c", "5"};

int tn_ddti_grade(const char *text) {
    for (int i = 0; i < TN_DDTI_GRADES; i++)
        if (strcasecmp(text, tn_ddti_grade_names[i]) == 0) return i;
    return -1;
}

const char *tn_ddti_image_name(const tn_ddti_collection *collection, int image,
                               char name[TN_DDTI_NAME]) {
    const tn_ddti_image *i = &collection->images[image];
    snprintf(name, TN_DDTI_NAME, "%d_%d", collection->cases[i->record].number, i->number);
    return name;
}

int tn_ddti_jpeg_frame(const void *bytes, size_t size, int *width, int *height, int *components,
                       int *baseline) {
    const unsigned char *b = bytes;
    if (size < 4 || b[0] != 0xff || b[1] != 0xd8) return 0;
    for (size_t at = 2; at + 10 <= size && b[at] == 0xff;) {
        int marker = b[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        int frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame) {
            *height = b[at + 5] << 8 | b[at + 6];
            *width = b[at + 7] << 8 | b[at + 8];
            *components = b[at + 9];
            *baseline = marker == 0xc0;
            return 1;
        }
        at += 2 + (size_t)(b[at + 2] << 8 | b[at + 3]);
    }
    return 0;
}

/* What a file's name says: a case ("12.xml": k = -1), an image ("12_1.jpg"), or neither (0). The
 * name must be the one that its numbers make, so that no two names mean the same. */
static int read_name(const char *name, int *number, int *k) {
    char expected[64];
    if (sscanf(name, "%7d_%7d.jpg", number, k) == 2 && *number >= 0 && *k >= 0) {
        snprintf(expected, sizeof expected, "%d_%d.jpg", *number, *k);
        if (strcmp(name, expected) == 0) return 1;
    }
    if (sscanf(name, "%7d.xml", number) == 1 && *number >= 0) {
        *k = -1;
        snprintf(expected, sizeof expected, "%d.xml", *number);
        if (strcmp(name, expected) == 0) return 1;
    }
    return 0;
}

typedef struct entry {
    int number, k; /* k = -1: a case file */
} entry;

static int by_entry(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return (x->k > y->k) - (x->k < y->k);
}

static tn_status list_folder(const char *folder, entry **out, int *count, int *others) {
    DIR *dir = opendir(folder);
    if (!dir) return tn_fail("%s: cannot list the folder: %s", folder, strerror(errno));
    entry *entries = NULL;
    size_t used = 0, room = 0;
    tn_status status = TN_OK;
    *others = 0;
    for (struct dirent *d; status == TN_OK && (d = readdir(dir)) != NULL;) {
        entry e;
        if (d->d_name[0] == '.') continue;
        struct stat info; /* a pipe under a case's name would be waited for without end */
        int regular = fstatat(dirfd(dir), d->d_name, &info, 0) == 0 && S_ISREG(info.st_mode);
        if (!regular || !read_name(d->d_name, &e.number, &e.k)) {
            ++*others;
            continue;
        }
        if (used == room) {
            room = room ? room * 2 : 1024;
            entry *grown = realloc(entries, room * sizeof *entries);
            if (!grown || room > 1u << 24) status = tn_fail("%s: too many files", folder);
            if (grown) entries = grown;
        }
        if (status == TN_OK) entries[used++] = e;
    }
    closedir(dir);
    if (status != TN_OK) {
        free(entries);
        return status;
    }
    if (used) qsort(entries, used, sizeof *entries, by_entry);
    *out = entries;
    *count = (int)used;
    return TN_OK;
}

static tn_status load_case(tn_ddti_collection *c, int number) {
    char *path = tn_text("%s/%d.xml", c->folder, number);
    if (!path) return tn_fail("out of memory");
    tn_status status = tn_ddti_case_load(path, &c->cases[c->case_count]);
    free(path);
    if (status == TN_OK) {
        c->case_count++;
        return TN_OK;
    }
    c->unread[c->unread_count] = strdup(tn_error());
    return c->unread[c->unread_count++] ? TN_OK : tn_fail("out of memory");
}

/* Counts the pixels whose channels differ. */
static void look_at_colours(const tn_image *pixels, tn_ddti_image *image) {
    size_t count = (size_t)pixels->h * (size_t)pixels->w;
    image->grey = 1;
    for (size_t i = 0; pixels->c == 3 && i < count; i++) {
        const uint8_t *p = pixels->data + 3 * i;
        int most = p[0] > p[1] ? p[0] : p[1], least = p[0] < p[1] ? p[0] : p[1];
        most = p[2] > most ? p[2] : most;
        least = p[2] < least ? p[2] : least;
        image->coloured += most - least > COLOURED;
        image->grey &= most - least <= JPEG_ROUNDING;
    }
}

static tn_status look_at_bytes(tn_ddti_image *image) {
    uint8_t *bytes;
    tn_image pixels = {0};
    TN_TRY(tn_read_file(image->path, LARGEST_IMAGE, &bytes, &image->size));
    image->digest = tn_digest(bytes, image->size);
    tn_status status = tn_image_decode(bytes, image->size, image->path, 3, &pixels);
    if (status == TN_OK) {
        tn_ddti_jpeg_frame(bytes, image->size, &image->width, &image->height, &image->components,
                           &image->baseline);
        image->width = pixels.w;
        image->height = pixels.h;
        look_at_colours(&pixels, image);
        status = tn_count_letters_below(&pixels, &image->letters);
        if (status == TN_OK) status = tn_perceptual_hash_of(&pixels, &image->look);
    }
    tn_image_free(&pixels);
    free(bytes);
    return status;
}

static tn_status look_at_image(tn_ddti_image *image) {
    if (look_at_bytes(image) == TN_OK) {
        image->present = 1;
        return TN_OK;
    }
    image->fault = strdup(tn_error());
    return image->fault ? TN_OK : tn_fail("out of memory");
}

static int same_bytes(const tn_ddti_image *a, const tn_ddti_image *b) {
    uint8_t *x = NULL, *y = NULL;
    size_t nx, ny;
    int same = tn_read_file(a->path, LARGEST_IMAGE, &x, &nx) == TN_OK &&
               tn_read_file(b->path, LARGEST_IMAGE, &y, &ny) == TN_OK && nx == ny &&
               memcmp(x, y, nx) == 0;
    free(x);
    free(y);
    return same;
}

static void find_twins(tn_ddti_collection *c) {
    for (int i = 0; i < c->image_count; i++) {
        tn_ddti_image *a = &c->images[i];
        a->twin = i;
        for (int j = 0; a->present && j < i && a->twin == i; j++) {
            const tn_ddti_image *b = &c->images[j];
            if (!b->present || b->twin != j || b->size != a->size || b->digest != a->digest)
                continue;
            if (same_bytes(a, b)) a->twin = j;
        }
        if (a->twin != i) tn_groups_join(&c->groups, a->record, c->images[a->twin].record);
    }
}

static int find_case(const tn_ddti_collection *c, int number) {
    int low = 0, high = c->case_count - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        if (c->cases[middle].number == number) return middle;
        if (c->cases[middle].number < number)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

static int has_image(const tn_ddti_collection *c, int record, int number) {
    for (int i = c->image_count - 1; i >= 0 && c->images[i].record >= record; i--)
        if (c->images[i].record == record && c->images[i].number == number) return 1;
    return 0;
}

static tn_status add_image(tn_ddti_collection *c, int record, int number) {
    tn_ddti_image *image = &c->images[c->image_count];
    *image = (tn_ddti_image){.record = record, .number = number};
    image->mark = tn_ddti_case_mark(&c->cases[record], number);
    image->path = tn_text("%s/%d_%d.jpg", c->folder, c->cases[record].number, number);
    if (!image->path) return tn_fail("out of memory");
    c->image_count++;
    return look_at_image(image);
}

/* The image files of the cases, then the images that a mark names and no file is there for. */
static tn_status add_images(tn_ddti_collection *c, const entry *entries, int count) {
    size_t marks = 0;
    for (int i = 0; i < c->case_count; i++) marks += (size_t)c->cases[i].mark_count;
    c->images = calloc((size_t)count + marks + 1, sizeof *c->images);
    if (!c->images) return tn_fail("out of memory for %d images", count);
    for (int r = 0, e = 0; r < c->case_count; r++) {
        const tn_ddti_case *record = &c->cases[r];
        while (e < count && entries[e].number < record->number) e++;
        for (; e < count && entries[e].number == record->number; e++)
            if (entries[e].k >= 0) TN_TRY(add_image(c, r, entries[e].k));
        for (int m = 0; m < record->mark_count; m++)
            if (!has_image(c, r, record->marks[m].image))
                TN_TRY(add_image(c, r, record->marks[m].image));
    }
    for (int e = 0; e < count; e++)
        c->orphan_count += entries[e].k >= 0 && find_case(c, entries[e].number) < 0;
    return TN_OK;
}

static tn_status fill(tn_ddti_collection *c, const entry *entries, int count) {
    size_t files = 0;
    for (int i = 0; i < count; i++) files += entries[i].k < 0;
    if (files == 0)
        return tn_fail("%s: holds no case (no file <number>.xml); expected the DDTI's XML and JPG",
                       c->folder);
    c->cases = calloc(files, sizeof *c->cases);
    c->unread = calloc(files, sizeof *c->unread);
    if (!c->cases || !c->unread) return tn_fail("out of memory for %zu cases", files);
    for (int i = 0; i < count; i++)
        if (entries[i].k < 0) TN_TRY(load_case(c, entries[i].number));
    TN_TRY(tn_groups_create(c->case_count, &c->groups));
    TN_TRY(add_images(c, entries, count));
    find_twins(c);
    return TN_OK;
}

tn_status tn_ddti_collection_open(const char *folder, tn_ddti_collection *out) {
    entry *entries = NULL;
    int count = 0;
    *out = (tn_ddti_collection){0};
    TN_TRY(list_folder(folder, &entries, &count, &out->other_count));
    out->folder = strdup(folder);
    tn_status status = out->folder ? fill(out, entries, count) : tn_fail("out of memory");
    free(entries);
    if (status != TN_OK) tn_ddti_collection_close(out);
    return status;
}

void tn_ddti_collection_close(tn_ddti_collection *c) {
    for (int i = 0; i < c->image_count; i++) {
        free(c->images[i].path);
        free(c->images[i].fault);
    }
    for (int i = 0; i < c->case_count; i++) tn_ddti_case_free(&c->cases[i]);
    for (int i = 0; i < c->unread_count; i++) free(c->unread[i]);
    free(c->images);
    free(c->cases);
    free(c->unread);
    free(c->folder);
    tn_groups_free(&c->groups);
    *c = (tn_ddti_collection){0};
}
