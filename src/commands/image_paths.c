#include "src/commands/image_paths.h"

#include "src/data/files.h"
#include "src/data/lists.h"
#include "src/data/text.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MOST_LIST_BYTES = 1 << 28, DEEPEST = 32 };

void tn_image_paths_free(tn_image_paths *paths) {
    for (int i = 0; i < paths->n; i++) free(paths->path[i]);
    free(paths->path);
    *paths = (tn_image_paths){0};
}

/* Takes `path` over. */
static tn_status push(tn_image_paths *paths, char *path) {
    if (path && paths->n == paths->capacity) {
        const int capacity = paths->capacity ? 2 * paths->capacity : 16;
        char **grown = realloc(paths->path, (size_t)capacity * sizeof *grown);
        if (grown) {
            paths->path = grown;
            paths->capacity = capacity;
        }
    }
    if (!path || paths->n == paths->capacity) {
        free(path);
        return tn_fail("out of memory for %d paths", paths->n);
    }
    paths->path[paths->n++] = path;
    return TN_OK;
}

static bool ends_in(const char *name, const char *const *ends) {
    const char *dot = strrchr(name, '.');
    for (; dot && *ends; ends++)
        if (strcasecmp(dot, *ends) == 0) return true;
    return false;
}

static bool is_image(const char *name) {
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".bmp", NULL};
    return ends_in(name, ends);
}

static bool is_list(const char *name) {
    static const char *const ends[] = {".list", ".txt", NULL};
    return ends_in(name, ends);
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static tn_status add_folder(tn_image_paths *paths, const char *folder, int depth);

static tn_status add_entry(tn_image_paths *paths, const char *folder, const char *name, int depth) {
    const size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    char *path = tn_text("%s%s%s", folder, slash, name);
    struct stat about;
    if (!path) return tn_fail("out of memory");
    const bool found = stat(path, &about) == 0;
    if (!found || !S_ISDIR(about.st_mode)) {
        if (is_image(name)) return push(paths, path);
        free(path);
        return TN_OK;
    }
    const tn_status status = add_folder(paths, path, depth + 1);
    free(path);
    return status;
}

static tn_status add_folder(tn_image_paths *paths, const char *folder, int depth) {
    struct dirent **entries;
    if (depth > DEEPEST)
        return tn_fail("%s: folders are nested more than %d deep", folder, DEEPEST);
    const int n = scandir(folder, &entries, is_visible, alphasort);
    if (n < 0) return tn_fail_errno("%s: cannot be listed", folder);
    tn_status status = TN_OK;
    for (int i = 0; i < n; i++) {
        if (status == TN_OK) status = add_entry(paths, folder, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* Images of a list are not looked for here: one that is missing must not stop the others. */
static tn_status add_list(tn_image_paths *paths, const char *name) {
    uint8_t *bytes;
    size_t size;
    tn_list list;
    TN_TRY(tn_read_file(name, MOST_LIST_BYTES, &bytes, &size));
    tn_status status = tn_list_parse((const char *)bytes, size, name, NULL, false, &list);
    free(bytes);
    TN_TRY(status);
    for (int i = 0; i < list.n && status == TN_OK; i++) status = push(paths, strdup(list.path[i]));
    tn_list_free(&list);
    return status;
}

tn_status tn_image_paths_add(tn_image_paths *paths, const char *word, bool *many) {
    struct stat about;
    const int before = paths->n;
    *many = true;
    if (stat(word, &about) == 0 && S_ISDIR(about.st_mode)) {
        TN_TRY(add_folder(paths, word, 0));
        if (paths->n == before)
            return tn_fail("%s: no image (.jpg, .jpeg, .png, .bmp) in this folder", word);
        return TN_OK;
    }
    if (is_list(word)) return add_list(paths, word);
    *many = false;
    return push(paths, strdup(word));
}
