/* metrics.jsonl: a line an epoch, valid JSON, null where there is no figure. */
#include "src/eval/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
