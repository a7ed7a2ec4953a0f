/* AlexeyAB's fork built with GPU=1 CUDNN=1: where it computes, and its layers there.
 *
 * Its darknet.h lays its structs out alike with and without GPU=1, so that one program serves both;
 * what the library has is found out when it runs. */
#include "src/plugin/host_alexeyab.h"
#include "src/plugin/mends.h"
#include "src/plugin/probe.h"

#include <dlfcn.h>

/* Where nets compute: the library's own gpu_index follows it. -1: on the processor. */
static int chosen = -1, wanted = -1;
static bool asked;

/* A function of the library, which has one of its own behind each of ours. */
#define HOST(name, ...) ((__VA_ARGS__)dlsym(RTLD_NEXT, #name))
/* One that has none of ours before it. */
#define THEIRS(name, ...) ((__VA_ARGS__)dlsym(RTLD_DEFAULT, #name))

bool tn_alexeyab_has_gpu(void) {
    return dlsym(RTLD_DEFAULT, "forward_network_gpu") != NULL;
}

bool tn_alexeyab_on_gpu(void) {
    gpu_index = chosen;
    return chosen >= 0;
}

/* ---- choosing ---- */

/* What HOST asks for, and a library built for GPUs has. */
static const char *const functions[] = {"cuda_set_device",
                                        "get_cuda_stream",
                                        "cuda_make_array",
                                        "cuda_make_int_array",
                                        "cuda_make_int_array_new_api",
                                        "cuda_make_array_pointers",
                                        "cuda_free",
                                        "create_convolutional_cudnn_tensors",
                                        "cudnn_convolutional_setup",
                                        "cuda_pull_array",
                                        "scal_ongpu",
                                        "push_convolutional_layer",
                                        "push_connected_layer",
                                        "push_batchnorm_layer",
                                        "forward_backward_network_gpu",
                                        "update_network_gpu",
                                        NULL};

static tn_status check_functions(void) {
    for (const char *const *name = functions; *name; name++)
        if (!dlsym(RTLD_NEXT, *name))
            return tn_fail("%s has no function %s: -nogpu does without", tn_probe_library(), *name);
    return TN_OK;
}

const char *tn_host_processor(void) {
    return tn_alexeyab_has_gpu() ? "GPU, or CPU with -nogpu" : "CPU";
}

tn_status tn_host_want_gpu(int index, const char *flag) {
    asked = true;
    wanted = index;
    if (index < 0 || tn_alexeyab_has_gpu()) return TN_OK;
    return tn_fail("%s: %s computes on the processor: build that Darknet with GPU=1 CUDNN=1, or "
                   "use ./darknet, which has GPUs",
                   flag, tn_probe_library());
}

tn_status tn_host_start(void) {
    if (tn_alexeyab_on_gpu()) return TN_OK; /* it was started */
    if (!tn_alexeyab_has_gpu() || (asked && wanted < 0)) return TN_OK;
    if (!dlsym(RTLD_DEFAULT, "cudnn_handle"))
        return tn_fail("%s is built with GPU=1 CUDNN=0, whose convolutions overwrite skip "
                       "connections' gradients on a GPU: build it with CUDNN=1, or give -nogpu",
                       tn_probe_library());
    const int index = asked ? wanted : 0, count = tn_gpu_count();
    if (count == 0)
        return tn_fail_in("%s is built for GPUs and there is none to use (-nogpu: the processor "
                          "computes)",
                          tn_probe_library());
    if (index >= count)
        return tn_fail("GPU %d: there %s %d, counted from 0", index, count == 1 ? "is" : "are",
                       count);
    TN_TRY(check_functions());
    chosen = index;
    HOST(cuda_set_device, void (*)(int))(index);
    TN_TRY(tn_gpu_open(&(tn_gpu_options){.index = index, .stream = get_cuda_stream()},
                       &tn_host_graft_options.gpu));
    return tn_probe_gpu();
}

/* The library leaves the last steps of these layers to its GPU code alone. */
tn_status tn_host_check_detector(void) {
    if (!tn_alexeyab_has_gpu() || tn_alexeyab_on_gpu()) return TN_OK;
    return tn_fail("%s is built for GPUs and computes no [yolo] on the processor: build it with "
                   "GPU=0 for that",
                   tn_probe_library());
}

/* ---- layers there ---- */

static void forward_first(layer l, network_state s) {
    tn_graft *g = tn_graft_find(s.net.layers);
    layer *last = &s.net.layers[tn_graft_last(g, s.index)];
    tn_die_unless(tn_graft_forward(g, s.index, s.train != 0, l.batch, s.input, last->output_gpu));
}

static void backward_first(layer l, network_state s) {
    (void)l;
    tn_graft *g = tn_graft_find(s.net.layers);
    const layer *last = &s.net.layers[tn_graft_last(g, s.index)];
    tn_die_unless(tn_graft_backward(g, s.index, last->delta_gpu, s.index ? s.delta : NULL));
}

static void nothing(layer l, network_state s) {
    (void)l;
    (void)s;
}

static void (*host_softmax)(layer, network_state);

/* As forward_head of host_alexeyab.c. */
static void forward_head(layer l, network_state s) {
    int losses;
    const double weight = tn_graft_loss_weight(tn_graft_find(s.net.layers), s.index, &losses);
    host_softmax(l, s);
    if (!s.truth) return;
    THEIRS(scal_ongpu, void (*)(int, float, float *, int))
    (l.batch * l.outputs, (float)weight, l.delta_gpu, 1);
    *l.cost *= (float)(weight * losses);
}

static void (*host_update[IMPLICIT + 1])(layer, int, float, float, float, float);

static void update(layer l, int batch, float rate, float momentum, float decay, float loss_scale) {
    int i;
    tn_graft_touch_all();
    tn_graft *g = tn_graft_find_bias(l.biases, &i);
    if (g) rate = (float)tn_graft_rate(g, batch, rate);
    if (!g || !tn_graft_update(g, i, rate, batch))
        host_update[l.type](l, batch, rate, momentum, decay, loss_scale);
}

tn_host_there tn_alexeyab_view_there(const layer *l) {
    return (tn_host_there){.bias = l->biases_gpu,
                           .bias_grad = l->bias_updates_gpu,
                           .scale = l->scales_gpu,
                           .scale_grad = l->scale_updates_gpu,
                           .mean = l->rolling_mean_gpu,
                           .variance = l->rolling_variance_gpu,
                           .weights = l->weights_gpu,
                           .weight_grad = l->weight_updates_gpu};
}

/* What the graft has written to the processor's memory. */
static void push(const layer *l) {
    if (l->type == CONVOLUTIONAL) THEIRS(push_convolutional_layer, void (*)(layer))(*l);
    if (l->type == CONNECTED) THEIRS(push_connected_layer, void (*)(layer))(*l);
    if (l->type == BATCHNORM) THEIRS(push_batchnorm_layer, void (*)(layer))(*l);
}

/* With cuDNN the host's convolutions add to the gradient before them, and batch norm has its
 * bias's: they need no mending there. */
void tn_alexeyab_take_there(network *net, tn_graft *g, int i) {
    layer *l = &net->layers[i];
    const tn_graft_role role = tn_graft_role_of(g, i);
    push(l);
    if (l->update_gpu && l->type != LOCAL) {
        host_update[l->type] = l->update_gpu;
        l->update_gpu = update;
    }
    int losses = 0;
    if (l->type == SOFTMAX) (void)tn_graft_loss_weight(g, i, &losses);
    if (losses > 1) {
        host_softmax = l->forward_gpu;
        l->forward_gpu = forward_head;
        return;
    }
    if (role == TN_ROLE_HOST) {
        /* nothing before the first layer wants a gradient, but poolings write one all the same */
        if (i == 0 && !l->update_gpu) l->backward_gpu = nothing;
        return;
    }
    l->forward_gpu = role == TN_ROLE_FIRST ? forward_first : nothing;
    l->backward_gpu = role == TN_ROLE_FIRST ? backward_first : nothing;
}

tn_status tn_alexeyab_check_there(network *net) {
    const char *key = net->use_cuda_graph       ? "use_cuda_graph"
                      : net->optimized_memory   ? "optimized_memory"
                      : net->loss_scale != 1.0f ? "loss_scale"
                                                : NULL;
    if (key) return tn_fail("[net] %s=: not together with our layers on a GPU: leave it out", key);
    net->cudnn_half = 0; /* fp32 is fp32, and half precision overwrites skip gradients */
    return TN_OK;
}

static void pull(float *there, float *here, size_t n) {
    if (there && here && n > 0)
        THEIRS(cuda_pull_array, void (*)(float *, float *, size_t))(there, here, n);
}

void tn_alexeyab_fetch_there(const network *net) {
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        if (l->type != CONVOLUTIONAL && l->type != CONNECTED && l->type != BATCHNORM) continue;
        const bool connected = l->type == CONNECTED;
        const size_t n = (size_t)(connected ? l->outputs : l->type == BATCHNORM ? l->c : l->n);
        const size_t weights = connected ? (size_t)l->inputs * n : (size_t)l->nweights;
        pull(l->biases_gpu, l->biases, n);
        pull(l->bias_updates_gpu, l->bias_updates, n);
        pull(l->scales_gpu, l->scales, n);
        pull(l->scale_updates_gpu, l->scale_updates, n);
        pull(l->rolling_mean_gpu, l->rolling_mean, n);
        pull(l->rolling_variance_gpu, l->rolling_variance, n);
        pull(l->weights_gpu, l->weights, weights);
        pull(l->weight_updates_gpu, l->weight_updates, weights);
    }
}

void tn_alexeyab_step_there(network net, float *x, float *truth) {
    THEIRS(forward_backward_network_gpu, void (*)(network, float *, float *))(net, x, truth);
}

#pragma GCC visibility push(default)

/* These stand before the library's own, which a build for GPUs calls even where it is told to use
 * the processor. There they have nothing to do. */

void *get_cuda_stream(void) {
    return chosen < 0 ? NULL : HOST(get_cuda_stream, void *(*)(void))();
}

void cuda_set_device(int n) {
    if (chosen < 0)
        gpu_index = -1;
    else
        HOST(cuda_set_device, void (*)(int))(n);
}

float *cuda_make_array(float *x, size_t n) {
    return chosen < 0 ? NULL : HOST(cuda_make_array, float *(*)(float *, size_t))(x, n);
}

int *cuda_make_int_array(size_t n) {
    return chosen < 0 ? NULL : HOST(cuda_make_int_array, int *(*)(size_t))(n);
}

int *cuda_make_int_array_new_api(int *x, size_t n) {
    return chosen < 0 ? NULL : HOST(cuda_make_int_array_new_api, int *(*)(int *, size_t))(x, n);
}

void **cuda_make_array_pointers(void **x, size_t n) {
    return chosen < 0 ? NULL : HOST(cuda_make_array_pointers, void **(*)(void **, size_t))(x, n);
}

void cuda_free(float *there) {
    if (chosen >= 0) HOST(cuda_free, void (*)(float *))(there);
}

void create_convolutional_cudnn_tensors(layer *l) {
    if (chosen >= 0) HOST(create_convolutional_cudnn_tensors, void (*)(layer *))(l);
}

void cudnn_convolutional_setup(layer *l, int preference, size_t workspace) {
    if (chosen < 0) return;
    HOST(cudnn_convolutional_setup, void (*)(layer *, int, size_t))(l, preference, workspace);
}

void update_network_gpu(network net) {
    if (chosen < 0)
        update_network(net);
    else
        HOST(update_network_gpu, void (*)(network))(net);
}

#pragma GCC visibility pop
