/* A host's net and ours of the same cfg and weights, side by side: for test_plugin.c and
 * test_faults.c. */
#ifndef TN_TESTS_PLUGIN_PAIR_H
#define TN_TESTS_PLUGIN_PAIR_H

#include "src/net/optimizer.h"
#include "src/net/run.h"
#include "src/net/weights.h"
#include "src/plugin/host.h"
#include "src/plugin/mends.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH = 8, SIDE = 16, CLASSES = 3, SEED = 7 };

#define NET(extra)                                                                                 \
    "[net]\nwidth=16\nheight=16\nchannels=3\nbatch=8\nlearning_rate=0.01\nmomentum=0.9\n"          \
    "decay=0.001\nmax_batches=100\n" extra "\n"
#define CONV(more) "[convolutional]\nbatch_normalize=1\npad=1\nactivation=leaky\n" more "\n"
#define TAIL       "[avgpool]\n[convolutional]\nfilters=3\nsize=1\nactivation=linear\n[softmax]\n"
static const char blocks[] = NET("")
    CONV("filters=8\nsize=3\nstride=2") "[expansion_residual]\nfilters=4\ngroups=2\n"
                                        "[expansion_residual]\nfilters=4\nexpansion=4\ngroups=2\n"
                                        "[grouped_convolutional]\nfilters=16\ngroups=4\nbatch_"
                                        "normalize=1\npad=1\nstride=2\n"
                                        "activation=relu\n" CONV("filters=8\nsize=1") TAIL;
/* A skip over a 1x1 and over a 3x3 convolution, all stock sections. */
static const char skips[] = NET("") CONV("filters=8\nsize=3")
    CONV("filters=8\nsize=1") "[shortcut]\nfrom=-2\nactivation=linear\n" CONV(
        "filters=8\nsize=3") "[shortcut]\nfrom=-2\nactivation=linear\n" TAIL;

static char cfg[64];
static float x[BATCH * 3 * SIDE * SIDE], truth[BATCH * CLASSES];

static inline int set_up(void **state) {
    (void)state;
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, true);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((i * 2654435761u >> 7) % 1000) / 1000;
    memset(truth, 0, sizeof truth);
    for (int i = 0; i < BATCH; i++) truth[i * CLASSES + i % CLASSES] = 1;
    return 0;
}

static inline void only(int n, const tn_mend *on) {
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, m == TN_MEND_START);
    for (int i = 0; i < n; i++) tn_mend_set(on[i], true);
}

/* ---- both sides ---- */

typedef struct pair {
    tn_host_net *host;
    tn_net *net;
    tn_run *run;
} pair;

static inline void write_cfg(const char *text) {
    snprintf(cfg, sizeof cfg, "/tmp/test-plugin-XXXXXX");
    const int fd = mkstemp(cfg);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static inline void open_pair(pair *p, const char *text, bool train) {
    write_cfg(text);
    tn_host_graft_options.seed = SEED;
    tn_host_graft_options.images = 800;
    assert_int_equal(tn_host_open(cfg, NULL, train, &p->host), TN_OK);
    assert_int_equal(tn_net_load(cfg, NULL, 0, NULL, &p->net), TN_OK);
    unlink(cfg);
    tn_net_init(p->net, SEED);
    const tn_run_options options = {
        .mode = train ? TN_TRAIN : TN_INFER, .batch = train ? BATCH : 1, .output = -1};
    assert_int_equal(tn_run_create(&p->net->plan, p->net->param, &options, &p->run), TN_OK);
}

static inline void close_pair(pair *p) {
    tn_host_close(p->host);
    tn_run_free(p->run);
    tn_net_free(p->net);
}

static inline void fill(const pair *p) {
    const tn_tensor in = tn_run_input(p->run);
    const size_t area = SIDE * SIDE;
    for (size_t n = 0; n < (size_t)in.n; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < area; i++)
                tn_data(&in)[(n * area + i) * (size_t)in.pitch + c] = x[(n * 3 + c) * area + i];
}

/* Gradients on both sides; returns our loss, a mean. */
static inline double step(pair *p, double *theirs) {
    const tn_step s = {.n_valid = BATCH, .grad_scale = 1.0 / BATCH, .truth = truth};
    fill(p);
    assert_int_equal(tn_run_forward(p->run, &s), TN_OK);
    assert_int_equal(tn_run_backward(p->run), TN_OK);
    *theirs = tn_host_gradients(p->host, x, truth);
    return tn_run_loss(p->run) / BATCH;
}

/* The largest difference of host and ours in tensors of this kind (-1: all), relative to the
 * tensor's largest value. Ours are means of what falls, the host's sums of what rises. */
static inline double apart(const pair *p, const tn_net *host, bool gradients, int kind) {
    double most = 0;
    for (int i = 0; i < p->net->plan.n_params; i++) {
        const tn_param *a = &p->net->param[i], *b = &host->param[i];
        if ((kind >= 0 && (int)a->spec->kind != kind) || (gradients && !a->grad)) continue;
        double size = 1e-12, difference = 0;
        for (size_t j = 0; j < a->spec->count; j++) {
            const double ours = gradients ? (double)a->grad[j] : (double)a->value[j];
            const double theirs = gradients ? (double)b->grad[j] / -BATCH : (double)b->value[j];
            size = fmax(size, fabs(ours));
            difference = fmax(difference, fabs(ours - theirs));
        }
        /* a scale below which a gradient is rounding: biases before a softmax, dead filters */
        most = fmax(most, difference / fmax(size, 1e-4));
    }
    return most;
}

static inline double worst(const pair *p, bool gradients, int kind) {
    tn_host_fetch(p->host);
    return apart(p, tn_graft_net(tn_host_graft(p->host)), gradients, kind);
}

static inline double gradient_error(const char *text, int kind) {
    pair p;
    double theirs;
    open_pair(&p, text, true);
    const double ours = step(&p, &theirs);
    const double error = worst(&p, true, kind);
    if (fabs(ours - theirs) > 1e-2) fail_msg("loss %g here, %g in the host", ours, theirs);
    close_pair(&p);
    return error;
}

static inline double output_error(const char *text) {
    pair p;
    open_pair(&p, text, false);
    fill(&p);
    const tn_step s = {.n_valid = 1};
    assert_int_equal(tn_run_forward(p.run, &s), TN_OK);
    const float *theirs = tn_host_predict(p.host, x);
    const tn_tensor out = tn_run_output(p.run);
    double most = 0;
    for (int c = 0; c < CLASSES; c++)
        most = fmax(most, fabs((double)tn_data(&out)[c] - (double)theirs[c]));
    close_pair(&p);
    return most;
}

#define AT_MOST(value, bound)                                                                      \
    do {                                                                                           \
        const double v_ = (value);                                                                 \
        if (!(v_ <= (bound))) fail_msg("%s is %g, expected at most %g", #value, v_, bound);        \
    } while (0)
#define AT_LEAST(value, bound)                                                                     \
    do {                                                                                           \
        const double v_ = (value);                                                                 \
        if (!(v_ >= (bound))) fail_msg("%s is %g, expected at least %g", #value, v_, bound);       \
    } while (0)

#endif
