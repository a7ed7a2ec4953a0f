/* Splits and the paper's counts, on groups made up and on the real database where it is there. */
#include "layers/device/rng.h"
#include "src/data/ddti/plan.h"
#include "src/data/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SAMPLES = 450, GROUPS = 290 };
static const char real[] = "../shared/data/ddti";

static void make_samples(tn_split_sample *samples) {
    tn_rng rng = tn_rng_stream(1, TN_RNG_SPLIT, 9, 9, 9);
    for (int i = 0; i < SAMPLES; i++) {
        int group = (int)tn_rng_below(&rng, GROUPS), grade = group % 6;
        samples[i] = (tn_split_sample){group, grade >= 2 || group % 5 > 2, grade};
    }
}

static void no_group_is_divided_and_labels_are_even(void **state) {
    (void)state;
    tn_split_sample samples[SAMPLES];
    int part[SAMPLES], total[2] = {0};
    make_samples(samples);
    for (int i = 0; i < SAMPLES; i++) total[samples[i].label]++;
    for (int parts = 2; parts <= 10; parts++)
        for (uint64_t seed = 0; seed < 10; seed++) {
            double share[10];
            int counts[10][2] = {{0}};
            for (int p = 0; p < parts; p++) share[p] = parts == 2 ? (p ? 0.2 : 0.8) : 1.0 / parts;
            assert_int_equal(tn_split_groups(samples, SAMPLES, share, parts, seed, part), TN_OK);
            for (int i = 0; i < SAMPLES; i++) counts[part[i]][samples[i].label]++;
            for (int i = 0; i < SAMPLES; i++)
                for (int j = 0; j < i; j++)
                    if (samples[i].group == samples[j].group) assert_int_equal(part[i], part[j]);
            for (int p = 0; p < parts; p++)
                for (int l = 0; l < 2; l++)
                    assert_true(abs(counts[p][l] - (int)(share[p] * total[l] + 0.5)) <= 2);
        }
}

static void a_seed_names_a_split(void **state) {
    (void)state;
    tn_split_sample samples[SAMPLES];
    int a[SAMPLES], b[SAMPLES], different = 0;
    double share[2] = {0.8, 0.2};
    make_samples(samples);
    assert_int_equal(tn_split_groups(samples, SAMPLES, share, 2, 5, a), TN_OK);
    assert_int_equal(tn_split_groups(samples, SAMPLES, share, 2, 5, b), TN_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(tn_split_groups(samples, SAMPLES, share, 2, 6, b), TN_OK);
    for (int i = 0; i < SAMPLES; i++) different += a[i] != b[i];
    assert_true(different > 20);
}

static void no_part_is_empty(void **state) {
    (void)state;
    tn_split_sample samples[4] = {{0, 0, 0}, {1, 0, 0}, {2, 1, 1}, {3, 1, 1}};
    double share[4] = {0.97, 0.01, 0.01, 0.01};
    int part[4], seen[4] = {0};
    assert_int_equal(tn_split_groups(samples, 4, share, 4, 0, part), TN_OK);
    for (int i = 0; i < 4; i++) seen[part[i]]++;
    for (int p = 0; p < 4; p++) assert_int_equal(seen[p], 1);
    samples[3].group = 2;
    assert_int_equal(tn_split_groups(samples, 4, share, 4, 0, part), TN_FAIL);
}

static void groups_join(void **state) {
    (void)state;
    tn_groups g;
    assert_int_equal(tn_groups_create(6, &g), TN_OK);
    tn_groups_join(&g, 4, 2);
    tn_groups_join(&g, 5, 4);
    tn_groups_join(&g, 0, 1);
    assert_int_equal(tn_groups_find(&g, 5), 2);
    assert_int_equal(tn_groups_find(&g, 1), 0);
    assert_int_equal(tn_groups_find(&g, 3), 3);
    tn_groups_free(&g);
}

static void grades_are_mapped_strictly(void **state) {
    (void)state;
    tn_ddti_label_map map;
    assert_int_equal(tn_ddti_label_map_parse("2,3,4A", "4b,4c,5", &map), TN_OK);
    assert_int_equal(map.label[tn_ddti_grade("4a")], TN_DDTI_BENIGN);
    assert_int_equal(map.label[tn_ddti_grade("5")], TN_DDTI_MALIGNANT);
    assert_int_equal(map.label[0], -1);
    assert_int_equal(map.label[tn_ddti_grade("1")], -1);
    static const char *const bad[][2] = {{"2,6", "5"}, {"2,3", "3"},  {"", "5"},
                                         {"2,2", "5"}, {"2,,3", "5"}, {"2", "4d"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (tn_ddti_label_map_parse(bad[i][0], bad[i][1], &map) != TN_FAIL)
            fail_msg("accepted: %s / %s", bad[i][0], bad[i][1]);
}

/* ---- the real database ---- */

static tn_ddti_collection database;
static int has_database;

static int open_database(void **state) {
    (void)state;
    has_database = access(real, R_OK) == 0;
    if (!has_database) printf("skip: %s is not there\n", real);
    if (has_database && tn_ddti_collection_open(real, &database) != TN_OK) {
        fprintf(stderr, "%s\n", tn_error());
        return 1;
    }
    return 0;
}

static int close_database(void **state) {
    (void)state;
    tn_ddti_collection_close(&database);
    return 0;
}

static tn_ddti_settings defaults(void) {
    tn_ddti_settings s = {.margin = 0.25, .valid_fraction = 0.2};
    assert_int_equal(tn_ddti_label_map_parse("2,3", "4a,4b,4c,5", &s.map), TN_OK);
    return s;
}

static void every_count_is_the_known_one(void **state) {
    (void)state;
    if (!has_database) skip();
    tn_ddti_counts n;
    tn_ddti_settings s = defaults();
    tn_ddti_count(&database, &s.map, &n);
    static const int per_case[TN_DDTI_MOST] = {0, 318, 58, 11, 2, 1};
    static const int grade_cases[TN_DDTI_GRADES] = {92, 0, 38, 14, 0, 85, 75, 56, 30};
    static const int grade_images[TN_DDTI_GRADES] = {131, 0, 42, 19, 0, 96, 79, 68, 45};
    static const int regions[TN_DDTI_MOST] = {6, 284, 178, 1, 2, 1};
    static const int empty[TN_DDTI_FIELDS] = {86, 85, 190, 190, 93, 91, 92, 390, 369};
    assert_memory_equal(n.cases_with_images, per_case, sizeof per_case);
    assert_memory_equal(n.grade_cases, grade_cases, sizeof grade_cases);
    assert_memory_equal(n.grade_images, grade_images, sizeof grade_images);
    assert_memory_equal(n.images_with_regions, regions, sizeof regions);
    assert_memory_equal(n.empty_fields, empty, sizeof empty);
    const struct {
        const char *what;
        int found, expected;
    } counts[] = {
        {"cases", n.cases, 390},
        {"images", n.images, 480},
        {"missing numbers", n.missing_cases, 10},
        {"last number", n.last_case, 400},
        {"benign cases", n.label_cases[0], 52},
        {"malignant cases", n.label_cases[1], 246},
        {"benign images", n.label_images[0], 61},
        {"malignant images", n.label_images[1], 288},
        {"benign usable", n.label_usable[0], 60},
        {"malignant usable", n.label_usable[1], 281},
        {"unread", n.unread, 0},
        {"number mismatch", n.number_mismatch, 0},
        {"unmarked images", n.unmarked_images, 0},
        {"missing images", n.missing_images, 0},
        {"damaged images", n.damaged_images, 0},
        {"orphans", n.orphans, 0},
        {"freehand", n.freehand, 648},
        {"arrows", n.arrows, 8},
        {"invalid", n.svg_invalid, 8},
        {"empty", n.svg_empty, 6},
        {"two outlines", n.two_outlines, 173},
        {"disjoint", n.two_disjoint, 170},
        {"clamped", n.clamped, 1},
        {"size", n.other_size, 0},
        {"not baseline", n.not_baseline, 0},
        {"not 3 components", n.not_three, 0},
        {"grey", n.grey, 457},
        {"coloured", n.coloured, 21},
        {"sets across", n.twin_sets_across, 2},
        {"sets within", n.twin_sets_within, 4},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].found != counts[i].expected)
            fail_msg("%s: %d, expected %d", counts[i].what, counts[i].found, counts[i].expected);
}

static void no_case_is_on_both_sides(void **state) {
    (void)state;
    if (!has_database) skip();
    for (int folds = 0; folds <= 5; folds += 5)
        for (uint64_t seed = 0; seed < 5; seed++) {
            tn_ddti_settings s = defaults();
            tn_ddti_plan plan;
            int side[512];
            memset(side, -1, sizeof side);
            s.folds = folds;
            s.seed = seed;
            assert_int_equal(tn_ddti_plan_make(&database, &s, &plan), TN_OK);
            assert_int_equal(plan.output_count, 450);
            for (int i = 0; i < plan.output_count; i++) {
                const tn_ddti_output *o = &plan.outputs[i];
                int record = database.images[plan.samples[o->sample].image].record;
                int group = tn_groups_find(&database.groups, record);
                assert_true(side[group] < 0 || side[group] == o->part);
                side[group] = o->part;
            }
            tn_ddti_plan_free(&plan);
        }
}

static void the_papers_counts_come_out(void **state) {
    (void)state;
    if (!has_database) skip();
    for (int crop = 0; crop < 3; crop += 2)
        for (int paper = 1; paper <= 2; paper++)
            for (uint64_t seed = 0; seed < 3; seed++) {
                tn_ddti_settings s = defaults();
                tn_ddti_plan plan;
                int counts[2][2] = {{0}}, sides[512] = {0}, shared = 0;
                s.paper = (tn_ddti_paper)paper;
                s.crop = (tn_ddti_crop)crop;
                s.seed = seed;
                assert_int_equal(tn_ddti_plan_make(&database, &s, &plan), TN_OK);
                for (int i = 0; i < plan.output_count; i++) {
                    const tn_ddti_output *o = &plan.outputs[i];
                    const tn_ddti_sample *sample = &plan.samples[o->sample];
                    counts[o->part][sample->label]++;
                    sides[sample->image] |= 1 << o->part;
                    if (i) /* no file is written twice */
                        assert_false(o->sample == o[-1].sample && o->copy == o[-1].copy);
                }
                for (int i = 0; i < 512; i++) shared += sides[i] == 3;
                assert_int_equal(counts[0][0], 624);
                assert_int_equal(counts[0][1], 622);
                assert_int_equal(counts[1][0], 286);
                assert_int_equal(counts[1][1], 292);
                if (paper == TN_DDTI_PAPER_SPLIT_FIRST)
                    assert_int_equal(shared, 0);
                else
                    assert_true(shared > 150);
                tn_ddti_plan_free(&plan);
            }
}

static void settings_that_contradict_are_refused(void **state) {
    (void)state;
    if (!has_database) skip();
    tn_ddti_plan plan;
    tn_ddti_settings s = defaults();
    s.folds = 5;
    s.paper = TN_DDTI_PAPER_SPLIT_FIRST;
    assert_int_equal(tn_ddti_plan_make(&database, &s, &plan), TN_FAIL);
    s = defaults();
    s.fold = 1;
    assert_int_equal(tn_ddti_plan_make(&database, &s, &plan), TN_FAIL);
    s.folds = 5;
    s.fold = 5;
    assert_int_equal(tn_ddti_plan_make(&database, &s, &plan), TN_FAIL);
    s = defaults();
    assert_int_equal(tn_ddti_label_map_parse("1", "4a", &s.map), TN_OK);
    assert_int_equal(tn_ddti_plan_make(&database, &s, &plan), TN_FAIL);
    assert_non_null(strstr(tn_error(), "no benign sample"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_group_is_divided_and_labels_are_even),
        cmocka_unit_test(a_seed_names_a_split),
        cmocka_unit_test(no_part_is_empty),
        cmocka_unit_test(groups_join),
        cmocka_unit_test(grades_are_mapped_strictly),
        cmocka_unit_test(every_count_is_the_known_one),
        cmocka_unit_test(no_case_is_on_both_sides),
        cmocka_unit_test(the_papers_counts_come_out),
        cmocka_unit_test(settings_that_contradict_are_refused),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
