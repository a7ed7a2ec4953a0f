/* The command line: a table of flags in, variables set, help text out.
 *
 * A command lists its flags once; parsing, strict checking, suggestions and `-h` come from that
 * list.
 * `-flag` and `--flag` are the same, a value follows as the next argument or after '=', what is no
 * flag is a positional wherever it stands, and "--" ends the flags. */
#ifndef TN_COMMANDS_OPTIONS_H
#define TN_COMMANDS_OPTIONS_H

#include "layers/device/status.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_option_kind {
    TN_OPTION_SWITCH, /* int *: set to 1 */
    TN_OPTION_INT,    /* int *: whole number in [min, max] */
    TN_OPTION_SEED,   /* unsigned long long *: whole number from 0 */
    TN_OPTION_REAL,   /* double *: finite number in [min, max] */
    TN_OPTION_TEXT,   /* const char **: points into argv */
    TN_OPTION_TEXTS,  /* tn_texts *: every occurrence, in order; freed by tn_texts_free */
    TN_OPTION_CHOICE, /* int *: index of the value in `argument`, written "none|median|nlm" */
} tn_option_kind;

typedef struct tn_option_spec {
    const char *name; /* without dash */
    tn_option_kind kind;
    void *target;         /* keeps what it holds (the default) when the flag is not given */
    const char *argument; /* what the help calls the value: "N", "DIR"; a choice's values */
    const char *help;     /* one line; NULL keeps a flag out of the help */
    double min, max;      /* inclusive, for INT and REAL; no range when both are 0 */
    int *given;           /* optional: set to 1 when the flag is on the command line */
} tn_option_spec;

/* Words that point into argv; the array is owned. */
typedef struct tn_texts {
    const char **items;
    int count;
} tn_texts;
void tn_texts_free(tn_texts *texts);

/* What is left of a command line once its flags are taken. */
typedef struct tn_arguments {
    tn_texts positionals;
    int help; /* -h, -help or --help was given: print tn_options_help and end with status 0 */
} tn_arguments;

/* Reads argv[1..argc) by `specs`, a table that ends with a row whose name is NULL. Fails, leaving
 * nothing allocated, on an unknown flag (naming the nearest known one), on a missing value and on a
 * value of the wrong kind or out of range. With -h, targets may have been set already. */
tn_status tn_options_parse(int argc, char **argv, const tn_option_spec *specs, tn_arguments *out);
void tn_arguments_free(tn_arguments *arguments);

/* Prints `usage` (synopsis and description, ends with a newline), then one line a flag. */
void tn_options_help(FILE *to, const char *usage, const tn_option_spec *specs);

/* Strict readers, for values inside other values: the whole text must be one number in [min, max]
 * (no range when both are 0). `what` names the value in messages. */
tn_status tn_option_int(const char *what, const char *text, double min, double max, int *out);
tn_status tn_option_real(const char *what, const char *text, double min, double max, double *out);

#ifdef __cplusplus
}
#endif
#endif
