/* What the paper says, beside what was measured. */
#include "src/data/csv.h"
#include "src/data/text.h"
#include "src/eval/html.h"
#include "src/eval/report_parts.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };
static const char external_prefix[] = "external_";

/* ---- reading ---- */

/* Comment lines become blank ones, so that line numbers stay. */
static void blank_comments(char *text) {
    for (char *line = text; *line;) {
        const size_t n = strcspn(line, "\n");
        const bool comment = *line == '#', last = line[n] == 0;
        if (comment) memset(line, '\r', n);
        if (comment && last) *line = 0;
        line += comment && last ? 0 : n + !last;
    }
}

/* The figure that a key means and the set it is of; -1: none. */
static int figure_of(const char *key, tn_report_set *set) {
    const size_t n = sizeof external_prefix - 1;
    const bool external = strncmp(key, external_prefix, n) == 0;
    *set = external ? TN_REPORT_EXTERNAL : TN_REPORT_IMAGES;
    for (int f = 0; f < TN_FIGURES; f++)
        if (strcmp(external ? key + n : key, tn_figure_key(f)) == 0) return f;
    return -1;
}

static tn_status read_claim(tn_report *report, const tn_csv *csv, size_t row, const int *column,
                            tn_report_claim *out) {
    const char *text[4];
    for (int i = 0; i < 4; i++) {
        text[i] = tn_arena_text(&report->memory, tn_csv_cell(csv, row, column[i]));
        if (!text[i]) return TN_FAIL;
    }
    tn_report_set set;
    char *end;
    *out = (tn_report_claim){.net = text[0], .figure = text[1], .note = text[3]};
    out->value = strtod(text[2], &end);
    if (figure_of(out->figure, &set) < 0)
        return tn_fail("%s:%zu: \"%s\" is no figure of valid -json", csv->path,
                       tn_csv_line(csv, row), out->figure);
    if (end == text[2] || *end || isspace((unsigned char)*text[2]) || !isfinite(out->value))
        return tn_fail("%s:%zu: expected a number, found \"%s\"", csv->path, tn_csv_line(csv, row),
                       text[2]);
    return TN_OK;
}

static tn_status read_claims(tn_report *report, const tn_csv *csv) {
    static const char *const name[4] = {"net", "figure", "value", "note"};
    int column[4];
    for (int i = 0; i < 4; i++) {
        column[i] = tn_csv_find(csv, name[i]);
        if (column[i] < 0) return tn_fail("%s: no column is called \"%s\"", csv->path, name[i]);
    }
    report->claim = calloc(csv->rows + 1, sizeof *report->claim);
    if (!report->claim) return tn_fail("%s: out of memory", csv->path);
    for (size_t i = 0; i < csv->rows; i++)
        TN_TRY(read_claim(report, csv, i, column, &report->claim[report->claims++]));
    return TN_OK;
}

tn_status tn_report_load_claims(tn_report *report, const char *path) {
    uint8_t *bytes;
    size_t size;
    char *text;
    tn_csv csv;
    TN_TRY(tn_read_file(path, MOST_BYTES, &bytes, &size));
    tn_status status = tn_text_from((const char *)bytes, size, path, &text);
    free(bytes);
    TN_TRY(status);
    blank_comments(text);
    status = tn_csv_parse(text, strlen(text), path, &csv);
    free(text);
    TN_TRY(status);
    status = read_claims(report, &csv);
    tn_csv_free(&csv);
    return status;
}

/* ---- writing ---- */

static void put_cell(FILE *to, double value) {
    char text[32];
    fprintf(to, "<td>%s</td>", tn_report_number(value, text));
}

static const tn_report_row *row_of(const tn_report *r, const char *group, const char *net) {
    for (int i = 0; i < r->rows; i++)
        if (!strcmp(r->row[i].group, group) && !strcmp(r->row[i].net, net)) return &r->row[i];
    return NULL;
}

static void put_claim(const tn_report *r, const char *group, const tn_report_claim *c, FILE *to) {
    const tn_report_row *row = row_of(r, group, c->net);
    tn_report_set set;
    const tn_figure figure = (tn_figure)figure_of(c->figure, &set);
    tn_report_spread s = {.mean = NAN, .sd = NAN, .baseline = NAN};
    if (row) s = tn_report_spread_of(r, row, set, figure);
    char sign[32] = "-";
    if (!isnan(s.mean)) snprintf(sign, sizeof sign, "%+.4f", s.mean - c->value);
    fputs("<tr><th>", to);
    tn_html_text(to, c->net);
    fputs("</th><td class=\"left\">", to);
    tn_html_print(to, "%s%s", set == TN_REPORT_EXTERNAL ? "external set: " : "",
                  tn_figure_name(figure));
    fputs("</td>", to);
    put_cell(to, c->value);
    put_cell(to, s.mean);
    put_cell(to, s.sd);
    fprintf(to, "<td>%d</td><td>%s</td>", s.n, sign);
    put_cell(to, s.baseline);
    fputs("<td class=\"left\">", to);
    tn_html_text(to, c->note);
    fputs("</td></tr>\n", to);
}

tn_status tn_report_put_claims(const tn_report *r, FILE *to) {
    fputs("<h2>Measured, beside the paper's numbers</h2>\n", to);
    if (!r->claims) {
        fputs("<p class=\"missing\">No file of the paper's numbers was given (-paper).</p>\n", to);
        return TN_OK;
    }
    fputs("<p>Difference: measured less the paper's. Other images were measured here than by the "
          "paper wherever its numbers are of a set that it does not publish.</p>\n",
          to);
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        fputs("<table><tr><th>net</th><th>figure</th><th>paper</th><th>measured (mean)</th>"
              "<th>sd</th><th>runs</th><th>difference</th><th>trivial answer</th><th>note</th>"
              "</tr>\n",
              to);
        for (int i = 0; i < r->claims; i++) put_claim(r, r->group[g], &r->claim[i], to);
        fputs("</table>\n", to);
    }
    return TN_OK;
}
