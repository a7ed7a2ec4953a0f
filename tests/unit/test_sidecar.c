/* The note beside a weights file: what is written comes back; damage is refused by name. */
#include "src/data/sidecar.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char weights[64], json[80];
static const char *const names[] = {"benign", "malignant \"4a+\"", "\xc3\xa9t\xc3\xa9"};

static int setup(void **state) {
    (void)state;
    snprintf(weights, sizeof weights, "/tmp/tn_sidecar_%d.weights", (int)getpid());
    snprintf(json, sizeof json, "%s.json", weights);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(json);
    return 0;
}

static tn_sidecar example(void) {
    tn_sidecar s = {.classes = 3,
                    .name = names,
                    .positive = names[1],
                    .cfg = "thyronet.cfg",
                    .width = 224,
                    .height = 192,
                    .channels = 3,
                    .preprocess = tn_preprocess_default(),
                    .seed = UINT64_MAX,
                    .step = 1234,
                    .epoch = 2.5,
                    .notice = "Research software"};
    s.preprocess.crop = TN_CROP_NODULE;
    s.preprocess.crop_margin = 0.1;
    s.preprocess.denoise = TN_DENOISE_MEDIAN;
    s.preprocess.input_mean[1] = 0.3f;
    return s;
}

static void comes_back(void **state) {
    (void)state;
    tn_sidecar s = example(), r;
    bool found;
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    if (tn_sidecar_read(weights, &r, &found) != TN_OK) fail_msg("%s", tn_error());
    assert_true(found);
    assert_int_equal(r.classes, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(r.name[i], names[i]);
    assert_string_equal(r.positive, names[1]);
    assert_string_equal(r.cfg, "thyronet.cfg");
    assert_string_equal(r.notice, "Research software");
    assert_int_equal(r.width, 224);
    assert_int_equal(r.height, 192);
    assert_true(r.seed == UINT64_MAX && r.step == 1234 && r.epoch == 2.5 && !r.calibrated);
    assert_int_equal(tn_preprocess_compare(&r.preprocess, &s.preprocess), TN_OK);
    tn_sidecar_free(&r);
    s.positive = NULL;
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    assert_int_equal(tn_sidecar_read(weights, &r, &found), TN_OK);
    assert_null(r.positive);
    tn_sidecar_free(&r);
}

/* The calibration of answers in 8 bits is another than that of answers in fp32. */
static void scales_come_back(void **state) {
    (void)state;
    static const char *const op[] = {"0", "2.conv1"};
    static const tn_quantisation scale[] = {{0.0039F, false}, {0.1F, true}};
    tn_sidecar s = example(), r;
    bool found;
    s.int8 = (tn_sidecar_int8){.n = 2,
                               .op = op,
                               .scale = scale,
                               .clip = "max",
                               .list = "train.list",
                               .list_digest = 5,
                               .weights_digest = UINT64_MAX,
                               .images = 256,
                               .mean_change = NAN,
                               .largest_change = NAN};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
        if (tn_sidecar_read(weights, &r, &found) != TN_OK) fail_msg("%s", tn_error());
        assert_int_equal(r.int8.n, 2);
        for (int k = 0; k < 2; k++) {
            assert_string_equal(r.int8.op[k], op[k]);
            assert_true(r.int8.scale[k].step == scale[k].step);
            assert_int_equal(r.int8.scale[k].is_signed, scale[k].is_signed);
        }
        assert_string_equal(r.int8.clip, "max");
        assert_string_equal(r.int8.list, "train.list");
        assert_true(r.int8.list_digest == 5 && r.int8.weights_digest == UINT64_MAX);
        assert_true(r.int8.images == 256 && !r.calibrated);
        assert_int_equal(r.int8.calibrated, i);
        assert_int_equal(isnan(r.int8.mean_change) != 0, i == 0);
        if (i) assert_true(r.int8.calibration.temperature == 2 && r.int8.largest_change == 0.25);
        tn_sidecar_free(&r);
        s.int8.mean_change = 0.125;
        s.int8.largest_change = 0.25;
        s.int8.calibrated = true;
        s.int8.calibration =
            (tn_calibration){.temperature = 2, .list = "held.list", .images = 9, .threshold = NAN};
    }
}

static void calibration_comes_back(void **state) {
    (void)state;
    tn_sidecar s = example(), r;
    bool found;
    s.calibrated = true;
    s.calibration = (tn_calibration){.temperature = 1.0 / 3,
                                     .loss_before = 0.5,
                                     .loss_after = 0.25,
                                     .list = "a \"b\".list",
                                     .list_digest = UINT64_MAX - 1,
                                     .weights_digest = 7,
                                     .images = 90,
                                     .threshold = 0.1,
                                     .wanted_sensitivity = 0.95,
                                     .sensitivity = 0.96,
                                     .specificity = 0,
                                     .positives = 76,
                                     .precision = "bf16"};
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    if (tn_sidecar_read(weights, &r, &found) != TN_OK) fail_msg("%s", tn_error());
    const tn_calibration *c = &r.calibration;
    assert_true(r.calibrated && c->temperature == 1.0 / 3 && c->threshold == 0.1);
    assert_true(c->list_digest == UINT64_MAX - 1 && c->weights_digest == 7 && c->images == 90);
    assert_true(c->wanted_sensitivity == 0.95 && c->sensitivity == 0.96 && c->positives == 76);
    assert_string_equal(c->list, "a \"b\".list");
    assert_string_equal(c->precision, "bf16");
    tn_sidecar_free(&r);
    s.calibration.threshold = NAN;
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    assert_int_equal(tn_sidecar_read(weights, &r, &found), TN_OK);
    assert_true(isnan(r.calibration.threshold) && isnan(r.calibration.wanted_sensitivity));
    tn_sidecar_free(&r);
    /* a temperature that cannot be, and a threshold of no class */
    s.calibration.temperature = 0;
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    assert_int_equal(tn_sidecar_read(weights, &r, &found), TN_FAIL);
    assert_non_null(strstr(tn_error(), "temperature"));
    s.calibration.temperature = 1;
    s.calibration.threshold = 0.5;
    s.calibration.wanted_sensitivity = 0.5;
    s.positive = NULL;
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    assert_int_equal(tn_sidecar_read(weights, &r, &found), TN_FAIL);
    assert_non_null(strstr(tn_error(), "no \"positive\" class"));
}

static void none_is_no_error(void **state) {
    (void)state;
    tn_sidecar r;
    bool found = true;
    assert_int_equal(tn_sidecar_read("/tmp/tn_no_such.weights", &r, &found), TN_OK);
    assert_false(found);
}

static void damage_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"notice\":1}",
        "{\"notice\":\"n\",\"cfg\":\"c\",\"classes\":[]}",
        "{\"notice\":\"n\",\"cfg\":\"c\",\"classes\":[\"a\",2]}",
        "{\"notice\":\"n\",\"cfg\":\"c\",\"classes\":[\"a\"],\"positive\":\"b\"}",
        "{\"notice\":\"n\",\"cfg\":\"c\",\"classes\":[\"a\"],\"calibrated\":true,\"width\":-1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FILE *f = fopen(json, "w");
        assert_non_null(f);
        fputs(bad[i], f);
        fclose(f);
        tn_sidecar r;
        bool found;
        if (tn_sidecar_read(weights, &r, &found) != TN_FAIL) fail_msg("accepted %s", bad[i]);
        if (!strstr(tn_error(), json)) fail_msg("said %s", tn_error());
        assert_null(r.memory);
    }
}

/* Cut anywhere, the file is no JSON any more. */
static void every_truncation_is_refused(void **state) {
    (void)state;
    tn_sidecar s = example(), r;
    char text[2048];
    bool found;
    assert_int_equal(tn_sidecar_write(weights, &s), TN_OK);
    FILE *f = fopen(json, "r");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof text, f);
    fclose(f);
    for (size_t cut = 0; cut + 2 < size; cut++) {
        assert_non_null(f = fopen(json, "w"));
        fwrite(text, 1, cut, f);
        fclose(f);
        assert_int_equal(tn_sidecar_read(weights, &r, &found), TN_FAIL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(scales_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(calibration_comes_back, setup, teardown),
        cmocka_unit_test(none_is_no_error),
        cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
