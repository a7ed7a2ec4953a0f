/* Reading a section through tables of keys: kinds, ranges, suggestions, what is said when it goes
 * wrong. */
#include "layers/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct values {
    int filters, activation;
    bool pad;
    double rate;
    const char *name;
    tn_ints steps;
    tn_reals scales;
} values;

static const char *const activations[] = {"linear", "leaky", "relu", NULL};

#define S values
static const tn_key keys[] = {
    TN_INT(S, filters, "filters", NULL, 1, 100, "output channels"),
    TN_FLAG(S, pad, "pad", "0", "same size"),
    TN_NUMBER(S, rate, "rate", "0.5", 0, 1, "rate"),
    TN_CHOICE(S, activation, "activation", "leaky", activations, "activation"),
    TN_TEXT(S, name, "name", "none", "a name"),
    TN_INTLIST(S, steps, "steps", "", 0, 1000, "steps"),
    TN_REALLIST(S, scales, "scales", "1,.1", 0, 10, "scales"),
    TN_IGNORED("stream", "GPU"),
    TN_UNSUPPORTED("xnor", "0", "binary weights"),
    {0},
};

typedef struct common {
    bool stop;
} common;
static const tn_key common_keys[] = {TN_FLAG(common, stop, "stopbackward", "0", "stop"), {0}};

static char warned[512];
static void note(void *user, const char *text) {
    (void)user;
    snprintf(warned + strlen(warned), sizeof warned - strlen(warned), "%s\n", text);
}

/* Reads a section given as "key=value key=value", lines counted from 2. */
static tn_status read_words(const char *words, values *v, common *c, tn_arena *arena) {
    static char text[1024];
    tn_option option[16];
    tn_section section = {.name = "layer", .file = "a.cfg", .line = 1, .option = option};
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        option[section.n_options] =
            (tn_option){.key = word, .value = equals + 1, .line = 2 + section.n_options};
        section.n_options++;
    }
    *v = (values){0};
    *c = (common){0};
    warned[0] = '\0';
    const tn_key_table tables[] = {{keys, v}, {common_keys, c}};
    const tn_warner warner = {note, NULL};
    return tn_keys_read(&section, tables, 2, arena, &warner);
}

static void every_kind_is_read(void **state) {
    (void)state;
    tn_arena arena = {0};
    values v;
    common c;
    assert_int_equal(read_words("filters=7 pad=2 rate=1e-1 activation=relu name=x steps=1,20,300 "
                                "scales=.5 stopbackward=1",
                                &v, &c, &arena),
                     TN_OK);
    assert_int_equal(v.filters, 7);
    assert_true(v.pad);
    assert_true(v.rate == 1e-1);
    assert_int_equal(v.activation, 2);
    assert_string_equal(v.name, "x");
    assert_int_equal(v.steps.n, 3);
    assert_int_equal(v.steps.v[2], 300);
    assert_int_equal(v.scales.n, 1);
    assert_true(v.scales.v[0] == .5);
    assert_true(c.stop);
    assert_string_equal(warned, "");
    tn_arena_free(&arena);
}

static void defaults_hold(void **state) {
    (void)state;
    tn_arena arena = {0};
    values v;
    common c;
    assert_int_equal(read_words("filters=1", &v, &c, &arena), TN_OK);
    assert_false(v.pad);
    assert_true(v.rate == .5);
    assert_int_equal(v.activation, 1);
    assert_string_equal(v.name, "none");
    assert_int_equal(v.steps.n, 0);
    assert_int_equal(v.scales.n, 2);
    assert_true(v.scales.v[1] == .1);
    assert_false(c.stop);
    tn_arena_free(&arena);
}

static void mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"pad=1", "a.cfg:1: [layer]: filters must be given (output channels)"},
        {"filters=2 filtres=3", "a.cfg:3: [layer]: unknown key filtres; did you mean filters?"},
        {"filters=2 qqq=3", "a.cfg:3: [layer]: unknown key qqq"},
        {"filters=2 filters=2",
         "a.cfg:3: [layer]: filters is given a second time (first on line 2)"},
        {"filters=2.5", "a.cfg:2: [layer]: filters=2.5: expected a whole number"},
        {"filters=1e3", "a.cfg:2: [layer]: filters=1e3: expected a whole number"},
        {"filters=4x", "a.cfg:2: [layer]: filters=4x: expected a whole number"},
        {"filters=99999999999", "a.cfg:2: [layer]: filters=99999999999: expected a whole number"},
        {"filters=0", "a.cfg:2: [layer]: filters=0: expected 1 to 100"},
        {"filters=101", "a.cfg:2: [layer]: filters=101: expected 1 to 100"},
        {"filters=1 rate=nan", "a.cfg:3: [layer]: rate=nan: expected a number"},
        {"filters=1 rate=inf", "a.cfg:3: [layer]: rate=inf: expected a number"},
        {"filters=1 rate=0x", "a.cfg:3: [layer]: rate=0x: expected a number"},
        {"filters=1 rate=2", "a.cfg:3: [layer]: rate=2: expected 0 to 1"},
        {"filters=1 activation=leeky",
         "a.cfg:3: [layer]: activation=leeky: no such activation; did you mean leaky?"},
        {"filters=1 activation=Z", "a.cfg:3: [layer]: activation=Z: no such activation"},
        {"filters=1 steps=1,,2", "a.cfg:3: [layer]: steps=: expected a whole number"},
        {"filters=1 steps=1,x", "a.cfg:3: [layer]: steps=x: expected a whole number"},
        {"filters=1 scales=1,20", "a.cfg:3: [layer]: scales=20: expected 0 to 10"},
        {"filters=1 xnor=1", "a.cfg:3: [layer]: xnor=1 is not supported here (binary weights)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_arena arena = {0};
        values v;
        common c;
        if (read_words(cases[i].words, &v, &c, &arena) != TN_FAIL)
            fail_msg("accepted: %s", cases[i].words);
        assert_string_equal(tn_error(), cases[i].message);
        tn_arena_free(&arena);
    }
}

static void what_has_no_effect_is_said_once(void **state) {
    (void)state;
    tn_arena arena = {0};
    values v;
    common c;
    assert_int_equal(read_words("filters=1 stream=7 xnor=0", &v, &c, &arena), TN_OK);
    assert_string_equal(warned, "a.cfg:3: [layer]: stream has no effect here\n");
    tn_arena_free(&arena);
}

static void numbers_are_strict(void **state) {
    (void)state;
    int i = 5;
    double d = 5;
    assert_true(tn_parse_int("-12", &i) && i == -12);
    assert_false(tn_parse_int("", &i));
    assert_false(tn_parse_int("1 ", &i));
    assert_false(tn_parse_int(" 1", &i));
    assert_true(tn_parse_real(".75", &d) && d == .75);
    assert_false(tn_parse_real("1,5", &d));
    assert_false(tn_parse_real("", &d));
    assert_false(tn_parse_real(" 1", &d));
    assert_false(tn_parse_real("1e999", &d));
}

static void nearest_is_near(void **state) {
    (void)state;
    static const char *const names[] = {"train", "valid", "predict"};
    assert_string_equal(tn_nearest("tarin", names, 3), "train");
    assert_string_equal(tn_nearest("pred", names, 3), "predict");
    assert_null(tn_nearest("xyz", names, 3));
    assert_null(tn_nearest("", names, 3));
    char word[300];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_null(tn_nearest(word, names, 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read), cmocka_unit_test(defaults_hold),
        cmocka_unit_test(mistakes_are_named), cmocka_unit_test(what_has_no_effect_is_said_once),
        cmocka_unit_test(numbers_are_strict), cmocka_unit_test(nearest_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
