/* Reading a cfg section through a table of its keys.
 *
 * A layer type (and [net]) declares its keys once: name, kind, default, range, a line of help.
 * Strict reading, messages and `darknet cfg help` all come from that table, and values land in the
 * layer's own struct. */
#ifndef TN_KEYS_H
#define TN_KEYS_H

#include "layers/device/memory.h"
#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One `key=value` line. */
typedef struct tn_option {
    const char *key, *value;
    int line;
} tn_option;

/* One section as read from a file (or built in memory). `name` is without brackets. */
typedef struct tn_section {
    const char *name;
    const char *file; /* for messages */
    int line;         /* of the section's header */
    int n_options;
    const tn_option *option;
} tn_section;

typedef enum tn_key_kind {
    TN_KEY_INT,         /* int */
    TN_KEY_FLAG,        /* bool: an integer, non-zero is true */
    TN_KEY_REAL,        /* double */
    TN_KEY_CHOICE,      /* int: index into `choices`, a NULL-terminated list of words */
    TN_KEY_TEXT,        /* const char * */
    TN_KEY_INTS,        /* tn_ints: comma list */
    TN_KEY_REALS,       /* tn_reals: comma list */
    TN_KEY_NO_EFFECT,   /* Darknet's own key that means nothing here: one warning, value unread */
    TN_KEY_UNSUPPORTED, /* Darknet's own key whose effect is not built: only `standard` is taken */
} tn_key_kind;

typedef struct tn_ints {
    int n;
    const int *v;
} tn_ints;

typedef struct tn_reals {
    int n;
    const double *v;
} tn_reals;

typedef struct tn_key {
    const char *name;
    tn_key_kind kind;
    size_t offset;        /* of the value in the caller's struct */
    const char *standard; /* default as it would be written in a cfg; NULL: the key must be given */
    double min, max;      /* inclusive, INT and REAL and each element of lists; both 0: no limit */
    const char *help;
    const char *const *choices;
} tn_key;

/* Table rows. `s` is the struct that values land in, `f` its field; the key's name is given since
 * Darknet's keys are not always C identifiers. A table ends with {0}. */
#define TN_INT(s, f, key, standard, min, max, help)                                                \
    { key, TN_KEY_INT, offsetof(s, f), standard, min, max, help, NULL }
#define TN_FLAG(s, f, key, standard, help)                                                         \
    { key, TN_KEY_FLAG, offsetof(s, f), standard, 0, 0, help, NULL }
#define TN_NUMBER(s, f, key, standard, min, max, help)                                             \
    { key, TN_KEY_REAL, offsetof(s, f), standard, min, max, help, NULL }
#define TN_CHOICE(s, f, key, standard, choices, help)                                              \
    { key, TN_KEY_CHOICE, offsetof(s, f), standard, 0, 0, help, choices }
#define TN_TEXT(s, f, key, standard, help)                                                         \
    { key, TN_KEY_TEXT, offsetof(s, f), standard, 0, 0, help, NULL }
#define TN_INTLIST(s, f, key, standard, min, max, help)                                            \
    { key, TN_KEY_INTS, offsetof(s, f), standard, min, max, help, NULL }
#define TN_REALLIST(s, f, key, standard, min, max, help)                                           \
    { key, TN_KEY_REALS, offsetof(s, f), standard, min, max, help, NULL }
#define TN_IGNORED(key, help)                                                                      \
    { key, TN_KEY_NO_EFFECT, 0, "", 0, 0, help, NULL }

#define TN_UNSUPPORTED(key, standard, help)                                                        \
    { key, TN_KEY_UNSUPPORTED, 0, standard, 0, 0, help, NULL }

/* Receives a finished line (no newline) for the user; may be NULL. */
typedef void (*tn_warn_fn)(void *user, const char *text);
typedef struct tn_warner {
    tn_warn_fn fn;
    void *user;
} tn_warner;
void tn_warn(const tn_warner *to, const char *format, ...) TN_PRINTF(2, 3);

/* Fills `values` (the struct the table's offsets mean) from the section, defaults first.
 *
 * Several tables can share a section (a layer's own keys and those every layer takes): a key is
 * known when any of them has it. Texts and lists are copied to the arena. Errors: an unknown key
 * (with the nearest known one), a key given twice, one that must be given and is not, a bad number,
 * a number out of range, an unknown word; each names file, line, section and key. */
typedef struct tn_key_table {
    const tn_key *keys;
    void *values;
} tn_key_table;
tn_status tn_keys_read(const tn_section *section, const tn_key_table *tables, int n_tables,
                       tn_arena *arena, const tn_warner *warner);

/* The option with this key, or NULL. */
const tn_option *tn_section_find(const tn_section *section, const char *key);

/* Strict numbers: the whole text, no junk after it. */
bool tn_parse_int(const char *text, int *out);
bool tn_parse_real(const char *text, double *out);

/* The candidate nearest to `word` by edit distance, or NULL when none is near enough to suggest. */
const char *tn_nearest(const char *word, const char *const *candidates, int n);

/* tn_fail with "FILE:LINE: [SECTION]: " in front: for what a layer's plan finds wrong. */
tn_status tn_section_fail(const tn_section *section, const char *format, ...) TN_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
