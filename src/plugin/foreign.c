#include "src/plugin/foreign.h"

#include "layers/layer.h"

#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const tn_cfg *cfg;
    const tn_warner *warner;
    FILE *to;
    tn_expand_span *span;
    int *channels; /* of each section's output: a block's projection depends on them */
    int n;         /* sections written */
    tn_arena arena;
} writer;

static int number(const tn_section *s, const char *key, int otherwise) {
    const tn_option *o = tn_section_find(s, key);
    return o ? atoi(o->value) : otherwise;
}

static bool is(const tn_section *s, const char *name) {
    return strcmp(s->name, name) == 0;
}

static bool is_reference(const char *key) {
    return strcmp(key, "layers") == 0 || strcmp(key, "from") == 0;
}

/* The next of a comma list of layers, absolute. */
static tn_status next_reference(const tn_section *s, int at, const char **list, int *layer) {
    char *end;
    const long value = strtol(*list, &end, 10);
    if (end == *list) return tn_section_fail(s, "\"%s\": expected numbers of layers", *list);
    const long absolute = value < 0 ? at + value : value;
    if (absolute < 0 || absolute >= at)
        return tn_section_fail(s, "%ld names no earlier layer (this one is %d)", value, at);
    *layer = (int)absolute;
    *list = end + strspn(end, ", ");
    return TN_OK;
}

static tn_status route_channels(writer *w, const tn_section *s, int at, int *channels) {
    const tn_option *o = tn_section_find(s, "layers");
    *channels = 0;
    if (!o) return tn_section_fail(s, "layers= must be given");
    for (const char *list = o->value; *list;) {
        int layer = 0;
        TN_TRY(next_reference(s, at, &list, &layer));
        *channels += w->channels[layer];
    }
    *channels /= number(s, "groups", 1) > 0 ? number(s, "groups", 1) : 1;
    return TN_OK;
}

static tn_status count_channels(writer *w, const tn_section *s, int at, int in) {
    int *out = &w->channels[at];
    *out = in;
    if (is(s, "convolutional") || is(s, "conv")) *out = number(s, "filters", 1);
    if (is(s, "connected") || is(s, "conn")) *out = number(s, "output", 1);
    if (is(s, "reorg") || is(s, "reorg3d"))
        *out = in * number(s, "stride", 1) * number(s, "stride", 1);
    return is(s, "route") ? route_channels(w, s, at, out) : TN_OK;
}

static tn_status copy_section(writer *w, const tn_section *s, int at) {
    if (number(s, "random", 0) != 0)
        return tn_section_fail(s,
                               "random=%d resizes the net while it trains, which blocks of fixed "
                               "size cannot follow: set random=0",
                               number(s, "random", 0));
    fprintf(w->to, "[%s]\n", s->name);
    for (int i = 0; i < s->n_options; i++) {
        const tn_option *o = &s->option[i];
        fprintf(w->to, "%s=", o->key);
        const char *separator = "";
        for (const char *list = is_reference(o->key) ? o->value : ""; *list; separator = ",") {
            int layer = 0;
            TN_TRY(next_reference(s, at, &list, &layer));
            fprintf(w->to, "%s%d", separator, w->span[layer].last - w->n);
        }
        fprintf(w->to, "%s\n", is_reference(o->key) ? "" : o->value);
    }
    fprintf(w->to, "\n");
    w->n++;
    return TN_OK;
}

static tn_status expand_section(writer *w, const tn_section *s, const tn_layer_type *type, int in,
                                int at) {
    int written = 0;
    void *values = tn_arena_alloc(&w->arena, type->values_bytes);
    tn_common_keys common;
    if (!values) return TN_FAIL;
    const tn_key_table tables[] = {{type->keys, values}, {tn_layer_common_keys, &common}};
    TN_TRY(tn_keys_read(s, tables, 2, &w->arena, w->warner));
    if (at == 0 && strcmp(type->name, "expansion_residual") == 0)
        return tn_section_fail(s, "cannot come first: the input has no number to refer to");
    TN_TRY(type->expand(w->to, s, values, (tn_shape){1, 1, in}, &written));
    w->n += written;
    const int expansion =
        strcmp(type->name, "grouped_convolutional") == 0 ? 1 : number(s, "expansion", 4);
    w->channels[at] = number(s, "filters", 1) * expansion;
    return TN_OK;
}

bool tn_foreign_is_ours(const tn_layer_type *type) {
    return type && (strcmp(type->name, "grouped_convolutional") == 0 ||
                    strcmp(type->name, "expansion_residual") == 0);
}

static bool is_known(const char *key) {
    for (const tn_key *k = tn_net_key_table; k->name; k++)
        if (strcmp(k->name, key) == 0)
            return k->kind != TN_KEY_UNSUPPORTED && k->kind != TN_KEY_NO_EFFECT;
    return false;
}

tn_status tn_foreign_net_keys(const tn_cfg *cfg, tn_arena *arena, tn_net_keys *out) {
    tn_section net = cfg->section[0];
    tn_option *option = tn_arena_alloc(arena, (size_t)net.n_options * sizeof *option);
    if (!option) return TN_FAIL;
    int n = 0;
    for (int i = 0; i < net.n_options; i++)
        if (is_known(net.option[i].key)) option[n++] = net.option[i];
    net.option = option;
    net.n_options = n;
    const tn_key_table table = {tn_net_key_table, out};
    TN_TRY(tn_keys_read(&net, &table, 1, arena, NULL));
    if (out->policy == TN_POLICY_COSINE)
        return tn_section_fail(&net, "policy=cosine is unknown to the host's detector: sgdr or "
                                     "steps are not");
    if (out->epochs > 0)
        return tn_section_fail(&net, "epochs=%g: the host's detector counts max_batches",
                               out->epochs);
    if (out->adamw) out->adam = true;
    return TN_OK;
}

static tn_status write_all(writer *w) {
    const tn_section *net = &w->cfg->section[0];
    fprintf(w->to, "[net]\n");
    for (int i = 0; i < net->n_options; i++)
        fprintf(w->to, "%s=%s\n", net->option[i].key, net->option[i].value);
    fprintf(w->to, "\n");
    for (int at = 0; at < w->cfg->n_sections - 1; at++) {
        const tn_section *s = &w->cfg->section[at + 1];
        const tn_layer_type *type = tn_layer_find(s->name);
        const bool ours = tn_foreign_is_ours(type);
        const int in = at ? w->channels[at - 1] : number(net, "channels", 3), first = w->n;
        if (!ours) TN_TRY(count_channels(w, s, at, in));
        TN_TRY(ours ? expand_section(w, s, type, in, at) : copy_section(w, s, at));
        w->span[at] = (tn_expand_span){first, w->n - 1};
    }
    return ferror(w->to) ? tn_fail("the cfg cannot be written") : TN_OK;
}

tn_status tn_foreign_write(const tn_cfg *cfg, const tn_warner *warner, FILE *to,
                           tn_expand_span *span) {
    writer w = {.cfg = cfg, .warner = warner, .to = to, .span = span};
    w.channels = tn_arena_alloc(&w.arena, (size_t)cfg->n_sections * sizeof *w.channels);
    const tn_status status = w.channels ? write_all(&w) : TN_FAIL;
    tn_arena_free(&w.arena);
    return status;
}
