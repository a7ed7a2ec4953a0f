/* What a net is made of: for people (table, drawing) and programs (JSON). */
#ifndef TN_NET_SUMMARY_H
#define TN_NET_SUMMARY_H

#include "src/net/net.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_summary_layer {
    const char *type, *detail;
    tn_shape in, out;
    size_t parameters;
    double multiply_adds; /* of one image in inference: 0 for what only trains */
    bool trains_only;     /* does not reach the net's output: an auxiliary head */
} tn_summary_layer;

/* Layer `index` of the net; `live` is tn_graph_live's. */
tn_summary_layer tn_summary_layer_of(const tn_net *net, int index, const bool *live);

/* A line a layer, then the totals. */
tn_status tn_summary_print(const tn_net *net, FILE *to);

/* {"cfg", "input":[w,h,c], "outputs", "parameters", "multiply_adds", "weights_bytes",
 *  "layers":[{"index", "type", "detail", "input":[w,h,c], "output":[w,h,c], "parameters",
 *             "multiply_adds", "trains_only"}]}: names and meanings stay as they are. */
tn_status tn_summary_json(const tn_net *net, FILE *to);

/* The architecture as an SVG drawing, top to bottom, skip connections at the side; equal layers in
 * a row share a box. */
tn_status tn_summary_svg(const tn_net *net, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
