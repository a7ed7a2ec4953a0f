/* Whole nets on an emulated GPU, and of bf16 on the processor. Without kernels there every op is
 * staged, so that the bits must be those of the processor; with kernels the net must be near. */
#include "layers/device/rng.h"
#include "src/net/net.h"
#include "src/net/run.h"
#include "tests/support/emulate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const tn_warner quiet = {NULL, NULL};

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static void expect_error(const char *part) {
    if (!strstr(tn_error(), part)) fail_msg("\"%s\" says nothing of \"%s\"", tn_error(), part);
}

static tn_net *load_at(const char *cfg, int side) {
    char width[16], height[16];
    snprintf(width, sizeof width, "width=%d", side);
    snprintf(height, sizeof height, "height=%d", side);
    const char *const small[] = {width, height};
    tn_net *net;
    must(tn_net_load(cfg, small, 2, &quiet, &net));
    tn_net_init(net, 7);
    return net;
}

static tn_net *load(const char *cfg) {
    return load_at(cfg, 32);
}

static void fill(tn_tensor t, uint32_t what) {
    tn_rng rng = tn_rng_stream(3, TN_RNG_SYNTH, what, 0, 0);
    for (size_t i = 0; i < tn_elements(&t); i++) tn_data(&t)[i] = tn_rng_uniform(&rng, -1, 1);
}

/* Fresh outputs and gradients of a training step and of an inference, on the processor or there. */
typedef struct result {
    tn_net *net;
    double loss;
    float *out; /* of TRAIN, then of INFER */
    size_t n_out;
} result;

enum { BATCH = 3, STEPS = 2 };

static void one_run(result *r, tn_mirror *mirror, tn_mode mode, tn_precision precision,
                    float *out) {
    const tn_run_options options = {.mode = mode,
                                    .batch = BATCH,
                                    .threads = 2,
                                    /* others do several ops in one, on the processor alone */
                                    .kernels = mode == TN_INFER ? "ref" : NULL,
                                    .output = -1,
                                    .mirror = mirror,
                                    .precision = precision};
    tn_run *run;
    must(tn_run_create(&r->net->plan, r->net->param, &options, &run));
    float truth[BATCH * 2] = {1, 0, 0, 1, 1, 0};
    for (int s = 0; s < STEPS; s++) {
        const tn_step step = {.seed = 1,
                              .step = (uint64_t)s,
                              .n_valid = BATCH - s,
                              .grad_scale = 1.0 / BATCH,
                              .truth = mode == TN_INFER ? NULL : truth};
        fill(tn_run_input(run), (uint32_t)s);
        must(tn_run_forward(run, &step));
        if (mode != TN_INFER) {
            r->loss += tn_run_loss(run);
            must(tn_run_backward(run));
        }
    }
    const tn_tensor t = tn_run_output(run);
    memcpy(out, tn_data(&t), tn_elements(&t) * sizeof *out);
    tn_run_free(run);
}

static void run_net(result *r, tn_net *net, tn_gpu *gpu, tn_precision precision) {
    *r = (result){.net = net};
    r->n_out = BATCH * (size_t)tn_net_outputs(r->net);
    r->out = calloc(2 * r->n_out, sizeof *r->out);
    tn_mirror *mirror = NULL;
    if (gpu) must(tn_mirror_create(gpu, r->net->param, r->net->plan.n_params, true, &mirror));
    one_run(r, mirror, TN_TRAIN, precision, r->out);
    one_run(r, mirror, TN_INFER, precision, r->out + r->n_out);
    if (mirror) {
        must(tn_mirror_gradients_out(mirror));
        must(tn_mirror_download(mirror));
        tn_mirror_free(mirror);
    }
}

static void run_all(result *r, const char *cfg, tn_gpu *gpu, tn_precision precision) {
    run_net(r, load(cfg), gpu, precision);
}

static void done(result *r) {
    free(r->out);
    tn_net_free(r->net);
}

static void same_bits(const result *a, const result *b) {
    assert_true(a->loss == b->loss);
    assert_memory_equal(a->out, b->out, 2 * a->n_out * sizeof *a->out);
    for (int i = 0; i < a->net->plan.n_params; i++) {
        const tn_param *p = &a->net->param[i], *q = &b->net->param[i];
        const size_t bytes = p->spec->count * sizeof *p->value;
        if (memcmp(p->value, q->value, bytes) != 0) fail_msg("%s differs", p->spec->name);
        if (p->grad && memcmp(p->grad, q->grad, bytes) != 0)
            fail_msg("gradient of %s differs", p->spec->name);
    }
}

static const char *const nets[] = {"cfg/demo.cfg", "cfg/googlenet.cfg", "cfg/mobilenet.cfg"};

static void staged_nets_have_the_bits_of_the_processor(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        result here, there;
        tn_fake_gpu *fake = tn_fake_gpu_install();
        tn_gpu *gpu;
        must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
        run_all(&here, nets[i], NULL, TN_PRECISION_FP32);
        run_all(&there, nets[i], gpu, TN_PRECISION_FP32);
        same_bits(&here, &there);
        assert_true(fake->copies_in > 0 && fake->launches == 0);
        done(&here);
        done(&there);
        tn_gpu_close(gpu);
        tn_fake_gpu_remove();
    }
}

/* Relative to its length, all parameters taken together. */
static double gradients_apart(const result *a, const result *b) {
    double apart = 0, length = 0;
    for (int i = 0; i < a->net->plan.n_params; i++) {
        const tn_param *p = &a->net->param[i], *q = &b->net->param[i];
        for (size_t j = 0; p->grad && j < p->spec->count; j++) {
            apart += pow((double)p->grad[j] - (double)q->grad[j], 2);
            length += pow((double)p->grad[j], 2);
        }
    }
    return sqrt(apart / length);
}

/* In bf16 every tensor between ops is rounded to 8 bits of mantissa. */
static void staged_bf16_is_near(void **unused) {
    (void)unused;
    result here, there;
    tn_fake_gpu_install();
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    run_all(&here, "cfg/demo.cfg", NULL, TN_PRECISION_FP32);
    run_all(&there, "cfg/demo.cfg", gpu, TN_PRECISION_BF16);
    assert_true(here.loss != there.loss);
    assert_float_equal(here.loss, there.loss, 0.2);
    for (size_t i = 0; i < 2 * here.n_out; i++) assert_float_equal(here.out[i], there.out[i], 0.05);
    done(&here);
    done(&there);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

/* The same on the processor, by whichever kernels are the best and, in inference, by the
 * reference's, each of them staged. What callers see is fp32 nevertheless. */
static void bf16_on_the_processor_is_near(void **unused) {
    (void)unused;
    result wide, narrow;
    run_net(&wide, load_at("cfg/demo.cfg", 64), NULL, TN_PRECISION_FP32);
    run_net(&narrow, load_at("cfg/demo.cfg", 64), NULL, TN_PRECISION_BF16);
    assert_true(wide.loss != narrow.loss);
    assert_float_equal(wide.loss, narrow.loss, 0.2);
    for (size_t i = 0; i < 2 * wide.n_out; i++)
        assert_float_equal(wide.out[i], narrow.out[i], 0.05);
    assert_true(gradients_apart(&wide, &narrow) <= 0.25);
    done(&wide);
    done(&narrow);
}

/* Twice the same, to the last bit. */
static void bf16_on_the_processor_repeats(void **unused) {
    (void)unused;
    result first, second;
    run_all(&first, "cfg/thyronet.cfg", NULL, TN_PRECISION_BF16);
    run_all(&second, "cfg/thyronet.cfg", NULL, TN_PRECISION_BF16);
    same_bits(&first, &second);
    done(&first);
    done(&second);
}

/* Convolutions are staged, or GoogLeNet's would take minutes. */
static bool all_but_convolutions(const char *source) {
    return strncmp(source, "convolution", strlen("convolution")) != 0;
}

/* Three heads whose losses have their weights, concatenations, and ops staged in between. Images
 * large enough that no batch norm is left with the three values of a 1x1 map, whose variance may be
 * anything, and which then magnifies the last bit. */
static void nets_with_kernels_are_near(void **unused) {
    (void)unused;
    result here, there;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_emulate_install(fake);
    bool (*const emulates)(const char *) = fake->emulates;
    if (!emulates("loss")) skip(); /* not on this processor */
    fake->emulates = all_but_convolutions;
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    run_net(&here, load_at("cfg/googlenet.cfg", 64), NULL, TN_PRECISION_FP32);
    run_net(&there, load_at("cfg/googlenet.cfg", 64), gpu, TN_PRECISION_FP32);
    assert_true(fake->launches > 100);
    assert_true(fabs(here.loss - there.loss) <= 1e-4 * here.loss);
    for (size_t i = 0; i < 2 * here.n_out; i++) assert_float_equal(here.out[i], there.out[i], 1e-4);
    assert_true(gradients_apart(&here, &there) <= 1e-2);
    done(&here);
    done(&there);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static tn_status create(tn_net *net, tn_gpu *gpu, int update_batch) {
    tn_mirror *mirror;
    must(tn_mirror_create(gpu, net->param, net->plan.n_params, true, &mirror));
    const tn_run_options options = {.mode = TN_TRAIN,
                                    .batch = 32,
                                    .threads = 2,
                                    .output = -1,
                                    .mirror = mirror,
                                    .update_batch = update_batch};
    tn_run *run = NULL;
    const tn_status status = tn_run_create(&net->plan, net->param, &options, &run);
    tn_run_free(run);
    tn_mirror_free(mirror);
    return status;
}

static void says_which_subdivisions_fit(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    tn_net *net = load("cfg/demo.cfg");
    assert_int_equal(create(net, gpu, 64), TN_OK);
    fake->memory_bytes = 8 << 20;
    assert_int_equal(create(net, gpu, 64), TN_FAIL);
    expect_error("GPU 0 has too little memory: a mini-batch of 32 images needs ");
    const char *advice = strstr(tn_error(), "-net subdivisions=");
    assert_non_null(advice);
    const int subdivisions = atoi(advice + strlen("-net subdivisions="));
    assert_true(subdivisions > 2 && 64 % subdivisions == 0);
    /* the advice holds */
    tn_mirror *mirror;
    must(tn_mirror_create(gpu, net->param, net->plan.n_params, true, &mirror));
    const tn_run_options options = {
        .mode = TN_TRAIN, .batch = 64 / subdivisions, .threads = 2, .output = -1, .mirror = mirror};
    tn_run *run = NULL;
    must(tn_run_create(&net->plan, net->param, &options, &run));
    tn_run_free(run);
    tn_mirror_free(mirror);
    fake->memory_bytes = 1 << 20;
    assert_int_equal(create(net, gpu, 0), TN_FAIL);
    expect_error("no smaller mini-batch fits");
    expect_error("-nogpu");
    tn_net_free(net);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

/* Whatever call fails, and whenever, it is said in which op, and nothing is left behind. */
static void a_failure_names_its_op(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    tn_net *net = load("cfg/demo.cfg");
    tn_mirror *mirror;
    tn_run *run;
    must(tn_mirror_create(gpu, net->param, net->plan.n_params, true, &mirror));
    const tn_run_options options = {
        .mode = TN_TRAIN, .batch = 2, .threads = 2, .output = -1, .mirror = mirror};
    must(tn_run_create(&net->plan, net->param, &options, &run));
    const tn_step step = {.n_valid = 2, .grad_scale = 1};
    must(tn_run_forward(run, &step));
    fake->fail_call = "MemcpyDtoH";
    fake->fail_after = 0;
    fake->fail_code = TN_CUDA_LAUNCH_FAILED;
    assert_int_equal(tn_run_forward(run, &step), TN_FAIL);
    expect_error("layer 0 (0): convolution forward, 2x32x32x3 to 2x16x16x16: copying ");
    expect_error("CUDA_ERROR_LAUNCH_FAILED");
    tn_run_free(run);
    tn_mirror_free(mirror);
    tn_net_free(net);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(staged_nets_have_the_bits_of_the_processor),
        cmocka_unit_test(staged_bf16_is_near),
        cmocka_unit_test(bf16_on_the_processor_is_near),
        cmocka_unit_test(bf16_on_the_processor_repeats),
        cmocka_unit_test(nets_with_kernels_are_near),
        cmocka_unit_test(says_which_subdivisions_fit),
        cmocka_unit_test(a_failure_names_its_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
