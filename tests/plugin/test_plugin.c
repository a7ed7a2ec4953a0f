/* Our layers inside a real Darknet against the bundled runtime, from the same weights and images.
 */
#include "tests/plugin/pair.h"

#include "src/plugin/probe.h"

#include <float.h>

static const char blocks_adam[] = NET("adam=1") CONV(
    "filters=8\nsize=3\nstride=2") "[expansion_residual]\nfilters=4\ngroups=2\n"
                                   "[expansion_residual]\nfilters=4\nexpansion=4\ngroups=2\n" TAIL;
static const char blocks_foreign[] =
    NET("adam=1") CONV("filters=8\nsize=3\nstride=2") "[expansion_residual]\nfilters=4\ngroups=2\n"
                                                      "[grouped_convolutional]\nfilters=8\n"
                                                      "groups=4\npad=1\nactivation=leaky\n" TAIL;
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
static const char with_dropout[] =
    NET("") CONV("filters=8\nsize=3") "[dropout]\nprobability=0.5\n" TAIL;

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

/* The host draws random numbers and may set the processor's modes: our dropout draws its own, and
 * denormals are zero on every thread whoever asks. */
static void test_random_and_denormals(void **state) {
    (void)state;
    float outputs[2][3];
    double loss[2], theirs;
    for (unsigned seed = 1; seed <= 2; seed++) {
        pair p;
        srand(seed);
        open_pair(&p, with_dropout, true);
        srand(seed);
        const int next = rand();
        srand(seed);
        (void)step(&p, &theirs);
        assert_int_equal(rand(), next);
        loss[seed - 1] = theirs;
        close_pair(&p);
        open_pair(&p, blocks, false);
        memcpy(outputs[seed - 1], tn_host_predict(p.host, x), sizeof outputs[0]);
        close_pair(&p);
    }
    assert_true(loss[0] == loss[1]);
    assert_memory_equal(outputs[0], outputs[1], sizeof outputs[0]);
    volatile float tiny = FLT_MIN;
    int alive = 0;
#pragma omp parallel reduction(+ : alive)
    {
        volatile float half = tiny * 0.5f;
        alive += half != 0;
    }
    assert_int_equal(alive, 0);
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
        cmocka_unit_test_setup(test_random_and_denormals, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
