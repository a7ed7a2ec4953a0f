/* A net grafted into a host whose memory lies on an emulated GPU, against the same net grafted into
 * one on the processor: outputs, input gradients, parameter gradients, Adam's updates. The host is
 * played by the net that it would have read: the graft's own, in stock sections. */
#include "src/plugin/graft.h"
#include "src/plugin/mends.h"
#include "tests/support/emulate.h"
#include "tests/support/fake_libraries.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 2, SIDE = 12, INPUTS = 3 * SIDE * SIDE, CLASSES = 3, MOST_PARAMS = 80, STEPS = 3 };
/* Of a tensor's largest value: sums in another order. */
#define BOUND 5e-5

#define NET(extra)                                                                                 \
    "[net]\nwidth=12\nheight=12\nchannels=3\nbatch=2\nlearning_rate=0.01\nmomentum=0.9\n"          \
    "decay=0.001\nmax_batches=100\n" extra "\n"
static const char body[] =
    "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
    "[expansion_residual]\nfilters=4\ngroups=2\n"
    "[grouped_convolutional]\nfilters=16\ngroups=4\nbatch_normalize=1\npad=1\nactivation=relu\n"
    "[avgpool]\n[convolutional]\nfilters=3\nsize=1\nactivation=linear\n[softmax]\n";

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

typedef struct host {
    tn_gpu *gpu; /* NULL: on the processor */
    tn_graft *graft;
    tn_net *net; /* what the host has read; its memory is the host's */
    tn_host_layer *layer;
    float *value[MOST_PARAMS], *grad[MOST_PARAMS]; /* on the GPU */
    float *x, *y, *dy, *dx;                        /* where it computes */
    uint64_t seen;
} host;

static float *take(const host *h, size_t n, const float *from) {
    void *at = NULL;
    if (!h->gpu) {
        at = malloc(n * sizeof(float));
        memcpy(at, from, n * sizeof(float));
        return at;
    }
    must(tn_gpu_alloc(h->gpu, n * sizeof(float), "a test's", &at));
    must(tn_gpu_copy_in(h->gpu, at, from, n * sizeof(float), "a test's"));
    return at;
}

static void drop(const host *h, float *at) {
    if (h->gpu)
        tn_gpu_free(h->gpu, at);
    else
        free(at);
}

static float *randoms(size_t n, uint32_t s) {
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        v[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
    return v;
}

static float *take_randoms(const host *h, size_t n, uint32_t seed) {
    float *from = randoms(n, seed), *at = take(h, n, from);
    free(from);
    return at;
}

/* Layer l of the host as the plugin's file for a host would describe it. */
static tn_host_layer view(host *h, int l) {
    const tn_plan_layer *layer = &h->net->plan.layer[l];
    tn_host_layer v = {.rate = 1};
    for (int i = layer->first_param; i < layer->first_param + layer->n_params; i++) {
        const tn_param *p = &h->net->param[i];
        v.has_params = true;
        float *value = h->value[i], *grad = h->grad[i];
        switch (p->spec->kind) {
        case TN_PARAM_BIAS:
            v.n_biases = p->spec->count;
            v.bias = p->value, v.bias_grad = p->grad;
            v.there.bias = value, v.there.bias_grad = grad;
            break;
        case TN_PARAM_SCALE:
            v.scale = p->value, v.scale_grad = p->grad;
            v.there.scale = value, v.there.scale_grad = grad;
            break;
        case TN_PARAM_MEAN:
            v.mean = p->value, v.there.mean = value;
            break;
        case TN_PARAM_VARIANCE:
            v.variance = p->value, v.there.variance = value;
            break;
        case TN_PARAM_WEIGHTS:
            v.n_weights = p->spec->count;
            v.weights = p->value, v.weight_grad = p->grad;
            v.there.weights = value, v.there.weight_grad = grad;
            break;
        }
    }
    return v;
}

static void set_up(host *h, const char *head, tn_gpu *gpu) {
    *h = (host){.gpu = gpu};
    char name[] = "/tmp/test-graft-gpu-XXXXXX";
    const int file = mkstemp(name);
    assert_true(file >= 0 && dprintf(file, "%s%s", head, body) > 0);
    close(file);
    const tn_graft_options options = {.seed = 7, .connected_stays = true, .gpu = gpu};
    must(tn_graft_create(name, &options, &h->graft));
    unlink(name);
    must(tn_net_load(tn_graft_cfg(h->graft), NULL, 0, NULL, &h->net));
    const int n = h->net->plan.n_layers;
    assert_in_range(h->net->plan.n_params, 1, MOST_PARAMS);
    for (int i = 0; gpu && i < h->net->plan.n_params; i++) {
        const tn_param *p = &h->net->param[i];
        h->value[i] = take(h, p->spec->count, p->value);
        if (p->grad) h->grad[i] = take(h, p->spec->count, p->grad);
    }
    h->layer = calloc((size_t)n, sizeof *h->layer);
    for (int l = 0; l < n; l++) h->layer[l] = view(h, l);
    must(tn_graft_attach(h->graft, h->layer, n));
    tn_graft_register(h->graft, h->layer, &h->seen);
    for (int i = 0; gpu && i < h->net->plan.n_params; i++) /* what a fresh net starts with */
        must(tn_gpu_copy_in(gpu, h->value[i], h->net->param[i].value,
                            h->net->param[i].spec->count * sizeof(float), "a test's"));
    h->x = take_randoms(h, (size_t)N * INPUTS, 1);
    h->y = take_randoms(h, (size_t)N * CLASSES, 2);
    h->dy = take_randoms(h, (size_t)N * CLASSES, 3);
    h->dx = take_randoms(h, (size_t)N * INPUTS, 4);
}

static void tear_down(host *h) {
    tn_graft_free(h->graft);
    for (int i = 0; h->gpu && i < h->net->plan.n_params; i++) {
        tn_gpu_free(h->gpu, h->value[i]);
        tn_gpu_free(h->gpu, h->grad[i]);
    }
    tn_net_free(h->net);
    free(h->layer);
    drop(h, h->x);
    drop(h, h->y);
    drop(h, h->dy);
    drop(h, h->dx);
}

/* Every block of the graft in turn would want activations of the host's between them: here it is
 * one, up to the softmax. */
static void pass(host *h, bool train) {
    assert_int_equal(tn_graft_role_of(h->graft, 0), TN_ROLE_FIRST);
    assert_int_equal(tn_graft_last(h->graft, 0), h->net->plan.n_layers - 2);
    must(tn_graft_forward(h->graft, 0, train, N, h->x, h->y));
    if (train) must(tn_graft_backward(h->graft, 0, h->dy, NULL));
    h->seen += N;
}

static bool update(host *h) {
    bool all = true;
    for (int l = 0; l < h->net->plan.n_layers; l++)
        if (h->layer[l].has_params) all &= tn_graft_update(h->graft, l, 0.01, N);
    return all;
}

static void near(const host *there, const float *a, const float *b, size_t n, const char *what) {
    float *copy = malloc(n * sizeof *copy);
    double most = 0, largest = 0;
    must(tn_gpu_copy_out(there->gpu, copy, a, n * sizeof *copy, "a test's"));
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)copy[i] - (double)b[i]);
        if (!(d <= most)) most = d;
        if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
    }
    free(copy);
    if (!(most <= BOUND * (1 + largest)))
        fail_msg("%s: %g apart, the largest is %g", what, most, largest);
}

/* Returns the largest of what is on the processor. */
static double near_params(const host *there, const host *here, bool gradients) {
    double largest = 0;
    for (int i = 0; i < here->net->plan.n_params; i++) {
        const tn_param *p = &here->net->param[i];
        const float *b = gradients ? p->grad : p->value;
        if (!b) continue;
        near(there, gradients ? there->grad[i] : there->value[i], b, p->spec->count, p->spec->name);
        for (size_t j = 0; j < p->spec->count; j++) largest = fmax(largest, fabs((double)b[j]));
    }
    return largest;
}

/* ---- tests ---- */

static tn_gpu *gpu;
static int stream; /* stands for a host's */

static int open_gpu(void **state) {
    (void)state;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_emulate_install(fake);
    tn_fake_libraries_install(fake);
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, true);
    return tn_gpu_open(&(tn_gpu_options){.stream = &stream}, &gpu) == TN_OK ? 0 : -1;
}

static int close_gpu(void **state) {
    (void)state;
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
    return 0;
}

static void test_a_step(void **state) {
    (void)state;
    host here, there;
    set_up(&here, NET(""), NULL);
    set_up(&there, NET(""), gpu);
    pass(&here, true);
    pass(&there, true);
    near(&there, there.y, here.y, (size_t)N * CLASSES, "y");
    assert_true(near_params(&there, &here, true) > 0.1);
    (void)near_params(&there, &here, false);
    /* SGD is the host's own affair, on its GPU too */
    assert_false(update(&there));
    (void)near_params(&there, &here, true);
    tear_down(&here);
    tear_down(&there);
}

static void test_adam_moves_the_hosts_values_there(void **state) {
    (void)state;
    host here, there;
    set_up(&here, NET("adam=1\neps=0.001"), NULL);
    set_up(&there, NET("adam=1\neps=0.001"), gpu);
    float *before = malloc(here.net->param[0].spec->count * sizeof *before);
    memcpy(before, here.net->param[0].value, here.net->param[0].spec->count * sizeof *before);
    for (int s = 0; s < STEPS; s++) {
        pass(&here, true);
        pass(&there, true);
        assert_true(update(&here));
        assert_true(update(&there));
    }
    (void)near_params(&there, &here, false);
    assert_true(near_params(&there, &here, true) == 0); /* gradients begin anew */
    assert_memory_not_equal(before, here.net->param[0].value,
                            here.net->param[0].spec->count * sizeof *before);
    pass(&here, false); /* with what was learned */
    pass(&there, false);
    near(&there, there.y, here.y, (size_t)N * CLASSES, "y");
    free(before);
    tear_down(&here);
    tear_down(&there);
}

static void test_a_host_without_memory_there(void **state) {
    (void)state;
    host h = {.gpu = NULL};
    set_up(&h, NET(""), NULL);
    tn_host_layer *layer = h.layer; /* nothing of it is on the GPU */
    char name[] = "/tmp/test-graft-gpu-XXXXXX";
    const int file = mkstemp(name);
    assert_true(file >= 0 && dprintf(file, "%s%s", NET(""), body) > 0);
    close(file);
    tn_graft *graft;
    must(tn_graft_create(name, &(tn_graft_options){.gpu = gpu}, &graft));
    unlink(name);
    assert_int_equal(tn_graft_attach(graft, layer, h.net->plan.n_layers), TN_FAIL);
    assert_non_null(strstr(tn_error(), "on its GPU"));
    tn_graft_free(graft);
    tear_down(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_step, open_gpu, close_gpu),
        cmocka_unit_test_setup_teardown(test_adam_moves_the_hosts_values_there, open_gpu,
                                        close_gpu),
        cmocka_unit_test_setup_teardown(test_a_host_without_memory_there, open_gpu, close_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
