/* Images that reach a net as bytes give the bits of those that reach it as floats: the kernel, a
 * replica's input on the processor and on an emulated GPU, the loader. */
#include "layers/device/bfloat16.h"
#include "layers/device/rng.h"
#include "layers/ops/input.h"
#include "src/data/loader.h"
#include "src/net/net.h"
#include "src/net/run.h"
#include "tests/support/emulate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH = 3, SIDE = 32, PIXELS = SIDE * SIDE * 3, OUTPUTS = 2 };

static const tn_warner quiet = {NULL, NULL};
static const tn_input_format format = {
    .h = SIDE, .w = SIDE, .c = 3, .mean = {.485f, .456f, .406f}, .std = {.229f, .224f, .225f}};

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static void draw_bytes(uint8_t *to, size_t n, uint32_t what) {
    tn_rng rng = tn_rng_stream(4, TN_RNG_SYNTH, what, 0, 0);
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)tn_rng_below(&rng, 256);
}

/* ---- the kernel ---- */

static void *to_gpu(tn_gpu *gpu, const void *from, size_t bytes) {
    void *there;
    must(tn_gpu_alloc(gpu, bytes, "test", &there));
    must(tn_gpu_copy_in(gpu, there, from, bytes, "test"));
    return there;
}

/* Rows with a gap behind each pixel, which must stay as it is. */
static void widens(tn_gpu *gpu, tn_tensor t, uint32_t what) {
    const size_t elements = tn_elements(&t), room = tn_pixels(&t) * (size_t)t.pitch;
    float table[TN_INPUT_CHANNELS * TN_INPUT_VALUES];
    tn_rng rng = tn_rng_stream(5, TN_RNG_SYNTH, what, 0, 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        table[i] = tn_rng_uniform(&rng, -3, 3);
    uint8_t *bytes = malloc(elements);
    float *here = malloc(2 * room * sizeof *here), *back = here + room;
    draw_bytes(bytes, elements, what);
    memset(here, 0x5a, 2 * room * sizeof *here);
    t.data = here;
    tn_input_widen_ref(&(tn_input_args){t, bytes, table});
    tn_bf16 *narrow = (tn_bf16 *)back;
    tn_tensor there = t;
    there.data = to_gpu(gpu, back, room * tn_element_bytes(&t));
    void *from = to_gpu(gpu, bytes, elements), *table_there = to_gpu(gpu, table, sizeof table);
    must(tn_input_widen(gpu, &(tn_input_args){there, from, table_there}));
    must(tn_gpu_copy_out(gpu, back, there.data, room * tn_element_bytes(&t), "test"));
    for (size_t i = 0; i < room; i++) {
        if (t.dtype == TN_REAL)
            assert_memory_equal(&here[i], &back[i], sizeof *here);
        else if (i % (size_t)t.pitch < (size_t)t.c)
            assert_int_equal(narrow[i].bits, tn_bf16_from_float(here[i]).bits);
        else
            assert_int_equal(narrow[i].bits, 0x5a5a);
    }
    tn_gpu_free(gpu, there.data);
    tn_gpu_free(gpu, from);
    tn_gpu_free(gpu, table_there);
    free(bytes);
    free(here);
}

static void kernel_widens_as_the_processor(void **unused) {
    (void)unused;
    tn_emulate_install(tn_fake_gpu_install());
    tn_gpu *gpu;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    assert_true(tn_input_serves(gpu, 1) && tn_input_serves(gpu, TN_INPUT_CHANNELS));
    assert_false(tn_input_serves(gpu, TN_INPUT_CHANNELS + 1));
    static const tn_tensor shapes[] = {{.n = 1, .h = 1, .w = 1, .c = 1, .pitch = 1},
                                       {.n = 3, .h = 7, .w = 13, .c = 3, .pitch = 3},
                                       {.n = 2, .h = 33, .w = 31, .c = 3, .pitch = 8},
                                       {.n = 5, .h = 64, .w = 60, .c = 1, .pitch = 2},
                                       {.n = 1, .h = 9, .w = 5, .c = 4, .pitch = 5}};
    for (uint32_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        tn_tensor t = shapes[i / 2];
        t.dtype = i % 2 ? TN_BF16 : TN_REAL;
        widens(gpu, t, i);
    }
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

/* ---- a replica ---- */

/* Answers of two forwards: the first batch given as bytes or as floats, the second as floats; then
 * the first again, without having been given again. */
static void answers(tn_net *net, tn_gpu *gpu, tn_precision precision, bool as_bytes,
                    float out[3][BATCH * OUTPUTS]) {
    const tn_run_options options = {.mode = TN_INFER,
                                    .batch = BATCH,
                                    .threads = 2,
                                    .output = -1,
                                    .gpu = gpu,
                                    .precision = precision};
    tn_run *run;
    must(tn_run_create(&net->plan, net->param, &options, &run));
    float table[3][256];
    tn_input_table(&format, table);
    const tn_tensor in = tn_run_input(run), t = tn_run_output(run);
    uint8_t bytes[BATCH * PIXELS];
    for (int pass = 0; pass < 3; pass++) {
        const tn_step step = {.n_valid = BATCH};
        draw_bytes(bytes, sizeof bytes, (uint32_t)pass);
        if (pass == 0 && as_bytes)
            must(tn_run_input_bytes(run, bytes, &table[0][0]));
        else if (pass < 2)
            for (size_t i = 0; i < sizeof bytes; i++) tn_data(&in)[i] = table[i % 3][bytes[i]];
        must(tn_run_forward(run, &step));
        memcpy(out[pass], tn_data(&t), sizeof out[pass]);
    }
    tn_run_free(run);
}

static void replica_answers_alike(tn_gpu *gpu, tn_precision precision) {
    static const char *const small[] = {"width=32", "height=32"};
    tn_net *net;
    must(tn_net_load("cfg/demo.cfg", small, 2, &quiet, &net));
    tn_net_init(net, 7);
    float floats[3][BATCH * OUTPUTS], bytes[3][BATCH * OUTPUTS];
    answers(net, gpu, precision, false, floats);
    answers(net, gpu, precision, true, bytes);
    assert_memory_equal(floats, bytes, sizeof floats);
    assert_memory_equal(bytes[1], bytes[2], sizeof bytes[1]); /* bytes were for once */
    assert_memory_not_equal(bytes[0], bytes[1], sizeof bytes[0]);
    tn_net_free(net);
}

static void replicas_take_bytes(void **unused) {
    (void)unused;
    replica_answers_alike(NULL, TN_PRECISION_FP32);
    replica_answers_alike(NULL, TN_PRECISION_BF16);
    for (int emulated = 0; emulated < 2; emulated++) {
        tn_fake_gpu *fake = tn_fake_gpu_install();
        if (emulated) tn_emulate_install(fake);
        for (int bf16 = 0; bf16 < 2; bf16++) {
            tn_gpu *gpu;
            must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
            replica_answers_alike(gpu, bf16 ? TN_PRECISION_BF16 : TN_PRECISION_FP32);
            tn_gpu_close(gpu);
        }
        tn_fake_gpu_remove();
    }
}

static void memory_that_runs_out_is_told(void **unused) {
    (void)unused;
    tn_fake_gpu *fake = tn_fake_gpu_install();
    tn_emulate_install(fake);
    tn_gpu *gpu;
    tn_net *net;
    tn_run *run;
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    must(tn_net_load("cfg/demo.cfg", (const char *const[]){"width=32", "height=32"}, 2, &quiet,
                     &net));
    const tn_run_options options = {.mode = TN_INFER, .batch = 1, .output = -1, .gpu = gpu};
    must(tn_run_create(&net->plan, net->param, &options, &run));
    fake->fail_call = "MemAlloc";
    fake->fail_code = TN_CUDA_OUT_OF_MEMORY;
    fake->fail_after = 0;
    uint8_t bytes[PIXELS] = {0};
    float table[3][256] = {{0}};
    assert_int_equal(tn_run_input_bytes(run, bytes, &table[0][0]), TN_FAIL);
    assert_non_null(strstr(tn_error(), "images of bytes"));
    must(tn_run_input_bytes(run, bytes, &table[0][0]));
    tn_run_free(run);
    tn_net_free(net);
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

/* ---- the loader ---- */

enum { IMAGES = 7 };

static char folder[] = "/tmp/tn_bytes_XXXXXX";
static tn_list list;

/* Grey ones too, and some of the net's size. */
static tn_status make_image(int i, const char *name) {
    tn_image image;
    TN_TRY(tn_image_create(i % 3 ? 20 + 9 * i : SIDE, SIDE, i % 2 ? 1 : 3, &image));
    draw_bytes(image.data, (size_t)image.h * (size_t)image.w * (size_t)image.c, (uint32_t)i);
    const tn_status status = tn_image_save(&image, name);
    tn_image_free(&image);
    return status;
}

static tn_status make_list(void) {
    char text[1024] = "";
    size_t at = 0;
    for (int i = 0; i < IMAGES; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%d_benign.png", folder, i);
        TN_TRY(make_image(i, name));
        at += (size_t)snprintf(text + at, sizeof text - at, "%s\n", name);
    }
    tn_labels labels;
    TN_TRY(tn_labels_parse("benign\nmalignant\n", 17, "labels", 2, true, &labels));
    const tn_status status = tn_list_parse(text, at, "images.list", &labels, true, &list);
    tn_labels_free(&labels);
    return status;
}

static int make_images(void **state) {
    (void)state;
    if (mkdtemp(folder) && make_list() == TN_OK) return 0;
    fprintf(stderr, "%s\n", tn_error());
    return -1;
}

static int remove_images(void **state) {
    (void)state;
    for (int i = 0; i < list.n; i++) unlink(list.path[i]);
    tn_list_free(&list);
    return rmdir(folder);
}

static void same_batches(tn_fit fit, bool bytes_come) {
    tn_loader_config config = {
        .list = &list, .classes = 2, .format = format, .batch = BATCH, .fit = fit, .threads = 2};
    tn_loader *floats, *bytes;
    must(tn_loader_open(&config, &floats));
    config.bytes = true;
    must(tn_loader_open(&config, &bytes));
    for (int batches = 0;; batches++) {
        const tn_batch *a, *b;
        must(tn_loader_next(floats, &a));
        must(tn_loader_next(bytes, &b));
        if (!a) {
            assert_null(b);
            assert_int_equal(batches, (IMAGES + BATCH - 1) / BATCH);
            break;
        }
        assert_int_equal(a->n_valid, b->n_valid);
        assert_memory_equal(a->truth, b->truth, BATCH * 2 * sizeof *a->truth);
        assert_null(a->bytes);
        assert_true((b->bytes != NULL) == bytes_come && (b->x == NULL) == bytes_come);
        for (int i = 0; i < a->n_valid * PIXELS; i++) {
            const float *x = b->x ? &b->x[i] : &b->table[256 * (i % 3) + b->bytes[i]];
            assert_memory_equal(&a->x[i], x, sizeof *x);
        }
    }
    tn_loader_close(floats);
    tn_loader_close(bytes);
}

static void loader_gives_bytes_where_all_are(void **unused) {
    (void)unused;
    same_batches(TN_FIT_CENTRE, true);
    same_batches(TN_FIT_SQUASH, true);
    same_batches(TN_FIT_LETTERBOX, false); /* its border is no byte */
}

/* Training asks in vain: augmentation reckons in floats. */
static void training_stays_in_floats(void **unused) {
    (void)unused;
    const tn_augment augment = tn_augment_none(SIDE);
    const tn_loader_config config = {.list = &list,
                                     .classes = 2,
                                     .format = format,
                                     .batch = BATCH,
                                     .augment = &augment,
                                     .bytes = true};
    tn_loader *loader;
    const tn_batch *b;
    must(tn_loader_open(&config, &loader));
    must(tn_loader_next(loader, &b));
    assert_true(b->x && !b->bytes);
    tn_loader_close(loader);
}

static void only_whole_inputs_are_bytes(void **unused) {
    (void)unused;
    tn_image image;
    uint8_t out[PIXELS];
    must(tn_image_create(SIDE - 1, SIDE, 3, &image));
    assert_int_equal(tn_image_to_bytes(&image, &format, out), TN_FAIL);
    assert_non_null(strstr(tn_error(), "32 x 31 for a net input of 32 x 32"));
    tn_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_widens_as_the_processor),
        cmocka_unit_test(replicas_take_bytes),
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(loader_gives_bytes_where_all_are),
        cmocka_unit_test(training_stays_in_floats),
        cmocka_unit_test(only_whole_inputs_are_bytes),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
