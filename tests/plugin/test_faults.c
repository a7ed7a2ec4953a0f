/* Each of the host's faults, with its switch off and on. */
#include "tests/plugin/pair.h"

static const char strided[] = NET("") CONV("filters=8\nsize=1\nstride=2") TAIL;
static const char connected[] = NET("")
    CONV("filters=8\nsize=3\nstride=2") "[connected]\noutput=3\nactivation=linear\n[softmax]\n";

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
        cmocka_unit_test_setup(test_skip_gradients, set_up),
        cmocka_unit_test_setup(test_bias_gradients, set_up),
        cmocka_unit_test_setup(test_strided_1x1, set_up),
        cmocka_unit_test_setup(test_connected_update, set_up),
        cmocka_unit_test_setup(test_schedule, set_up),
        cmocka_unit_test_setup(test_start, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
