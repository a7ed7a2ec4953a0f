/* A library of AlexeyAB's that is built for GPUs, on an emulated one: his program reads and runs
 * the nets, our kernels compute in his stream, on his buffers and parameters. Against the bundled
 * runtime on the processor. */
#include "tests/plugin/pair.h"

#include "tests/plugin/fake_cuda.h"
#include "tests/support/emulate.h"
#include "tests/support/fake_libraries.h"

#define CHAIN                                                                                      \
    CONV("filters=8\nsize=3\nstride=2")                                                            \
    "[expansion_residual]\nfilters=4\ngroups=2\n[grouped_convolutional]\nfilters=8\ngroups=4\n"    \
    "size=5\npad=1\nstride=2\nbatch_normalize=1\nactivation=leaky\n"
#define END "[convolutional]\nfilters=3\nsize=4\nactivation=linear\n[softmax]\n"
static const char chain[] = NET("") CHAIN END;
static const char chain_adam[] = NET("adam=1") CHAIN END;
static const char heads[] = NET("") CHAIN
    "[convolutional]\nfilters=3\nsize=4\nactivation=linear\n[softmax]\nloss_weight=0.3\n"
    "[route]\nlayers=-3\n" END;

/* Two updates by the host, or by Adam. */
static double update_error(const char *text, int times) {
    pair p;
    double theirs;
    open_pair(&p, text, true);
    const tn_net_keys *k = &p.net->keys;
    const tn_optimizer_options options = {.kind = k->adam ? TN_ADAM : TN_SGD,
                                          .momentum = k->momentum,
                                          .decay = k->decay,
                                          .b1 = k->b1,
                                          .b2 = k->b2,
                                          .eps = k->eps};
    tn_optimizer *optimizer;
    assert_int_equal(tn_optimizer_create(&options, p.net->param, p.net->plan.n_params, &optimizer),
                     TN_OK);
    for (int i = 0; i < times; i++) {
        const double ours = step(&p, &theirs);
        if (fabs(ours - theirs) > 1e-3) fail_msg("loss %g here, %g in the host", ours, theirs);
        tn_optimizer_update(optimizer, p.net->param, k->learning_rate);
        tn_host_update(p.host);
    }
    const double error = worst(&p, false, -1);
    tn_optimizer_free(optimizer);
    close_pair(&p);
    return error;
}

/* The plugin's own check, too. */
static void test_start(void **state) {
    (void)state;
    assert_int_equal(tn_host_want_gpu(0, "-i"), TN_OK);
    if (tn_host_start() != TN_OK) fail_msg("%s", tn_error());
    assert_non_null(tn_host_graft_options.gpu);
    assert_true(tn_fake_cuda_kernels > 0);
}

static void test_joined(void **state) {
    (void)state;
    AT_MOST(output_error(chain), 1e-6);
    AT_MOST(gradient_error(chain, -1), 1e-4);
}

/* Activations and their gradients go from block to block in the host's buffers. */
static void test_layer_by_layer(void **state) {
    (void)state;
    tn_mend_set(TN_MEND_JOINED, false);
    AT_MOST(output_error(chain), 1e-6);
    AT_MOST(gradient_error(chain, -1), 1e-4);
}

static void test_heads(void **state) {
    (void)state;
    AT_MOST(gradient_error(heads, -1), 1e-4);
}

static void test_sgd(void **state) {
    (void)state;
    AT_MOST(update_error(chain, 2), 1e-4);
}

static void test_adam(void **state) {
    (void)state;
    AT_MOST(update_error(chain_adam, 1), 1e-3);
}

static void test_weights_both_ways(void **state) {
    (void)state;
    pair p;
    double theirs;
    char weights[] = "/tmp/test-gpu-XXXXXX";
    close(mkstemp(weights));
    open_pair(&p, chain, true);
    (void)step(&p, &theirs);
    tn_host_update(p.host); /* ours stays behind */
    AT_LEAST(worst(&p, false, -1), 1e-3);
    tn_host_save(p.host, weights);
    assert_int_equal(tn_weights_load(p.net, weights, false, NULL), TN_OK);
    AT_MOST(worst(&p, false, -1), 0.0);
    close_pair(&p);
    open_pair(&p, chain, false); /* fresh */
    tn_host_close(p.host);
    write_cfg(chain);
    assert_int_equal(tn_host_open(cfg, weights, false, &p.host), TN_OK);
    unlink(cfg);
    AT_LEAST(worst(&p, false, -1), 1e-3);
    assert_int_equal(tn_weights_load(p.net, weights, false, NULL), TN_OK);
    AT_MOST(worst(&p, false, -1), 0.0);
    const float *answer = tn_host_predict(p.host, x);
    const float sum = answer[0] + answer[1] + answer[2];
    AT_MOST(fabs((double)sum - 1), 1e-5);
    fill(&p);
    assert_int_equal(tn_run_forward(p.run, &(tn_step){.n_valid = 1}), TN_OK);
    const tn_tensor out = tn_run_output(p.run);
    for (int c = 0; c < CLASSES; c++)
        AT_MOST(fabs((double)tn_data(&out)[c] - (double)answer[c]), 1e-6);
    close_pair(&p);
    unlink(weights);
}

int main(void) {
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_emulate_install(fake);
    tn_fake_libraries_install(fake);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_start, set_up),
        cmocka_unit_test_setup(test_joined, set_up),
        cmocka_unit_test_setup(test_layer_by_layer, set_up),
        cmocka_unit_test_setup(test_heads, set_up),
        cmocka_unit_test_setup(test_sgd, set_up),
        cmocka_unit_test_setup(test_adam, set_up),
        cmocka_unit_test_setup(test_weights_both_ways, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
