#include "layers/keys.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES = 64 };

void tn_warn(const tn_warner *to, const char *format, ...) {
    if (!to || !to->fn) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    to->fn(to->user, text);
}

/* ---- numbers ---- */

bool tn_parse_int(const char *text, int *out) {
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text) || errno || v < INT_MIN || v > INT_MAX)
        return false;
    *out = (int)v;
    return true;
}

bool tn_parse_real(const char *text, double *out) {
    char *end;
    errno = 0;
    const double v = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)*text) || !isfinite(v)) return false;
    *out = v;
    return true;
}

/* ---- suggestions ---- */

/* Edit distance of two words by rows (Wagner and Fischer 1974); long words count as far. */
static int distance(const char *a, const char *b) {
    const size_t n = strlen(a), m = strlen(b);
    int row[WORD_BYTES + 1];
    if (n > WORD_BYTES || m > WORD_BYTES) return INT_MAX;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            const int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

/* A slip every three letters is near, and so is the beginning of a candidate ("pred"); a candidate
 * of which nothing is left is not. */
const char *tn_nearest(const char *word, const char *const *candidates, int n) {
    const char *best = NULL;
    const size_t length = strlen(word);
    int least = (int)(length / 3) + 2;
    for (int i = 0; i < n; i++) {
        const bool begins = length >= 3 && strncmp(word, candidates[i], length) == 0;
        const int d = begins ? 1 : distance(word, candidates[i]);
        if (d >= least || d >= (int)strlen(candidates[i])) continue;
        least = d;
        best = candidates[i];
    }
    return best;
}

/* ---- sections ---- */

tn_status tn_section_fail(const tn_section *section, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tn_fail("%s:%d: [%s]: %s", section->file, section->line, section->name, text);
}

static tn_status option_fail(const tn_section *section, const tn_option *option, const char *format,
                             ...) TN_PRINTF(3, 4);

static tn_status option_fail(const tn_section *section, const tn_option *option, const char *format,
                             ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const int line = option ? option->line : section->line;
    return tn_fail("%s:%d: [%s]: %s", section->file, line, section->name, text);
}

const tn_option *tn_section_find(const tn_section *section, const char *key) {
    for (int i = 0; i < section->n_options; i++) {
        if (strcmp(section->option[i].key, key) == 0) return &section->option[i];
    }
    return NULL;
}

/* ---- values ---- */

typedef struct reading {
    const tn_section *section;
    const tn_option *option; /* NULL: the default is being read */
    const tn_key *key;
    tn_arena *arena;
} reading;

static tn_status range_check(const reading *r, double v, const char *text) {
    const tn_key *k = r->key;
    if (k->min == 0 && k->max == 0) return TN_OK;
    if (v >= k->min && v <= k->max) return TN_OK;
    return option_fail(r->section, r->option, "%s=%s: expected %g to %g", k->name, text, k->min,
                       k->max);
}

static tn_status read_int(const reading *r, const char *text, int *out) {
    if (!tn_parse_int(text, out)) {
        return option_fail(r->section, r->option, "%s=%s: expected a whole number", r->key->name,
                           text);
    }
    return range_check(r, *out, text);
}

static tn_status read_real(const reading *r, const char *text, double *out) {
    if (!tn_parse_real(text, out)) {
        return option_fail(r->section, r->option, "%s=%s: expected a number", r->key->name, text);
    }
    return range_check(r, *out, text);
}

static tn_status read_choice(const reading *r, const char *text, int *out) {
    int n = 0;
    for (; r->key->choices[n]; n++) {
        if (strcmp(r->key->choices[n], text) != 0) continue;
        *out = n;
        return TN_OK;
    }
    const char *near = tn_nearest(text, r->key->choices, n);
    return option_fail(r->section, r->option, "%s=%s: no such %s%s%s%s", r->key->name, text,
                       r->key->name, near ? "; did you mean " : "", near ? near : "",
                       near ? "?" : "");
}

static int count_elements(const char *text) {
    int n = *text ? 1 : 0;
    for (; *text; text++) n += *text == ',';
    return n;
}

/* Copies element i's text, without white space around it, to `word`. */
static const char *next_element(const char *text, char word[WORD_BYTES]) {
    while (*text == ' ' || *text == '\t') text++;
    size_t n = strcspn(text, ",");
    const char *after = text + n + (text[n] == ',');
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) n--;
    if (n >= WORD_BYTES) n = WORD_BYTES - 1;
    memcpy(word, text, n);
    word[n] = '\0';
    return after;
}

static tn_status read_list(const reading *r, const char *text, void *out) {
    const bool ints = r->key->kind == TN_KEY_INTS;
    const int n = count_elements(text);
    char word[WORD_BYTES];
    void *v = tn_arena_alloc(r->arena, (size_t)n * (ints ? sizeof(int) : sizeof(double)));
    if (!v) return TN_FAIL;
    for (int i = 0; i < n; i++) {
        text = next_element(text, word);
        if (ints)
            TN_TRY(read_int(r, word, (int *)v + i));
        else
            TN_TRY(read_real(r, word, (double *)v + i));
    }
    if (ints)
        *(tn_ints *)out = (tn_ints){n, v};
    else
        *(tn_reals *)out = (tn_reals){n, v};
    return TN_OK;
}

static tn_status read_value(const reading *r, const char *text, void *out) {
    switch (r->key->kind) {
    case TN_KEY_INT:
        return read_int(r, text, out);
    case TN_KEY_FLAG: {
        int v = 0;
        TN_TRY(read_int(r, text, &v));
        *(bool *)out = v != 0;
        return TN_OK;
    }
    case TN_KEY_REAL:
        return read_real(r, text, out);
    case TN_KEY_CHOICE:
        return read_choice(r, text, out);
    case TN_KEY_TEXT:
        *(const char **)out = tn_arena_text(r->arena, text);
        return *(const char **)out ? TN_OK : TN_FAIL;
    case TN_KEY_INTS:
    case TN_KEY_REALS:
        return read_list(r, text, out);
    case TN_KEY_NO_EFFECT:
    case TN_KEY_UNSUPPORTED:
        return TN_OK;
    }
    return TN_OK;
}

/* ---- whole sections ---- */

static const tn_key *find_key(const tn_key_table *tables, int n, const char *name) {
    for (int t = 0; t < n; t++) {
        for (const tn_key *k = tables[t].keys; k->name; k++) {
            if (strcmp(k->name, name) == 0) return k;
        }
    }
    return NULL;
}

static tn_status unknown_key(const tn_section *section, const tn_option *option,
                             const tn_key_table *tables, int n) {
    const char *names[256];
    int count = 0;
    for (int t = 0; t < n; t++) {
        for (const tn_key *k = tables[t].keys; k->name && count < 256; k++)
            names[count++] = k->name;
    }
    const char *near = tn_nearest(option->key, names, count);
    return option_fail(section, option, "unknown key %s%s%s%s", option->key,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool says_the_same(const char *a, const char *b) {
    double x, y;
    if (tn_parse_real(a, &x) && tn_parse_real(b, &y)) return x == y;
    return strcmp(a, b) == 0;
}

static tn_status check_options(const tn_section *section, const tn_key_table *tables, int n,
                               const tn_warner *warner) {
    for (int i = 0; i < section->n_options; i++) {
        const tn_option *option = &section->option[i];
        const tn_key *key = find_key(tables, n, option->key);
        if (!key) return unknown_key(section, option, tables, n);
        const tn_option *first = tn_section_find(section, option->key);
        if (first != option) {
            return option_fail(section, option, "%s is given a second time (first on line %d)",
                               option->key, first->line);
        }
        if (key->kind == TN_KEY_UNSUPPORTED && !says_the_same(option->value, key->standard)) {
            return option_fail(section, option, "%s=%s is not supported here (%s)", key->name,
                               option->value, key->help);
        }
        if (key->kind == TN_KEY_NO_EFFECT) {
            tn_warn(warner, "%s:%d: [%s]: %s has no effect here", section->file, option->line,
                    section->name, option->key);
        }
    }
    return TN_OK;
}

tn_status tn_keys_read(const tn_section *section, const tn_key_table *tables, int n_tables,
                       tn_arena *arena, const tn_warner *warner) {
    TN_TRY(check_options(section, tables, n_tables, warner));
    for (int t = 0; t < n_tables; t++) {
        for (const tn_key *k = tables[t].keys; k->name; k++) {
            if (k->kind == TN_KEY_NO_EFFECT || k->kind == TN_KEY_UNSUPPORTED) continue;
            const tn_option *option = tn_section_find(section, k->name);
            if (!option && !k->standard) {
                return tn_section_fail(section, "%s must be given (%s)", k->name, k->help);
            }
            const reading r = {section, option, k, arena};
            void *out = (char *)tables[t].values + k->offset;
            TN_TRY(read_value(&r, option ? option->value : k->standard, out));
        }
    }
    return TN_OK;
}
