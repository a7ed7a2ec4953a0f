/* What a graft is made of: for graft*.c alone. */
#ifndef TN_PLUGIN_GRAFT_PARTS_H
#define TN_PLUGIN_GRAFT_PARTS_H

#include "src/net/block.h"
#include "src/net/expand.h"
#include "src/net/optimizer_gpu.h"
#include "src/net/schedule.h"
#include "src/plugin/graft.h"
#include "src/plugin/memory_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A run of sections that one block computes, and the host's layers they became. */
typedef struct tn_graft_segment {
    int section, n_sections;
    tn_expand_span span;
    tn_block *block;
    uint64_t generation; /* of the parameters it has packed */
} tn_graft_segment;

struct tn_graft {
    tn_graft *next; /* registered earlier */
    const void *layers;
    const uint64_t *seen;
    tn_graft_options options;
    tn_arena arena;

    tn_net *net;
    tn_cfg cfg;          /* foreign: there is no net of ours */
    tn_net_keys keys;    /* of [net]; foreign: as far as we know them */
    tn_memory_file file; /* the cfg for the host */
    bool scheduled;
    tn_schedule schedule;

    tn_expand_span *span; /* of each section */
    tn_graft_segment *segment;
    int n_segments, n_layers;
    int *segment_of; /* host layer -> segment; -1: the host's */

    tn_param *param; /* all that the host's memory holds; the net's own where there is one */
    int n_params;
    int *param_of; /* host layer -> its first parameter, and one past the last layer's */
    bool *connected;
    tn_optimizer **optimizer; /* of each host layer, made when first needed */

    /* On a GPU: the same parameters there, and what updates them. */
    tn_param *there;
    struct tn_graft_updater *updater;
};

/* Sections after [net]. */
int tn_graft_sections(const tn_graft *graft);

/* graft_segments.c: which sections blocks of ours compute. */
tn_status tn_graft_make_segments(tn_graft *graft);
/* graft_foreign.c: the same, and the table of parameters, for a foreign cfg. */
tn_status tn_graft_attach_foreign(tn_graft *graft, const tn_host_layer *layer);
/* graft_attach.c: the host's memory becomes the parameter's; `start`: what it was so far is
 * written there. */
tn_status tn_graft_bind(tn_param *param, const tn_host_layer *layer, int i, bool start);

/* graft_gpu.c. Before parameters are bound: room for `n` of them there, and for updates of each
 * layer. Nothing without options.gpu. */
tn_status tn_graft_gpu_prepare(tn_graft *graft, int n);
void tn_graft_gpu_free(tn_graft *graft);
/* Parameter `p`, bound, has a place there too; nothing when `there` is NULL. */
tn_status tn_graft_gpu_bind(tn_param *there, const tn_param *p, const tn_host_layer *layer, int i);
/* Layer i's parameters there, by its optimizer. */
tn_status tn_graft_gpu_update(tn_graft *graft, int i, double rate, int batch);

#ifdef __cplusplus
}
#endif
#endif
