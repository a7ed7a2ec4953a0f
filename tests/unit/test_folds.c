/* Folds of a cross-validation: every image scored once, no case in two folds, every class in each;
 * what cannot be dealt is refused by name. */
#include "src/data/folds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CASES = 60, PER_CASE = 3, N = CASES * PER_CASE };

static const char *const names[] = {"benign", "malignant"};
static int label[N], cluster[N];

/* A quarter of the cases is benign; a case has one to three images, named in no order. */
static tn_folds_input make(void) {
    int n = 0;
    for (int j = 0; j < CASES; j++)
        for (int k = 0; k <= j % PER_CASE; k++, n++) {
            cluster[n] = (j * 17) % CASES;
            label[n] = j % 4 != 0;
        }
    return (tn_folds_input){n, 2, label, cluster, names};
}

static void every_image_has_a_fold_and_no_case_has_two(void **state) {
    (void)state;
    const tn_folds_input in = make();
    int fold[N], of_case[CASES], count[5][2] = {{0}};
    assert_int_equal(tn_folds_deal(&in, 5, 7, fold), TN_OK);
    for (int j = 0; j < CASES; j++) of_case[j] = -1;
    for (int i = 0; i < in.n; i++) {
        assert_in_range(fold[i], 0, 4);
        if (of_case[cluster[i]] >= 0) assert_int_equal(of_case[cluster[i]], fold[i]);
        of_case[cluster[i]] = fold[i];
        count[fold[i]][label[i]]++;
    }
    /* 30 benign and 90 malignant images in cases of one to three */
    for (int f = 0; f < 5; f++) {
        assert_in_range(count[f][0], 5, 7);
        assert_in_range(count[f][1], 17, 19);
    }
}

static void the_seed_alone_decides(void **state) {
    (void)state;
    const tn_folds_input in = make();
    int a[N], b[N], c[N];
    assert_int_equal(tn_folds_deal(&in, 4, 1, a), TN_OK);
    assert_int_equal(tn_folds_deal(&in, 4, 1, b), TN_OK);
    assert_int_equal(tn_folds_deal(&in, 4, 2, c), TN_OK);
    assert_memory_equal(a, b, (size_t)in.n * sizeof *a);
    assert_memory_not_equal(a, c, (size_t)in.n * sizeof *a);
}

static void the_inner_part_is_of_the_training_part(void **state) {
    (void)state;
    const tn_folds_input in = make();
    int fold[N];
    assert_int_equal(tn_folds_deal(&in, 3, 0, fold), TN_OK);
    for (int f = 0; f < 3; f++) {
        bool inner[N];
        int part[CASES], taken = 0, training = 0, classes[2] = {0};
        assert_int_equal(tn_folds_inner(&in, fold, f, 0.25, 5, inner), TN_OK);
        for (int j = 0; j < CASES; j++) part[j] = -1;
        for (int i = 0; i < in.n; i++) {
            if (fold[i] == f) {
                assert_false(inner[i]);
                continue;
            }
            if (part[cluster[i]] >= 0) assert_int_equal(part[cluster[i]], inner[i]);
            part[cluster[i]] = inner[i];
            training++;
            taken += inner[i];
            if (inner[i]) classes[label[i]]++;
        }
        assert_in_range(taken, training / 4 - 2, training / 4 + 2);
        assert_true(classes[0] > 0 && classes[1] > 0);
    }
}

static void refused(tn_status status, const char *text) {
    assert_int_equal(status, TN_FAIL);
    if (!strstr(tn_error(), text)) fail_msg("no \"%s\" in: %s", text, tn_error());
}

static void what_cannot_be_dealt_is_refused(void **state) {
    (void)state;
    tn_folds_input in = make();
    int fold[N];
    refused(tn_folds_deal(&in, 1, 0, fold), "at least 2");
    refused(tn_folds_deal(&in, 0, 0, fold), "at least 2");
    refused(tn_folds_deal(&in, 16, 0, fold), "class \"benign\" is in 15 cases only");
    assert_int_equal(tn_folds_deal(&in, 15, 0, fold), TN_OK);
    for (int i = 0; i < in.n; i++) label[i] = 1;
    refused(tn_folds_deal(&in, 2, 0, fold), "no image is of class \"benign\"");
}

/* Two cases of a class: one is scored, so that the inner part would take the last one. */
static void an_inner_part_needs_two_cases_of_each_class(void **state) {
    (void)state;
    int fold[6];
    bool inner[6];
    static const int labels[] = {0, 0, 1, 1, 1, 1}, cases[] = {0, 1, 2, 3, 4, 5};
    const tn_folds_input in = {6, 2, labels, cases, names};
    assert_int_equal(tn_folds_deal(&in, 2, 0, fold), TN_OK);
    refused(tn_folds_inner(&in, fold, 0, 0.5, 0, inner), "class \"benign\" in 1 case only");
}

/* A case with images of both classes counts for both, and is not divided. */
static void cases_of_several_classes_stay_whole(void **state) {
    (void)state;
    int fold[6];
    static const int labels[] = {0, 1, 0, 1, 0, 1}, cases[] = {0, 0, 1, 1, 2, 2};
    const tn_folds_input in = {6, 2, labels, cases, names};
    assert_int_equal(tn_folds_deal(&in, 3, 0, fold), TN_OK);
    for (int i = 0; i < 6; i += 2) assert_int_equal(fold[i], fold[i + 1]);
    refused(tn_folds_deal(&in, 4, 0, fold), "is in 3 cases only");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_has_a_fold_and_no_case_has_two),
        cmocka_unit_test(the_seed_alone_decides),
        cmocka_unit_test(the_inner_part_is_of_the_training_part),
        cmocka_unit_test(what_cannot_be_dealt_is_refused),
        cmocka_unit_test(an_inner_part_needs_two_cases_of_each_class),
        cmocka_unit_test(cases_of_several_classes_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
