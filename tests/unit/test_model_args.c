/* Which word is DATA, CFG or WEIGHTS. */
#include "src/commands/model_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state) {
    (void)state;
    static const char *const file[][2] = {{"net.cfg", "# a net\n\n [net]\nbatch=1\n"},
                                          {"bom.cfg", "\xef\xbb\xbf[net]\n"},
                                          {"odd", "[net]\n"},
                                          {"d.data", "classes=2\n"},
                                          {"plain", "; data\nclasses=2\n"}};
    snprintf(folder, sizeof folder, "/tmp/tn_args_XXXXXX");
    if (!mkdtemp(folder) || chdir(folder)) return 1;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        FILE *f = fopen(file[i][0], "w");
        if (!f || fputs(file[i][1], f) < 0 || fclose(f)) return 1;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    static const char *const file[] = {"net.cfg", "bom.cfg", "odd", "d.data", "plain"};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) unlink(file[i]);
    return chdir("/") || rmdir(folder);
}

static tn_status split(tn_model_args *out, const char *a, const char *b, const char *c,
                       const char *d) {
    const char *items[] = {a, b, c, d};
    tn_texts words = {items, 0};
    while (words.count < 4 && items[words.count]) words.count++;
    return tn_model_args_split(&words, out);
}

static void words_are_told_apart(void **state) {
    (void)state;
    tn_model_args m;
    assert_int_equal(split(&m, "net.cfg", NULL, NULL, NULL), TN_OK);
    assert_null(m.data);
    assert_string_equal(m.cfg, "net.cfg");
    assert_int_equal(m.used, 1);
    assert_int_equal(split(&m, "d.data", "net.cfg", NULL, NULL), TN_OK);
    assert_string_equal(m.data, "d.data");
    assert_null(m.weights);
    assert_int_equal(split(&m, "odd", "w", "image.png", NULL), TN_OK);
    assert_null(m.data);
    assert_string_equal(m.weights, "w");
    assert_int_equal(m.used, 2);
    assert_int_equal(split(&m, "plain", "bom.cfg", "w", "x"), TN_OK);
    assert_string_equal(m.data, "plain");
    assert_string_equal(m.cfg, "bom.cfg");
    assert_int_equal(m.used, 3);
    assert_int_equal(split(&m, "missing.data", "net.cfg", NULL, NULL), TN_OK);
    assert_string_equal(m.data, "missing.data");
    assert_int_equal(split(&m, "missing.cfg", NULL, NULL, NULL), TN_OK);
    assert_string_equal(m.cfg, "missing.cfg");
}

static void members_end_in_weights(void **state) {
    (void)state;
    static const char *const items[] = {"net.cfg",   "first",     "b.weights",
                                        "c.weights", "image.png", "d.weights"};
    const tn_texts words = {(const char **)items, 6};
    tn_model_args m;
    assert_int_equal(tn_model_args_split(&words, &m), TN_OK);
    assert_string_equal(m.weights, "first");
    assert_int_equal(m.used, 2);
    assert_int_equal(tn_model_args_members(&words, &m), 2);
    const tn_texts one = {(const char **)items, 2};
    assert_int_equal(tn_model_args_split(&one, &m), TN_OK);
    assert_int_equal(tn_model_args_members(&one, &m), 0);
}

static void no_cfg_is_an_error(void **state) {
    (void)state;
    tn_model_args m;
    assert_int_equal(split(&m, NULL, NULL, NULL, NULL), TN_FAIL);
    assert_int_equal(split(&m, "d.data", NULL, NULL, NULL), TN_FAIL);
    assert_non_null(strstr(tn_error(), "d.data is data"));
}

static void missing_data_says_how_to_make_it(void **state) {
    (void)state;
    tn_net_keys keys = {.data = "nowhere/ddti.data"};
    const char *path;
    assert_int_equal(tn_model_args_data(NULL, "net.cfg", &keys, &path), TN_FAIL);
    assert_non_null(strstr(tn_error(), "nowhere/ddti.data: no such file"));
    assert_non_null(strstr(tn_error(), "./darknet ddti convert DIR -out data/ddti"));
    assert_non_null(strstr(tn_error(), "./darknet ddti synth"));
    assert_int_equal(tn_model_args_data("d.data", "net.cfg", &keys, &path), TN_OK);
    assert_string_equal(path, "d.data");
    keys.data = "";
    assert_int_equal(tn_model_args_data(NULL, "net.cfg", &keys, &path), TN_FAIL);
    assert_non_null(strstr(tn_error(), "net.cfg names no data="));
}

static void base_ends_at_the_first_dot(void **state) {
    (void)state;
    static const char *const name[][2] = {
        {"cfg/thyronet.cfg", "thyronet"}, {"a.b.cfg", "a"}, {"./x/y", "y"}};
    for (size_t i = 0; i < 3; i++) {
        char *base = tn_model_base(name[i][0]);
        assert_string_equal(base, name[i][1]);
        free(base);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_told_apart),
        cmocka_unit_test(members_end_in_weights),
        cmocka_unit_test(no_cfg_is_an_error),
        cmocka_unit_test(missing_data_says_how_to_make_it),
        cmocka_unit_test(base_ends_at_the_first_dot),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
