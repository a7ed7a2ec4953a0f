/* The shipped nets, to the digit; and the classification cfgs of Debian's Darknet. */
#include "src/net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int warnings;
static void count_warning(void *user, const char *text) {
    (void)user;
    print_message("%s\n", text);
    warnings++;
}
static const tn_warner warner = {count_warning, NULL};

/* Parameters and multiply-adds of the nets as published: torchvision's counts where it has the net
 * (with two outputs), else counted by hand from the description in the cfg. */
static void shipped_nets_have_their_counts(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t parameters;
        double multiply_adds;
    } nets[] = {
        {"thyronet", 14159682, 2558578688},
        {"thyronet-b", 14953794, 2507198464},
        {"thyronet-c", 15073346, 2854014976},
        {"thyronet-dense", 20867010, 3843084288},
        {"baseline", 21285698, 3663250432},
        {"baseline-block", 11933250, 2134688768},
        {"baseline-bottleneck", 23512130, 4087140352},
        {"vgg16", 134268738, 15466176512},
        {"alexnet", 57012034, 710100672},
        {"googlenet", 10316966, 1581649920},
        {"mobilenet", 3209026, 567718400},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char path[64];
        snprintf(path, sizeof path, "cfg/%s.cfg", nets[i].name);
        tn_net *net;
        warnings = 0;
        if (tn_net_load(path, NULL, 0, &warner, &net) != TN_OK) fail_msg("%s", tn_error());
        assert_int_equal(warnings, 0);
        if (tn_net_parameters(net) != nets[i].parameters)
            fail_msg("%s: %zu parameters", path, tn_net_parameters(net));
        if (tn_net_multiply_adds(net) != nets[i].multiply_adds)
            fail_msg("%s: %.0f multiply-adds", path, tn_net_multiply_adds(net));
        assert_int_equal(tn_net_outputs(net), 2);
        /* The paper's recipe. */
        assert_true(net->keys.adam && net->keys.learning_rate == 0.001);
        assert_true(net->keys.batch == 32 && net->keys.epochs == 100);
        assert_true(net->keys.width == 224 && net->keys.height == 224 && net->keys.channels == 3);
        assert_string_equal(net->keys.data, "data/ddti/ddti.data");
        tn_net_free(net);
    }
}

/* Against ResNet-34: the text's "reduced the number of parameters by 30%". */
static void thyronet_is_a_third_smaller(void **state) {
    (void)state;
    tn_net *a, *b;
    assert_int_equal(tn_net_load("cfg/thyronet.cfg", NULL, 0, NULL, &a), TN_OK);
    assert_int_equal(tn_net_load("cfg/baseline.cfg", NULL, 0, NULL, &b), TN_OK);
    const double saved = 1 - (double)tn_net_parameters(a) / (double)tn_net_parameters(b);
    assert_true(saved > 0.334 && saved < 0.336);
    tn_net_free(a);
    tn_net_free(b);
}

static void small_net_is_what_its_head_says(void **state) {
    (void)state;
    tn_net *net;
    warnings = 0;
    if (tn_net_load("cfg/thyronet-small.cfg", NULL, 0, &warner, &net) != TN_OK)
        fail_msg("%s", tn_error());
    assert_int_equal(warnings, 0);
    assert_int_equal(tn_net_parameters(net), 111570);
    assert_true(tn_net_multiply_adds(net) == 18989568);
    assert_int_equal(tn_net_outputs(net), 2);
    tn_net_free(net);
}

/* The recipe for DDTI changes [net] alone. */
static void recipe_has_thyronets_layers(void **state) {
    (void)state;
    tn_net *a, *b;
    warnings = 0;
    if (tn_net_load("cfg/thyronet-recipe.cfg", NULL, 0, &warner, &a) != TN_OK)
        fail_msg("%s", tn_error());
    assert_int_equal(warnings, 0);
    assert_int_equal(tn_net_load("cfg/thyronet.cfg", NULL, 0, NULL, &b), TN_OK);
    assert_int_equal(tn_net_parameters(a), 14159682);
    assert_true(tn_net_multiply_adds(a) == 208867328);
    assert_int_equal(tn_net_outputs(a), 2);
    assert_true(a->keys.width == 64 && a->keys.height == 64 && a->keys.channels == 3);
    assert_string_equal(a->keys.data, "data/ddti/ddti.data");
    assert_int_equal(a->cfg.n_sections, b->cfg.n_sections);
    for (int i = 1; i < a->cfg.n_sections; i++) {
        const tn_section *x = &a->cfg.section[i], *y = &b->cfg.section[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->n_options, y->n_options);
        for (int k = 0; k < x->n_options; k++) {
            assert_string_equal(x->option[k].key, y->option[k].key);
            assert_string_equal(x->option[k].value, y->option[k].value);
        }
    }
    tn_net_free(a);
    tn_net_free(b);
}

/* Outputs of cfg layers that Debian's program prints (width x height x channels at some layers) and
 * the number of bytes of a weights file, worked out from the cfgs' architectures. */
static void debians_cfgs_load(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int layers, outputs;
    } nets[] = {
        {"resnet18", 29, 1000},
        {"resnet34", 53, 1000},
        {"resnet50", 69, 1000},
        {"resnet101", 138, 1000},
        {"resnet152", 205, 1000},
        {"resnext50", 69, 1000},
        {"resnext101-32x4d", 137, 1000},
        {"resnext152-32x4d", 205, 1000},
        {"darknet19", 26, 1000},
        {"darknet53", 78, 1000},
        {"densenet201", 305, 1000},
        {"alexnet", 14, 1000},
        {"vgg-16", 25, 1000},
        {"extraction", 27, 1000},
        {"cifar", 17, 10},
        {"tiny", 22, 1000},
    };
    if (access("/usr/share/darknet/cfg", R_OK) != 0) {
        print_message("skip: Debian's darknet is not installed\n");
        skip();
    }
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char path[96];
        snprintf(path, sizeof path, "/usr/share/darknet/cfg/%s.cfg", nets[i].name);
        tn_net *net;
        warnings = 0;
        if (tn_net_load(path, NULL, 0, &warner, &net) != TN_OK) fail_msg("%s", tn_error());
        assert_int_equal(warnings, 0);
        if (net->plan.n_layers != nets[i].layers || tn_net_outputs(net) != nets[i].outputs)
            fail_msg("%s: %d layers, %d outputs", path, net->plan.n_layers, tn_net_outputs(net));
        tn_net_free(net);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_nets_have_their_counts),
        cmocka_unit_test(thyronet_is_a_third_smaller),
        cmocka_unit_test(recipe_has_thyronets_layers),
        cmocka_unit_test(small_net_is_what_its_head_says),
        cmocka_unit_test(debians_cfgs_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
