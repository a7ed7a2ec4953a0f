/* .state files: what is saved comes back; whatever is cut or changed is refused. */
#include "src/net/state.h"

#include "src/net/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static float weights[1000];
static const char note[] = "seed 7";

static int save(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/tn_state_%d.state", (int)getpid());
    for (int i = 0; i < 1000; i++) weights[i] = (float)i / 3;
    const tn_state_field field[] = {
        {"weights", weights, sizeof weights}, {"note", note, sizeof note}, {"empty", NULL, 0}};
    return tn_state_save(path, field, 3) != TN_OK;
}

static int clean(void **state) {
    (void)state;
    return unlink(path);
}

static void comes_back(void **state) {
    (void)state;
    tn_state *s;
    float back[1000];
    size_t size = 99;
    assert_int_equal(tn_state_open(path, &s), TN_OK);
    assert_int_equal(tn_state_get(s, "weights", back, sizeof back), TN_OK);
    assert_memory_equal(back, weights, sizeof back);
    assert_string_equal(tn_state_find(s, "note", &size), note);
    assert_int_equal(size, sizeof note);
    assert_non_null(tn_state_find(s, "empty", &size));
    assert_int_equal(size, 0);
    assert_null(tn_state_find(s, "other", &size));
    assert_int_equal(tn_state_get(s, "other", back, 4), TN_FAIL);
    assert_non_null(strstr(tn_error(), "holds no \"other\""));
    assert_int_equal(tn_state_get(s, "weights", back, 8), TN_FAIL);
    assert_non_null(strstr(tn_error(), "has 4000 bytes, expected 8"));
    tn_state_close(s);
}

static void refused(const char *says) {
    tn_state *s;
    assert_int_equal(tn_state_open(path, &s), TN_FAIL);
    assert_null(s);
    if (!strstr(tn_error(), says)) fail_msg("said %s, expected %s", tn_error(), says);
}

static unsigned char *read_file(long *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    unsigned char *bytes = malloc((size_t)*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*size, f), (size_t)*size);
    fclose(f);
    return bytes;
}

static void write_file(const unsigned char *bytes, long size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, (size_t)size, f), (size_t)size);
    assert_int_equal(fclose(f), 0);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    long size;
    unsigned char *bytes = read_file(&size);
    for (long cut = 0; cut < size; cut += cut < 300 || cut > size - 20 ? 1 : 61) {
        write_file(bytes, cut);
        refused(cut < 72 ? "too few" : "truncated");
    }
    free(bytes);
}

static void every_changed_byte_is_refused(void **state) {
    (void)state;
    long size;
    unsigned char *bytes = read_file(&size);
    for (long at = 0; at < size; at += at < 300 || at > size - 20 ? 1 : 37) {
        bytes[at] ^= 0x10;
        write_file(bytes, size);
        refused(at < 8 ? "no .state file" : at < 16 ? "truncated or damaged" : "damaged");
        bytes[at] ^= 0x10;
    }
    free(bytes);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    tn_state *s;
    assert_int_equal(tn_state_open("/tmp/tn_no_such.state", &s), TN_FAIL);
    assert_non_null(strstr(tn_error(), "/tmp/tn_no_such.state: cannot be read: No such file"));
    assert_int_equal(tn_state_open("/tmp", &s), TN_FAIL);
    assert_non_null(strstr(tn_error(), "not a file"));
}

/* However the bytes are cut into pieces, the hash is the same; other bytes, another hash. */
static void hash_is_of_the_bytes(void **state) {
    (void)state;
    unsigned char bytes[301];
    for (int i = 0; i < 301; i++) bytes[i] = (unsigned char)(i * 7);
    tn_hash whole, pieces;
    tn_hash_start(&whole);
    tn_hash_add(&whole, bytes, sizeof bytes);
    for (size_t piece = 1; piece < 100; piece++) {
        tn_hash_start(&pieces);
        for (size_t at = 0; at < sizeof bytes; at += piece)
            tn_hash_add(&pieces, bytes + at, sizeof bytes - at < piece ? sizeof bytes - at : piece);
        assert_true(tn_hash_value(&pieces) == tn_hash_value(&whole));
    }
    for (int bit = 0; bit < 301 * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        tn_hash_start(&pieces);
        tn_hash_add(&pieces, bytes, sizeof bytes);
        assert_true(tn_hash_value(&pieces) != tn_hash_value(&whole));
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    tn_hash_start(&pieces);
    tn_hash_add(&pieces, bytes, 300);
    assert_true(tn_hash_value(&pieces) != tn_hash_value(&whole));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back, save, clean),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, save, clean),
        cmocka_unit_test_setup_teardown(every_changed_byte_is_refused, save, clean),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(hash_is_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
