/* CSV files, predictions in them, and the manifest's cases: what is written comes back, what is
 * wrong is named by file and line. */
#include "src/data/csv.h"
#include "src/eval/cases.h"
#include "src/eval/predictions.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96], second[96];

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tn_predictions_%d_XXXXXX", (int)getpid());
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/a.csv", folder);
    snprintf(second, sizeof second, "%s/manifest.csv", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    unlink(second);
    return rmdir(folder);
}

static void write_text(const char *to, const char *text) {
    FILE *f = fopen(to, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* ---- CSV ---- */

static void csv_is_read(void **state) {
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "a,\"b,c\",d\r\n"
                               "\r\n"
                               "1,\"say \"\"x\"\"\",\r\n"
                               "\"two\nlines\",,\"\"\n"
                               "5,6,7";
    tn_csv csv;
    if (tn_csv_parse(text, sizeof text - 1, "f.csv", &csv) != TN_OK) fail_msg("%s", tn_error());
    assert_int_equal(csv.columns, 3);
    assert_int_equal(csv.rows, 3);
    assert_int_equal(tn_csv_find(&csv, "b,c"), 1);
    assert_int_equal(tn_csv_find(&csv, "e"), -1);
    assert_string_equal(tn_csv_cell(&csv, 0, 1), "say \"x\"");
    assert_string_equal(tn_csv_cell(&csv, 0, 2), "");
    assert_string_equal(tn_csv_cell(&csv, 1, 0), "two\nlines");
    assert_string_equal(tn_csv_cell(&csv, 2, 2), "7");
    assert_int_equal(tn_csv_line(&csv, 0), 3);
    assert_int_equal(tn_csv_line(&csv, 2), 6);
    tn_csv_free(&csv);
}

static void bad_csv_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "f.csv: empty"},
        {"\n\n", "f.csv: empty"},
        {"a,b\n1,2\n1\n", "f.csv:3: 1 fields, expected 2"},
        {"a,b\n1,2,3\n", "f.csv:2: 3 fields, expected 2"},
        {"a,b\n1,\"2\n3\n", "f.csv:2: a quote that does not end"},
        {"a,b\n1,\"2\"x\n", "f.csv:2: a field goes on"},
        {"a,b\n1,x\"2\"\n", "f.csv:2: a quote inside"},
        {"a,a\n", "two columns are called \"a\""},
        {"a,,b\n", "column 2 has no name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_csv csv;
        if (tn_csv_parse(bad[i].text, strlen(bad[i].text), "f.csv", &csv) != TN_FAIL)
            fail_msg("accepted %s", bad[i].text);
        if (!strstr(tn_error(), bad[i].says)) fail_msg("%s: said %s", bad[i].text, tn_error());
    }
    tn_csv csv;
    assert_int_equal(tn_csv_parse("a\0b", 3, "f.csv", &csv), TN_FAIL);
    assert_int_equal(tn_csv_load("/no/such.csv", &csv), TN_FAIL);
    assert_int_equal(tn_csv_load(folder, &csv), TN_FAIL);
}

/* ---- predictions ---- */

static const char *const names[] = {"benign", "malig, \"4a+\""};

static tn_predictions example(void) {
    tn_predictions p;
    assert_int_equal(tn_predictions_create(&p, names, 2, 1), TN_OK);
    const float third[2] = {1.0f / 3, 2.0f / 3};
    const double tiny[2] = {1e-300, 1}, odd[2] = {0.1, 0.9};
    assert_int_equal(tn_predictions_add_float(&p, "dir/a b.png", 1, third), TN_OK);
    assert_int_equal(tn_predictions_add(&p, "b,\"q\".png", 0, tiny), TN_OK);
    assert_int_equal(tn_predictions_add(&p, "c.png", 0, odd), TN_OK);
    return p;
}

static void they_come_back(void **state) {
    (void)state;
    tn_predictions p = example(), q;
    if (tn_predictions_write(&p, path) != TN_OK) fail_msg("%s", tn_error());
    if (tn_predictions_read(path, &q) != TN_OK) fail_msg("%s", tn_error());
    assert_int_equal(q.n, 3);
    assert_int_equal(q.classes, 2);
    assert_string_equal(q.name[1], names[1]);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(q.image[i], p.image[i]);
        assert_int_equal(q.truth[i], p.truth[i]);
        for (size_t c = 0; c < 2; c++) {
            const double was = p.probability[2 * i + c], is = q.probability[2 * i + c];
            assert_true(i == 0 ? (float)is == (float)was : is == was);
        }
    }
    tn_predictions_free(&q);
    tn_predictions_free(&p);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"image,truth,a,b\n", "no predictions"},
        {"image,label,a,b\nx,a,1,0\n", ":1: expected the header"},
        {"image,truth,a\nx,a,1\n", ":1: expected the header"},
        {"image,truth,a,b\nx,c,1,0\n", ":2: truth \"c\" is none"},
        {"image,truth,a,b\nx,a,1,0\ny,b,0.5,nan\n", ":3: y: the probability of \"b\" is nan"},
        {"image,truth,a,b\nx,a,inf,0\n", ":2: x"},
        {"image,truth,a,b\nx,a,0.5,0.6\n", ":2: x: the probabilities add up to 1.1"},
        {"image,truth,a,b\nx,a,-0.5,1.5\n", ":2: x: the probability of \"a\" is -0.5"},
        {"image,truth,a,b\nx,a,0.5 ,0.5\n", ":2: \"0.5 \" is no number"},
        {"image,truth,a,b\nx,a,,1\n", ":2: \"\" is no number"},
        {"image,truth,a,b\nx,a,1\n", ":2: 3 fields"},
        {"\x89PNG\r\n", ":1: expected the header"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_predictions p;
        write_text(path, bad[i].text);
        if (tn_predictions_read(path, &p) != TN_FAIL) fail_msg("accepted %s", bad[i].text);
        if (!strstr(tn_error(), bad[i].says) || !strstr(tn_error(), path))
            fail_msg("%s: said %s", bad[i].text, tn_error());
    }
}

static void matching(void **state) {
    (void)state;
    static const char *const ab[] = {"a", "b"}, *const ba[] = {"b", "a"};
    tn_predictions p, q, r;
    size_t at[3];
    assert_int_equal(tn_predictions_create(&p, ab, 2, 0), TN_OK);
    assert_int_equal(tn_predictions_create(&q, ba, 2, 0), TN_OK);
    const double x[2] = {0.25, 0.75};
    for (int i = 0; i < 3; i++) {
        static const char *const image[] = {"1.png", "2.png", "3.png"};
        assert_int_equal(tn_predictions_add(&p, image[i], i == 1, x), TN_OK);
        assert_int_equal(tn_predictions_add(&q, image[2 - i], i != 1, x), TN_OK);
    }
    if (tn_predictions_match(&p, "P", &q, "Q", at) != TN_OK) fail_msg("%s", tn_error());
    assert_true(at[0] == 2 && at[1] == 1 && at[2] == 0);
    assert_int_equal(tn_predictions_reorder(&q, &p, at, &r), TN_OK);
    assert_string_equal(r.image[0], "1.png");
    assert_true(r.probability[0] == 0.75 && r.probability[1] == 0.25); /* classes exchanged */
    tn_predictions_free(&r);
    /* another truth */
    q.truth[1] = !q.truth[1];
    assert_int_equal(tn_predictions_match(&p, "P", &q, "Q", at), TN_FAIL);
    assert_non_null(strstr(tn_error(), "2.png is \"b\" in P and \"a\" in Q"));
    q.truth[1] = !q.truth[1];
    /* one image more, then one twice */
    assert_int_equal(tn_predictions_add(&q, "4.png", 0, x), TN_OK);
    assert_int_equal(tn_predictions_match(&p, "P", &q, "Q", at), TN_FAIL);
    assert_non_null(strstr(tn_error(), "4.png is in Q but not in P (0 only in P, 1 only in Q"));
    q.image[3] = "3.png";
    assert_int_equal(tn_predictions_match(&p, "P", &q, "Q", at), TN_FAIL);
    assert_non_null(strstr(tn_error(), "Q: 3.png occurs twice"));
    q.name[0] = "z";
    assert_int_equal(tn_predictions_match(&p, "P", &q, "Q", at), TN_FAIL);
    assert_non_null(strstr(tn_error(), "class"));
    tn_predictions_free(&p);
    tn_predictions_free(&q);
}

/* ---- cases ---- */

static const char manifest[] = "image,case,group,composition\n"
                               ",9,9,\n"
                               "1.png,3,3,solid\n"
                               "2.png,3,3,solid\n"
                               "3.png,4,3,cystic\n"
                               "4.png,5,5,\n"
                               "5.png,,,\n";

static void cases_are_found(void **state) {
    (void)state;
    static const char *const image[] = {"4.png", "2.png", "1.png", "5.png", "3.png"};
    static const int truth[] = {0, 1, 1, 0, 1};
    static const char *const ab[] = {"a", "b"};
    tn_cases c;
    write_text(second, manifest);
    if (tn_cases_load(second, image, 5, &c) != TN_OK) fail_msg("%s", tn_error());
    assert_true(c.known);
    static const int of[] = {0, 1, 1, 2, 3}, cluster[] = {0, 1, 1, 2, 1};
    assert_memory_equal(c.of, of, sizeof of);
    assert_memory_equal(c.cluster, cluster, sizeof cluster);
    assert_int_equal(c.cases, 4);
    assert_int_equal(c.clusters, 3);
    assert_string_equal(c.name[3], "4");
    tn_predictions p, mean;
    assert_int_equal(tn_predictions_create(&p, ab, 2, 5), TN_OK);
    for (int i = 0; i < 5; i++) {
        const double row[2] = {0.1 * i, 1 - 0.1 * i};
        assert_int_equal(tn_predictions_add(&p, image[i], truth[i], row), TN_OK);
    }
    int *clusters;
    size_t mixed;
    assert_int_equal(tn_cases_average(&c, &p, &mean, &clusters, &mixed), TN_OK);
    assert_int_equal(mean.n, 4);
    assert_int_equal(mixed, 0);
    assert_string_equal(mean.image[1], "3");
    assert_true(fabs(mean.probability[2] - 0.15) < 1e-15);
    assert_int_equal(clusters[3], 1);
    free(clusters);
    tn_predictions_free(&mean);
    p.truth[2] = 0; /* now case 3 has images of both classes */
    assert_int_equal(tn_cases_average(&c, &p, &mean, &clusters, &mixed), TN_OK);
    assert_int_equal(mean.n, 3);
    assert_int_equal(mixed, 1);
    assert_int_equal(clusters[1], 2);
    free(clusters);
    tn_predictions_free(&mean);
    tn_predictions_free(&p);
    tn_cases_free(&c);
}

static void bad_manifests_are_refused(void **state) {
    (void)state;
    static const char *const image[] = {"4.png", "6.png"};
    tn_cases c;
    write_text(second, manifest);
    assert_int_equal(tn_cases_load(second, image, 2, &c), TN_FAIL);
    assert_non_null(strstr(tn_error(), "6.png is not in it"));
    write_text(second, "image,case\n4.png,1\n4.png,2\n");
    assert_int_equal(tn_cases_load(second, image, 1, &c), TN_FAIL);
    assert_non_null(strstr(tn_error(), "lines 2 and 3 are of the same image"));
    write_text(second, "case\n4\n");
    assert_int_equal(tn_cases_load(second, image, 1, &c), TN_FAIL);
    assert_non_null(strstr(tn_error(), "no column is called \"image\""));
    write_text(second, "image,group\n4.png,\n"); /* a list without groups */
    assert_int_equal(tn_cases_load(second, image, 1, &c), TN_OK);
    assert_false(c.known);
    tn_cases_free(&c);
}

/* The same file by another name, as a list read from elsewhere has it. */
static void files_are_known_again(void **state) {
    (void)state;
    char text[256], other[160];
    tn_cases c;
    snprintf(text, sizeof text, "image,case\na.csv,1\n");
    write_text(path, "an image");
    write_text(second, text);
    snprintf(other, sizeof other, "%s/./a.csv", folder);
    const char *image = other;
    if (tn_cases_load(second, &image, 1, &c) != TN_OK) fail_msg("%s", tn_error());
    assert_string_equal(c.name[0], "1");
    tn_cases_free(&c);
    char list[160], *found;
    snprintf(list, sizeof list, "%s/valid.list", folder);
    assert_int_equal(tn_cases_find(list, &found), TN_OK);
    assert_string_equal(found, second);
    free(found);
    assert_int_equal(tn_cases_find("/no/such/valid.list", &found), TN_OK);
    assert_null(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_read),
        cmocka_unit_test(bad_csv_is_refused),
        cmocka_unit_test(they_come_back),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(matching),
        cmocka_unit_test(cases_are_found),
        cmocka_unit_test(files_are_known_again),
        cmocka_unit_test(bad_manifests_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
