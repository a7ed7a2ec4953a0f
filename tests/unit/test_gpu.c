/* The device layer over an emulated driver: what it says when something is missing or fails. */
#include "layers/device/choices.h"
#include "layers/device/cudnn.h"
#include "layers/device/gpu_driver.h"
#include "layers/device/nccl.h"
#include "tests/support/fake_gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_error(const char *part) {
    if (!strstr(tn_error(), part)) fail_msg("\"%s\" says nothing of \"%s\"", tn_error(), part);
}

static tn_gpu *opened(void) {
    tn_gpu *gpu = NULL;
    if (tn_gpu_open(&(tn_gpu_options){0}, &gpu) != TN_OK) fail_msg("%s", tn_error());
    return gpu;
}

static void memory_goes_in_and_out(void **unused) {
    (void)unused;
    tn_fake_gpu_install();
    tn_gpu *gpu = opened();
    float in[5] = {1, 2, 3, 4, 5}, out[5] = {0};
    void *a, *b;
    assert_int_equal(tn_gpu_alloc(gpu, sizeof in, "a test", &a), TN_OK);
    assert_int_equal(tn_gpu_alloc(gpu, sizeof in, "a test", &b), TN_OK);
    assert_int_equal(tn_gpu_copy_in(gpu, a, in, sizeof in, "a test"), TN_OK);
    assert_int_equal(tn_gpu_copy(gpu, b, a, sizeof in, "a test"), TN_OK);
    assert_int_equal(tn_gpu_zero(gpu, (float *)b + 2, sizeof(float), "a test"), TN_OK);
    assert_int_equal(tn_gpu_copy_out(gpu, out, b, sizeof out, "a test"), TN_OK);
    in[2] = 0;
    assert_memory_equal(in, out, sizeof in);
    tn_gpu_free(gpu, a);
    tn_gpu_free(gpu, b);
    assert_string_equal(tn_gpu_describe(gpu), "Emulated GPU 0 (sm_90, 1.0 GiB), driver 13.0");
    assert_int_equal(tn_gpu_limits_of(gpu)->arch, 90);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static void says_which_gpu_is_missing(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_gpu *gpu;
    assert_int_equal(tn_gpu_open(&(tn_gpu_options){.index = 1}, &gpu), TN_FAIL);
    expect_error("GPU 1: there is 1, counted from 0");
    fake->devices = 0;
    assert_int_equal(tn_gpu_count(), 0);
    expect_error("finds no GPU");
    assert_int_equal(tn_gpu_open(&(tn_gpu_options){0}, &gpu), TN_FAIL);
    expect_error("finds no GPU");
    tn_fake_gpu_remove();
}

static void old_architectures_are_refused(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_gpu *gpu;
    fake->arch = 61;
    assert_int_equal(tn_gpu_open(&(tn_gpu_options){0}, &gpu), TN_FAIL);
    expect_error("architecture sm_61, expected sm_75 or newer");
    assert_null(gpu);
    fake->arch = 75;
    gpu = opened();
    assert_int_equal(tn_gpu_check_precision(gpu, TN_PRECISION_FP32), TN_OK);
    assert_int_equal(tn_gpu_check_precision(gpu, TN_PRECISION_BF16), TN_FAIL);
    expect_error("-precision bf16");
    expect_error("sm_75, expected sm_80 or newer");
    assert_int_equal(tn_gpu_check_precision(gpu, TN_PRECISION_TF32), TN_FAIL);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

/* Whatever fails while opening, nothing stays open (tn_fake_gpu_remove looks). */
static void opening_fails_cleanly(void **unused) {
    (void)unused;
    static const char *const calls[] = {"DeviceGetCount", "DeviceGet", "DevicePrimaryCtxRetain",
                                        "StreamCreate"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        tn_fake_gpu *fake = tn_fake_gpu_install();
        fake->fail_call = calls[i];
        fake->fail_code = 999;
        tn_gpu *gpu;
        assert_int_equal(tn_gpu_open(&(tn_gpu_options){0}, &gpu), TN_FAIL);
        expect_error("(999, emulated failure)");
        assert_null(gpu);
        tn_fake_gpu_remove();
    }
}

static void errors_name_call_purpose_and_sizes(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    fake->memory_bytes = 8 << 20;
    tn_gpu *gpu = opened();
    void *memory;
    assert_int_equal(tn_gpu_alloc(gpu, 9 << 20, "buffers", &memory), TN_FAIL);
    expect_error("too little memory: buffers needs 9.0 MiB, 8.0 of 8.0 MiB are free");
    assert_int_equal(tn_gpu_alloc(gpu, 100, "buffers", &memory), TN_OK);
    float x = 1;
    fake->fail_call = "MemcpyHtoD";
    fake->fail_code = TN_CUDA_LAUNCH_FAILED;
    assert_int_equal(tn_gpu_copy_in(gpu, memory, &x, sizeof x, "3.conv1"), TN_FAIL);
    expect_error("copying 4 bytes of 3.conv1 to GPU 0 failed: CUDA_ERROR_LAUNCH_FAILED (719, "
                 "unspecified launch failure)");
    fake->fail_call = "StreamSynchronize";
    fake->fail_after = 0;
    assert_int_equal(tn_gpu_copy_out(gpu, &x, memory, sizeof x, "the loss"), TN_FAIL);
    expect_error("an earlier call (TN_GPU_SYNC=1 tells which)");
    tn_gpu_free(gpu, memory);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static const tn_gpu_source nowhere_source = {"nowhere", NULL, NULL};

static int add_called;

static int run_add(void *kernel, tn_gpu_extent grid, tn_gpu_extent block, size_t shared_bytes,
                   void **args) {
    (void)kernel;
    (void)shared_bytes;
    float *x = *(float **)args[0];
    const float y = *(float *)args[1];
    for (unsigned i = 0; i < grid.x * block.x; i++) x[i] += y;
    add_called++;
    return 0;
}

static void *find_add(const char *name) {
    return strcmp(name, "tn_test_add") == 0 ? &add_called : NULL;
}

static void launches_by_name(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    fake->find = find_add;
    fake->launch = run_add;
    tn_gpu *gpu = opened();
    void *memory;
    float x[6] = {1, 2, 3, 4, 5, 6}, y = 10;
    assert_int_equal(tn_gpu_alloc(gpu, sizeof x, "x", &memory), TN_OK);
    assert_int_equal(tn_gpu_copy_in(gpu, memory, x, sizeof x, "x"), TN_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tn_gpu_launch(gpu, &nowhere_source, "tn_test_add", (tn_gpu_extent){2},
                                       (tn_gpu_extent){3}, 0, TN_GPU_ARGS(&memory, &y), "4.add"),
                         TN_OK);
    assert_int_equal(tn_gpu_copy_out(gpu, x, memory, sizeof x, "x"), TN_OK);
    for (int i = 0; i < 6; i++) assert_true(x[i] == (float)(i + 21));
    assert_int_equal(tn_gpu_launch(gpu, &nowhere_source, "tn_other", (tn_gpu_extent){1},
                                   (tn_gpu_extent){1}, 0, NULL, "4.add"),
                     TN_FAIL);
    expect_error("finding tn_other in nowhere.cu failed: CUDA_ERROR_NOT_FOUND");
    fake->fail_call = "LaunchKernel";
    fake->fail_code = TN_CUDA_LAUNCH_FAILED;
    assert_int_equal(tn_gpu_launch(gpu, &nowhere_source, "tn_test_add", (tn_gpu_extent){2, 5},
                                   (tn_gpu_extent){3}, 16, TN_GPU_ARGS(&memory, &y), "4.add"),
                     TN_FAIL);
    expect_error(
        "launching tn_test_add of 4.add (grid 2x5x1, block 3x1x1, 16 bytes shared) failed");
    fake->fail_call = "FuncSetAttribute";
    fake->fail_after = 0;
    assert_int_equal(tn_gpu_launch(gpu, &nowhere_source, "tn_test_add", (tn_gpu_extent){2},
                                   (tn_gpu_extent){3}, 200 << 10, TN_GPU_ARGS(&memory, &y), NULL),
                     TN_FAIL);
    expect_error("asking for 204800 bytes of shared memory (at most 101376)");
    assert_int_equal(add_called, 2);
    tn_gpu_free(gpu, memory);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static void takes_a_foreign_stream(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    int hosts_own;
    tn_gpu *gpu;
    assert_int_equal(tn_gpu_open(&(tn_gpu_options){.stream = &hosts_own}, &gpu), TN_OK);
    assert_ptr_equal(tn_gpu_stream(gpu), &hosts_own);
    assert_int_equal(fake->streams, 0);
    tn_gpu_close(gpu);
    assert_int_equal(fake->streams, 0);
    tn_fake_gpu_remove();
}

/* On a machine without a GPU: what is missing is said; with one: it is described. */
static void the_real_driver_speaks(void **unused) {
    (void)unused;
    tn_gpu_use_driver(NULL);
    if (tn_gpu_count() == 0) {
        tn_gpu *gpu;
        assert_int_equal(tn_gpu_open(&(tn_gpu_options){0}, &gpu), TN_FAIL);
        const bool no_driver = strstr(tn_error(), "NVIDIA's driver is not installed") != NULL;
        assert_true(no_driver || strstr(tn_error(), "CUDA driver") != NULL);
        return;
    }
    tn_gpu *gpu = opened();
    printf("%s\n", tn_gpu_describe(gpu));
    tn_gpu_close(gpu);
}

/* Where the libraries are, every function of ours is in them. */
static void libraries_have_our_functions(void **unused) {
    (void)unused;
    const bool opened[] = {tn_cudnn_open() != NULL, tn_cublas_open() != NULL,
                           tn_nccl_open() != NULL};
    if (opened[0]) assert_true(tn_cudnn_open()->GetVersion() >= 90000);
    for (int i = 0; i < 3; i++) {
        if (opened[i]) continue;
        if (i == 0) (void)tn_cudnn_open();
        if (i == 1) (void)tn_cublas_open();
        if (i == 2) (void)tn_nccl_open();
        expect_error("is not installed");
    }
    if (!opened[0] || !opened[1] || !opened[2]) {
        printf("skip: %s\n", tn_error());
        skip();
    }
}

static void choices_are_kept(void **unused) {
    (void)unused;
    tn_choices *a, *b, *c;
    int value = 0;
    bool taken;
    size_t bytes;
    assert_int_equal(tn_choices_create("GPU one", &a), TN_OK);
    assert_int_equal(tn_choices_add(a, "conv 5x5", 3), TN_OK);
    assert_int_equal(tn_choices_add(a, "conv 5x5 wide", -1), TN_OK);
    assert_int_equal(tn_choices_add(a, "conv 5x5", 4), TN_OK); /* the first stays */
    const char *text = tn_choices_text(a, &bytes);
    assert_string_equal(text, "GPU one\n3 conv 5x5\n-1 conv 5x5 wide\n");
    assert_int_equal(tn_choices_create("GPU one", &b), TN_OK);
    assert_int_equal(tn_choices_read(b, text, bytes, &taken), TN_OK);
    assert_true(taken);
    assert_true(tn_choices_find(b, "conv 5x5", &value));
    assert_int_equal(value, 3);
    assert_true(tn_choices_find(b, "conv 5x5 wide", &value));
    assert_int_equal(value, -1);
    assert_false(tn_choices_find(b, "conv", &value));
    assert_false(tn_choices_find(NULL, "conv 5x5", &value));
    assert_int_equal(tn_choices_read(b, text, bytes - 1, &taken), TN_FAIL);
    expect_error("damaged");
    assert_int_equal(tn_choices_create("GPU ones", &c), TN_OK);
    assert_int_equal(tn_choices_read(c, text, bytes, &taken), TN_OK);
    assert_false(taken);
    assert_false(tn_choices_find(c, "conv 5x5", &value));
    tn_choices_free(a);
    tn_choices_free(b);
    tn_choices_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_goes_in_and_out),
        cmocka_unit_test(says_which_gpu_is_missing),
        cmocka_unit_test(old_architectures_are_refused),
        cmocka_unit_test(opening_fails_cleanly),
        cmocka_unit_test(errors_name_call_purpose_and_sizes),
        cmocka_unit_test(launches_by_name),
        cmocka_unit_test(takes_a_foreign_stream),
        cmocka_unit_test(the_real_driver_speaks),
        cmocka_unit_test(libraries_have_our_functions),
        cmocka_unit_test(choices_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
