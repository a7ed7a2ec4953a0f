/* Whole or not at all: a full disk, a missing folder and a change of mind leave the old file. */
#include "src/net/atomic_file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96], part[112];

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tn_atomic_XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(part, sizeof part, "%s.part", path);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails when a .part was left behind */
}

static void put(const char *text) {
    tn_atomic_file f;
    assert_int_equal(tn_atomic_open(&f, path), TN_OK);
    assert_int_equal(tn_atomic_write(&f, text, strlen(text)), TN_OK);
    assert_int_equal(tn_atomic_commit(&f), TN_OK);
}

static void holds(const char *text) {
    char buffer[64] = {0};
    FILE *from = fopen(path, "rb");
    assert_non_null(from);
    assert_int_equal(fread(buffer, 1, sizeof buffer - 1, from), strlen(text));
    fclose(from);
    assert_string_equal(buffer, text);
    assert_int_equal(access(part, F_OK), -1);
}

static void commits_and_replaces(void **state) {
    (void)state;
    put("one");
    holds("one");
    put("another");
    holds("another");
}

static void abandoned_leaves_the_old(void **state) {
    (void)state;
    put("old");
    tn_atomic_file f;
    assert_int_equal(tn_atomic_open(&f, path), TN_OK);
    assert_int_equal(tn_atomic_write(&f, "new", 3), TN_OK);
    tn_atomic_abandon(&f);
    tn_atomic_abandon(&f);
    holds("old");
}

/* RLIMIT_FSIZE stands for the disk: writes beyond it fail as on a full one. */
static void full_disk_leaves_the_old(void **state) {
    (void)state;
    static char block[4096];
    put("old");
    struct rlimit before, small = {8192, 8192};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    for (int blocks = 1; blocks < 6; blocks++) {
        tn_atomic_file f;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        tn_status status = tn_atomic_open(&f, path);
        assert_int_equal(status, TN_OK);
        for (int i = 0; i < blocks && status == TN_OK; i++)
            status = tn_atomic_write(&f, block, sizeof block);
        if (status == TN_OK)
            status = tn_atomic_commit(&f);
        else
            tn_atomic_abandon(&f);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(status, blocks <= 2 ? TN_OK : TN_FAIL);
        if (blocks <= 2) put("old");
        holds("old");
    }
    assert_non_null(strstr(tn_error(), path));
    assert_non_null(strstr(tn_error(), strerror(EFBIG)));
}

static void missing_folder_is_named(void **state) {
    (void)state;
    tn_atomic_file f;
    assert_int_equal(tn_atomic_open(&f, "/tmp/tn_no_such_folder/file"), TN_FAIL);
    assert_non_null(strstr(tn_error(), "/tmp/tn_no_such_folder/file.part"));
    assert_non_null(strstr(tn_error(), "No such file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commits_and_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(abandoned_leaves_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk_leaves_the_old, setup, teardown),
        cmocka_unit_test(missing_folder_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
