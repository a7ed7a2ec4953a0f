/* metrics.jsonl: a line an epoch, valid JSON, null where there is no figure. */
#include "src/eval/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static double number(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item) fail_msg("no %s", name);
    return cJSON_IsNull(item) ? NAN : item->valuedouble;
}

static void lines_are_json(void **state) {
    (void)state;
    char path[64], line[1024];
    snprintf(path, sizeof path, "/tmp/tn_history_%d.jsonl", (int)getpid());
    tn_history h = {0};
    for (int i = 1; i <= 100; i++) {
        tn_epoch_record r = {.epoch = i,
                             .step = (uint64_t)i * 10,
                             .images = (uint64_t)i * 320,
                             .rate = 1e-3,
                             .seconds = 2,
                             .images_per_second = 160,
                             .best = i == 3,
                             .train = tn_summary_none,
                             .valid = tn_summary_none};
        r.train.loss = 1.0 / i;
        r.valid.auc = i == 1 ? NAN : 0.75;
        assert_int_equal(tn_history_add(&h, &r), TN_OK);
    }
    assert_int_equal(tn_history_save(&h, path), TN_OK);
    FILE *from = fopen(path, "r");
    assert_non_null(from);
    int n = 0;
    while (fgets(line, sizeof line, from)) {
        cJSON *object = cJSON_Parse(line);
        assert_non_null(object);
        n++;
        assert_true(number(object, "epoch") == n && number(object, "step") == n * 10);
        const cJSON *train = cJSON_GetObjectItemCaseSensitive(object, "train");
        const cJSON *valid = cJSON_GetObjectItemCaseSensitive(object, "valid");
        assert_true(fabs(number(train, "loss") - 1.0 / n) < 1e-6);
        assert_true(isnan(number(train, "f1")));
        assert_true(n == 1 ? isnan(number(valid, "auc")) : number(valid, "auc") == 0.75);
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "best")), n == 3);
        cJSON_Delete(object);
    }
    assert_int_equal(n, 100);
    fclose(from);
    unlink(path);
    tn_history_free(&h);
}

static void writes(const char *path, const char *text) {
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    fputs(text, to);
    fclose(to);
}

static void refuses(const char *path, const char *text, const char *message) {
    tn_history h;
    writes(path, text);
    assert_int_equal(tn_history_load(path, &h), TN_FAIL);
    if (!strstr(tn_error(), message)) fail_msg("%s, expected %s", tn_error(), message);
}

static void what_was_written_is_read(void **state) {
    (void)state;
    char path[64], line[1024], twice[2200], short_line[32];
    snprintf(path, sizeof path, "/tmp/tn_history_%d.jsonl", (int)getpid());
    const tn_epoch_record r = {.epoch = 1.5,
                               .step = 12,
                               .images = 96,
                               .rate = 1e-3,
                               .best = 1,
                               .train = {.loss = 0.25, .auc = NAN},
                               .valid = tn_summary_none};
    tn_history h = {0}, back;
    assert_int_equal(tn_history_add(&h, &r), TN_OK);
    assert_int_equal(tn_history_add(&h, &r), TN_OK);
    assert_int_equal(tn_history_save(&h, path), TN_OK);
    assert_int_equal(tn_history_load(path, &back), TN_OK);
    assert_int_equal(back.n, 2);
    assert_true(back.record[1].epoch == 1.5 && back.record[1].step == 12 && back.record[1].best);
    assert_true(back.record[0].train.loss == 0.25 && isnan(back.record[0].train.auc));
    assert_true(isnan(back.record[0].valid.loss));
    tn_history_free(&h);
    tn_history_free(&back);
    FILE *from = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, from));
    fclose(from);
    snprintf(twice, sizeof twice, "%s%.20s\n", line, line);
    refuses(path, twice, ".jsonl:2: no JSON");
    snprintf(twice, sizeof twice, "%s{}\n", line);
    refuses(path, twice, ".jsonl:2: \"epoch\" is missing");
    refuses(path, "[1]\n", ".jsonl:1: no JSON object");
    snprintf(twice, sizeof twice, "%.*s %s", (int)strcspn(line, "\n"), line, line);
    refuses(path, twice, ".jsonl:1: more than one");
    snprintf(short_line, sizeof short_line, "{\"epoch\":-1}");
    refuses(path, short_line, "\"epoch\" is -1");
    refuses(path, "{\"epoch\":\"one\"}", "is no number");
    writes(path, "");
    assert_int_equal(tn_history_load(path, &back), TN_OK);
    assert_int_equal(back.n, 0);
    unlink(path);
    assert_int_equal(tn_history_load(path, &back), TN_FAIL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_json),
                                       cmocka_unit_test(what_was_written_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
