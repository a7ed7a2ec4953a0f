/* The option parser: kinds, ranges, suggestions, positionals, help. */
#include "src/commands/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    int clear, count, crop, count_given;
    unsigned long long seed;
    double margin;
    const char *out;
    tn_texts net;
} v;

static const tn_option_spec specs[] = {
    {"clear", TN_OPTION_SWITCH, &v.clear, NULL, "forget the step"},
    {"count", TN_OPTION_INT, &v.count, "N", "how many", 1, 10, &v.count_given},
    {"seed", TN_OPTION_SEED, &v.seed, "N", "seed"},
    {"margin", TN_OPTION_REAL, &v.margin, "F", "margin", 0, 4},
    {"out", TN_OPTION_TEXT, &v.out, "DIR", "where to write"},
    {"net", TN_OPTION_TEXTS, &v.net, "KEY=VALUE", "override"},
    {"crop", TN_OPTION_CHOICE, &v.crop, "nodule|frame|none", "crop"},
    {NULL},
};

static int parse(tn_arguments *out, const char *line) {
    static char text[256];
    char *argv[32] = {(char *)"command"};
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    return tn_options_parse(argc, argv, specs, out);
}

static int reset(void **state) {
    (void)state;
    memset(&v, 0, sizeof v);
    return 0;
}

static void every_kind_is_read(void **state) {
    (void)state;
    tn_arguments a;
    const char *line = "one -count 7 --clear two -margin=0.5 -seed 18446744073709551615 -out here "
                       "-net batch=4 -net subdivisions=-1 -crop frame - -- -three";
    assert_int_equal(parse(&a, line), TN_OK);
    assert_int_equal(v.clear, 1);
    assert_int_equal(v.count, 7);
    assert_int_equal(v.count_given, 1);
    assert_true(v.margin == 0.5);
    assert_true(v.seed == UINT64_MAX);
    assert_string_equal(v.out, "here");
    assert_int_equal(v.net.count, 2);
    assert_string_equal(v.net.items[1], "subdivisions=-1");
    assert_int_equal(v.crop, 1);
    assert_int_equal(a.positionals.count, 4);
    assert_string_equal(a.positionals.items[0], "one");
    assert_string_equal(a.positionals.items[1], "two");
    assert_string_equal(a.positionals.items[2], "-");
    assert_string_equal(a.positionals.items[3], "-three");
    tn_texts_free(&v.net);
    tn_arguments_free(&a);
}

static void what_is_not_given_stays(void **state) {
    (void)state;
    tn_arguments a;
    v.count = 3;
    assert_int_equal(parse(&a, ""), TN_OK);
    assert_int_equal(v.count, 3);
    assert_int_equal(v.count_given, 0);
    assert_int_equal(a.positionals.count, 0);
    tn_arguments_free(&a);
}

static void bad_values_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"-count x", "expected a whole number, found \"x\""},
        {"-count 3.5", "expected a whole number"},
        {"-count 11", "expected 1 to 10"},
        {"-count 0", "expected 1 to 10"},
        {"-count 99999999999999999999", "too large"},
        {"-count", "-count needs a value: -count N"},
        {"-margin nan", "expected a number"},
        {"-margin inf", "expected a number"},
        {"-margin 1e9", "expected 0 to 4"},
        {"-seed -1", "expected a whole number from 0"},
        {"-crop fram", "expected one of nodule|frame|none, found \"fram\""},
        {"-crop nodule|frame", "expected one of"},
        {"-clear=1", "-clear takes no value"},
        {"-net a=1 -cuont 3", "unknown option -cuont: did you mean -count?"},
        {"--marg 3", "did you mean -margin?"},
        {"-zzzzzzzz", "unknown option -zzzzzzzz: -h lists"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_arguments a;
        if (parse(&a, bad[i].line) != TN_FAIL) fail_msg("accepted: %s", bad[i].line);
        if (!strstr(tn_error(), bad[i].says)) fail_msg("%s: said %s", bad[i].line, tn_error());
        assert_null(a.positionals.items);
        assert_null(v.net.items);
    }
}

static void help_lists_every_flag(void **state) {
    (void)state;
    tn_arguments a;
    assert_int_equal(parse(&a, "-h"), TN_OK);
    assert_int_equal(a.help, 1);
    tn_arguments_free(&a);
    char *text;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    tn_options_help(to, "usage: command\n", specs);
    assert_int_equal(fclose(to), 0);
    for (const tn_option_spec *s = specs; s->name; s++) assert_non_null(strstr(text, s->help));
    assert_non_null(strstr(text, "  -crop nodule|frame|none"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_kind_is_read, reset),
        cmocka_unit_test_setup(what_is_not_given_stays, reset),
        cmocka_unit_test_setup(bad_values_are_refused, reset),
        cmocka_unit_test_setup(help_lists_every_flag, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
