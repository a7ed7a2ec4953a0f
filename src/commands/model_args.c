#include "src/commands/model_args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* First character that is neither space nor in a comment; 0: none or not readable. A byte-order
 * mark is passed over. */
static int first_character(const char *path) {
    FILE *from = fopen(path, "rbe");
    if (!from) return 0;
    int comment = 0, c, found = 0;
    while (!found && (c = getc(from)) != EOF) {
        if (c == '\n')
            comment = 0;
        else if (c == '#' || c == ';')
            comment = 1;
        else if (!comment && !isspace(c) && c < 0x80)
            found = c;
    }
    fclose(from);
    return found;
}

/* A name that ends in .cfg is taken at its word: what is wrong inside, its reader says best. */
static int is_cfg(const char *path) {
    if (ends_with(path, ".cfg")) return 1;
    int c = first_character(path);
    return c ? c == '[' : !ends_with(path, ".data");
}

tn_status tn_model_args_split(const tn_texts *words, tn_model_args *out) {
    *out = (tn_model_args){0};
    int at = 0;
    if (words->count == 0) return tn_fail("name a net: [DATA] CFG [WEIGHTS]");
    if (!is_cfg(words->items[0])) out->data = words->items[at++];
    if (at == words->count)
        return tn_fail("%s is data; name a net after it: [DATA] CFG [WEIGHTS]", out->data);
    out->cfg = words->items[at++];
    if (at < words->count) out->weights = words->items[at++];
    out->used = at;
    return TN_OK;
}

int tn_model_args_members(const tn_texts *words, const tn_model_args *args) {
    int at = args->used;
    while (at < words->count && ends_with(words->items[at], ".weights")) at++;
    return at - args->used;
}

static tn_status missing(const char *path) {
    return tn_fail("%s: no such file. Make it from DDTI (DIR holds its XML and JPG files):\n"
                   "    ./darknet ddti convert DIR -out data/ddti\n"
                   "or, without DDTI, from a generated sample of its shape:\n"
                   "    ./darknet ddti synth data/synth && "
                   "./darknet ddti convert data/synth -out data/ddti",
                   path);
}

tn_status tn_model_args_data(const char *given, const char *cfg, const tn_net_keys *keys,
                             const char **out) {
    *out = given ? given : keys->data;
    if (!*out || !**out)
        return tn_fail("%s names no data= in [net]: put a .data file before it", cfg);
    return access(*out, F_OK) == 0 ? TN_OK : missing(*out);
}

char *tn_model_base(const char *cfg) {
    const char *slash = strrchr(cfg, '/');
    const char *name = slash ? slash + 1 : cfg;
    return strndup(name, strcspn(name, "."));
}
