/* Several replicas move a net as one does with as many subdivisions, on the processor and on
 * emulated GPUs; one on a GPU as one on the processor. */
#include "layers/device/rng.h"
#include "src/net/replicas.h"
#include "tests/support/emulate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MINI = 2, UPDATES = 3, MOST_RANKS = 4 };

static const tn_warner quiet = {NULL, NULL};

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

typedef struct training {
    tn_net *net;
    tn_replicas *replicas;
    double loss[UPDATES];
} training;

/* Mini-batch `index` of update `update`: the same pictures whoever takes it. */
static tn_step mini_batch(tn_run *run, float truth[MINI * 2], int update, int index, int all) {
    tn_rng rng = tn_rng_stream(3, TN_RNG_SYNTH, (uint32_t)update, (uint32_t)index, 0);
    const tn_tensor in = tn_run_input(run);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = tn_rng_uniform(&rng, -1, 1);
    for (int n = 0; n < MINI; n++) {
        const int label = (int)tn_rng_below(&rng, 2);
        truth[2 * n] = (float)(label == 0);
        truth[2 * n + 1] = (float)(label == 1);
    }
    return (tn_step){.seed = 5,
                     .step = (uint64_t)update,
                     .first_sample = index * MINI,
                     .n_valid = MINI,
                     .grad_scale = 1.0 / (all * MINI),
                     .truth = truth};
}

static void one_update(training *t, int update, int parts) {
    const int ranks = tn_replicas_ranks(t->replicas);
    float truth[MOST_RANKS][MINI * 2];
    for (int first = 0; first < parts; first += ranks) {
        tn_step step[MOST_RANKS];
        for (int k = 0; k < ranks; k++)
            step[k] =
                mini_batch(tn_replicas_run(t->replicas, k), truth[k], update, first + k, parts);
        must(tn_replicas_forward(t->replicas, step));
        for (int k = 0; k < ranks; k++)
            t->loss[update] += tn_run_loss(tn_replicas_run(t->replicas, k));
        must(tn_replicas_backward(t->replicas));
    }
    int bad;
    must(tn_replicas_reduce(t->replicas, &bad));
    assert_int_equal(bad, -1);
    must(tn_replicas_update(t->replicas, 0.01 / (update + 1)));
}

static tn_replicas_options options_of(tn_optimizer_kind kind, int ranks, tn_gpu *const *gpu) {
    return (tn_replicas_options){
        .run = {.mode = TN_TRAIN, .batch = MINI, .threads = 2, .output = -1},
        .ranks = ranks,
        .gpu = gpu,
        .optimizer = {kind, .momentum = 0.9, .decay = 0.01, .b1 = .9, .b2 = .999, .eps = 1e-8}};
}

static void train(training *t, const char *cfg, tn_optimizer_kind kind, int parts, int ranks,
                  tn_gpu *const *gpu) {
    static const char *const small[] = {"width=32", "height=32"};
    *t = (training){0};
    must(tn_net_load(cfg, small, 2, &quiet, &t->net));
    tn_net_init(t->net, 11);
    const tn_replicas_options options = options_of(kind, ranks, gpu);
    must(tn_replicas_create(t->net, &options, &t->replicas));
    for (int u = 0; u < UPDATES; u++) one_update(t, u, parts);
    must(tn_replicas_settle(t->replicas, true));
}

static void done(training *t) {
    tn_replicas_free(t->replicas);
    tn_net_free(t->net);
}

/* Running statistics too when one replica saw every mini-batch of the other. */
static void same_bits(const training *a, const training *b, bool statistics) {
    for (int u = 0; u < UPDATES; u++) assert_true(a->loss[u] == b->loss[u]);
    for (int i = 0; i < a->net->plan.n_params; i++) {
        const tn_param *p = &a->net->param[i], *q = &b->net->param[i];
        if (!p->grad && !statistics) continue;
        if (memcmp(p->value, q->value, p->spec->count * sizeof *p->value) != 0)
            fail_msg("%s differs", p->spec->name);
    }
    const tn_optimizer *o = tn_replicas_optimizer(a->replicas);
    const tn_optimizer *other = tn_replicas_optimizer(b->replicas);
    assert_true(o->updates == UPDATES && other->updates == UPDATES);
    assert_memory_equal(o->pages, other->pages, o->bytes);
}

static const char *const nets[] = {"cfg/demo.cfg", "cfg/googlenet.cfg"};

static void replicas_equal_subdivisions(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        for (int parts = 2; parts <= MOST_RANKS; parts++) {
            training one, several;
            if (i > 0 && parts != 3) continue;
            train(&one, nets[i], TN_ADAM, parts, 1, NULL);
            train(&several, nets[i], TN_ADAM, parts, parts, NULL);
            assert_string_equal(tn_replicas_reduce_name(several.replicas), "memory");
            same_bits(&one, &several, false);
            done(&one);
            done(&several);
        }
    }
}

/* Rank 0's running statistics are the net's, and they moved by its mini-batches alone. */
static void statistics_are_those_of_rank_0(void **unused) {
    (void)unused;
    training whole, several;
    train(&whole, "cfg/demo.cfg", TN_SGD, 2, 1, NULL);
    train(&several, "cfg/demo.cfg", TN_SGD, 2, 2, NULL);
    int differ = 0;
    for (int i = 0; i < whole.net->plan.n_params; i++) {
        const tn_param *p = &whole.net->param[i], *q = &several.net->param[i];
        if (p->spec->kind != TN_PARAM_MEAN) continue;
        differ += memcmp(p->value, q->value, p->spec->count * sizeof *p->value) != 0;
        for (size_t k = 0; k < q->spec->count; k++) assert_true(q->value[k] - q->value[k] == 0);
        assert_int_equal(p->version - q->version, UPDATES);
    }
    assert_true(differ > 0);
    done(&whole);
    done(&several);
}

static bool is_the_optimizer(const char *source) {
    return strcmp(source, "update") == 0;
}

/* The optimizer's part on the processor, or in its own kernels, emulated; every op is staged. */
static void gpu_has_the_bits_of_the_processor(bool emulated) {
    static const tn_optimizer_kind kinds[] = {TN_SGD, TN_ADAM, TN_ADAMW};
    tn_fake_gpu *fake = tn_fake_gpu_install();
    if (emulated) tn_emulate_install(fake);
    if (emulated) fake->emulates = is_the_optimizer;
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    for (int k = 0; k < 3; k++) {
        training here, there;
        train(&here, "cfg/demo.cfg", kinds[k], 2, 1, NULL);
        train(&there, "cfg/demo.cfg", kinds[k], 2, 1, &gpu);
        same_bits(&here, &there, true);
        done(&here);
        done(&there);
        assert_true((fake->launches > 0) == emulated);
    }
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static void a_gpu_has_the_bits_of_the_processor(void **unused) {
    (void)unused;
    gpu_has_the_bits_of_the_processor(false);
}

static void kernels_of_the_optimizer_have_them_too(void **unused) {
    (void)unused;
    gpu_has_the_bits_of_the_processor(true);
}

/* All that the GPU has kernels for in them, emulated: sums come in another order, so that last bits
 * differ. Each parameter and running statistic is held to 1e-5 of the largest of its tensor. */
static void kernels_train_as_the_processor_does(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_emulate_install(fake);
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    training here, there;
    train(&here, "cfg/demo.cfg", TN_SGD, 2, 1, NULL);
    train(&there, "cfg/demo.cfg", TN_SGD, 2, 1, &gpu);
    assert_true(fake->launches > 0);
    for (int u = 0; u < UPDATES; u++)
        assert_true(fabs(here.loss[u] - there.loss[u]) < 1e-5 * here.loss[u]);
    for (int i = 0; i < here.net->plan.n_params; i++) {
        const tn_param *p = &here.net->param[i], *q = &there.net->param[i];
        double largest = 0, apart = 0;
        for (size_t k = 0; k < p->spec->count; k++) {
            largest = fmax(largest, fabs((double)p->value[k]));
            apart = fmax(apart, fabs((double)p->value[k] - (double)q->value[k]));
        }
        if (!(apart <= 1e-5 * largest))
            fail_msg("%s: %g apart, the largest is %g", p->spec->name, apart, largest);
    }
    done(&here);
    done(&there);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static void several_gpus_equal_subdivisions(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    fake->devices = 3;
    tn_gpu *gpu[3];
    for (int i = 0; i < 3; i++) must(tn_gpu_open(&(tn_gpu_options){.index = i}, &gpu[i]));
    training one, several;
    train(&one, "cfg/demo.cfg", TN_ADAM, 3, 1, NULL);
    train(&several, "cfg/demo.cfg", TN_ADAM, 3, 3, gpu);
    assert_string_equal(tn_replicas_reduce_name(several.replicas), "host");
    same_bits(&one, &several, false);
    done(&one);
    done(&several);
    for (int i = 0; i < 3; i++) tn_gpu_close(gpu[i]);
    tn_fake_gpu_remove();
}

/* A gradient that is no number is found, on either side. */
static void finds_what_is_not_finite(void **unused) {
    (void)unused;
    tn_emulate_install(tn_fake_gpu_install());
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    for (int on_gpu = 0; on_gpu < 2; on_gpu++) {
        static const char *const small[] = {"width=32", "height=32"};
        training t = {0};
        must(tn_net_load("cfg/demo.cfg", small, 2, &quiet, &t.net));
        tn_net_init(t.net, 11);
        const tn_replicas_options options = options_of(TN_ADAM, 1, on_gpu ? &gpu : NULL);
        must(tn_replicas_create(t.net, &options, &t.replicas));
        float truth[MINI * 2];
        const tn_step step = mini_batch(tn_replicas_run(t.replicas, 0), truth, 0, 0, 1);
        tn_data(&(tn_tensor){.data = tn_run_input(tn_replicas_run(t.replicas, 0)).data})[5] =
            (float)NAN;
        must(tn_replicas_forward(t.replicas, &step));
        must(tn_replicas_backward(t.replicas));
        int bad;
        must(tn_replicas_reduce(t.replicas, &bad));
        assert_true(bad >= 0 && t.net->param[bad].grad);
        done(&t);
    }
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

/* A failure in a replica's thread reaches the caller, with its rank. */
static void a_replica_that_fails_is_named(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    fake->devices = 2;
    tn_gpu *gpu[2];
    for (int i = 0; i < 2; i++) must(tn_gpu_open(&(tn_gpu_options){.index = i}, &gpu[i]));
    training t;
    train(&t, "cfg/demo.cfg", TN_SGD, 2, 2, gpu);
    float truth[2][MINI * 2];
    tn_step step[2];
    for (int k = 0; k < 2; k++)
        step[k] = mini_batch(tn_replicas_run(t.replicas, k), truth[k], 0, k, 2);
    fake->fail_call = "MemcpyDtoH";
    fake->fail_after = 9;
    fake->fail_code = TN_CUDA_LAUNCH_FAILED;
    assert_int_equal(tn_replicas_forward(t.replicas, step), TN_FAIL);
    assert_non_null(strstr(tn_error(), "replica "));
    assert_non_null(strstr(tn_error(), "CUDA_ERROR_LAUNCH_FAILED"));
    done(&t);
    for (int i = 0; i < 2; i++) tn_gpu_close(gpu[i]);
    tn_fake_gpu_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicas_equal_subdivisions),
        cmocka_unit_test(statistics_are_those_of_rank_0),
        cmocka_unit_test(a_gpu_has_the_bits_of_the_processor),
        cmocka_unit_test(kernels_of_the_optimizer_have_them_too),
        cmocka_unit_test(kernels_train_as_the_processor_does),
        cmocka_unit_test(several_gpus_equal_subdivisions),
        cmocka_unit_test(finds_what_is_not_finite),
        cmocka_unit_test(a_replica_that_fails_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
