#include "src/data/csv.h"

#include "src/data/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const size_t most_bytes = (size_t)1 << 30;

typedef struct reader {
    tn_csv *csv;
    char *at;           /* what is read next */
    size_t line;        /* where `at` is */
    size_t cells, rows; /* read so far, the header among them */
    size_t room_cells, room_rows;
} reader;

static tn_status grow(void **items, size_t *room, size_t wanted, size_t size) {
    if (wanted <= *room) return TN_OK;
    const size_t more = *room ? 2 * *room : 64;
    void *bigger = more > SIZE_MAX / size ? NULL : realloc(*items, more * size);
    if (!bigger) return tn_fail("out of memory for %zu cells", more);
    *items = bigger;
    *room = more;
    return TN_OK;
}

static tn_status wrong(const reader *r, const char *what) {
    return tn_fail("%s:%zu: %s", r->csv->path, r->line, what);
}

/* A field in quotes, its doubled quotes made one in place; `at` stands behind the first quote. */
static tn_status read_quoted(reader *r) {
    char *to = r->at;
    const size_t began = r->line;
    for (;; r->at++) {
        if (!*r->at) {
            r->line = began;
            return wrong(r, "a quote that does not end");
        }
        if (*r->at == '\n') r->line++;
        if (*r->at == '"' && *++r->at != '"') break;
        *to++ = *r->at;
    }
    if (*r->at == '\r' && r->at[1] == '\n') r->at++;
    if (*r->at && *r->at != ',' && *r->at != '\n')
        return wrong(r, "a field goes on behind its closing quote");
    /* `to` lies before `at`: the quotes are gone */
    *to = 0;
    return TN_OK;
}

static tn_status read_plain(reader *r) {
    const size_t length = strcspn(r->at, ",\"\n");
    if (r->at[length] == '"')
        return wrong(r, "a quote inside a field that does not begin with one");
    r->at += length;
    if (*r->at == '\n' && length && r->at[-1] == '\r') r->at[-1] = 0;
    return TN_OK;
}

/* One field and the separator behind it; *last: it ended the row. */
static tn_status read_field(reader *r, bool *last) {
    tn_csv *csv = r->csv;
    TN_TRY(grow((void **)&csv->cell, &r->room_cells, r->cells + 1, sizeof *csv->cell));
    const bool quoted = *r->at == '"';
    if (quoted) r->at++;
    csv->cell[r->cells++] = r->at;
    TN_TRY(quoted ? read_quoted(r) : read_plain(r));
    *last = *r->at != ',';
    if (*r->at == '\n') r->line++;
    if (*r->at) *r->at++ = 0;
    return TN_OK;
}

static tn_status read_row(reader *r) {
    tn_csv *csv = r->csv;
    TN_TRY(grow((void **)&csv->line, &r->room_rows, r->rows + 1, sizeof *csv->line));
    const size_t line = csv->line[r->rows++] = r->line, before = r->cells;
    for (bool last = false; !last;) TN_TRY(read_field(r, &last));
    const size_t fields = r->cells - before;
    if (r->rows == 1) {
        if (fields > 1 << 16)
            return tn_fail("%s:%zu: %zu columns are too many", csv->path, line, fields);
        csv->columns = (int)fields;
    } else if (fields != (size_t)csv->columns) {
        return tn_fail("%s:%zu: %zu fields, expected %d as in the header", csv->path, line, fields,
                       csv->columns);
    }
    return TN_OK;
}

static tn_status check_header(const tn_csv *csv) {
    for (int i = 0; i < csv->columns; i++) {
        const char *name = csv->cell[i];
        if (!*name) return tn_fail("%s:1: column %d has no name", csv->path, i + 1);
        if (tn_csv_find(csv, name) < i)
            return tn_fail("%s:1: two columns are called \"%s\"", csv->path, name);
    }
    return TN_OK;
}

static tn_status read_all(tn_csv *csv) {
    reader r = {.csv = csv, .at = csv->text, .line = 1};
    while (*r.at) {
        const size_t blank = strspn(r.at, "\r");
        if (r.at[blank] == '\n') {
            r.at += blank + 1;
            r.line++;
        } else {
            TN_TRY(read_row(&r));
        }
    }
    if (r.rows == 0) return tn_fail("%s: empty, expected a header", csv->path);
    csv->rows = r.rows - 1;
    return check_header(csv);
}

tn_status tn_csv_parse(const char *text, size_t size, const char *path, tn_csv *out) {
    *out = (tn_csv){.path = strdup(path)};
    tn_status status =
        out->path ? tn_text_from(text, size, path, &out->text) : tn_fail("%s: out of memory", path);
    if (status == TN_OK) status = read_all(out);
    if (status != TN_OK) tn_csv_free(out);
    return status;
}

tn_status tn_csv_load(const char *path, tn_csv *out) {
    uint8_t *bytes;
    size_t size;
    *out = (tn_csv){0};
    TN_TRY(tn_read_file(path, most_bytes, &bytes, &size));
    const tn_status status = tn_csv_parse((const char *)bytes, size, path, out);
    free(bytes);
    return status;
}

void tn_csv_free(tn_csv *csv) {
    free(csv->path);
    free(csv->cell);
    free(csv->line);
    free(csv->text);
    *csv = (tn_csv){0};
}

int tn_csv_find(const tn_csv *csv, const char *column) {
    for (int i = 0; i < csv->columns; i++)
        if (strcmp(csv->cell[i], column) == 0) return i;
    return -1;
}
