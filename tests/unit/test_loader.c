#include "src/data/loader.h"
#include "src/data/order.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 23, SIDE = 16, CLASSES = 2, PIXELS = SIDE * SIDE * 3 };

static char folder[] = "/tmp/tn_loader_XXXXXX";
static tn_list list;

/* Image i is of one grey, 10 i, so that a sample tells which image it is. 17 of 23 are class 1. */
static int make_images(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    char text[4096] = "";
    size_t at = 0;
    for (int i = 0; i < N; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%02d_%s.png", folder, i, i % 4 ? "malignant" : "benign");
        tn_image image;
        if (tn_image_create(20 + i, 30, 3, &image) != TN_OK) return -1;
        memset(image.data, 10 * i, (size_t)image.h * image.w * 3);
        if (tn_image_save(&image, name) != TN_OK) return -1;
        tn_image_free(&image);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s\n", name);
    }
    tn_labels labels;
    if (tn_labels_parse("benign\nmalignant\n", 17, "labels", CLASSES, true, &labels) != TN_OK)
        return -1;
    tn_status status = tn_list_parse(text, at, "images.list", &labels, true, &list);
    tn_labels_free(&labels);
    return status == TN_OK ? 0 : -1;
}

static int remove_images(void **state) {
    (void)state;
    for (int i = 0; i < list.n; i++) unlink(list.path[i]);
    tn_list_free(&list);
    return rmdir(folder);
}

static tn_augment lively(void) {
    return (tn_augment){.min_crop = 14,
                        .max_crop = 24,
                        .angle = 15,
                        .aspect = 1.1f,
                        .flip = true,
                        .saturation = 1.2f,
                        .exposure = 1.3f,
                        .hue = 0.05f,
                        .border = TN_BORDER_REPLICATE,
                        .label_smooth_eps = 0.1f};
}

static tn_loader_config config_of(const tn_augment *augment, int batch, int threads) {
    tn_loader_config c = {.list = &list,
                          .classes = CLASSES,
                          .batch = batch,
                          .augment = augment,
                          .threads = threads,
                          .seed = 42};
    assert_int_equal(tn_input_format_create(NULL, SIDE, SIDE, 3, &c.format), TN_OK);
    return c;
}

static tn_loader *opened(const tn_loader_config *config) {
    tn_loader *loader;
    if (tn_loader_open(config, &loader) != TN_OK) fail_msg("%s", tn_error());
    return loader;
}

static const tn_batch *next_of(tn_loader *loader) {
    const tn_batch *batch;
    if (tn_loader_next(loader, &batch) != TN_OK) fail_msg("%s", tn_error());
    return batch;
}

/* --- order ----------------------------------------------------------------------------------- */

static void epochs_are_permutations(void **state) {
    (void)state;
    tn_order o, p;
    assert_int_equal(tn_order_create(N, NULL, 1, true, false, 7, &o), TN_OK);
    assert_int_equal(tn_order_create(N, NULL, 1, true, false, 8, &p), TN_OK);
    assert_int_equal(o.size, N);
    int moved = 0, other = 0, sums[N] = {0};
    for (int e = 0; e < 200; e++) {
        int seen[N] = {0};
        for (int i = 0; i < N; i++) {
            int at = tn_order_at(&o, (uint64_t)e * N + (uint64_t)i);
            assert_in_range(at, 0, N - 1);
            seen[at]++;
            moved += at != i;
            other += at != tn_order_at(&p, (uint64_t)e * N + (uint64_t)i);
            sums[i] += at;
        }
        for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    }
    assert_in_range(moved, 4200, 4600); /* of 4600, all but one in 23 */
    assert_in_range(other, 4200, 4600);
    for (int i = 0; i < N; i++) assert_true(abs(sums[i] - 2200) < 400); /* mean 11, each place */
    /* Any place again, from any other. */
    int far = tn_order_at(&o, 4000000000ull);
    tn_order_at(&o, 3);
    assert_int_equal(tn_order_at(&o, 4000000000ull), far);
    tn_order_free(&o);
    tn_order_free(&p);
    assert_int_equal(tn_order_create(N, NULL, 1, false, false, 7, &o), TN_OK);
    for (int i = 0; i < N; i++) assert_int_equal(tn_order_at(&o, (uint64_t)i), i);
    tn_order_free(&o);
    assert_int_equal(tn_order_create(0, NULL, 1, true, false, 7, &o), TN_FAIL);
}

static void balanced_epochs_hold_classes_equally(void **state) {
    (void)state;
    tn_order o;
    assert_int_equal(tn_order_create(N, list.label, CLASSES, true, true, 7, &o), TN_OK);
    assert_int_equal(o.size, 34); /* twice 17 */
    int total[N] = {0};
    for (int e = 0; e < 30; e++) {
        int seen[N] = {0}, classes[CLASSES] = {0};
        for (int i = 0; i < 34; i++) {
            int at = tn_order_at(&o, (uint64_t)e * 34 + (uint64_t)i);
            seen[at]++;
            total[at]++;
            classes[list.label[at]]++;
        }
        assert_int_equal(classes[0], 17);
        assert_int_equal(classes[1], 17);
        for (int i = 0; i < N; i++)
            assert_in_range(seen[i], list.label[i] ? 1 : 2, list.label[i] ? 1 : 3);
    }
    for (int i = 0; i < N; i++)
        if (!list.label[i]) assert_in_range(total[i], 75, 95); /* 85 each in the long run */
    tn_order_free(&o);
    int one_class[3] = {1, 1, 1};
    assert_int_equal(tn_order_create(3, one_class, 2, true, true, 7, &o), TN_FAIL);
    assert_non_null(strstr(tn_error(), "class 0 has no image"));
}

/* --- training ----------------------------------------------------------------------------------
 */

/* The same stream whatever the threads, the batch and the cache; and from any place. */
static void samples_depend_on_position_alone(void **state) {
    (void)state;
    enum { STREAM = 72 };
    tn_augment a = lively();
    a.mixup = a.cutmix = true;
    float *x = malloc(sizeof *x * STREAM * PIXELS), truth[STREAM * CLASSES];
    int index[STREAM];
    tn_loader_config c = config_of(&a, 4, 1);
    tn_loader *loader = opened(&c);
    for (int i = 0; i < STREAM; i += 4) {
        const tn_batch *b = next_of(loader);
        assert_int_equal(b->position, i);
        assert_int_equal(b->n_valid, 4);
        memcpy(x + (size_t)i * PIXELS, b->x, sizeof *x * 4 * PIXELS);
        memcpy(truth + i * CLASSES, b->truth, sizeof *truth * 4 * CLASSES);
        memcpy(index + i, b->index, sizeof *index * 4);
    }
    tn_loader_close(loader);
    static const struct {
        int batch, threads;
        size_t cache;
        uint64_t from;
    } ways[] = {{4, 3, 0, 0}, {6, 2, 1, 0}, {9, 1, 4000, 0}, {5, 4, 0, 37}, {1, 2, 0, 71}};
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        c = config_of(&a, ways[k].batch, ways[k].threads);
        c.cache_bytes = ways[k].cache;
        loader = opened(&c);
        if (ways[k].from) {
            next_of(loader);
            assert_int_equal(tn_loader_seek(loader, ways[k].from), TN_OK);
        }
        for (uint64_t i = ways[k].from; i + (uint64_t)ways[k].batch <= STREAM;) {
            const tn_batch *b = next_of(loader);
            assert_int_equal(b->position, i);
            assert_memory_equal(b->x, x + i * PIXELS, sizeof *x * (size_t)b->n * PIXELS);
            assert_memory_equal(b->truth, truth + i * CLASSES,
                                sizeof *truth * (size_t)b->n * CLASSES);
            assert_memory_equal(b->index, index + i, sizeof *index * (size_t)b->n);
            i += (uint64_t)b->n;
        }
        tn_loader_close(loader);
    }
    free(x);
}

static void samples_show_their_image(void **state) {
    (void)state;
    tn_augment a = lively();
    a.exposure = a.saturation = 1;
    a.hue = 0;
    tn_loader_config c = config_of(&a, 5, 2);
    tn_loader *loader = opened(&c);
    int seen[N] = {0};
    for (int i = 0; i < 23; i++) {
        const tn_batch *b = next_of(loader);
        for (int j = 0; j < b->n; j++) {
            int label = list.label[b->index[j]];
            seen[b->index[j]]++;
            assert_true(fabsf(b->truth[j * CLASSES + label] - 0.9f) < 1e-6f);
            assert_true(fabsf(b->truth[j * CLASSES + 1 - label] - 0.1f) < 1e-6f);
            for (int k = 0; k < PIXELS; k += 97)
                assert_true(fabsf(b->x[j * PIXELS + k] * 255 - 10.0f * b->index[j]) < 0.01f);
        }
    }
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 5); /* 115 samples are 5 epochs */
    assert_true(tn_loader_cached_bytes(loader) > 0);
    tn_loader_close(loader);
    c.seed = 43;
    loader = opened(&c);
    tn_loader_config other = config_of(&a, 5, 1);
    tn_loader *before = opened(&other);
    assert_memory_not_equal(next_of(loader)->x, next_of(before)->x, sizeof(float) * 5 * PIXELS);
    tn_loader_close(loader);
    tn_loader_close(before);
}

/* --- evaluation ----------------------------------------------------------------------------------
 */

static void evaluation_goes_once_through_in_order(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        tn_loader_config c = config_of(NULL, 5, threads);
        tn_loader *loader = opened(&c);
        for (int round = 0; round < 2; round++) {
            for (int at = 0; at < N; at += 5) {
                const tn_batch *b = next_of(loader);
                assert_non_null(b);
                assert_int_equal(b->n, 5);
                assert_int_equal(b->n_valid, at == 20 ? 3 : 5);
                for (int j = 0; j < 5; j++) {
                    int i = at + j;
                    float t = i < N ? 1 : 0;
                    assert_int_equal(b->index[j], i < N ? i : -1);
                    assert_true(b->truth[j * 2] + b->truth[j * 2 + 1] == t);
                    if (i < N) assert_true(b->truth[j * 2 + list.label[i]] == 1);
                    float v = i < N ? (float)(10 * i) / 255.0f : 0;
                    for (int k = 0; k < PIXELS; k += 31)
                        assert_true(fabsf(b->x[j * PIXELS + k] - v) < 1e-6f);
                }
            }
            assert_null(next_of(loader));
            assert_null(next_of(loader));
            assert_int_equal(tn_loader_seek(loader, 0), TN_OK);
        }
        assert_int_equal(tn_loader_cached_bytes(loader), (size_t)N * PIXELS);
        assert_int_equal(tn_loader_seek(loader, N + 1), TN_FAIL);
        tn_loader_close(loader);
    }
}

static void the_cache_keeps_its_budget(void **state) {
    (void)state;
    tn_loader_config c = config_of(NULL, 4, 2);
    c.cache_bytes = 5 * PIXELS + 100;
    tn_loader *loader = opened(&c);
    while (next_of(loader)) continue;
    assert_int_equal(tn_loader_cached_bytes(loader), 5 * PIXELS);
    tn_loader_close(loader);
}

/* --- what goes wrong ---------------------------------------------------------------------------
 */

static void a_bad_image_names_itself(void **state) {
    (void)state;
    char kept[256];
    snprintf(kept, sizeof kept, "%s.kept", list.path[9]);
    assert_int_equal(rename(list.path[9], kept), 0);
    FILE *file = fopen(list.path[9], "wb");
    assert_non_null(file);
    fputs("\xFF\xD8\xFF\xE0 not whole", file);
    fclose(file);
    tn_loader_config c = config_of(NULL, 4, 2);
    tn_loader *loader = opened(&c);
    const tn_batch *b = next_of(loader);
    assert_int_equal(b->index[0], 0);
    next_of(loader);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(tn_loader_next(loader, &b), TN_FAIL);
        assert_null(b);
        assert_non_null(strstr(tn_error(), "images.list:10"));
        assert_non_null(strstr(tn_error(), list.path[9]));
        assert_non_null(strstr(tn_error(), "truncated JPEG"));
    }
    unlink(list.path[9]);
    assert_int_equal(rename(kept, list.path[9]), 0);
    assert_int_equal(tn_loader_seek(loader, 8), TN_OK);
    assert_int_equal(next_of(loader)->index[1], 9);
    tn_loader_close(loader);
}

static void bad_configurations_are_refused(void **state) {
    (void)state;
    tn_loader *loader;
    tn_augment a = lively();
    tn_loader_config c = config_of(&a, 0, 1);
    assert_int_equal(tn_loader_open(&c, &loader), TN_FAIL);
    assert_null(loader);
    c = config_of(&a, 4, 1000);
    assert_int_equal(tn_loader_open(&c, &loader), TN_FAIL);
    c = config_of(&a, 4, 1);
    c.classes = 1;
    assert_int_equal(tn_loader_open(&c, &loader), TN_FAIL);
    assert_non_null(strstr(tn_error(), "images.list:2: class 1"));
    c = config_of(NULL, 4, 1);
    c.balanced = true;
    assert_int_equal(tn_loader_open(&c, &loader), TN_FAIL);
    a.max_crop = 0;
    c = config_of(&a, 4, 1);
    assert_int_equal(tn_loader_open(&c, &loader), TN_FAIL);
}

/* Closing and seeking while threads are busy. */
static void closing_at_any_time(void **state) {
    (void)state;
    tn_augment a = lively();
    for (int k = 0; k < 30; k++) {
        tn_loader_config c = config_of(&a, 3, 1 + k % 4);
        tn_loader *loader = opened(&c);
        for (int i = 0; i < k % 5; i++) next_of(loader);
        if (k % 3 == 0) {
            assert_int_equal(tn_loader_seek(loader, (uint64_t)k * 11), TN_OK);
            assert_int_equal(next_of(loader)->position, (uint64_t)k * 11);
        }
        tn_loader_close(loader);
    }
    tn_loader_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_are_permutations),
        cmocka_unit_test(balanced_epochs_hold_classes_equally),
        cmocka_unit_test(samples_depend_on_position_alone),
        cmocka_unit_test(samples_show_their_image),
        cmocka_unit_test(evaluation_goes_once_through_in_order),
        cmocka_unit_test(the_cache_keeps_its_budget),
        cmocka_unit_test(a_bad_image_names_itself),
        cmocka_unit_test(bad_configurations_are_refused),
        cmocka_unit_test(closing_at_any_time),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
