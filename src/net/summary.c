#include "src/net/summary.h"

#include "src/net/graph.h"
#include "src/net/weights.h"

#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

tn_summary_layer tn_summary_layer_of(const tn_net *net, int index, const bool *live) {
    const tn_plan *plan = &net->plan;
    const tn_plan_layer *l = &plan->layer[index];
    tn_summary_layer s = {.type = l->type->name,
                          .detail = l->detail,
                          .in = tn_plan_shape(plan, l->in),
                          .out = tn_plan_shape(plan, l->out),
                          .trains_only = !live[index]};
    for (int i = 0; i < l->n_params; i++) {
        const tn_param_spec *spec = &plan->param[l->first_param + i];
        if (tn_param_learns(spec)) s.parameters += spec->count;
    }
    for (int i = 0; i < l->n_ops && live[index]; i++)
        s.multiply_adds += tn_plan_op_multiply_adds(plan, &plan->op[l->first_op + i]);
    return s;
}

static bool *live_layers(const tn_net *net) {
    bool *live = calloc((size_t)net->plan.n_layers, sizeof *live);
    if (live)
        tn_graph_live(&net->plan, live);
    else
        tn_fail("out of memory");
    return live;
}

/* ---- table ---- */

/* 21285698 as 21,285,698. */
static const char *grouped(double value, char text[32]) {
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%.0f", value);
    int at = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static const char *shape_text(tn_shape s, char text[48]) {
    snprintf(text, 48, "%d x %d x %d", s.w, s.h, s.c);
    return text;
}

static void print_layer(FILE *to, int index, const tn_summary_layer *s) {
    char out[48], count[32], work[32] = "";
    if (s->trains_only)
        snprintf(work, sizeof work, "trains only");
    else
        grouped(s->multiply_adds, work);
    fprintf(to, "%4d  %-22s %-28s %18s %14s %18s\n", index, s->type, s->detail,
            shape_text(s->out, out), grouped((double)s->parameters, count), work);
}

tn_status tn_summary_print(const tn_net *net, FILE *to) {
    bool *live = live_layers(net);
    if (!live) return TN_FAIL;
    const double parameters = (double)tn_net_parameters(net), work = tn_net_multiply_adds(net);
    const size_t bytes = tn_weights_bytes(net->param, net->plan.n_params);
    char a[48], b[32];
    fprintf(to, "%4s  %-22s %-28s %18s %14s %18s\n", "", "layer", "", "output (w h c)",
            "parameters", "multiply-adds");
    fprintf(to, "%4s  %-22s %-28s %18s\n", "", "input", "",
            shape_text(tn_plan_shape(&net->plan, net->plan.input), a));
    for (int i = 0; i < net->plan.n_layers; i++) {
        const tn_summary_layer s = tn_summary_layer_of(net, i, live);
        print_layer(to, i, &s);
    }
    fprintf(to, "parameters:    %s\n", grouped(parameters, b));
    fprintf(to, "multiply-adds: %s (%.2f G) an image\n", grouped(work, b), work / 1e9);
    fprintf(to, "weights file:  %s bytes (%.1f MiB)\n", grouped((double)bytes, b),
            (double)bytes / (1 << 20));
    free(live);
    return ferror(to) ? tn_fail("the summary cannot be written") : TN_OK;
}

/* ---- JSON ---- */

static void add_shape(cJSON *object, const char *name, tn_shape s) {
    const int extents[3] = {s.w, s.h, s.c};
    cJSON_AddItemToObject(object, name, cJSON_CreateIntArray(extents, 3));
}

static cJSON *layer_json(int index, const tn_summary_layer *s) {
    cJSON *layer = cJSON_CreateObject();
    cJSON_AddNumberToObject(layer, "index", index);
    cJSON_AddStringToObject(layer, "type", s->type);
    cJSON_AddStringToObject(layer, "detail", s->detail);
    add_shape(layer, "input", s->in);
    add_shape(layer, "output", s->out);
    cJSON_AddNumberToObject(layer, "parameters", (double)s->parameters);
    cJSON_AddNumberToObject(layer, "multiply_adds", s->multiply_adds);
    cJSON_AddBoolToObject(layer, "trains_only", s->trains_only);
    return layer;
}

tn_status tn_summary_json(const tn_net *net, FILE *to) {
    bool *live = live_layers(net);
    if (!live) return TN_FAIL;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "cfg", net->cfg.section[0].file);
    add_shape(root, "input", tn_plan_shape(&net->plan, net->plan.input));
    cJSON_AddNumberToObject(root, "outputs", tn_net_outputs(net));
    cJSON_AddNumberToObject(root, "parameters", (double)tn_net_parameters(net));
    cJSON_AddNumberToObject(root, "multiply_adds", tn_net_multiply_adds(net));
    cJSON_AddNumberToObject(root, "weights_bytes",
                            (double)tn_weights_bytes(net->param, net->plan.n_params));
    cJSON *layers = cJSON_AddArrayToObject(root, "layers");
    for (int i = 0; i < net->plan.n_layers; i++) {
        const tn_summary_layer s = tn_summary_layer_of(net, i, live);
        cJSON_AddItemToArray(layers, layer_json(i, &s));
    }
    free(live);
    char *text = root ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!text) return tn_fail("out of memory");
    const bool written = fprintf(to, "%s\n", text) > 0;
    cJSON_free(text);
    return written ? TN_OK : tn_fail("the summary cannot be written");
}
