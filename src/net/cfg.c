#include "src/net/cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 16 << 20, MOST_SECTIONS = 1 << 16 };

/* What is being built: sections and options grow here and move to the arena at the end. */
typedef struct builder {
    tn_cfg *cfg;
    const char *name;
    tn_section *section;
    tn_option *option; /* of the section in hand */
    int n_sections, n_options, room_sections, room_options;
} builder;

static tn_status grow(void **array, int n, int *room, size_t element) {
    if (n < *room) return TN_OK;
    const int larger = *room ? 2 * *room : 32;
    void *p = realloc(*array, (size_t)larger * element);
    if (!p) return tn_fail("out of memory");
    *array = p;
    *room = larger;
    return TN_OK;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text) {
    while (is_space(*text)) text++;
    size_t n = strlen(text);
    while (n > 0 && is_space(text[n - 1])) text[--n] = '\0';
    return text;
}

/* A comment starts the line, or stands behind white space: "a=b#c" keeps its '#'. */
static void cut_comment(char *text) {
    for (char *p = text; *p; p++) {
        if ((*p == '#' || *p == ';') && (p == text || is_space(p[-1]))) {
            *p = '\0';
            return;
        }
    }
}

/* Moves the options read so far into the last section. */
static tn_status close_section(builder *b) {
    if (b->n_sections == 0) return TN_OK;
    tn_section *s = &b->section[b->n_sections - 1];
    const size_t bytes = (size_t)b->n_options * sizeof(tn_option);
    tn_option *kept = tn_arena_alloc(&b->cfg->arena, bytes);
    if (!kept) return TN_FAIL;
    if (bytes) memcpy(kept, b->option, bytes);
    s->option = kept;
    s->n_options = b->n_options;
    b->n_options = 0;
    return TN_OK;
}

static tn_status header_line(builder *b, char *text, int line) {
    const size_t n = strlen(text);
    if (text[n - 1] != ']') {
        return tn_fail("%s:%d: section header \"%s\" does not end in ]", b->name, line, text);
    }
    text[n - 1] = '\0';
    const char *title = trim(text + 1);
    if (!*title) return tn_fail("%s:%d: section header without a name", b->name, line);
    TN_TRY(close_section(b));
    if (b->n_sections >= MOST_SECTIONS) {
        return tn_fail("%s:%d: more than %d sections", b->name, line, MOST_SECTIONS);
    }
    TN_TRY(grow((void **)&b->section, b->n_sections, &b->room_sections, sizeof *b->section));
    const char *kept = tn_arena_text(&b->cfg->arena, title);
    if (!kept) return TN_FAIL;
    b->section[b->n_sections++] = (tn_section){.name = kept, .file = b->name, .line = line};
    return TN_OK;
}

static tn_status option_line(builder *b, char *text, int line) {
    if (b->n_sections == 0) {
        return tn_fail("%s:%d: \"%s\" stands before any section; expected [net] first", b->name,
                       line, text);
    }
    char *equals = strchr(text, '=');
    if (!equals) return tn_fail("%s:%d: \"%s\": expected key=value", b->name, line, text);
    *equals = '\0';
    const char *key = trim(text), *value = trim(equals + 1);
    if (!*key) return tn_fail("%s:%d: no key before =", b->name, line);
    if (!*value) return tn_fail("%s:%d: %s= has no value", b->name, line, key);
    TN_TRY(grow((void **)&b->option, b->n_options, &b->room_options, sizeof *b->option));
    tn_option *o = &b->option[b->n_options++];
    *o = (tn_option){.key = tn_arena_text(&b->cfg->arena, key),
                     .value = tn_arena_text(&b->cfg->arena, value),
                     .line = line};
    return o->key && o->value ? TN_OK : TN_FAIL;
}

static tn_status read_line(builder *b, char *text, int line) {
    text = trim(text);
    if (*text == '#' || *text == ';' || !*text) return TN_OK;
    cut_comment(text);
    text = trim(text);
    if (*text == '[') return header_line(b, text, line);
    return option_line(b, text, line);
}

static tn_status finish(builder *b) {
    TN_TRY(close_section(b));
    if (b->n_sections == 0) return tn_fail("%s: no sections; expected [net] first", b->name);
    const char *first = b->section[0].name;
    if (strcmp(first, "net") != 0 && strcmp(first, "network") != 0) {
        return tn_fail("%s:%d: the first section is [%s]; expected [net]", b->name,
                       b->section[0].line, first);
    }
    const size_t bytes = (size_t)b->n_sections * sizeof(tn_section);
    b->cfg->section = tn_arena_alloc(&b->cfg->arena, bytes);
    if (!b->cfg->section) return TN_FAIL;
    memcpy(b->cfg->section, b->section, bytes);
    b->cfg->n_sections = b->n_sections;
    return TN_OK;
}

static tn_status parse(builder *b, char *text, size_t size) {
    if (memchr(text, '\0', size)) return tn_fail("%s: has NUL bytes: not a cfg file", b->name);
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;
    for (int line = 1; text; line++) {
        char *end = strchr(text, '\n');
        if (end) *end = '\0';
        TN_TRY(read_line(b, text, line));
        text = end ? end + 1 : NULL;
    }
    return finish(b);
}

tn_status tn_cfg_parse(const char *text, size_t size, const char *name, tn_cfg *out) {
    *out = (tn_cfg){0};
    if (size > MOST_BYTES)
        return tn_fail("%s: %zu bytes, expected at most %d", name, size, MOST_BYTES);
    builder b = {.cfg = out, .name = tn_arena_text(&out->arena, name)};
    char *copy = malloc(size + 1);
    tn_status status = b.name && copy ? TN_OK : tn_fail("out of memory");
    if (status == TN_OK) {
        memcpy(copy, text, size);
        copy[size] = '\0';
        status = parse(&b, copy, size);
    }
    free(copy);
    free(b.section);
    free(b.option);
    if (status != TN_OK) tn_cfg_free(out);
    return status;
}

tn_status tn_cfg_load(const char *path, tn_cfg *out) {
    *out = (tn_cfg){0};
    FILE *f = fopen(path, "rb");
    if (!f) return tn_fail("%s: cannot be opened", path);
    char *text = malloc(MOST_BYTES + 1);
    const size_t n = text ? fread(text, 1, MOST_BYTES + 1, f) : 0;
    tn_status status = TN_OK;
    if (!text)
        status = tn_fail("out of memory");
    else if (ferror(f))
        status = tn_fail("%s: cannot be read", path);
    fclose(f);
    if (status == TN_OK) status = tn_cfg_parse(text, n, path, out);
    free(text);
    return status;
}

void tn_cfg_free(tn_cfg *cfg) {
    tn_arena_free(&cfg->arena);
    *cfg = (tn_cfg){0};
}

tn_status tn_cfg_override(tn_cfg *cfg, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment || !equals[1]) {
        return tn_fail("-net %s: expected KEY=VALUE", assignment);
    }
    tn_section *net = &cfg->section[0];
    tn_option *option = tn_arena_alloc(&cfg->arena, (size_t)(net->n_options + 1) * sizeof *option);
    char *key = tn_arena_text(&cfg->arena, assignment);
    char *value = tn_arena_text(&cfg->arena, equals + 1);
    if (!option || !key || !value) return TN_FAIL;
    key[equals - assignment] = '\0';
    int at = 0;
    for (int i = 0; i < net->n_options; i++) {
        if (strcmp(net->option[i].key, key) != 0) option[at++] = net->option[i];
    }
    option[at++] = (tn_option){.key = key, .value = value, .line = net->line};
    net->option = option;
    net->n_options = at;
    return TN_OK;
}
