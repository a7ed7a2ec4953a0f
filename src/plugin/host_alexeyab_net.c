/* AlexeyAB's fork, built with LIBSO=1: what the plugin asks of it and of its nets, which it hands
 * around by value. */
#include "src/plugin/host_alexeyab.h"

#include <stdlib.h>

const char *const tn_host_symbols[] = {"parse_network_cfg",   "parse_network_cfg_custom",
                                       "load_weights",        "save_weights",
                                       "network_predict",     "get_current_rate",
                                       "get_current_batch",   "free_network",
                                       "forward_network",     "backward_network",
                                       "update_network",      "get_network_cost",
                                       "run_classifier",      "run_detector",
                                       "gradient_array",      "gradient_array_swish",
                                       "gradient_array_mish", "gradient_array_hard_mish",
                                       "backward_bias",       "fuse_conv_batchnorm",
                                       "gpu_index",           NULL};
const char *const tn_host_stranger = "calc_network_cost";
const bool tn_host_has_commands = true;
const bool tn_host_takes_gpu_builds = true;

const char *tn_host_name(void) {
    return "AlexeyAB's Darknet";
}

const char *tn_host_unable(const tn_net_keys *keys) {
    (void)keys;
    return NULL;
}

static network *as_network(const tn_host_net *net) {
    return (network *)net;
}

tn_status tn_host_open(const char *cfg, const char *weights, bool train, tn_host_net **out) {
    network *net = malloc(sizeof *net);
    if (!net) return tn_fail("out of memory");
    *net = parse_network_cfg_custom((char *)cfg, train ? 0 : 1, train ? 0 : 1);
    if (weights) load_weights(net, (char *)weights);
    *out = (tn_host_net *)net;
    return TN_OK;
}

void tn_host_close(tn_host_net *net) {
    tn_graft_free(tn_host_graft(net));
    free_network(*as_network(net));
    free(net);
}

tn_graft *tn_host_graft(const tn_host_net *net) {
    return tn_graft_find(as_network(net)->layers);
}

int tn_host_batch(const tn_host_net *net) {
    return as_network(net)->batch;
}

int tn_host_subdivisions(const tn_host_net *net) {
    return as_network(net)->subdivisions;
}

int tn_host_inputs(const tn_host_net *net) {
    return as_network(net)->inputs;
}

int tn_host_outputs(const tn_host_net *net) {
    return as_network(net)->outputs;
}

uint64_t *tn_host_seen(const tn_host_net *net) {
    return as_network(net)->seen;
}

const float *tn_host_predict(tn_host_net *net, const float *x) {
    return network_predict(*as_network(net), (float *)x);
}

double tn_host_gradients(tn_host_net *host, const float *x, const float *truth) {
    network *net = as_network(host);
    const network_state state = {
        .net = *net, .input = (float *)x, .truth = (float *)truth, .train = 1};
    *net->seen += (uint64_t)net->batch;
    if (tn_alexeyab_on_gpu()) {
        tn_alexeyab_step_there(*net, (float *)x, (float *)truth);
    } else {
        forward_network(*net, state);
        backward_network(*net, state);
    }
    return (double)get_network_cost(*net) / net->batch;
}

void tn_host_update(tn_host_net *net) {
    *as_network(net)->cur_iteration += 1;
    update_network_gpu(*as_network(net));
}

void tn_host_fetch(const tn_host_net *net) {
    if (tn_alexeyab_on_gpu()) tn_alexeyab_fetch_there(as_network(net));
}

double tn_host_rate(const tn_host_net *net) {
    return (double)get_current_rate(*as_network(net));
}

void tn_host_save(const tn_host_net *net, const char *path) {
    save_weights(*as_network(net), (char *)path);
}

bool tn_host_layer_is_convolution(const tn_host_net *net, int i, int h, int w, int filters,
                                  int weights) {
    const layer *l = &as_network(net)->layers[i];
    return l->type == CONVOLUTIONAL && l->out_h == h && l->out_w == w && l->out_c == filters &&
           l->n == filters && l->nweights == weights && l->outputs == h * w * filters &&
           l->workspace_size > 0 && l->workspace_size < ((size_t)1 << 24);
}

int tn_host_layers(const tn_host_net *net) {
    return as_network(net)->n;
}

void tn_host_size(const tn_host_net *net, int size[3]) {
    const network *n = as_network(net);
    size[0] = n->w;
    size[1] = n->h;
    size[2] = n->c;
}
