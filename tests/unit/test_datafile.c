#include "src/data/datafile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static tn_data_config parsed(const char *text) {
    tn_data_config config;
    if (tn_data_config_parse(text, strlen(text), "some.data", &config) != TN_OK)
        fail_msg("%s", tn_error());
    return config;
}

static void refused(const char *text, const char *expected) {
    tn_data_config config;
    if (tn_data_config_parse(text, strlen(text), "some.data", &config) == TN_OK)
        fail_msg("accepted: %s", text);
    if (!strstr(tn_error(), expected)) fail_msg("'%s' does not say '%s'", tn_error(), expected);
    assert_null(config.path);
}

static void every_key_is_read(void **state) {
    (void)state;
    tn_data_config c = parsed("\xEF\xBB\xBF# a comment\r\n"
                              "classes = 3\r\n"
                              "train=my data/train set.list  \r\n"
                              "\r\n"
                              "; another\n"
                              "\tvalid\t=\tvalid.list\n"
                              "test=t=1.list\n"
                              "labels=l\nnames=n\nbackup=weights/\ntop=2\n"
                              "positive=malignant tumour\n"
                              "crop=nodule\ncrop_margin=0.25\ndenoise=srad\nchannels=1\n"
                              "input_mean=0.5\ninput_std=0.1, 0.2 ,0.3");
    assert_int_equal(c.classes, 3);
    assert_int_equal(c.top, 2);
    assert_string_equal(c.train, "my data/train set.list");
    assert_string_equal(c.valid, "valid.list");
    assert_string_equal(c.test, "t=1.list");
    assert_string_equal(c.labels, "l");
    assert_string_equal(c.names, "n");
    assert_string_equal(c.backup, "weights/");
    assert_string_equal(c.positive, "malignant tumour");
    assert_int_equal(c.preprocess.crop, TN_CROP_NODULE);
    assert_true(c.preprocess.crop_margin == 0.25);
    assert_int_equal(c.preprocess.denoise, TN_DENOISE_SRAD);
    assert_int_equal(c.preprocess.channels, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(c.preprocess.input_mean[i] == 0.5f);
        assert_true(c.preprocess.input_std[i] == (float)(0.1 * (i + 1)));
    }
    assert_int_equal(c.n_warnings, 0);
    tn_data_config_free(&c);
}

static void what_is_left_out(void **state) {
    (void)state;
    tn_data_config c = parsed("classes=2");
    assert_null(c.train);
    assert_null(c.positive);
    assert_int_equal(c.top, 0);
    assert_int_equal(c.preprocess.crop, TN_CROP_NONE);
    assert_int_equal(c.preprocess.channels, 0);
    assert_true(c.preprocess.input_std[2] == 1.0f && c.preprocess.input_mean[0] == 0.0f);
    assert_int_equal(c.n_warnings, 0);
    tn_data_config_free(&c);
    c = parsed("");
    assert_int_equal(c.classes, 2);
    assert_int_equal(c.n_warnings, 1);
    assert_non_null(strstr(c.warning[0], "classes"));
    tn_data_config_free(&c);
}

static void keys_without_effect_warn_once(void **state) {
    (void)state;
    tn_data_config c = parsed("classes=2\nleaves=a\ntree=b\nhierarchy=c\neval=d\nmap=e\ntag=0\n");
    assert_int_equal(c.n_warnings, 6);
    assert_string_equal(c.warning[0], "some.data:2: leaves has no effect here");
    tn_data_config_free(&c);
}

static void mistakes_are_errors(void **state) {
    (void)state;
    refused("classes=2\ntrian=x\n", "some.data:2: unknown key 'trian': did you mean 'train'?");
    refused("colour_of_the_sky=x\n", "some.data:1: unknown key 'colour_of_the_sky'");
    refused("Classes=2\n", "did you mean 'classes'");
    refused("classes=2\n\nclasses=3\n", "some.data:3: classes stands here and in line 1");
    refused("classes\n", "KEY=VALUE expected");
    refused("classes=\n", "classes has no value");
    refused("=2\n", "unknown key ''");
    refused("classes=two\n", "a whole number from 1");
    refused("classes=0\n", "a whole number from 1");
    refused("classes=2.5\n", "a whole number from 1");
    refused("classes=99999999999999999999\n", "a whole number from 1");
    refused("classes=2 # two\n", "a whole number from 1");
    refused("classes=2\ntop=3\n", "top=3 is more than classes=2");
    refused("crop=lesion\n", "nodule, frame or none");
    refused("crop_margin=-0.1\n", "from 0 to 10");
    refused("crop_margin=nan\n", "from 0 to 10");
    refused("denoise=blur\n", "median, nlm or srad");
    refused("channels=2\n", "1 (grey) or 3 (RGB)");
    refused("input_mean=1,2\n", "one value or three");
    refused("input_mean=1,2,3,4\n", "one value or three");
    refused("input_mean=1,,3\n", "a number from");
    refused("input_std=0\n", "a number from");
    tn_data_config config;
    assert_int_equal(tn_data_config_parse("a\0b", 3, "some.data", &config), TN_FAIL);
    assert_int_equal(tn_data_config_load("/nowhere/x.data", &config), TN_FAIL);
    assert_int_equal(tn_data_config_load("/tmp", &config), TN_FAIL);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* A list beside the .data file is found from elsewhere; one in the working directory comes first.
 */
static void files_beside_are_found(void **state) {
    (void)state;
    char folder[] = "/tmp/tn_datafile_XXXXXX", path[128], name[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/the.data", folder);
    write_text(path, "classes=2\ntrain=only beside.list\nvalid=Makefile\ntest=nowhere.list\n");
    snprintf(name, sizeof name, "%s/only beside.list", folder);
    write_text(name, "x");
    tn_data_config c;
    if (tn_data_config_load(path, &c) != TN_OK) fail_msg("%s", tn_error());
    assert_string_equal(c.train, name);
    assert_string_equal(c.valid, "Makefile");
    assert_string_equal(c.test, "nowhere.list");
    tn_data_config_free(&c);
    unlink(name);
    unlink(path);
    rmdir(folder);
}

static void preprocessing_comes_back(void **state) {
    (void)state;
    tn_preprocess p = {.crop = TN_CROP_NODULE,
                       .crop_margin = 0.1,
                       .denoise = TN_DENOISE_MEDIAN,
                       .channels = 3,
                       .input_mean = {0.485f, 1.0f / 3, 1e-7f},
                       .input_std = {0.229f, 0.224f, 17.123456f}};
    char text[TN_PREPROCESS_TEXT];
    assert_int_equal(tn_preprocess_write(&p, text, sizeof text), TN_OK);
    tn_preprocess q;
    assert_int_equal(tn_preprocess_read(text, "sidecar", &q), TN_OK);
    assert_int_equal(tn_preprocess_compare(&p, &q), TN_OK);
    q.input_std[2] = 17;
    assert_int_equal(tn_preprocess_compare(&p, &q), TN_FAIL);
    assert_non_null(strstr(tn_error(), "input_std"));
    p = tn_preprocess_default();
    assert_int_equal(tn_preprocess_write(&p, text, sizeof text), TN_OK);
    assert_null(strstr(text, "channels"));
    assert_int_equal(tn_preprocess_read(text, "sidecar", &q), TN_OK);
    assert_int_equal(tn_preprocess_compare(&p, &q), TN_OK);
    assert_int_equal(tn_preprocess_read("train=x\n", "sidecar", &q), TN_FAIL);
    assert_non_null(strstr(tn_error(), "sidecar:1: train is not a preprocessing key"));
    assert_int_equal(tn_preprocess_write(&p, text, 20), TN_FAIL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),      cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(mistakes_are_errors),    cmocka_unit_test(keys_without_effect_warn_once),
        cmocka_unit_test(files_beside_are_found), cmocka_unit_test(preprocessing_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
