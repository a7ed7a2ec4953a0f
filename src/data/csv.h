/* CSV files (RFC 4180: comma, fields in double quotes where they must be) with a header, read
 * whole and strictly. */
#ifndef TN_DATA_CSV_H
#define TN_DATA_CSV_H

#include "layers/device/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_csv {
    char *path; /* for messages */
    int columns;
    size_t rows;  /* without the header */
    char **cell;  /* (1 + rows, columns), the header first */
    size_t *line; /* [1 + rows] line of the file where each begins, from 1 */
    char *text;   /* private: what the cells lie in */
} tn_csv;

/* Fails, naming FILE:LINE, on a row of another number of fields than the header, a quote that does
 * not end or ends inside a field, a column without a name or of a name that came before, and on a
 * file without a header. Blank lines are passed over. */
tn_status tn_csv_load(const char *path, tn_csv *out);
tn_status tn_csv_parse(const char *text, size_t size, const char *path, tn_csv *out);
void tn_csv_free(tn_csv *csv);

/* The column of that name; -1 when there is none. */
int tn_csv_find(const tn_csv *csv, const char *column);

static inline const char *tn_csv_header(const tn_csv *csv, int column) {
    return csv->cell[column];
}
static inline const char *tn_csv_cell(const tn_csv *csv, size_t row, int column) {
    return csv->cell[(row + 1) * (size_t)csv->columns + (size_t)column];
}
static inline size_t tn_csv_line(const tn_csv *csv, size_t row) {
    return csv->line[row + 1];
}

#ifdef __cplusplus
}
#endif
#endif
