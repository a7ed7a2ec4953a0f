/* Our layers inside a real Darknet against the bundled runtime, from the same weights and images;
 * and each of the host's faults, with its switch off and on. */
#include "src/net/optimizer.h"
#include "src/net/run.h"
#include "src/net/weights.h"
#include "src/plugin/host.h"
#include "src/plugin/mends.h"
#include "src/plugin/probe.h"

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
static const char blocks_adam[] = NET("adam=1") CONV(
    "filters=8\nsize=3\nstride=2") "[expansion_residual]\nfilters=4\ngroups=2\n"
                                   "[expansion_residual]\nfilters=4\nexpansion=4\ngroups=2\n" TAIL;
static const char blocks_foreign[] =
    NET("adam=1") CONV("filters=8\nsize=3\nstride=2") "[expansion_residual]\nfilters=4\ngroups=2\n"
                                                      "[grouped_convolutional]\nfilters=8\n"
                                                      "groups=4\npad=1\nactivation=leaky\n" TAIL;
/* A skip over a 1x1 and over a 3x3 convolution, all stock sections. */
static const char skips[] = NET("") CONV("filters=8\nsize=3")
    CONV("filters=8\nsize=1") "[shortcut]\nfrom=-2\nactivation=linear\n" CONV(
        "filters=8\nsize=3") "[shortcut]\nfrom=-2\nactivation=linear\n" TAIL;
static const char strided[] = NET("") CONV("filters=8\nsize=1\nstride=2") TAIL;
static const char connected[] = NET("")
    CONV("filters=8\nsize=3\nstride=2") "[connected]\noutput=3\nactivation=linear\n[softmax]\n";

/* A head that only trains, with means over parts of a map that no stock section says. */
static const char heads[] = NET("")
    CONV("filters=8\nsize=3\nstride=2") "[avgpool]\noutput=3\n"
                                        "[connected]\noutput=3\nactivation=linear\n"
                                        "[softmax]\nloss_weight=0.3\n"
                                        "[route]\nlayers=-4\n" CONV("filters=8\nsize=3") TAIL;
/* What stands first has no gradient to give. */
static const char pool_first[] =
    NET("") "[maxpool]\nsize=2\nstride=2\n" CONV("filters=8\nsize=3") TAIL;
static const char own_rates[] = NET("") CONV("filters=8\nsize=3\nstride=2")
    CONV("filters=8\nsize=3\nstopbackward=1") CONV("filters=8\nsize=3\nlearning_rate=0.1") TAIL;
static char cfg[64];
static float x[BATCH * 3 * SIDE * SIDE], truth[BATCH * CLASSES];

static int set_up(void **state) {
    (void)state;
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, true);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((i * 2654435761u >> 7) % 1000) / 1000;
    memset(truth, 0, sizeof truth);
    for (int i = 0; i < BATCH; i++) truth[i * CLASSES + i % CLASSES] = 1;
    return 0;
}

static void only(int n, const tn_mend *on) {
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, m == TN_MEND_START);
    for (int i = 0; i < n; i++) tn_mend_set(on[i], true);
}

/* ---- both sides ---- */

typedef struct pair {
    tn_host_net *host;
    tn_net *net;
    tn_run *run;
} pair;

static void write_cfg(const char *text) {
    snprintf(cfg, sizeof cfg, "/tmp/test-plugin-XXXXXX");
    const int fd = mkstemp(cfg);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void open_pair(pair *p, const char *text, bool train) {
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

static void close_pair(pair *p) {
    tn_host_close(p->host);
    tn_run_free(p->run);
    tn_net_free(p->net);
}

static void fill(const pair *p) {
    const tn_tensor in = tn_run_input(p->run);
    const size_t area = SIDE * SIDE;
    for (size_t n = 0; n < (size_t)in.n; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < area; i++)
                tn_data(&in)[(n * area + i) * (size_t)in.pitch + c] = x[(n * 3 + c) * area + i];
}

/* Gradients on both sides; returns our loss, a mean. */
static double step(pair *p, double *theirs) {
    const tn_step s = {.n_valid = BATCH, .grad_scale = 1.0 / BATCH, .truth = truth};
    fill(p);
    assert_int_equal(tn_run_forward(p->run, &s), TN_OK);
    assert_int_equal(tn_run_backward(p->run), TN_OK);
    *theirs = tn_host_gradients(p->host, x, truth);
    return tn_run_loss(p->run) / BATCH;
}

/* The largest difference of host and ours in tensors of this kind (-1: all), relative to the
 * tensor's largest value. Ours are means of what falls, the host's sums of what rises. */
static double apart(const pair *p, const tn_net *host, bool gradients, int kind) {
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

static double worst(const pair *p, bool gradients, int kind) {
    return apart(p, tn_graft_net(tn_host_graft(p->host)), gradients, kind);
}

static double gradient_error(const char *text, int kind) {
    pair p;
    double theirs;
    open_pair(&p, text, true);
    const double ours = step(&p, &theirs);
    const double error = worst(&p, true, kind);
    if (fabs(ours - theirs) > 1e-2) fail_msg("loss %g here, %g in the host", ours, theirs);
    close_pair(&p);
    return error;
}

static double output_error(const char *text) {
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

/* ---- the same numbers ---- */

static void test_probe(void **state) {
    (void)state;
    assert_int_equal(tn_probe_host(), TN_OK);
}

static void test_joined(void **state) {
    (void)state;
    AT_MOST(output_error(blocks), 1e-6);
    AT_MOST(gradient_error(blocks, -1), 1e-4);
}

static void test_layer_by_layer(void **state) {
    (void)state;
    tn_mend_set(TN_MEND_JOINED, false);
    AT_MOST(output_error(blocks), 1e-6);
    AT_MOST(gradient_error(blocks, -1), 1e-4);
    AT_MOST(gradient_error(skips, -1), 1e-4);
    AT_MOST(gradient_error(pool_first, -1), 1e-4);
}

/* Stock sections by the host: its batch norm divides by N-1 (of 128 here) and has another eps,
 * which moves the gradients of a net this small by some per cent. */
static void test_blocks_alone(void **state) {
    (void)state;
    tn_mend_set(TN_MEND_KERNELS, false);
    AT_MOST(output_error(blocks), 1e-4);
    AT_MOST(gradient_error(blocks, -1), 0.1);
}

static void test_heads(void **state) {
    (void)state;
    AT_MOST(output_error(heads), 1e-6);
    AT_MOST(gradient_error(heads, -1), 1e-3);
}

/* Keys of a section that the host's cfg has no room for. */
static void test_own_rates(void **state) {
    (void)state;
    pair p;
    double theirs;
    open_pair(&p, own_rates, true);
    const tn_optimizer_options sgd = {.kind = TN_SGD, .momentum = 0.9, .decay = 0.001};
    tn_optimizer *optimizer;
    assert_int_equal(tn_optimizer_create(&sgd, p.net->param, p.net->plan.n_params, &optimizer),
                     TN_OK);
    for (int i = 0; i < 3; i++) {
        (void)step(&p, &theirs);
        tn_optimizer_update(optimizer, p.net->param, 0.01);
        tn_host_update(p.host);
    }
    AT_MOST(worst(&p, false, -1), 1e-4);
    tn_optimizer_free(optimizer);
    close_pair(&p);
}

static void test_sgd_step(void **state) {
    (void)state;
    pair p;
    double theirs;
    open_pair(&p, blocks, true);
    const tn_optimizer_options sgd = {.kind = TN_SGD, .momentum = 0.9, .decay = 0.001};
    tn_optimizer *optimizer;
    assert_int_equal(tn_optimizer_create(&sgd, p.net->param, p.net->plan.n_params, &optimizer),
                     TN_OK);
    (void)step(&p, &theirs);
    tn_optimizer_update(optimizer, p.net->param, 0.01);
    tn_host_update(p.host);
    AT_MOST(worst(&p, false, -1), 1e-5);
    tn_optimizer_free(optimizer);
    close_pair(&p);
}

static double adam_difference(int steps, double *parameters) {
    pair p;
    double ours = 0, theirs = 0;
    open_pair(&p, blocks_adam, true);
    const tn_net_keys *k = &p.net->keys;
    const tn_optimizer_options adam = {
        .kind = TN_ADAM, .decay = k->decay, .b1 = k->b1, .b2 = k->b2, .eps = k->eps};
    tn_optimizer *optimizer;
    assert_int_equal(tn_optimizer_create(&adam, p.net->param, p.net->plan.n_params, &optimizer),
                     TN_OK);
    for (int i = 0; i < steps; i++) {
        ours = step(&p, &theirs);
        tn_optimizer_update(optimizer, p.net->param, 0.01);
        tn_host_update(p.host);
    }
    *parameters = worst(&p, false, TN_PARAM_WEIGHTS);
    tn_optimizer_free(optimizer);
    close_pair(&p);
    return fabs(ours - theirs);
}

static void test_adam(void **state) {
    (void)state;
    double parameters;
    AT_MOST(adam_difference(10, &parameters), 1e-3);
    tn_mend_set(TN_MEND_ADAM, false);
    (void)adam_difference(1, &parameters);
    AT_LEAST(parameters, 1e-3);
}

/* As a detector's cfg is: the host's sections are copied, each of ours is a block of its own. After
 * three updates, the largest difference of host and ours in any tensor. */
static double foreign_difference(const char *text) {
    char path[] = "/tmp/test-plugin-foreign-XXXXXX";
    pair p;
    double theirs;
    close(mkstemp(path));
    open_pair(&p, text, true);
    const tn_net_keys *k = &p.net->keys;
    assert_int_equal(tn_weights_save(p.net->param, p.net->plan.n_params, 0, path), TN_OK);
    tn_host_close(p.host);
    write_cfg(text);
    tn_host_graft_options.foreign = true;
    assert_int_equal(tn_host_open(cfg, path, true, &p.host), TN_OK);
    tn_host_graft_options.foreign = false;
    unlink(cfg);
    const tn_optimizer_options adam = {
        .kind = TN_ADAM, .decay = k->decay, .b1 = k->b1, .b2 = k->b2, .eps = k->eps};
    tn_optimizer *optimizer;
    assert_int_equal(tn_optimizer_create(&adam, p.net->param, p.net->plan.n_params, &optimizer),
                     TN_OK);
    for (int i = 0; i < 3; i++) {
        (void)step(&p, &theirs);
        tn_optimizer_update(optimizer, p.net->param, 0.01);
        tn_host_update(p.host);
    }
    tn_host_save(p.host, path);
    tn_net *host;
    write_cfg(text);
    assert_int_equal(tn_net_load(cfg, NULL, 0, NULL, &host), TN_OK);
    assert_int_equal(tn_weights_load(host, path, false, NULL), TN_OK);
    unlink(cfg);
    unlink(path);
    const double most = apart(&p, host, false, TN_PARAM_WEIGHTS);
    tn_net_free(host);
    tn_optimizer_free(optimizer);
    close_pair(&p);
    return most;
}

static void test_foreign_adam(void **state) {
    (void)state;
    if (!tn_host_has_commands) skip(); /* no detector */
    AT_MOST(foreign_difference(blocks_foreign), 1e-3);
    tn_mend_set(TN_MEND_ADAM, false);
    AT_LEAST(foreign_difference(blocks_foreign), 1e-2);
}

static void test_weights_both_ways(void **state) {
    (void)state;
    pair p;
    double theirs;
    char path[] = "/tmp/test-plugin-weights-XXXXXX";
    close(mkstemp(path));
    open_pair(&p, blocks, true);
    (void)step(&p, &theirs);
    tn_host_update(p.host);
    tn_host_save(p.host, path);
    tn_weights_report report;
    assert_int_equal(tn_weights_load(p.net, path, false, &report), TN_OK);
    assert_int_equal(p.net->seen, BATCH);
    AT_MOST(worst(&p, false, -1), 0);
    unlink(path);
    close_pair(&p);
}

/* ---- faults, with the switch off and on ---- */

static void test_skip_gradients(void **state) {
    (void)state;
    only(1, (const tn_mend[]){TN_MEND_BIAS_GRADIENTS});
    AT_LEAST(gradient_error(skips, TN_PARAM_WEIGHTS), 0.2);
    only(2, (const tn_mend[]){TN_MEND_BIAS_GRADIENTS, TN_MEND_SKIP_GRADIENTS});
    AT_MOST(gradient_error(skips, TN_PARAM_WEIGHTS), 0.03);
}

static void test_bias_gradients(void **state) {
    (void)state;
    only(1, (const tn_mend[]){TN_MEND_SKIP_GRADIENTS});
    if (tn_host_has_commands)
        AT_LEAST(gradient_error(skips, TN_PARAM_BIAS), 0.9);
    else
        AT_MOST(gradient_error(skips, TN_PARAM_BIAS), 0.03); /* Debian's has no such fault */
    only(2, (const tn_mend[]){TN_MEND_BIAS_GRADIENTS, TN_MEND_SKIP_GRADIENTS});
    AT_MOST(gradient_error(skips, TN_PARAM_BIAS), 0.03);
}

static void test_strided_1x1(void **state) {
    (void)state;
    only(0, NULL);
    if (tn_host_graft_options.strided_1x1)
        AT_LEAST(output_error(strided), 1e-3);
    else
        AT_MOST(output_error(strided), 1e-4); /* the fork has no such fault */
    only(1, (const tn_mend[]){TN_MEND_STRIDED_1X1});
    AT_MOST(output_error(strided), 1e-4);
}

/* How far one update moves the [connected] weights in the host. */
static double connected_moves(void) {
    pair p;
    double theirs;
    open_pair(&p, connected, true);
    (void)step(&p, &theirs);
    tn_host_update(p.host);
    const tn_net *host = tn_graft_net(tn_host_graft(p.host));
    const int last = p.net->plan.n_params - 1;
    double most = 0;
    for (size_t j = 0; j < host->param[last].spec->count; j++)
        most = fmax(most,
                    fabs((double)host->param[last].value[j] - (double)p.net->param[last].value[j]));
    close_pair(&p);
    return most;
}

static void test_connected_update(void **state) {
    (void)state;
    only(1, (const tn_mend[]){TN_MEND_SKIP_GRADIENTS});
    if (tn_host_graft_options.connected_stays)
        AT_MOST(connected_moves(), 0);
    else
        AT_LEAST(connected_moves(), 1e-6); /* Debian's learns */
    only(2, (const tn_mend[]){TN_MEND_SKIP_GRADIENTS, TN_MEND_CONNECTED_UPDATE});
    AT_LEAST(connected_moves(), 1e-6);
}

static double rate_after(int steps) {
    static const char cosine[] = NET("policy=cosine\nepochs=1") CONV("filters=8\nsize=3") TAIL;
    pair p;
    open_pair(&p, cosine, true);
    *tn_host_seen(p.host) = (uint64_t)steps * BATCH;
    const double rate = tn_host_rate(p.host);
    close_pair(&p);
    return rate;
}

static void test_schedule(void **state) {
    (void)state;
    AT_MOST(fabs(rate_after(50) - 0.005), 1e-4); /* half of 800 images in batches of 8 */
    tn_mend_set(TN_MEND_SCHEDULE, false);
    AT_MOST(fabs(rate_after(50) - 0.01), 1e-6);
}

static void test_start(void **state) {
    (void)state;
    pair p;
    open_pair(&p, blocks, true);
    AT_MOST(worst(&p, false, -1), 0);
    close_pair(&p);
    tn_mend_set(TN_MEND_START, false);
    open_pair(&p, blocks, true);
    AT_LEAST(worst(&p, false, TN_PARAM_VARIANCE), 0.5);
    close_pair(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_probe, set_up),
        cmocka_unit_test_setup(test_joined, set_up),
        cmocka_unit_test_setup(test_layer_by_layer, set_up),
        cmocka_unit_test_setup(test_blocks_alone, set_up),
        cmocka_unit_test_setup(test_heads, set_up),
        cmocka_unit_test_setup(test_own_rates, set_up),
        cmocka_unit_test_setup(test_sgd_step, set_up),
        cmocka_unit_test_setup(test_adam, set_up),
        cmocka_unit_test_setup(test_foreign_adam, set_up),
        cmocka_unit_test_setup(test_weights_both_ways, set_up),
        cmocka_unit_test_setup(test_skip_gradients, set_up),
        cmocka_unit_test_setup(test_bias_gradients, set_up),
        cmocka_unit_test_setup(test_strided_1x1, set_up),
        cmocka_unit_test_setup(test_connected_update, set_up),
        cmocka_unit_test_setup(test_schedule, set_up),
        cmocka_unit_test_setup(test_start, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
