#include "src/net/graph.h"

#include "layers/layer.h"

#include <stdlib.h>
#include <string.h>

const char *tn_graph_reference_key(const tn_section *section) {
    if (tn_section_find(section, "layers")) return "layers";
    return tn_section_find(section, "from") ? "from" : NULL;
}

int tn_graph_references(const tn_plan *plan, int layer, int named[TN_GRAPH_MOST]) {
    const tn_section *section = plan->layer[layer].section;
    const char *key = tn_graph_reference_key(section);
    if (!key) return 0;
    int n = 0;
    /* The plan has read this list before: it holds whole numbers of earlier layers. */
    const char *text = tn_section_find(section, key)->value;
    while (n < TN_GRAPH_MOST) {
        char *end;
        const long reference = strtol(text, &end, 10);
        if (end == text) break;
        named[n++] = (int)(reference < 0 ? layer + reference : reference);
        text = strchr(end, ',');
        if (!text) break;
        text++;
    }
    return n;
}

bool tn_graph_reads_previous(const tn_plan *plan, int layer) {
    return strcmp(plan->layer[layer].type->name, "route") != 0;
}

void tn_graph_live(const tn_plan *plan, bool *live) {
    memset(live, 0, (size_t)plan->n_layers * sizeof *live);
    live[plan->n_layers - 1] = true;
    for (int l = plan->n_layers - 1; l >= 0; l--) {
        if (!live[l]) continue;
        int named[TN_GRAPH_MOST];
        const int n = tn_graph_references(plan, l, named);
        for (int i = 0; i < n; i++) live[named[i]] = true;
        if (l > 0 && tn_graph_reads_previous(plan, l)) live[l - 1] = true;
    }
}
