/* Every convolution kernel against the reference, on seeded random shapes. */
#include "layers/device/cpu.h"
#include "layers/ops/convolution.h"
#include "tests/support/op_cases.h"

#include <limits.h>
#include <string.h>

enum { SHAPES = 1200, EMULATED_EVERY = 4 };

static void set_case(tn_harness_case *c, const tn_convolution_attr *a, tn_tensor in, int filters,
                     char *text, size_t bytes) {
    snprintf(text, bytes, "kernel=%dx%d stride=%dx%d pad=%dx%d dilation=%d groups=%d", a->kh, a->kw,
             a->stride_y, a->stride_x, a->pad_y, a->pad_x, a->dilation, a->groups);
    *c = (tn_harness_case){
        .kind = &tn_op_convolution,
        .attr = a,
        .text = text,
        .mode = TN_TRAIN,
        .n_in = 1,
        .n_param = 1,
        .exact_for_integers = true,
        .emulated_every = EMULATED_EVERY,
    };
    c->in[0] = in;
    c->out = (tn_tensor){
        .n = in.n,
        .h = tn_convolution_extent(in.h, a->kh, a->stride_y, a->pad_y, a->dilation),
        .w = tn_convolution_extent(in.w, a->kw, a->stride_x, a->pad_x, a->dilation),
        .c = filters,
    };
    c->param[0] = (tn_param_spec){
        .kind = TN_PARAM_WEIGHTS, .dim = {filters, in.c / a->groups, a->kh, a->kw}, .n_dim = 4};
}

static void random_shapes_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(SHAPES);
    int tried = 0;
    for (uint64_t seed = shapes.first; tried < shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        tn_convolution_attr a = {.dilation = TN_PICK(&rng, 1, 1, 1, 1, 2, 3)};
        a.kh = TN_PICK(&rng, 1, 3, 3, 5, 5, 7, 2);
        a.kw = TN_PICK(&rng, a.kh, a.kh, a.kh, 1, 3);
        a.stride_y = TN_PICK(&rng, 1, 1, 1, 2, 2, 3);
        a.stride_x = TN_PICK(&rng, a.stride_y, a.stride_y, a.stride_y, 1, 2);
        a.pad_y = TN_PICK(&rng, a.kh / 2, a.kh / 2, 0, 1, a.kh);
        a.pad_x = TN_PICK(&rng, a.pad_y, a.pad_y, 0, 2);
        a.groups = TN_PICK(&rng, 1, 1, 1, 2, 3, 4, 8, 16);
        const int channels = TN_PICK(&rng, 1, 1, 2, 3, 4, 4, 8, 8, 16, 5);
        const int filters = TN_PICK(&rng, channels, channels, channels, 1, 2, 4, 8, 9);
        const int h = 1 + (int)tn_rng_below(&rng, 13), w = 1 + (int)tn_rng_below(&rng, 13);
        tn_tensor in = {.n = TN_PICK(&rng, 1, 1, 2, 3), .h = h, .w = w, .c = channels * a.groups};
        if (in.c * in.c > 4096 && a.kh > 3) in.n = 1;
        if (TN_PICK(&rng, 0, 0, 0, 1)) in.pitch = in.c + TN_PICK(&rng, 1, 4, 8, 16);
        tn_harness_case c;
        char text[160];
        set_case(&c, &a, in, filters * a.groups, text, sizeof text);
        if (c.out.h == 0 || c.out.w == 0) continue;
        if (TN_PICK(&rng, 0, 0, 0, 1)) c.out.pitch = c.out.c + TN_PICK(&rng, 1, 4, 8, 16);
        tried++;
        const char *wrong = tn_harness_check(&c, seed);
        if (wrong) fail_msg("%s", wrong);
        if (seed % 3 != 0) continue;
        c.mode = TN_INFER;
        wrong = tn_harness_check(&c, seed);
        if (wrong) fail_msg("%s", wrong);
    }
}

/* Groups of any width, on maps of several tiles; and pixels so far apart that they crowd the cache.
 */
static void grouped_shapes_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(SHAPES / 6);
    int tried = 0;
    for (uint64_t seed = shapes.first; tried < shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 1, 0, 0);
        tn_convolution_attr a = {.dilation = TN_PICK(&rng, 1, 1, 1, 1, 1, 2)};
        a.kh = TN_PICK(&rng, 3, 3, 5, 5, 7, 4);
        a.kw = TN_PICK(&rng, a.kh, a.kh, a.kh, 1, 2);
        a.stride_y = TN_PICK(&rng, 1, 1, 2, 2, 3);
        a.stride_x = TN_PICK(&rng, a.stride_y, a.stride_y, 1, 2);
        a.pad_y = TN_PICK(&rng, a.kh / 2, a.kh / 2, 0, a.kh + 1);
        a.pad_x = TN_PICK(&rng, a.pad_y, a.kw / 2, 0);
        a.groups = TN_PICK(&rng, 2, 3, 5, 8, 16, 17);
        const int channels = TN_PICK(&rng, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32);
        const int filters = TN_PICK(&rng, channels, channels, channels, 1, 3, 8, 20);
        tn_tensor in = {.n = TN_PICK(&rng, 1, 1, 2), .c = channels * a.groups};
        in.h = 1 + (int)tn_rng_below(&rng, 9);
        in.w = 1 + (int)tn_rng_below(&rng, 40);
        if (in.c * filters > 2048) in.w = in.w % 16 + 1;
        const int crowd = TN_PICK(&rng, 0, 0, 0, 512, 1024);
        if (crowd) in.pitch = (in.c + crowd - 1) / crowd * crowd;
        tn_harness_case c;
        char text[160];
        set_case(&c, &a, in, filters * a.groups, text, sizeof text);
        if (c.out.h == 0 || c.out.w == 0) continue;
        if (crowd) c.out.pitch = (c.out.c + crowd - 1) / crowd * crowd;
        c.emulated_every = 0;
        tried++;
        const char *wrong = tn_harness_check(&c, seed);
        if (wrong) fail_msg("%s", wrong);
    }
}

/* More kernel rows than go together, of one column or two. */
static void tall_kernels_agree(void **state) {
    (void)state;
    for (int i = 0; i < 24; i++) {
        tn_convolution_attr a = {.kh = 6 + i % 4,
                                 .kw = 1 + i / 4 % 2,
                                 .stride_y = 1,
                                 .stride_x = 1 + i % 2,
                                 .pad_y = 1,
                                 .dilation = 1,
                                 .groups = 2};
        const tn_tensor in = {.n = 2, .h = 11, .w = 5, .c = 48};
        tn_harness_case c;
        char text[160];
        set_case(&c, &a, in, 2 * (1 + i / 8), text, sizeof text);
        c.emulated_every = 0;
        const char *wrong = tn_harness_check(&c, (uint64_t)i);
        if (wrong) fail_msg("%s", wrong);
    }
}

/* Times that anything but the reference served. */
static int served_fast(int pass) {
    const tn_kernel *const *table = tn_op_convolution.kernels[pass];
    int times = 0;
    for (int i = 0; table[i + 1]; i++) times += tn_harness_served(table[i]);
    return times;
}

/* Layers of the nets in cfg/, at a small batch and a cut field: with a fast kernel in the tables,
 * none of them may be left to the reference. */
static void layers_of_the_nets_agree(void **state) {
    (void)state;
    static const struct {
        int c, filters, k, stride, groups, size;
    } layer[] = {
        {3, 64, 7, 2, 1, 37},     {64, 64, 1, 1, 1, 14},      {64, 64, 5, 1, 16, 15},
        {128, 128, 5, 2, 16, 14}, {128, 128, 5, 1, 16, 9},    {256, 256, 5, 2, 16, 9},
        {256, 256, 5, 1, 16, 7},  {512, 512, 5, 1, 16, 5},    {64, 256, 1, 2, 1, 9},
        {64, 64, 3, 1, 1, 9},     {32, 32, 3, 2, 32, 11},     {128, 128, 3, 1, 32, 7},
        {48, 48, 5, 1, 3, 7},     {3, 96, 11, 4, 1, 31},      {24, 24, 5, 1, 24, 8},
        {128, 128, 5, 1, 8, 6},   {96, 96, 3, 1, 4, 6},       {40, 80, 5, 2, 5, 9},
        {48, 1040, 1, 1, 1, 12},  {1040, 52, 1, 1, 1, 6},     {1024, 80, 1, 2, 1, 9},
        {80, 80, 3, 2, 1, 9},     {64, 64, 3, 1, 4, 12},      {64, 32, 7, 2, 4, 13},
        {32, 1024, 3, 1, 1, 6},   {64, 64, 2, 1, 4, 5},       {20, 70, 3, 1, 1, 12},
        {64, 64, 3, 1, 16, 40},   {40, 40, 3, 1, 8, 48},      {56, 56, 3, 2, 7, 45},
        {24, 24, 3, 1, 6, 9},     {36, 36, 5, 1, 12, 7},      {56, 56, 5, 2, 8, 9},
        {48, 48, 7, 1, 12, 9},    {32, 64, 3, 1, 32, 9},      {72, 72, 3, 1, 3, 7},
        {64, 64, 5, 1, 16, 29},   {1024, 1024, 3, 1, 128, 7}, {1024, 1024, 3, 2, 64, 9},
    };
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
        const int k = layer[i].k, s = layer[i].stride;
        const tn_convolution_attr a = {k, k, s, s, k / 2, k / 2, 1, layer[i].groups};
        const tn_tensor in = {.n = 2, .h = layer[i].size, .w = layer[i].size, .c = layer[i].c};
        tn_harness_case c;
        char text[160];
        set_case(&c, &a, in, layer[i].filters, text, sizeof text);
        int before[TN_PASSES];
        for (int p = 0; p < TN_PASSES; p++) before[p] = served_fast(p);
        c.emulated_every = 0;
        const char *wrong = tn_harness_check(&c, i);
        if (wrong) fail_msg("%s", wrong);
        for (int p = 0; p < TN_PASSES; p++)
            if (tn_op_convolution.kernels[p][1] && served_fast(p) == before[p])
                fail_msg("%s of %s is left to the reference", tn_pass_name((tn_pass)p), text);
    }
}

/* Kernels may bring the same position of many images together where maps are small, and leave out
 * what is padding: by training and, which must give the same bits for 1 and 2 threads, inference.
 */
static void small_maps_of_many_images_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(40);
    int tried = 0;
    for (uint64_t seed = shapes.first; tried < shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 1, 0, 0);
        tn_convolution_attr a = {.dilation = TN_PICK(&rng, 1, 1, 1, 2)};
        a.kh = TN_PICK(&rng, 3, 3, 5, 2);
        a.kw = TN_PICK(&rng, a.kh, a.kh, a.kh, 3);
        a.stride_y = TN_PICK(&rng, 1, 1, 1, 2);
        a.stride_x = TN_PICK(&rng, a.stride_y, a.stride_y, a.stride_y, 1);
        a.pad_y = TN_PICK(&rng, a.kh / 2, a.kh / 2, a.kh / 2, 0, a.kh);
        a.pad_x = TN_PICK(&rng, a.kw / 2, a.kw / 2, a.pad_y);
        a.groups = TN_PICK(&rng, 1, 1, 2, 3);
        const int channels = a.groups == 1 ? TN_PICK(&rng, 5, 16, 40) : TN_PICK(&rng, 16, 32);
        const int filters = a.groups == 1 ? TN_PICK(&rng, 3, 16, 33) : TN_PICK(&rng, 16, 48);
        tn_tensor in = {.n = 5 + (int)tn_rng_below(&rng, 14),
                        .h = 2 + (int)tn_rng_below(&rng, 6),
                        .c = channels * a.groups};
        in.w = TN_PICK(&rng, in.h, in.h, 3, 8);
        if (TN_PICK(&rng, 0, 0, 1)) in.pitch = in.c + TN_PICK(&rng, 1, 16);
        tn_harness_case c;
        char text[160];
        set_case(&c, &a, in, filters * a.groups, text, sizeof text);
        if (c.out.h == 0 || c.out.w == 0) continue;
        if (TN_PICK(&rng, 0, 0, 1)) c.out.pitch = c.out.c + TN_PICK(&rng, 4, 16);
        c.emulated_every = INT_MAX;
        tried++;
        for (int mode = 0; mode < 2; mode++) {
            c.mode = mode == 0 ? TN_TRAIN : TN_INFER;
            const char *wrong = tn_harness_check(&c, seed);
            if (wrong) fail_msg("%s", wrong);
        }
    }
}

/* int8 has a test of its own, for another bound. */
static bool runs_here(const tn_kernel *kernel) {
    if (strcmp(kernel->name, "int8") == 0) return false;
    if (strcmp(kernel->name, "bf16") == 0) return tn_cpu_has_bf16();
    return strcmp(kernel->name, "avx512") != 0 || __builtin_cpu_supports("avx512dq");
}

/* No kernel may pass by refusing everything. */
static void every_kernel_served(void **state) {
    (void)state;
    for (int pass = 0; pass < TN_PASSES; pass++) {
        const tn_kernel *const *table = tn_op_convolution.kernels[pass];
        for (int i = 0; table[i]; i++)
            if (runs_here(table[i]) &&
                tn_harness_served(table[i]) < tn_shapes_of(SHAPES).count / 60)
                fail_msg("%s, kernel %s: served %d times", tn_pass_name((tn_pass)pass),
                         table[i]->name, tn_harness_served(table[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(grouped_shapes_agree),
        cmocka_unit_test(tall_kernels_agree),
        cmocka_unit_test(layers_of_the_nets_agree),
        cmocka_unit_test(small_maps_of_many_images_agree),
        cmocka_unit_test(every_kernel_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
