#include "src/data/listing.h"
#include "src/data/files.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int occurrences(const char *path, const char *label) {
    int count = 0;
    for (const char *at = path; (at = strstr(at, label)) != NULL; at++) count++;
    return count;
}

static tn_status check_path(const char *const *labels, int label_count, const char *path,
                            int truth) {
    if (!*path) return tn_fail("an empty path");
    if (strpbrk(path, "\r\n"))
        return tn_fail("\"%s\": a line break in a file name cannot stand in a list: rename it",
                       path);
    if (isspace((unsigned char)*path) || isspace((unsigned char)path[strlen(path) - 1]))
        return tn_fail("\"%s\": white space begins or ends the path: rename it", path);
    for (int l = 0; l < label_count; l++) {
        int found = occurrences(path, labels[l]), expected = l == truth;
        if (found == expected) continue;
        if (expected && found == 0)
            return tn_fail("%s: its label \"%s\" does not occur in the path", path, labels[l]);
        if (expected)
            return tn_fail("%s: its label \"%s\" occurs %d times, expected once: rename the folder "
                           "or file that repeats it",
                           path, labels[l], found);
        return tn_fail("%s: is \"%s\", but the label \"%s\" occurs in its path too: rename the "
                       "folder or file in which it occurs",
                       path, labels[truth], labels[l]);
    }
    return TN_OK;
}

tn_status tn_labels_check(const char *const *labels, int label_count, const char *const *paths,
                          const int *truth, int count) {
    for (int l = 0; l < label_count; l++)
        if (!*labels[l]) return tn_fail("label %d is empty: it would match every path", l);
    for (int i = 0; i < count; i++) TN_TRY(check_path(labels, label_count, paths[i], truth[i]));
    return TN_OK;
}

tn_status tn_labels_check_folder(const char *const *labels, int label_count, const char *folder) {
    for (const char *at = folder; *at; at++)
        if (isspace((unsigned char)*at) || *at == '#' || *at == ';')
            return tn_fail("%s: Darknet's .data files cannot carry '%c' in a path: choose another "
                           "folder",
                           folder, *at);
    for (int l = 0; l < label_count; l++)
        if (strstr(folder, labels[l]))
            return tn_fail("%s: the label \"%s\" occurs in this path, so Darknet would give it to "
                           "every image in it: choose another folder",
                           folder, labels[l]);
    return TN_OK;
}

void tn_csv_field(FILE *to, const char *text, char separator) {
    if (strpbrk(text, ",\"\r\n")) {
        fputc('"', to);
        for (; *text; text++) {
            if (*text == '"') fputc('"', to);
            fputc(*text, to);
        }
        fputc('"', to);
    } else {
        fputs(text, to);
    }
    fputc(separator, to);
}

tn_status tn_write_lines(const char *path, const char *const *lines, int count) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s", path));
    for (int i = 0; i < count; i++) fprintf(file.to, "%s\n", lines[i]);
    return tn_text_file_commit(&file);
}
