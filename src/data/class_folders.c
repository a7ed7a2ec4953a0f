#include "src/data/class_folders.h"
#include "src/data/files.h"
#include "src/data/image.h"
#include "src/data/listing.h"
#include "src/data/text.h"

#include <dirent.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEEPEST = 8, MOST_CLASSES = 1000, MOST_IMAGES = 1 << 22, LARGEST_IMAGE = 256 << 20 };

static int is_image_name(const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".bmp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0) return 1;
    return 0;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Adds an item to an array that doubles as it grows. */
static tn_status add_image(tn_class_folders *f, char *path, int label) {
    int n = f->image_count;
    if (n >= MOST_IMAGES) return tn_fail("over %d images", MOST_IMAGES);
    if ((n & (n - 1)) == 0) {
        size_t room = n ? (size_t)n * 2 : 1;
        tn_class_image *grown = realloc(f->images, room * sizeof *grown);
        if (!grown) return tn_fail("out of memory for %zu images", room);
        f->images = grown;
    }
    f->images[f->image_count++] = (tn_class_image){.path = path, .label = label};
    return TN_OK;
}

static tn_status scan(tn_class_folders *f, const char *folder, int label, int depth);

static tn_status scan_entry(tn_class_folders *f, const char *folder, const char *name, int label,
                            int depth) {
    struct stat info;
    char *path = tn_text("%s/%s", folder, name);
    if (!path) return tn_fail("out of memory");
    tn_status status = TN_OK;
    if (stat(path, &info) != 0) {
        status = tn_fail("%s: %s", path, strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
        status = scan(f, path, label, depth + 1);
    } else if (S_ISREG(info.st_mode) && is_image_name(name)) {
        status = add_image(f, path, label);
        if (status == TN_OK) return TN_OK; /* the path is the image's now */
    } else {
        f->other_count++;
    }
    free(path);
    return status;
}

static tn_status scan(tn_class_folders *f, const char *folder, int label, int depth) {
    struct dirent **entries;
    if (depth > DEEPEST) return tn_fail("%s: folders over %d deep", folder, DEEPEST);
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0) return tn_fail("%s: cannot list the folder: %s", folder, strerror(errno));
    tn_status status = TN_OK;
    for (int i = 0; i < count; i++) {
        if (status == TN_OK) status = scan_entry(f, folder, entries[i]->d_name, label, depth);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static tn_status scan_class(tn_class_folders *f, const char *folder, const char *name) {
    struct stat info;
    char *path = tn_text("%s/%s", folder, name);
    if (!path) return tn_fail("out of memory");
    tn_status status = TN_OK;
    int images = f->image_count;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (f->label_count >= MOST_CLASSES) status = tn_fail("over %d class folders", MOST_CLASSES);
        if (status == TN_OK) status = scan(f, path, f->label_count, 0);
        if (status == TN_OK && f->image_count > images) {
            f->labels[f->label_count] = strdup(name);
            if (!f->labels[f->label_count++]) status = tn_fail("out of memory");
        }
    } else {
        f->other_count++;
    }
    free(path);
    return status;
}

static tn_status scan_classes(tn_class_folders *f, const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0) return tn_fail("%s: cannot list the folder: %s", folder, strerror(errno));
    f->labels = calloc(MOST_CLASSES + 1, sizeof *f->labels);
    tn_status status = f->labels ? TN_OK : tn_fail("out of memory");
    for (int i = 0; i < count; i++) {
        if (status == TN_OK) status = scan_class(f, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    TN_TRY(status);
    if (f->label_count < 2)
        return tn_fail("%s: %d class folder%s with images, expected two or more: DIR/<class>/*.jpg",
                       folder, f->label_count, f->label_count == 1 ? "" : "s");
    return TN_OK;
}

static tn_status name_groups(tn_class_folders *f, const char *folder, const regex_t *regex) {
    for (int i = 0; i < f->image_count; i++) {
        tn_class_image *image = &f->images[i];
        const char *below = image->path + strlen(folder) + 1 + strlen(f->labels[image->label]) + 1;
        regmatch_t match[2];
        if (!regex) {
            image->group = strdup(image->path);
        } else {
            if (regexec(regex, below, 2, match, 0) != 0)
                return tn_fail("%s: \"%s\" does not match the -group expression", image->path,
                               below);
            const regmatch_t *m = regex->re_nsub > 0 && match[1].rm_so >= 0 ? &match[1] : match;
            image->group = strndup(below + m->rm_so, (size_t)(m->rm_eo - m->rm_so));
        }
        if (!image->group) return tn_fail("out of memory");
        if (!*image->group)
            return tn_fail("%s: the -group expression takes nothing from \"%s\"", image->path,
                           below);
    }
    return TN_OK;
}

static tn_status name_groups_by(tn_class_folders *f, const char *folder, const char *expression) {
    regex_t regex;
    if (!expression) return name_groups(f, folder, NULL);
    int error = regcomp(&regex, expression, REG_EXTENDED);
    if (error) {
        char why[128];
        regerror(error, &regex, why, sizeof why);
        return tn_fail("-group \"%s\": no regular expression: %s", expression, why);
    }
    tn_status status = name_groups(f, folder, &regex);
    regfree(&regex);
    return status;
}

static tn_status look_at(tn_class_image *image) {
    uint8_t *bytes = NULL;
    tn_status status = tn_read_file(image->path, LARGEST_IMAGE, &bytes, &image->size);
    if (status == TN_OK) {
        image->digest = tn_digest(bytes, image->size);
        status = tn_image_check(bytes, image->size, image->path);
    }
    free(bytes);
    if (status == TN_OK) return TN_OK;
    image->fault = strdup(tn_error());
    return image->fault ? TN_OK : tn_fail("out of memory");
}

static int same_bytes(const char *a, const char *b) {
    uint8_t *x = NULL, *y = NULL;
    size_t nx, ny;
    int same = tn_read_file(a, LARGEST_IMAGE, &x, &nx) == TN_OK &&
               tn_read_file(b, LARGEST_IMAGE, &y, &ny) == TN_OK && nx == ny &&
               memcmp(x, y, nx) == 0;
    free(x);
    free(y);
    return same;
}

static int by_group(const void *a, const void *b) {
    const tn_class_image *const *x = a, *const *y = b;
    int order = strcmp((*x)->group, (*y)->group);
    return order ? order : (*x > *y) - (*x < *y);
}

static int by_bytes(const void *a, const void *b) {
    const tn_class_image *const *x = a, *const *y = b;
    if ((*x)->digest != (*y)->digest) return (*x)->digest < (*y)->digest ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

/* Images whose digest is equal follow each other in `order`; each is compared with those before. */
static void join_twins(tn_class_folders *f, tn_class_image **order) {
    for (int i = 0; i < f->image_count; i++) {
        tn_class_image *image = order[i];
        int self = (int)(image - f->images);
        for (int j = i - 1; j >= 0 && order[j]->digest == image->digest && !image->fault; j--) {
            int other = (int)(order[j] - f->images);
            if (order[j]->fault || order[j]->twin != other || order[j]->size != image->size)
                continue;
            if (!same_bytes(image->path, order[j]->path)) continue;
            image->twin = other;
            tn_groups_join(&f->groups, self, other);
            break;
        }
    }
}

static tn_status make_groups(tn_class_folders *f) {
    TN_TRY(tn_groups_create(f->image_count, &f->groups));
    tn_class_image **order = calloc((size_t)f->image_count + 1, sizeof *order);
    if (!order) return tn_fail("out of memory for %d images", f->image_count);
    for (int i = 0; i < f->image_count; i++) {
        f->images[i].first = f->images[i].twin = i;
        order[i] = &f->images[i];
    }
    qsort(order, (size_t)f->image_count, sizeof *order, by_group);
    for (int i = 1; i < f->image_count; i++)
        if (strcmp(order[i]->group, order[i - 1]->group) == 0) {
            order[i]->first = order[i - 1]->first;
            tn_groups_join(&f->groups, order[i]->first, (int)(order[i] - f->images));
        }
    qsort(order, (size_t)f->image_count, sizeof *order, by_bytes);
    join_twins(f, order);
    free(order);
    return TN_OK;
}

static tn_status fill(tn_class_folders *f, const char *folder, const char *expression) {
    TN_TRY(scan_classes(f, folder));
    TN_TRY(name_groups_by(f, folder, expression));
    for (int i = 0; i < f->image_count; i++) TN_TRY(look_at(&f->images[i]));
    return make_groups(f);
}

tn_status tn_class_folders_open(const char *folder, const char *expression, tn_class_folders *out) {
    *out = (tn_class_folders){0};
    tn_status status = fill(out, folder, expression);
    if (status != TN_OK) tn_class_folders_close(out);
    return status;
}

void tn_class_folders_close(tn_class_folders *f) {
    for (int i = 0; i < f->image_count; i++) {
        free(f->images[i].path);
        free(f->images[i].group);
        free(f->images[i].fault);
    }
    for (int l = 0; l < f->label_count; l++) free(f->labels[l]);
    free(f->images);
    free(f->labels);
    tn_groups_free(&f->groups);
    *f = (tn_class_folders){0};
}

static tn_status check_all(const tn_class_folders *f, char **labels) {
    for (int i = 0; i < f->image_count; i++) {
        const char *path = f->images[i].path;
        if (f->images[i].fault) continue;
        TN_TRY(tn_labels_check((const char *const *)labels, f->label_count, &path,
                               &f->images[i].label, 1));
    }
    return TN_OK;
}

tn_status tn_class_labels(const tn_class_folders *f, char **labels) {
    for (int anchored = 0; anchored < 2; anchored++) {
        const char *slash = anchored ? "/" : "";
        for (int l = 0; l < f->label_count; l++) {
            labels[l] = tn_text("%s%s%s", slash, f->labels[l], slash);
            if (!labels[l]) return tn_fail("out of memory");
        }
        if (check_all(f, labels) == TN_OK) return TN_OK;
        for (int l = 0; l < f->label_count; l++) {
            free(labels[l]);
            labels[l] = NULL;
        }
    }
    return TN_FAIL;
}
