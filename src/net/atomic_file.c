#include "src/net/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *joined(const char *a, const char *b) {
    size_t size = strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    if (text) snprintf(text, size, "%s%s", a, b);
    return text;
}

tn_status tn_atomic_open(tn_atomic_file *file, const char *path) {
    *file = (tn_atomic_file){.path = joined(path, ""), .part = joined(path, ".part")};
    if (!file->path || !file->part) {
        tn_atomic_abandon(file);
        return tn_fail("%s: out of memory", path);
    }
    file->to = fopen(file->part, "wbe");
    if (file->to) return TN_OK;
    tn_status status = tn_fail("%s: cannot be written: %s", file->part, strerror(errno));
    tn_atomic_abandon(file);
    return status;
}

tn_status tn_atomic_write(tn_atomic_file *file, const void *bytes, size_t size) {
    if (size == 0 || fwrite(bytes, 1, size, file->to) == size) return TN_OK;
    return tn_fail("%s: cannot be written: %s", file->path, strerror(errno));
}

/* Makes the rename itself last. Some file systems cannot sync a folder: that is no failure. */
static void sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder) return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

tn_status tn_atomic_commit(tn_atomic_file *file) {
    const char *failed = NULL;
    if (ferror(file->to) || fflush(file->to) != 0 || fsync(fileno(file->to)) != 0)
        failed = "cannot be written";
    int why = errno;
    if (fclose(file->to) != 0 && !failed) {
        failed = "cannot be closed";
        why = errno;
    }
    file->to = NULL;
    if (!failed && rename(file->part, file->path) != 0) {
        failed = "cannot be renamed into place";
        why = errno;
    }
    tn_status status = TN_OK;
    if (failed)
        status = tn_fail("%s: %s: %s; what was there before is unchanged", file->path, failed,
                         strerror(why));
    else
        sync_folder(file->path);
    if (!failed) {
        free(file->part);
        file->part = NULL;
    }
    tn_atomic_abandon(file);
    return status;
}

void tn_atomic_abandon(tn_atomic_file *file) {
    if (file->to) fclose(file->to);
    if (file->part) unlink(file->part);
    free(file->path);
    free(file->part);
    *file = (tn_atomic_file){0};
}
