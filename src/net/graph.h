/* How the sections of a planned net hang together: who reads whom. */
#ifndef TN_NET_GRAPH_H
#define TN_NET_GRAPH_H

#include "layers/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_GRAPH_MOST = 256 }; /* sources of one section, at most */

/* The key by which a section names other layers ("layers", "from"), or NULL. */
const char *tn_graph_reference_key(const tn_section *section);

/* The layers that layer `layer` names in that key, absolute, in the key's order; returns their
 * number (at most TN_GRAPH_MOST). */
int tn_graph_references(const tn_plan *plan, int layer, int named[TN_GRAPH_MOST]);

/* Whether the layer reads the one before it: all but [route] do. */
bool tn_graph_reads_previous(const tn_plan *plan, int layer);

/* Sets live[0 .. n_layers): whether the net's last layer needs it. What is not live only trains
 * (auxiliary heads). */
void tn_graph_live(const tn_plan *plan, bool *live);

#ifdef __cplusplus
}
#endif
#endif
