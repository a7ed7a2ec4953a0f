/* pjreddie's Darknet as Debian packages it: layers and networks by value, no commands inside. */
#include "src/plugin/die.h"
#include "src/plugin/host.h"
#include "src/plugin/mends.h"

#include <darknet.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const char *const tn_host_symbols[] = {"parse_network_cfg", "load_weights",
                                       "save_weights",      "set_batch_network",
                                       "network_predict",   "get_current_rate",
                                       "free_network",      "forward_network",
                                       "backward_network",  "update_network",
                                       "load_data",         "train_network",
                                       "free_data",         NULL};
const char *const tn_host_stranger = "parse_network_cfg_custom";
const bool tn_host_has_commands = false;
const bool tn_host_takes_gpu_builds = false;
tn_graft_options tn_host_graft_options = {
    .strided_1x1 = true,
    .activations =
        " linear logistic loggy relu relie ramp leaky elu selu tanh plse stair hardtan lhtan ",
    .convolution_activations = " ",
};

const char *tn_host_processor(void) {
    return "CPU";
}

tn_status tn_host_want_gpu(int index, const char *flag) {
    if (index < 0) return TN_OK;
    return tn_fail("%s: the package's library computes on the processor; ./darknet has GPUs", flag);
}

tn_status tn_host_start(void) {
    return TN_OK;
}

void tn_host_fetch(const tn_host_net *net) {
    (void)net;
}

tn_status tn_host_check_detector(void) {
    return TN_OK;
}

const char *tn_host_name(void) {
    return "pjreddie's Darknet (Debian)";
}

const char *tn_host_unable(const tn_net_keys *keys) {
    return !keys->flip                  ? "flip=0"
           : keys->mixup                ? "mixup"
           : keys->label_smooth_eps > 0 ? "label_smooth_eps"
                                        : NULL;
}

/* ---- layers that are ours ---- */

static void forward_first(layer l, network net) {
    tn_graft *g = tn_graft_find(net.layers);
    layer *last = &net.layers[tn_graft_last(g, net.index)];
    tn_die_unless(tn_graft_forward(g, net.index, net.train != 0, l.batch, net.input, last->output));
}

static void backward_first(layer l, network net) {
    (void)l;
    tn_graft *g = tn_graft_find(net.layers);
    const layer *last = &net.layers[tn_graft_last(g, net.index)];
    tn_die_unless(tn_graft_backward(g, net.index, last->delta, net.index ? net.delta : NULL));
}

static void nothing(layer l, network net) {
    (void)l;
    (void)net;
}

/* ---- layers that stay the host's ---- */

static void (*host_backward)(layer, network);

/* 1x1 convolutions overwrite the gradient before them, others add: either is right on zeros. */
static void backward_convolution(layer l, network net) {
    const size_t n = (size_t)l.inputs * (size_t)l.batch;
    float *kept = net.delta ? malloc(n * sizeof *kept) : NULL;
    if (!net.delta) {
        host_backward(l, net);
        return;
    }
    if (!kept) tn_die(tn_fail("out of memory for the gradient before layer %d", net.index));
    memcpy(kept, net.delta, n * sizeof *kept);
    memset(net.delta, 0, n * sizeof *kept);
    host_backward(l, net);
    for (size_t i = 0; i < n; i++) net.delta[i] += kept[i];
    free(kept);
}

static void (*host_softmax)(layer, network);

/* The host's loss of a net is the mean over its heads; ours their weighted sum. */
static void forward_head(layer l, network net) {
    int losses;
    const double weight = tn_graft_loss_weight(tn_graft_find(net.layers), net.index, &losses);
    host_softmax(l, net);
    if (!net.truth) return;
    for (int i = 0; i < l.batch * l.outputs; i++) l.delta[i] *= (float)weight;
    *l.cost *= (float)(weight * losses);
}

static void (*host_update[BLANK + 1])(layer, update_args);

static void update(layer l, update_args a) {
    int i;
    tn_graft_touch_all();
    tn_graft *g = tn_graft_find_bias(l.biases ? l.biases : l.scales, &i);
    if (g) a.learning_rate = (float)tn_graft_rate(g, a.batch, a.learning_rate);
    if (!g || !tn_graft_update(g, i, a.learning_rate, a.batch)) host_update[l.type](l, a);
}

/* ---- grafting ---- */

static tn_host_layer view(const layer *l) {
    tn_host_layer v = {.has_params =
                           l->type == CONVOLUTIONAL || l->type == CONNECTED || l->type == BATCHNORM,
                       .is_connected = l->type == CONNECTED,
                       .rate = (double)l->learning_rate_scale,
                       .h = l->h,
                       .w = l->w,
                       .c = l->c,
                       .bias = l->biases,
                       .bias_grad = l->bias_updates,
                       .scale = l->scales,
                       .scale_grad = l->scale_updates,
                       .mean = l->rolling_mean,
                       .variance = l->rolling_variance,
                       .weights = l->weights,
                       .weight_grad = l->weight_updates};
    if (l->type == CONVOLUTIONAL) v.n_biases = (size_t)l->n, v.n_weights = (size_t)l->nweights;
    if (l->type == CONNECTED)
        v.n_biases = (size_t)l->outputs, v.n_weights = (size_t)l->inputs * (size_t)l->outputs;
    if (l->type == BATCHNORM) v.n_biases = (size_t)l->c;
    return v;
}

static bool is_shared(const network *net, int i) {
    for (int j = 0; j < net->n; j++)
        if (j != i && net->layers[j].delta == net->layers[i].delta) return true;
    return false;
}

/* What nobody reads need not be zeroed in every step, nor take memory. */
static void drop_gradient(network *net, int i) {
    layer *l = &net->layers[i];
    if (!l->delta || is_shared(net, i)) return;
    free(l->delta);
    l->delta = NULL;
}

static void take_layer(network *net, tn_graft *g, int i) {
    layer *l = &net->layers[i];
    const tn_graft_role role = tn_graft_role_of(g, i);
    if (l->update && l->type != LOCAL) {
        host_update[l->type] = l->update;
        l->update = update;
    }
    int losses = 0;
    if (l->type == SOFTMAX) (void)tn_graft_loss_weight(g, i, &losses);
    if (losses > 1) {
        host_softmax = l->forward;
        l->forward = forward_head;
        return;
    }
    if (role == TN_ROLE_HOST) {
        /* nothing before the first layer wants a gradient, but poolings write one all the same */
        if (i == 0 && !l->update) l->backward = nothing;
        if (l->type != CONVOLUTIONAL || !tn_mend_on(TN_MEND_SKIP_GRADIENTS)) return;
        host_backward = l->backward;
        l->backward = backward_convolution;
        return;
    }
    l->forward = role == TN_ROLE_FIRST ? forward_first : nothing;
    l->backward = role == TN_ROLE_FIRST ? backward_first : nothing;
    if (i < tn_graft_last(g, i)) drop_gradient(net, i);
}

static tn_status graft(tn_graft *g, network *net) {
    tn_host_layer *layer = calloc((size_t)net->n, sizeof *layer);
    if (!layer) return tn_fail("out of memory");
    for (int i = 0; i < net->n; i++) layer[i] = view(&net->layers[i]);
    const tn_status status = tn_graft_attach(g, layer, net->n);
    free(layer);
    TN_TRY(status);
    tn_graft_register(g, net->layers, net->seen);
    for (int i = 0; i < net->n; i++) take_layer(net, g, i);
    return TN_OK;
}

#pragma GCC visibility push(default)

/* Stands before the library's own: every net that the host reads comes this way. */
network *parse_network_cfg(char *filename) {
    network *(*parse)(char *) = (network * (*)(char *)) dlsym(RTLD_NEXT, "parse_network_cfg");
    tn_graft *g;
    tn_die_unless(tn_graft_create(filename, &tn_host_graft_options, &g));
    network *net = parse((char *)tn_graft_cfg(g));
    const tn_status status = graft(g, net);
    if (status != TN_OK) tn_graft_free(g);
    tn_die_unless(status);
    return net;
}

void load_weights(network *net, char *filename) {
    void (*load)(network *, char *) = (void (*)(network *, char *))dlsym(RTLD_NEXT, "load_weights");
    load(net, filename);
    tn_graft_touch_all();
}

#pragma GCC visibility pop

/* ---- what the plugin asks ---- */

static network *as_network(const tn_host_net *net) {
    return (network *)net;
}

tn_status tn_host_open(const char *cfg, const char *weights, bool train, tn_host_net **out) {
    network *net = parse_network_cfg((char *)cfg);
    if (weights) load_weights(net, (char *)weights);
    if (!train) set_batch_network(net, 1);
    *out = (tn_host_net *)net;
    return TN_OK;
}

void tn_host_close(tn_host_net *net) {
    tn_graft_free(tn_host_graft(net));
    free_network(as_network(net));
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
    return network_predict(as_network(net), (float *)x);
}

double tn_host_gradients(tn_host_net *host, const float *x, const float *truth) {
    network *net = as_network(host);
    const size_t batch = (size_t)net->batch;
    memcpy(net->input, x, batch * (size_t)net->inputs * sizeof *x);
    memcpy(net->truth, truth, batch * (size_t)net->truths * sizeof *truth);
    *net->seen += batch;
    net->train = 1;
    forward_network(net);
    backward_network(net);
    return (double)*net->cost / (double)batch;
}

void tn_host_update(tn_host_net *net) {
    update_network(as_network(net));
}

double tn_host_rate(const tn_host_net *net) {
    const network *n = as_network(net);
    return tn_graft_rate(tn_host_graft(net), n->batch * n->subdivisions,
                         (double)get_current_rate(as_network(net)));
}

void tn_host_save(const tn_host_net *net, const char *path) {
    save_weights(as_network(net), (char *)path);
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
