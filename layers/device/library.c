#include "layers/device/library.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 1024 };

/* A file that is there and does not open is worth a word, a missing one is not. */
static void *open_file(const char *path, char *trouble, size_t room) {
    if (access(path, F_OK) != 0) return NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) snprintf(trouble, room, "%s", dlerror());
    return library;
}

static void *open_in_folders(const char *folders, const char *name, char *trouble, size_t room) {
    while (folders && *folders) {
        const size_t length = strcspn(folders, ":");
        char path[PATH_ROOM];
        snprintf(path, sizeof path, "%.*s/%s", (int)length, folders, name);
        void *library = open_file(path, trouble, room);
        if (library) return library;
        folders += length + (folders[length] == ':');
    }
    return NULL;
}

static void *open_matching(const char *pattern, char *trouble, size_t room) {
    glob_t found;
    void *library = NULL;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && !library; i++)
            library = open_file(found.gl_pathv[i], trouble, room);
    }
    globfree(&found);
    return library;
}

/* Where pip puts packages: the environment in use, the user's, the system's. CUDA 13's packages
 * share one folder, those before have one each. */
static void *open_in_wheels(const char *wheel, const char *name, char *trouble, size_t room) {
    const char *const environment = getenv("VIRTUAL_ENV"), *const home = getenv("HOME");
    const char *const roots[] = {environment ? environment : "", home ? home : "", "/usr/local",
                                 "/usr"};
    static const char *const below[] = {"lib/python3*/site-packages",
                                        ".local/lib/python3*/site-packages",
                                        "lib/python3*/dist-packages", "lib/python3/dist-packages"};
    const char *const folders[] = {wheel, "cu13"};
    for (size_t r = 0; r < sizeof roots / sizeof *roots; r++) {
        if (!*roots[r]) continue;
        for (size_t b = 0; b < sizeof below / sizeof *below; b++) {
            for (size_t f = 0; f < 2; f++) {
                char pattern[PATH_ROOM];
                snprintf(pattern, sizeof pattern, "%s/%s/nvidia/%s/lib/%s", roots[r], below[b],
                         folders[f], name);
                void *library = open_matching(pattern, trouble, room);
                if (library) return library;
            }
        }
    }
    return NULL;
}

static void *open_one(const char *name, const char *wheel, char *trouble, size_t room) {
    void *library = open_in_folders(getenv("TN_CUDA_LIBRARIES"), name, trouble, room);
    if (!library) library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (!library && !*trouble) {
        const char *why = dlerror();
        if (why && !strstr(why, "No such file")) snprintf(trouble, room, "%s", why);
    }
    if (!library && wheel)
        library = open_in_folders("/usr/local/cuda/lib64:/usr/local/cuda/lib", name, trouble, room);
    if (!library && wheel) library = open_in_wheels(wheel, name, trouble, room);
    return library;
}

tn_status tn_library_open(const char *title, const char *const *names, const char *wheel,
                          void **library) {
    char trouble[512] = "";
    for (int i = 0; names[i]; i++) {
        *library = open_one(names[i], wheel, trouble, sizeof trouble);
        if (*library) return TN_OK;
    }
    if (*trouble) return tn_fail("%s (%s) does not open: %s", title, names[0], trouble);
    return tn_fail("%s is not installed (no %s)%s", title, names[0],
                   wheel ? "; a folder that holds it can be named in TN_CUDA_LIBRARIES" : "");
}

tn_status tn_library_symbol(void *library, const char *symbol, void *function) {
    void *found = dlsym(library, symbol);
    if (!found) return tn_fail("%s is missing from its library: another version?", symbol);
    memcpy(function, &found, sizeof found); /* ISO C has no cast from data to function pointers */
    return TN_OK;
}
