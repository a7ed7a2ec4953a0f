/* A net: its cfg, its [net] keys, its plan and its parameters. */
#ifndef TN_NET_NET_H
#define TN_NET_NET_H

#include "layers/layer.h"
#include "src/net/cfg.h"
#include "src/net/net_keys.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_net {
    tn_cfg cfg;
    tn_net_keys keys; /* [net] */
    tn_plan plan;
    tn_param *param; /* plan.n_params, in .weights order */
    void *pages;     /* values and gradients */
    size_t page_bytes;
    uint64_t seen; /* images trained on: the .weights header's counter */
} tn_net;

/* Reads, checks and plans a cfg; takes memory for parameters. Overrides are "KEY=VALUE" of [net].
 * Parameters are zero until initialised or loaded. The net is freed on failure. */
tn_status tn_net_load(const char *path, const char *const *overrides, int n_overrides,
                      const tn_warner *warner, tn_net **out);

/* As tn_net_load from a cfg in memory, which the net takes over (freed on failure too). */
tn_status tn_net_create(tn_cfg *cfg, const tn_warner *warner, tn_net **out);
void tn_net_free(tn_net *net);

/* Weights N(0, 2/fan_in) (He et al. 2015), fan_in after Darknet (size*size*c/groups); biases 0,
 * scales 1, running means 0, running variances 1. Each tensor is keyed by (seed, its place), so a
 * net's start does not depend on threads. */
void tn_net_init(tn_net *net, uint64_t seed);

/* Outputs of one image: elements of the output tensor. */
int tn_net_outputs(const tn_net *net);
/* Parameters of all layers (running statistics not counted, as is usual), and multiply-adds of one
 * image in inference. Heads that only train count as parameters, not as multiply-adds. */
size_t tn_net_parameters(const tn_net *net);
double tn_net_multiply_adds(const tn_net *net);

#ifdef __cplusplus
}
#endif
#endif
