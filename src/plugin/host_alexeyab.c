/* AlexeyAB's fork, built with LIBSO=1: its layers, which of them are ours, and the nets it reads.
 */
#include "src/plugin/host_alexeyab.h"
#include "src/plugin/mends.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

tn_graft_options tn_host_graft_options = {
    .connected_stays = true,
    .equal_shortcuts = true,
    .activations =
        " linear logistic loggy relu relie ramp leaky elu selu tanh plse stair hardtan lhtan ",
    .convolution_activations = " swish mish hard_mish ",
};

/* ---- layers that are ours ---- */

static void forward_first(layer l, network_state s) {
    tn_graft *g = tn_graft_find(s.net.layers);
    layer *last = &s.net.layers[tn_graft_last(g, s.index)];
    tn_die_unless(tn_graft_forward(g, s.index, s.train != 0, l.batch, s.input, last->output));
}

static void backward_first(layer l, network_state s) {
    (void)l;
    tn_graft *g = tn_graft_find(s.net.layers);
    const layer *last = &s.net.layers[tn_graft_last(g, s.index)];
    tn_die_unless(tn_graft_backward(g, s.index, last->delta, s.index ? s.delta : NULL));
}

static void nothing(layer l, network_state s) {
    (void)l;
    (void)s;
}

/* ---- layers that stay the host's ---- */

static void (*host_backward)(layer, network_state);

static float *copy_of(const float *from, size_t n) {
    float *copy = malloc(n * sizeof *copy);
    if (!copy) tn_die(tn_fail("out of memory for a gradient of %zu values", n));
    memcpy(copy, from, n * sizeof *copy);
    return copy;
}

/* The activation's gradient on a copy of delta, then its sum a channel: batch norm's beta. */
static void add_bias_gradient(const layer *l) {
    const int n = l->outputs * l->batch;
    float *delta = copy_of(l->delta, (size_t)n);
    switch (l->activation) {
    case SWISH:
        gradient_array_swish(l->output, n, l->activation_input, delta);
        break;
    case MISH:
        gradient_array_mish(n, l->activation_input, delta);
        break;
    case HARD_MISH:
        gradient_array_hard_mish(n, l->activation_input, delta);
        break;
    default:
        gradient_array(l->output, n, l->activation, delta);
    }
    backward_bias(l->bias_updates, delta, l->batch, l->n, l->out_w * l->out_h);
    free(delta);
}

static bool is_channelwise(ACTIVATION a) {
    return a == NORM_CHAN || a == NORM_CHAN_SOFTMAX || a == NORM_CHAN_SOFTMAX_MAXVAL;
}

/* All convolutions overwrite the gradient before them: right on zeros. */
static void backward_convolution(layer l, network_state s) {
    if (l.batch_normalize && !is_channelwise(l.activation) && tn_mend_on(TN_MEND_BIAS_GRADIENTS))
        add_bias_gradient(&l);
    if (!s.delta || !tn_mend_on(TN_MEND_SKIP_GRADIENTS)) {
        host_backward(l, s);
        return;
    }
    const size_t n = (size_t)l.inputs * (size_t)l.batch;
    float *kept = copy_of(s.delta, n);
    memset(s.delta, 0, n * sizeof *kept);
    host_backward(l, s);
    for (size_t i = 0; i < n; i++) s.delta[i] += kept[i];
    free(kept);
}

static void (*host_softmax)(layer, network_state);

/* The host's loss of a net is the mean over its heads; ours their weighted sum. */
static void forward_head(layer l, network_state s) {
    int losses;
    const double weight = tn_graft_loss_weight(tn_graft_find(s.net.layers), s.index, &losses);
    host_softmax(l, s);
    if (!s.truth) return;
    for (int i = 0; i < l.batch * l.outputs; i++) l.delta[i] *= (float)weight;
    *l.cost *= (float)(weight * losses);
}

static void (*host_update[IMPLICIT + 1])(layer, int, float, float, float);

static void update(layer l, int batch, float rate, float momentum, float decay) {
    int i;
    tn_graft_touch_all();
    tn_graft *g = tn_graft_find_bias(l.biases, &i);
    if (g) rate = (float)tn_graft_rate(g, batch, rate);
    if (!g || !tn_graft_update(g, i, rate, batch))
        host_update[l.type](l, batch, rate, momentum, decay);
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
    v.updates_itself = !v.has_params && l->update;
    if (tn_alexeyab_on_gpu()) v.there = tn_alexeyab_view_there(l);
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
        if (l->type != CONVOLUTIONAL) return;
        host_backward = l->backward;
        l->backward = backward_convolution;
        return;
    }
    l->forward = role == TN_ROLE_FIRST ? forward_first : nothing;
    l->backward = role == TN_ROLE_FIRST ? backward_first : nothing;
    if (i < tn_graft_last(g, i)) drop_gradient(net, i);
}

/* Layers before a stopbackward=1 are frozen and have no memory for gradients. */
static int first_trained(const network *net) {
    int first = net->n - 1;
    while (first > 0 && net->layers[first].stopbackward != 1) first--;
    return first;
}

/* Layers that train have their gradient zeroed in every step and are updated: the fork marks not
 * all of them. */
static void mark_trained(network *net, bool train) {
    for (int i = train ? first_trained(net) : net->n; i < net->n; i++) {
        layer *l = &net->layers[i];
        const tn_mend mend =
            l->type == CONNECTED ? TN_MEND_CONNECTED_UPDATE : TN_MEND_SKIP_GRADIENTS;
        if (tn_mend_on(mend)) l->train = 1;
    }
}

static tn_status graft(tn_graft *g, network *net, bool train) {
    if (tn_alexeyab_on_gpu())
        TN_TRY(tn_alexeyab_check_there(net));
    else if (tn_alexeyab_has_gpu())
        TN_TRY(tn_alexeyab_complete(net));
    tn_host_layer *layer = calloc((size_t)net->n, sizeof *layer);
    if (!layer) return tn_fail("out of memory");
    for (int i = 0; i < net->n; i++) layer[i] = view(&net->layers[i]);
    for (int i = 0; train && i < first_trained(net); i++) layer[i].frozen = true;
    const tn_status status = tn_graft_attach(g, layer, net->n);
    free(layer);
    TN_TRY(status);
    tn_graft_register(g, net->layers, net->seen);
    for (int i = 0; i < net->n; i++) take_layer(net, g, i);
    for (int i = 0; tn_alexeyab_on_gpu() && i < net->n; i++) tn_alexeyab_take_there(net, g, i);
    mark_trained(net, train);
    return TN_OK;
}

static network parse(char *filename, int batch, int time_steps) {
    network (*host)(char *, int, int) =
        (network(*)(char *, int, int))dlsym(RTLD_NEXT, "parse_network_cfg_custom");
    tn_graft *g;
    tn_die_unless(tn_graft_create(filename, &tn_host_graft_options, &g));
    (void)tn_alexeyab_on_gpu(); /* the host reads the net for where it shall compute */
    network net = host((char *)tn_graft_cfg(g), batch, time_steps);
    const tn_status status = graft(g, &net, batch <= 0);
    if (status != TN_OK) tn_graft_free(g);
    tn_die_unless(status);
    return net;
}

/* ---- what a detector's .weights file must hold ---- */

/* Values of a layer in a .weights file; -1: it has some in a way of its own. */
static long long values_of(const layer *l) {
    const long long norm = l->batch_normalize ? 4 : 1;
    if (l->share_layer) return 0;
    switch (l->type) {
    case CONVOLUTIONAL:
        return norm * l->n + l->nweights;
    case CONNECTED:
        return norm * l->outputs + (long long)l->inputs * l->outputs;
    case BATCHNORM:
        return 4LL * l->c;
    case SHORTCUT:
    case IMPLICIT:
        return l->nweights > 0 ? l->nweights : 0;
    default:
        return l->update ? -1 : 0;
    }
}

/* The host takes a file of any length, and leaves what it does not hold as it was. */
static tn_status check_size(const network *net, const char *path) {
    long long values = 0;
    struct stat file;
    for (int i = 0; i < net->n; i++) {
        const long long n = values_of(&net->layers[i]);
        if (n < 0) return TN_OK;
        values += n;
    }
    if (stat(path, &file) != 0) return tn_fail("%s: %s", path, strerror(errno));
    const long long bytes = file.st_size - 4 * values; /* the header has 16 or 20 */
    if (bytes == 16 || bytes == 20) return TN_OK;
    return tn_fail(
        "%s: %lld bytes, expected %lld for this net: it is damaged or belongs to another", path,
        (long long)file.st_size, 4 * values + 20);
}

#pragma GCC visibility push(default)

/* These stand before the library's own: every net that its commands read comes this way. */
network parse_network_cfg(char *filename) {
    return parse(filename, 0, 0);
}

network parse_network_cfg_custom(char *filename, int batch, int time_steps) {
    return parse(filename, batch, time_steps);
}

void load_weights(network *net, char *filename) {
    if (tn_host_graft_options.whole_weights) tn_die_unless(check_size(net, filename));
    void (*load)(network *, char *) = (void (*)(network *, char *))dlsym(RTLD_NEXT, "load_weights");
    load(net, filename);
    tn_graft_touch_all();
}

/* Folding batch norm before a prediction saves the host time, not us. */
void fuse_conv_batchnorm(network net) {
    (void)net;
}

/* What its commands print. */
float get_current_rate(network net) {
    float (*host)(network) = (float (*)(network))dlsym(RTLD_NEXT, "get_current_rate");
    const tn_graft *g = tn_graft_find(net.layers);
    const float rate = host(net);
    return g ? (float)tn_graft_rate(g, net.batch * net.subdivisions, rate) : rate;
}

#pragma GCC visibility pop
