#include "src/data/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *tn_text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}

static tn_status write_all(int fd, const char *path, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return tn_fail("%s: cannot write: %s", path, strerror(errno));
        bytes += n;
        size -= (size_t)n;
    }
    if (fsync(fd) != 0) return tn_fail("%s: cannot write: %s", path, strerror(errno));
    return TN_OK;
}

tn_status tn_file_write(const char *path, const void *bytes, size_t size) {
    char *temporary = tn_text("%s.%ld.part", path, (long)getpid());
    if (!temporary) return tn_fail("%s: out of memory", path);
    tn_status status = TN_OK;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = tn_fail("%s: cannot create: %s", path, strerror(errno));
    } else {
        status = write_all(fd, path, bytes, size);
        if (close(fd) != 0 && status == TN_OK)
            status = tn_fail("%s: cannot write: %s", path, strerror(errno));
        if (status == TN_OK && rename(temporary, path) != 0)
            status = tn_fail("%s: cannot put in place: %s", path, strerror(errno));
        if (status != TN_OK) unlink(temporary);
    }
    free(temporary);
    return status;
}

tn_status tn_text_file_open(tn_text_file *file, const char *path_format, ...) {
    *file = (tn_text_file){0};
    va_list arguments;
    va_start(arguments, path_format);
    int length = vasprintf(&file->path, path_format, arguments);
    va_end(arguments);
    if (length < 0) {
        file->path = NULL;
        return tn_fail("out of memory for a file name");
    }
    file->to = open_memstream(&file->text, &file->size);
    if (file->to) return TN_OK;
    tn_status status = tn_fail("%s: out of memory", file->path);
    tn_text_file_discard(file);
    return status;
}

tn_status tn_text_file_commit(tn_text_file *file) {
    int failed = ferror(file->to);
    failed |= fclose(file->to) != 0;
    file->to = NULL;
    tn_status status = failed ? tn_fail("%s: out of memory", file->path)
                              : tn_file_write(file->path, file->text, file->size);
    tn_text_file_discard(file);
    return status;
}

void tn_text_file_discard(tn_text_file *file) {
    if (file->to) fclose(file->to);
    free(file->text);
    free(file->path);
    *file = (tn_text_file){0};
}

static tn_status make_folder(const char *path) {
    struct stat info;
    if (mkdir(path, 0777) == 0) return TN_OK;
    int error = errno;
    if (error == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return TN_OK;
    return tn_fail("%s: cannot make the folder: %s", path, strerror(error));
}

tn_status tn_make_folders(const char *path) {
    char *copy = strdup(path);
    if (!copy) return tn_fail("%s: out of memory", path);
    tn_status status = TN_OK;
    for (char *slash = strchr(copy + 1, '/'); slash && status == TN_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        status = make_folder(copy);
        *slash = '/';
    }
    if (status == TN_OK) status = make_folder(copy);
    free(copy);
    return status;
}

uint64_t tn_digest(const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    uint64_t digest = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) digest = (digest ^ at[i]) * 1099511628211u;
    return digest;
}
