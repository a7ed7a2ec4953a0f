/* The harness itself: kernels with one fault each must be caught. The op is out = weight * in,
 * element by element. */
#include "tests/support/op_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    for (size_t p = 0; p < tn_pixels(&r->out); p++)
        for (int c = 0; c < r->out.c; c++)
            tn_data(&r->out)[p * r->out.pitch + c] =
                r->param[0]->value[c] * tn_data(&r->in[0])[p * r->in[0].pitch + c];
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *din = &r->din[0];
    for (size_t p = 0; p < tn_pixels(din); p++)
        for (int c = 0; c < din->c; c++) {
            tn_real *to = tn_data(din) + p * din->pitch + c;
            const tn_real g = r->param[0]->value[c] * tn_data(&r->dout)[p * r->dout.pitch + c];
            *to = r->accumulate[0] ? *to + g : g;
        }
    return TN_OK;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    for (size_t p = 0; p < tn_pixels(&r->dout); p++)
        for (int c = 0; c < r->dout.c; c++)
            r->param[0]->grad[c] += tn_data(&r->in[0])[p * r->in[0].pitch + c] *
                                    tn_data(&r->dout)[p * r->dout.pitch + c];
    return TN_OK;
}

static tn_status wrong_value(tn_op_run *r, tn_kernel_run *k) {
    forward(r, k);
    tn_data(&r->out)[0] += (tn_real)0.001;
    return TN_OK;
}

static tn_status leaves_one_out(tn_op_run *r, tn_kernel_run *k) {
    const tn_real kept = tn_data(&r->out)[1];
    forward(r, k);
    tn_data(&r->out)[1] = kept;
    return TN_OK;
}

static tn_status writes_past_the_end(tn_op_run *r, tn_kernel_run *k) {
    forward(r, k);
    tn_data(&r->out)[tn_pixels(&r->out) * r->out.pitch] = 0;
    return TN_OK;
}

static tn_status writes_into_gaps(tn_op_run *r, tn_kernel_run *k) {
    forward(r, k);
    if (!tn_is_dense(&r->out)) tn_data(&r->out)[r->out.c] = 0;
    return TN_OK;
}

static tn_status stale(tn_op_run *r, tn_kernel_run *k) {
    static tn_real packed[64]; /* of the first call for ever */
    static bool full;
    if (!full) memcpy(packed, r->param[0]->value, (size_t)r->out.c * sizeof *packed);
    full = true;
    tn_real *const value = r->param[0]->value;
    r->param[0]->value = packed;
    forward(r, k);
    r->param[0]->value = value;
    return TN_OK;
}

static tn_status overwrites(tn_op_run *r, tn_kernel_run *k) {
    bool add = false, *const accumulate = r->accumulate;
    r->accumulate = &add;
    backward_data(r, k);
    r->accumulate = accumulate;
    return TN_OK;
}

static tn_status overwrites_grad(tn_op_run *r, tn_kernel_run *k) {
    memset(r->param[0]->grad, 0, (size_t)r->out.c * sizeof(tn_real));
    return backward_params(r, k);
}

static tn_status scratch_is_small(tn_op_run *r, tn_kernel_run *k) {
    memset(k->scratch, 0, k->scratch_bytes + 1);
    return forward(r, k);
}

static tn_status ask_scratch(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    k->scratch_bytes = 100;
    return TN_OK;
}

static tn_status prepare_fails(tn_op_run *r, tn_kernel_run *k) {
    (void)r, (void)k;
    return tn_fail("no good");
}

static tn_status depends_on_threads(tn_op_run *r, tn_kernel_run *k) {
    forward(r, k);
    tn_data(&r->out)[0] *= 1 + (tn_real)r->threads * (tn_real)1e-6;
    return TN_OK;
}

static const tn_kernel ref[TN_PASSES] = {
    {"ref", NULL, forward, NULL},
    {"ref", NULL, backward_data, NULL},
    {"ref", NULL, backward_params, NULL},
};

/* What the harness says about `tried` in `pass`. */
static const char *verdict(const tn_kernel *tried, tn_pass pass, tn_mode mode) {
    const tn_kernel *tables[TN_PASSES][3];
    tn_op_kind kind = {.name = "scale"};
    for (int p = 0; p < TN_PASSES; p++) {
        tables[p][0] = p == (int)pass ? tried : &ref[p];
        tables[p][1] = &ref[p];
        tables[p][2] = NULL;
        kind.kernels[p] = tables[p];
    }
    const tn_harness_case c = {
        .kind = &kind,
        .mode = mode,
        .n_in = 1,
        .in = {{.n = 2, .h = 3, .w = 2, .c = 5, .pitch = 8}},
        .out = {.n = 2, .h = 3, .w = 2, .c = 5, .pitch = 6},
        .n_param = 1,
        .param = {{.kind = TN_PARAM_WEIGHTS, .dim = {5}, .n_dim = 1}},
        .exact_for_integers = true,
    };
    const char *wrong = tn_harness_check(&c, 3);
    return wrong ? wrong : tn_harness_gradcheck(&c, 3);
}

static void good_kernels_pass(void **state) {
    (void)state;
    assert_null(verdict(&ref[TN_FORWARD], TN_FORWARD, TN_TRAIN));
    assert_null(verdict(&ref[TN_FORWARD], TN_FORWARD, TN_INFER));
}

static void faults_are_caught(void **state) {
    (void)state;
    static const struct {
        tn_kernel kernel;
        tn_pass pass;
        tn_mode mode;
        const char *says;
    } bad[] = {
        {{"bad", NULL, wrong_value, NULL}, TN_FORWARD, TN_TRAIN, "the reference's"},
        {{"bad", NULL, leaves_one_out, NULL}, TN_FORWARD, TN_TRAIN, "nan, the reference's"},
        {{"bad", NULL, writes_past_the_end, NULL}, TN_FORWARD, TN_TRAIN, "outside its memory"},
        {{"bad", NULL, writes_into_gaps, NULL}, TN_FORWARD, TN_TRAIN, "into the gaps"},
        {{"bad", NULL, stale, NULL}, TN_FORWARD, TN_TRAIN, "the reference's"},
        {{"bad", ask_scratch, scratch_is_small, NULL}, TN_FORWARD, TN_TRAIN, "outside its memory"},
        {{"bad", prepare_fails, forward, NULL}, TN_FORWARD, TN_TRAIN, "no good"},
        {{"bad", NULL, depends_on_threads, NULL}, TN_FORWARD, TN_INFER, "different bits"},
        {{"bad", NULL, overwrites, NULL}, TN_BACKWARD_DATA, TN_TRAIN, "accumulate"},
        {{"bad", NULL, overwrites_grad, NULL}, TN_BACKWARD_PARAMS, TN_TRAIN, "param grad"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *wrong = verdict(&bad[i].kernel, bad[i].pass, bad[i].mode);
        if (!wrong) fail_msg("fault %zu was not caught", i);
        if (!strstr(wrong, bad[i].says) || !strstr(wrong, "seed=3"))
            fail_msg("fault %zu: said %s", i, wrong);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_kernels_pass),
        cmocka_unit_test(faults_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
