#include "src/commands/options.h"

#include "layers/keys.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 63, MOST_FLAGS = 128 };

void tn_texts_free(tn_texts *texts) {
    free(texts->items);
    *texts = (tn_texts){0};
}

void tn_arguments_free(tn_arguments *arguments) {
    tn_texts_free(&arguments->positionals);
}

/* `most` is the largest number of items that the list can ever hold: it is allocated once. */
static tn_status push(tn_texts *texts, const char *text, int most) {
    if (!texts->items) {
        texts->items = calloc((size_t)most, sizeof *texts->items);
        if (!texts->items) return tn_fail("out of memory for %d arguments", most);
    }
    texts->items[texts->count++] = text;
    return TN_OK;
}

static int in_range(double value, double min, double max) {
    return (min == 0 && max == 0) || (value >= min && value <= max);
}

static tn_status out_of_range(const char *what, const char *text, double min, double max) {
    return tn_fail("%s: %s is out of range, expected %g to %g", what, text, min, max);
}

tn_status tn_option_int(const char *what, const char *text, double min, double max, int *out) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text))
        return tn_fail("%s: expected a whole number, found \"%s\"", what, text);
    if (errno == ERANGE || value < INT_MIN || value > INT_MAX)
        return tn_fail("%s: %s is too large a number", what, text);
    if (!in_range((double)value, min, max)) return out_of_range(what, text, min, max);
    *out = (int)value;
    return TN_OK;
}

tn_status tn_option_real(const char *what, const char *text, double min, double max, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)*text) || !isfinite(value))
        return tn_fail("%s: expected a number, found \"%s\"", what, text);
    if (!in_range(value, min, max)) return out_of_range(what, text, min, max);
    *out = value;
    return TN_OK;
}

static tn_status parse_seed(const char *what, const char *text, unsigned long long *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno == ERANGE)
        return tn_fail("%s: expected a whole number from 0 to %llu, found \"%s\"", what, ULLONG_MAX,
                       text);
    *out = value;
    return TN_OK;
}

static tn_status parse_choice(const char *what, const char *text, const char *choices, int *out) {
    size_t length = strlen(text);
    int index = 0;
    for (const char *at = choices; *at; index++) {
        size_t word = strcspn(at, "|");
        if (length == word && memcmp(text, at, word) == 0) {
            *out = index;
            return TN_OK;
        }
        at += word + (at[word] == '|');
    }
    return tn_fail("%s: expected one of %s, found \"%s\"", what, choices, text);
}

static const tn_option_spec *find(const tn_option_spec *specs, const char *name, size_t length) {
    for (; specs->name; specs++)
        if (strlen(specs->name) == length && memcmp(specs->name, name, length) == 0) return specs;
    return NULL;
}

static tn_status unknown(const tn_option_spec *specs, const char *name) {
    const char *known[MOST_FLAGS];
    int n = 0;
    for (; specs->name; specs++)
        if (specs->help && n < MOST_FLAGS) known[n++] = specs->name;
    const char *best = tn_nearest(name, known, n);
    if (best) return tn_fail("unknown option -%s: did you mean -%s?", name, best);
    return tn_fail("unknown option -%s: -h lists the known ones", name);
}

static tn_status assign(const tn_option_spec *spec, const char *value, int argc) {
    char what[LONGEST_NAME + 2];
    snprintf(what, sizeof what, "-%s", spec->name);
    switch (spec->kind) {
    case TN_OPTION_SWITCH:
        *(int *)spec->target = 1;
        return TN_OK;
    case TN_OPTION_INT:
        return tn_option_int(what, value, spec->min, spec->max, spec->target);
    case TN_OPTION_SEED:
        return parse_seed(what, value, spec->target);
    case TN_OPTION_REAL:
        return tn_option_real(what, value, spec->min, spec->max, spec->target);
    case TN_OPTION_TEXT:
        *(const char **)spec->target = value;
        return TN_OK;
    case TN_OPTION_TEXTS:
        return push(spec->target, value, argc);
    case TN_OPTION_CHOICE:
        return parse_choice(what, value, spec->argument, spec->target);
    }
    return tn_fail("%s: option of unknown kind %d", what, (int)spec->kind);
}

/* Reads the flag at argv[*at] and moves *at to the last argument it took. */
static tn_status parse_flag(int argc, char **argv, int *at, const tn_option_spec *specs) {
    const char *name = argv[*at] + (argv[*at][1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const tn_option_spec *spec = find(specs, name, length);
    if (!spec) return unknown(specs, name);

    const char *value = equals ? equals + 1 : NULL;
    if (spec->kind == TN_OPTION_SWITCH) {
        if (value) return tn_fail("-%s takes no value, found \"%s\"", spec->name, value);
    } else if (!value) {
        if (*at + 1 >= argc)
            return tn_fail("-%s needs a value: -%s %s", spec->name, spec->name,
                           spec->argument ? spec->argument : "VALUE");
        value = argv[++*at];
    }
    if (spec->given) *spec->given = 1;
    return assign(spec, value, argc);
}

static int is_help(const char *argument) {
    return strcmp(argument, "-h") == 0 || strcmp(argument, "-help") == 0 ||
           strcmp(argument, "--help") == 0;
}

static tn_status parse_all(int argc, char **argv, const tn_option_spec *specs, tn_arguments *out) {
    int flags = 1;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (flags && strcmp(argument, "--") == 0) {
            flags = 0;
        } else if (flags && is_help(argument)) {
            out->help = 1;
        } else if (flags && argument[0] == '-' && argument[1]) {
            TN_TRY(parse_flag(argc, argv, &i, specs));
        } else {
            TN_TRY(push(&out->positionals, argument, argc));
        }
    }
    return TN_OK;
}

tn_status tn_options_parse(int argc, char **argv, const tn_option_spec *specs, tn_arguments *out) {
    *out = (tn_arguments){0};
    tn_status status = parse_all(argc, argv, specs, out);
    if (status == TN_OK) return TN_OK;
    tn_arguments_free(out);
    for (; specs->name; specs++)
        if (specs->kind == TN_OPTION_TEXTS) tn_texts_free(specs->target);
    return status;
}

void tn_options_help(FILE *to, const char *usage, const tn_option_spec *specs) {
    enum { COLUMN = 30 };
    fputs(usage, to);
    if (specs->name) fputs("\nOptions:\n", to);
    for (; specs->name; specs++) {
        if (!specs->help) continue;
        int takes = specs->kind != TN_OPTION_SWITCH;
        int width = fprintf(to, "  -%s%s%s", specs->name, takes ? " " : "",
                            takes ? (specs->argument ? specs->argument : "VALUE") : "");
        if (width >= COLUMN) width = fprintf(to, "\n") - 1;
        fprintf(to, "%*s%s\n", COLUMN - width, "", specs->help);
    }
    fprintf(to, "  -h%*s%s\n", COLUMN - 4, "", "this help");
}
