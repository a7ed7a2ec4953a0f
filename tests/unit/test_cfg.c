/* Cfg files: grammar, bad input, layers and [net] keys as users mistype them. */
#include "src/net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NET "[net]\nwidth=8\nheight=8\nchannels=3\n"

static tn_status parse(const char *text, tn_cfg *cfg) {
    return tn_cfg_parse(text, strlen(text), "a.cfg", cfg);
}

static void grammar_is_darknets(void **state) {
    (void)state;
    tn_cfg cfg;
    assert_int_equal(parse("\xEF\xBB\xBF# a comment\r\n; another\r\n\r\n [net] # inline\r\n"
                           "  width = 8 \r\nheight=8;9\t; inline\r\n\n[ convolutional ]\n"
                           "name=a=b#c\nfilters=3",
                           &cfg),
                     TN_OK);
    assert_int_equal(cfg.n_sections, 2);
    assert_string_equal(cfg.section[0].name, "net");
    assert_int_equal(cfg.section[0].line, 4);
    assert_int_equal(cfg.section[0].n_options, 2);
    assert_string_equal(tn_section_find(&cfg.section[0], "width")->value, "8");
    assert_int_equal(tn_section_find(&cfg.section[0], "width")->line, 5);
    assert_string_equal(tn_section_find(&cfg.section[0], "height")->value, "8;9");
    assert_string_equal(cfg.section[1].name, "convolutional");
    assert_string_equal(tn_section_find(&cfg.section[1], "name")->value, "a=b#c");
    assert_string_equal(tn_section_find(&cfg.section[1], "filters")->value, "3");
    assert_null(tn_section_find(&cfg.section[1], "size"));
    tn_cfg_free(&cfg);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "a.cfg: no sections; expected [net] first"},
        {"# only a comment\n", "a.cfg: no sections; expected [net] first"},
        {"width=8\n[net]\n",
         "a.cfg:1: \"width=8\" stands before any section; expected [net] first"},
        {"<html>\n", "a.cfg:1: \"<html>\" stands before any section; expected [net] first"},
        {"[convolutional]\n", "a.cfg:1: the first section is [convolutional]; expected [net]"},
        {"[net]\nwidth\n", "a.cfg:2: \"width\": expected key=value"},
        {"[net]\nwidth=\n", "a.cfg:2: width= has no value"},
        {"[net]\nwidth= # 8\n", "a.cfg:2: width= has no value"},
        {"[net]\n=8\n", "a.cfg:2: no key before ="},
        {"[net\n", "a.cfg:1: section header \"[net\" does not end in ]"},
        {"[net] x\n", "a.cfg:1: section header \"[net] x\" does not end in ]"},
        {"[]\n", "a.cfg:1: section header without a name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_cfg cfg;
        if (parse(cases[i].text, &cfg) != TN_FAIL) fail_msg("accepted: %s", cases[i].text);
        assert_string_equal(tn_error(), cases[i].message);
    }
    tn_cfg cfg;
    assert_int_equal(tn_cfg_parse("[net]\nwi\0th=8\n", 14, "a.cfg", &cfg), TN_FAIL);
    assert_non_null(strstr(tn_error(), "NUL"));
    assert_int_equal(tn_cfg_load("no/such.cfg", &cfg), TN_FAIL);
    assert_non_null(strstr(tn_error(), "no/such.cfg"));
    assert_int_equal(tn_cfg_load(".", &cfg), TN_FAIL);
}

static void long_lines_are_read(void **state) {
    (void)state;
    enum { LENGTH = 300000 };
    char *text = malloc(LENGTH + 32);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, "[net]\nname=");
    memset(text + n, 'x', LENGTH);
    text[n + LENGTH] = '\0';
    tn_cfg cfg;
    assert_int_equal(parse(text, &cfg), TN_OK);
    assert_int_equal(strlen(cfg.section[0].option[0].value), LENGTH);
    tn_cfg_free(&cfg);
    free(text);
}

static void overrides_replace_and_add(void **state) {
    (void)state;
    tn_cfg cfg;
    assert_int_equal(parse(NET, &cfg), TN_OK);
    assert_int_equal(tn_cfg_override(&cfg, "width=16"), TN_OK);
    assert_int_equal(tn_cfg_override(&cfg, "batch=4"), TN_OK);
    assert_int_equal(cfg.section[0].n_options, 4);
    assert_string_equal(tn_section_find(&cfg.section[0], "width")->value, "16");
    assert_string_equal(tn_section_find(&cfg.section[0], "batch")->value, "4");
    assert_int_equal(tn_cfg_override(&cfg, "batch"), TN_FAIL);
    assert_int_equal(tn_cfg_override(&cfg, "=4"), TN_FAIL);
    assert_int_equal(tn_cfg_override(&cfg, "batch="), TN_FAIL);
    assert_string_equal(tn_error(), "-net batch=: expected KEY=VALUE");
    tn_cfg_free(&cfg);
}

static tn_status load(const char *text, tn_net **net) {
    tn_cfg cfg;
    TN_TRY(parse(text, &cfg));
    return tn_net_create(&cfg, NULL, net);
}

static void nets_that_cannot_be_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[net]\n[softmax]\n", "a.cfg:1: [net]: width=0 height=0: expected both (or inputs)"},
        {NET, "the net has no layers"},
        {NET "lerning_rate=1\n[softmax]\n",
         "a.cfg:5: [net]: unknown key lerning_rate; did you mean learning_rate?"},
        {NET "mosaic=1\n[softmax]\n",
         "a.cfg:5: [net]: mosaic=1 is not supported here (four images in one)"},
        {NET "policy=stepz\n[softmax]\n",
         "a.cfg:5: [net]: policy=stepz: no such policy; did you mean step?"},
        {NET "batch=10\nsubdivisions=4\n[softmax]\n",
         "a.cfg:1: [net]: batch=10 is not a multiple of subdivisions=4"},
        {NET "[convolutonal]\n",
         "a.cfg:5: [convolutonal]: no such layer type; did you mean [convolutional]?"},
        {NET "[yolo]\n", "a.cfg:5: [yolo]: no such layer type"},
        {NET "[convolutional]\nfilters=4\nactivation=rely\n",
         "a.cfg:7: [convolutional]: activation=rely: no such activation; did you mean relu?"},
        {NET "[convolutional]\nfilters=4\nfilter=5\n",
         "a.cfg:7: [convolutional]: unknown key filter; did you mean filters?"},
        {NET "[convolutional]\nstride=0\n",
         "a.cfg:6: [convolutional]: stride=0: expected 1 to 1024"},
        {NET "[convolutional]\nsize=9\n", NULL},
        {NET "[convolutional]\nfilters=4\ngroups=2\n", NULL},
        {NET "[convolutional]\nfilters=4\ngroups=3\n", NULL},
        {NET "[convolutional]\nxnor=1\n", NULL},
        {NET "[grouped_convolutional]\nfilters=3\n", NULL},
        {NET "[expansion_residual]\nfilters=4\nsize=4\n", NULL},
        {NET "[expansion_residual]\nfilters=4\ngroups=3\n", NULL},
        {NET "[maxpool]\nsize=20\nstride=2\npadding=0\n", NULL},
        {NET "[route]\nlayers=-1\n", NULL},
        {NET "[route]\nlayers=0\n", NULL},
        {NET "[route]\n", NULL},
        {NET "[avgpool]\n[route]\nlayers=0,4\n", NULL},
        {NET "[avgpool]\n[shortcut]\n", NULL},
        {NET "[avgpool]\n[shortcut]\nfrom=-7\n", NULL},
        {NET "[softmax]\ngroups=5\n", NULL},
        {NET "[softmax]\ntree=a.tree\n", NULL},
        {NET "[dropout]\nprobability=1.5\n", NULL},
        {NET "[crop]\ncrop_width=9\ncrop_height=8\n", NULL},
        {NET "[avgpool]\n[crop]\ncrop_width=1\ncrop_height=1\n", NULL},
        {NET "[connected]\noutput=0\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_net *net;
        if (load(cases[i].text, &net) != TN_FAIL) fail_msg("accepted: %s", cases[i].text);
        assert_null(net);
        if (cases[i].message)
            assert_string_equal(tn_error(), cases[i].message);
        else if (strncmp(tn_error(), "a.cfg:", 6) != 0)
            fail_msg("%s: names no line: %s", cases[i].text, tn_error());
    }
}

static void a_net_starts_as_documented(void **state) {
    (void)state;
    tn_net *a, *b;
    const char *text = NET "[convolutional]\nbatch_normalize=1\nfilters=64\nsize=3\npad=1\n"
                           "[convolutional]\nfilters=2\nactivation=linear\n[avgpool]\n[softmax]\n";
    assert_int_equal(load(text, &a), TN_OK);
    assert_int_equal(load(text, &b), TN_OK);
    tn_net_init(a, 5);
    tn_net_init(b, 5);
    assert_int_equal(a->plan.n_params, 7);
    assert_int_equal(tn_net_parameters(a), 64 * 2 + 64 * 27 + 2 + 2 * 64);
    assert_true(tn_net_multiply_adds(a) == 64.0 * (64 * 27 + 2 * 64));
    assert_int_equal(tn_net_outputs(a), 2);
    double sum = 0;
    const tn_param *w = &a->param[4];
    assert_string_equal(w->spec->name, "0.weights");
    for (size_t i = 0; i < w->spec->count; i++) {
        assert_true(w->value[i] == b->param[4].value[i]);
        sum += (double)w->value[i] * (double)w->value[i];
    }
    const double variance = sum / (double)w->spec->count;
    assert_true(variance > 0.9 * 2 / 27 && variance < 1.1 * 2 / 27);
    assert_true(a->param[0].value[3] == 0 && a->param[1].value[3] == 1);
    assert_true(a->param[2].value[3] == 0 && a->param[3].value[3] == 1);
    tn_net_init(b, 6);
    assert_true(a->param[4].value[0] != b->param[4].value[0]);
    tn_net_free(a);
    tn_net_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar_is_darknets),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(long_lines_are_read),
        cmocka_unit_test(overrides_replace_and_add),
        cmocka_unit_test(nets_that_cannot_be_are_explained),
        cmocka_unit_test(a_net_starts_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
