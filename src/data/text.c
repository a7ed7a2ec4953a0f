#include "src/data/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tn_status tn_fail_errno(const char *format, ...) {
    const char *why = strerror(errno);
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tn_fail("%s: %s", text, why);
}

static tn_status read_open_file(FILE *file, const char *path, size_t max_bytes, uint8_t **bytes,
                                size_t *size) {
    struct stat info;
    if (fstat(fileno(file), &info) != 0) return tn_fail_errno("%s: cannot be read", path);
    if (!S_ISREG(info.st_mode)) return tn_fail("%s: not a file", path);
    if (info.st_size < 0 || (uintmax_t)info.st_size > max_bytes)
        return tn_fail("%s: %jd bytes are more than the %zu that are read", path,
                       (intmax_t)info.st_size, max_bytes);
    size_t expected = (size_t)info.st_size;
    uint8_t *buffer = malloc(expected + 1);
    if (!buffer) return tn_fail("%s: no memory for its %zu bytes", path, expected);
    size_t got = fread(buffer, 1, expected, file);
    if (ferror(file) || got != expected) {
        free(buffer);
        return tn_fail("%s: %zu of %zu bytes could be read", path, got, expected);
    }
    buffer[got] = 0;
    *bytes = buffer;
    *size = got;
    return TN_OK;
}

tn_status tn_read_file(const char *path, size_t max_bytes, uint8_t **bytes, size_t *size) {
    *bytes = NULL;
    *size = 0;
    FILE *file = fopen(path, "rb");
    if (!file) return tn_fail_errno("%s: cannot be opened", path);
    tn_status status = read_open_file(file, path, max_bytes, bytes, size);
    fclose(file);
    return status;
}

tn_status tn_text_from(const char *bytes, size_t size, const char *name, char **out) {
    *out = NULL;
    if (size >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3)) {
        bytes += 3;
        size -= 3;
    }
    const char *zero = size ? memchr(bytes, 0, size) : NULL;
    if (zero) return tn_fail("%s: not a text file: zero byte at %zu", name, (size_t)(zero - bytes));
    char *copy = malloc(size + 1);
    if (!copy) return tn_fail("%s: no memory for its %zu bytes", name, size);
    if (size) memcpy(copy, bytes, size);
    copy[size] = 0;
    *out = copy;
    return TN_OK;
}

tn_status tn_find_beside(const char *name, const char *beside, char **out) {
    const char *slash = strrchr(beside, '/');
    size_t folder = slash ? (size_t)(slash - beside) + 1 : 0;
    char *path = malloc(folder + strlen(name) + 1);
    if (!path) return tn_fail("no memory for the name %s", name);
    memcpy(path, beside, folder);
    strcpy(path + folder, name);
    if (*name == '/' || access(name, F_OK) == 0 || access(path, F_OK) != 0) strcpy(path, name);
    *out = path;
    return TN_OK;
}

char *tn_next_line(char **cursor) {
    char *line = *cursor;
    if (!line || !*line) return NULL;
    char *end = strchr(line, '\n');
    if (end) {
        *end = 0;
        *cursor = end + 1;
    } else {
        end = line + strlen(line);
        *cursor = end;
    }
    if (end > line && end[-1] == '\r') end[-1] = 0;
    return line;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

char *tn_trim(char *text) {
    while (is_blank(*text)) text++;
    char *end = text + strlen(text);
    while (end > text && is_blank(end[-1])) end--;
    *end = 0;
    return text;
}
