#include "src/plugin/memory_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

tn_status tn_memory_file_open(tn_memory_file *file, const char *name) {
    *file = (tn_memory_file){NULL, ""};
    const int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) return tn_fail("%s: no file in memory: %s", name, strerror(errno));
    file->to = fdopen(fd, "w");
    if (!file->to) {
        close(fd);
        return tn_fail("%s: %s", name, strerror(errno));
    }
    snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", fd);
    return TN_OK;
}

tn_status tn_memory_file_finish(tn_memory_file *file) {
    if (fflush(file->to) == 0 && !ferror(file->to)) return TN_OK;
    return tn_fail("a file for the host: %s", strerror(errno));
}

void tn_memory_file_close(tn_memory_file *file) {
    if (file->to) fclose(file->to);
    file->to = NULL;
}
