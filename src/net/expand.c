#include "src/net/expand.h"

#include "src/net/graph.h"

#include <stdlib.h>
#include <string.h>

typedef struct expansion {
    const tn_net *net;
    const tn_plan *plan;
    bool fold, verbatim;
    const tn_warner *warner;
    FILE *to;
    bool *live;
    int *place;           /* of each layer's output among the sections written */
    int n;                /* sections written so far */
    tn_expand_span *span; /* of each layer; NULL: not wanted */
    tn_arena arena;
} expansion;

/* ---- [net] ---- */

/* Keys of [net] that stock Darknets know as well. */
static const char *const stock_net_keys[] = {
    "width",        "height",
    "channels",     "inputs",
    "momentum",     "decay",
    "adam",         "B1",
    "B2",           "eps",
    "burn_in",      "power",
    "step",         "scale",
    "steps",        "scales",
    "gamma",        "max_crop",
    "min_crop",     "angle",
    "aspect",       "saturation",
    "exposure",     "hue",
    "flip",         "mixup",
    "cutmix",       "learning_rate",
    "max_batches",  "sgdr_cycle",
    "sgdr_mult",    "policy",
    "batch",        "label_smooth_eps",
    "subdivisions", "learning_rate_min",
    NULL,
};
/* What inference needs of them. */
static const char *const input_keys[] = {"width", "height", "channels", "inputs", NULL};

static bool is_among(const char *word, const char *const *words) {
    for (; *words; words++)
        if (strcmp(word, *words) == 0) return true;
    return false;
}

static void write_net(expansion *e) {
    const tn_section *net = &e->net->cfg.section[0];
    fprintf(e->to, "[net]\n");
    if (e->fold) fprintf(e->to, "batch=1\nsubdivisions=1\n");
    for (int i = 0; i < net->n_options; i++) {
        const tn_option *o = &net->option[i];
        if (!is_among(o->key, e->fold ? input_keys : stock_net_keys)) continue;
        if (strcmp(o->key, "policy") == 0 && strcmp(o->value, "cosine") == 0) {
            tn_warn(e->warner,
                    "%s:%d: policy=cosine is unknown to stock Darknets: constant is "
                    "written instead",
                    net->file, o->line);
            fprintf(e->to, "policy=constant\n");
            continue;
        }
        fprintf(e->to, "%s=%s\n", o->key, o->value);
    }
    /* Darknet has no default for channels that would make sense. */
    if (!tn_section_find(net, "channels") && e->net->keys.width)
        fprintf(e->to, "channels=%d\n", e->net->keys.channels);
    fprintf(e->to, "\n");
}

/* ---- sections ---- */

/* The layer's keys, read again; folded layers have no batch norm any more. */
static tn_status read_values(expansion *e, int layer, void **out) {
    const tn_plan_layer *l = &e->plan->layer[layer];
    tn_common_keys common;
    *out = tn_arena_alloc(&e->arena, l->type->values_bytes);
    if (!*out) return TN_FAIL;
    const tn_key_table tables[] = {{l->type->keys, *out}, {tn_layer_common_keys, &common}};
    TN_TRY(tn_keys_read(l->section, tables, 2, &e->arena, NULL));
    for (const tn_key *k = l->type->keys; e->fold && k->name; k++) {
        if (strcmp(k->name, "batch_normalize") == 0) *(bool *)((char *)*out + k->offset) = false;
    }
    return TN_OK;
}

/* Copies a section whose keys mean the same everywhere, its references renumbered. */
static void copy_section(expansion *e, int layer) {
    const tn_section *s = e->plan->layer[layer].section;
    const char *references = tn_graph_reference_key(s);
    fprintf(e->to, "[%s]\n", s->name);
    for (int i = 0; i < s->n_options; i++) {
        const tn_option *o = &s->option[i];
        if (!references || strcmp(o->key, references) != 0) {
            fprintf(e->to, "%s=%s\n", o->key, o->value);
            continue;
        }
        int named[TN_GRAPH_MOST];
        const int n = tn_graph_references(e->plan, layer, named);
        fprintf(e->to, "%s=", o->key);
        for (int j = 0; j < n; j++) fprintf(e->to, "%s%d", j ? "," : "", e->place[named[j]] - e->n);
        fprintf(e->to, "\n");
    }
    fprintf(e->to, "\n");
    e->n++;
}

/* pjreddie's Darknet and OpenCV take one layer a [shortcut]: a sum of several is a chain. */
static void write_shortcuts(expansion *e, int layer) {
    const tn_section *s = e->plan->layer[layer].section;
    const tn_option *activation = tn_section_find(s, "activation");
    int named[TN_GRAPH_MOST];
    const int n = tn_graph_references(e->plan, layer, named);
    for (int j = 0; j < n; j++) {
        fprintf(e->to, "[shortcut]\nfrom=%d\n", e->place[named[j]] - e->n);
        const tn_option *alpha = tn_section_find(s, "alpha"), *beta = tn_section_find(s, "beta");
        if (alpha && j == 0) fprintf(e->to, "alpha=%s\n", alpha->value);
        if (beta) fprintf(e->to, "beta=%s\n", beta->value);
        fprintf(e->to, "activation=%s\n\n",
                j == n - 1 && activation ? activation->value : "linear");
        e->n++;
    }
}

/* Batch norm alone, folded: a factor and a bias a channel, which is a 1x1 depthwise convolution. */
static void write_folded_batchnorm(expansion *e, tn_shape in) {
    fprintf(e->to,
            "[convolutional]\nfilters=%d\nsize=1\nstride=1\npad=1\ngroups=%d\n"
            "activation=linear\n\n",
            in.c, in.c);
    e->n++;
}

/* What a folded net does without; also [cost] behind [softmax], whose loss counts already. */
static bool is_left_out(const expansion *e, int layer) {
    const tn_plan_layer *l = &e->plan->layer[layer];
    if (!e->live[layer] && e->fold) return true;
    if (strcmp(l->type->name, "cost") == 0) return e->fold || l->n_ops == 0;
    return e->fold && strcmp(l->type->name, "dropout") == 0;
}

static void warn_of_lost_keys(const expansion *e, const tn_section *s) {
    static const char *const lost[] = {"stopbackward", "learning_rate", "loss_weight", NULL};
    for (const char *const *key = lost; !e->fold && !e->span && *key; key++) {
        const tn_option *o = tn_section_find(s, *key);
        if (o) {
            tn_warn(e->warner, "%s:%d: [%s]: %s is not carried over", s->file, o->line, s->name,
                    *key);
        }
    }
}

/* Means over parts of a map: few stock sections say so, and what stands here is never run. */
static bool has_stand_in(const expansion *e, int layer) {
    const tn_plan_layer *l = &e->plan->layer[layer];
    if (!e->span) return false;
    if (strcmp(l->type->name, "local_avgpool") == 0) return true;
    return strcmp(l->type->name, "avgpool") == 0 && tn_plan_shape(e->plan, l->out).w > 1;
}

/* A [maxpool] of the same shape: any number of outputs has a size and a stride that fit. */
static tn_status write_stand_in(expansion *e, int layer) {
    const tn_plan_layer *l = &e->plan->layer[layer];
    const tn_shape in = tn_plan_shape(e->plan, l->in), out = tn_plan_shape(e->plan, l->out);
    const int stride = in.w / out.w, size = in.w - (out.w - 1) * stride;
    if (stride != in.h / out.h || size != in.h - (out.h - 1) * stride)
        return tn_section_fail(l->section, "%dx%d of a map of %dx%d: the host has no such section",
                               out.w, out.h, in.w, in.h);
    fprintf(e->to, "[maxpool]\nsize=%d\nstride=%d\npadding=0\n\n", size, stride);
    e->n++;
    return TN_OK;
}

static tn_status write_layer(expansion *e, int layer) {
    const tn_plan_layer *l = &e->plan->layer[layer];
    const tn_shape in = tn_plan_shape(e->plan, l->in);
    if (is_left_out(e, layer)) {
        e->place[layer] = layer ? e->place[layer - 1] : -1;
        return TN_OK;
    }
    const bool stays = e->verbatim && strcmp(l->type->name, "convolutional") == 0;
    if (has_stand_in(e, layer)) {
        TN_TRY(write_stand_in(e, layer));
    } else if (l->type->expand && !stays) {
        warn_of_lost_keys(e, l->section);
        void *values;
        int written = 0;
        TN_TRY(read_values(e, layer, &values));
        TN_TRY(l->type->expand(e->to, l->section, values, in, &written));
        e->n += written;
    } else if (e->fold && strcmp(l->type->name, "batchnorm") == 0) {
        write_folded_batchnorm(e, in);
    } else if (strcmp(l->type->name, "shortcut") == 0) {
        write_shortcuts(e, layer);
    } else {
        copy_section(e, layer);
    }
    e->place[layer] = e->n - 1;
    return TN_OK;
}

/* A first section that reads the net's input twice needs it to have a number. */
static void name_the_input(expansion *e) {
    if (strcmp(e->plan->layer[0].type->name, "expansion_residual") != 0) return;
    fprintf(e->to, "[maxpool]\nsize=1\nstride=1\npadding=0\n\n");
    e->n++;
}

static tn_status write_all(expansion *e) {
    fprintf(e->to, "# %s in stock sections%s: written by `darknet cfg expand`.\n\n",
            e->net->cfg.section[0].file, e->fold ? ", batch norm folded, for inference only" : "");
    write_net(e);
    name_the_input(e);
    for (int l = 0; l < e->plan->n_layers; l++) {
        const int first = e->n;
        TN_TRY(write_layer(e, l));
        if (e->span) e->span[l] = (tn_expand_span){first, e->n - 1};
    }
    return ferror(e->to) ? tn_fail("the cfg cannot be written") : TN_OK;
}

static tn_status expand(expansion *e) {
    const size_t n = (size_t)e->plan->n_layers;
    e->live = tn_arena_alloc(&e->arena, n * sizeof *e->live);
    e->place = tn_arena_alloc(&e->arena, n * sizeof *e->place);
    tn_status status = TN_FAIL;
    if (e->live && e->place) {
        tn_graph_live(e->plan, e->live);
        status = write_all(e);
    }
    tn_arena_free(&e->arena);
    return status;
}

tn_status tn_expand_cfg(const tn_net *net, bool fold, const tn_warner *warner, FILE *to) {
    expansion e = {.net = net, .plan = &net->plan, .fold = fold, .warner = warner, .to = to};
    return expand(&e);
}

tn_status tn_expand_cfg_spans(const tn_net *net, bool verbatim, const tn_warner *warner, FILE *to,
                              tn_expand_span *span) {
    expansion e = {.net = net,
                   .plan = &net->plan,
                   .verbatim = verbatim,
                   .warner = warner,
                   .to = to,
                   .span = span};
    return expand(&e);
}
