/* Means of several nets' answers and how far the nets are apart, against values worked out by hand.
 */
#include "src/eval/members.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"benign", "malignant"};

static void near_to(double a, double b) {
    if (!(fabs(a - b) < 1e-12)) fail_msg("%.17g, expected %.17g", a, b);
}

static void fill(tn_predictions *p, const char *const *image, const int *truth,
                 const double *positive, int n) {
    assert_int_equal(tn_predictions_create(p, names, 2, 1), TN_OK);
    for (int i = 0; i < n; i++) {
        const double row[2] = {1 - positive[i], positive[i]};
        assert_int_equal(tn_predictions_add(p, image[i], truth[i], row), TN_OK);
    }
}

static const char *const images[] = {"a", "b"};
static const int truths[] = {1, 0};

static void the_mean_is_the_mean(void **state) {
    (void)state;
    tn_predictions set[3], mean;
    static const double p[3][2] = {{0.2, 0.5}, {0.4, 0.9}, {0.9, 0.1}};
    for (int m = 0; m < 3; m++) fill(&set[m], images, truths, p[m], 2);
    assert_int_equal(tn_predictions_mean(set, 3, &mean), TN_OK);
    near_to(mean.probability[1], 0.5);
    near_to(mean.probability[3], 0.5);
    near_to(mean.probability[0], 0.5);
    assert_string_equal(mean.image[1], "b");
    assert_int_equal(mean.truth[0], 1);
    tn_predictions_free(&mean);
    for (int m = 0; m < 3; m++) tn_predictions_free(&set[m]);
}

static void other_images_or_classes_are_refused(void **state) {
    (void)state;
    static const char *const others[] = {"a", "c"}, *const swapped[] = {"malignant", "benign"};
    static const int other_truths[] = {1, 1};
    static const double p[2] = {0.5, 0.5};
    tn_predictions set[2], mean;
    fill(&set[0], images, truths, p, 2);
    fill(&set[1], others, truths, p, 2);
    assert_int_equal(tn_predictions_mean(set, 2, &mean), TN_FAIL);
    assert_non_null(strstr(tn_error(), "set 2 has c"));
    tn_predictions_free(&set[1]);
    fill(&set[1], images, other_truths, p, 2);
    assert_int_equal(tn_predictions_mean(set, 2, &mean), TN_FAIL);
    tn_predictions_free(&set[1]);
    fill(&set[1], images, truths, p, 1);
    assert_int_equal(tn_predictions_mean(set, 2, &mean), TN_FAIL);
    tn_predictions_free(&set[1]);
    fill(&set[1], images, truths, p, 2);
    set[1].name[0] = swapped[0];
    assert_int_equal(tn_predictions_mean(set, 2, &mean), TN_FAIL);
    assert_non_null(strstr(tn_error(), "\"malignant\" in set 2"));
    tn_predictions_free(&set[1]);
    tn_predictions_free(&set[0]);
}

static void disagreement_by_hand(void **state) {
    (void)state;
    /* of the second class: 0.2, 0.4, 0.9: mean 0.5, squares 0.09 + 0.01 + 0.16 */
    static const double p[] = {0.8, 0.2, 0.6, 0.4, 0.1, 0.9}, same[] = {0.3, 0.7, 0.4, 0.6};
    tn_disagreement d = tn_members_disagree(p, 3, 2, 1);
    near_to(d.deviation, sqrt(0.26 / 2));
    near_to(d.low, 0.2);
    near_to(d.high, 0.9);
    assert_true(d.divided);
    d = tn_members_disagree(same, 2, 2, 1);
    near_to(d.deviation, sqrt(0.005));
    assert_false(d.divided);
    d = tn_members_disagree(same, 1, 2, 1);
    near_to(d.deviation, 0);
    near_to(d.high - d.low, 0);
    assert_false(d.divided);
    assert_int_equal(tn_members_class(1, p, 2), 1);
    assert_int_equal(tn_members_class(-1, p, 2), 0);
    assert_int_equal(tn_members_class(-1, same, 2), 1);
}

/* Exactly one half is an answer with the first class, as everywhere. */
static void one_half_is_not_divided(void **state) {
    (void)state;
    static const double p[] = {0.5, 0.5, 0.6, 0.4};
    assert_false(tn_members_disagree(p, 2, 2, 1).divided);
}

static void a_list_is_summed_up(void **state) {
    (void)state;
    tn_predictions set[2], mean;
    tn_members_summary s;
    static const double p[2][2] = {{0.2, 0.7}, {0.8, 0.9}};
    for (int m = 0; m < 2; m++) fill(&set[m], images, truths, p[m], 2);
    assert_int_equal(tn_predictions_mean(set, 2, &mean), TN_OK);
    assert_int_equal(tn_members_summarise(set, 2, &mean, 1, &s), TN_OK);
    near_to(s.deviation, (0.6 + 0.2) / sqrt(2) / 2);
    near_to(s.most, 0.6);
    assert_int_equal(s.divided, 1);
    tn_predictions_free(&mean);
    for (int m = 0; m < 2; m++) tn_predictions_free(&set[m]);
}

static void spread_leaves_out_what_is_undefined(void **state) {
    (void)state;
    static const double v[] = {1, NAN, 2, 6};
    tn_spread s = tn_spread_of(v, 4);
    near_to(s.mean, 3);
    near_to(s.deviation, sqrt(7));
    assert_int_equal(s.counted, 3);
    s = tn_spread_of(v, 2);
    near_to(s.mean, 1);
    assert_true(isnan(s.deviation));
    s = tn_spread_of(v + 1, 1);
    assert_true(isnan(s.mean) && isnan(s.deviation));
    assert_int_equal(s.counted, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_is_the_mean),
        cmocka_unit_test(other_images_or_classes_are_refused),
        cmocka_unit_test(disagreement_by_hand),
        cmocka_unit_test(one_half_is_not_divided),
        cmocka_unit_test(a_list_is_summed_up),
        cmocka_unit_test(spread_leaves_out_what_is_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
