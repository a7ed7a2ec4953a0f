/* Expanded and folded nets give the net's own probabilities: here, in Debian's Darknet and in
 * OpenCV's dnn module, the real programs. */
#include "src/net/expand.h"
#include "src/net/weights.h"
#include "tests/support/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void write_expanded(const tn_net *net, bool fold, const char *cfg, const char *weights) {
    FILE *f = fopen(cfg, "w");
    assert_non_null(f);
    tn_must(tn_expand_cfg(net, fold, NULL, f));
    assert_int_equal(fclose(f), 0);
    tn_must(tn_expand_weights(net, fold, weights));
}

static void compare_ours(const char *name, const tn_net *net, bool fold, const double *want,
                         int n) {
    write_expanded(net, fold, tn_peer_path("out.cfg"), tn_peer_path("out.weights"));
    tn_net *other;
    tn_must(tn_net_load(tn_peer_path("out.cfg"), NULL, 0, NULL, &other));
    tn_must(tn_weights_load(other, tn_peer_path("out.weights"), false, NULL));
    for (int l = 0; l < other->plan.n_layers; l++) {
        const char *type = other->plan.layer[l].section->name;
        assert_null(strstr(type, "residual"));
        assert_null(strstr(type, "grouped"));
        if (fold) assert_null(tn_section_find(other->plan.layer[l].section, "batch_normalize"));
    }
    double got[TN_PEER_OUTPUTS];
    assert_int_equal(tn_peer_here(other, got), n);
    char what[96];
    snprintf(what, sizeof what, "%s%s here", name, fold ? " folded" : " expanded");
    tn_peer_compare(what, want, got, n, 1e-5);
    tn_net_free(other);
}

/* ---- the shipped nets ---- */

typedef struct shipped {
    const char *name;
    int size;
    double gain;
    bool expands; /* without folding as well */
} shipped;

static void shipped_net(void **state) {
    const shipped *s = *state;
    char path[64], width[32], height[32];
    snprintf(path, sizeof path, "cfg/%s.cfg", s->name);
    snprintf(width, sizeof width, "width=%d", s->size);
    snprintf(height, sizeof height, "height=%d", s->size);
    const char *overrides[] = {width, height};
    tn_net *net;
    tn_must(tn_net_load(path, overrides, 2, NULL, &net));
    tn_peer_image(s->size, s->size);
    double want[TN_PEER_OUTPUTS], got[TN_PEER_OUTPUTS];
    tn_peer_fill(net, s->gain, false);
    const int n = tn_peer_here(net, want);
    print_message("%s: %.6f %.6f\n", s->name, want[0], want[1]);
    /* Saturated probabilities would agree whatever the nets do. */
    assert_true(want[0] > 0.01 && want[0] < 0.99);
    if (s->expands) {
        compare_ours(s->name, net, false, want, n);
    } else {
        FILE *f = fopen(tn_peer_path("out.cfg"), "w");
        assert_non_null(f);
        assert_int_equal(tn_expand_cfg(net, false, NULL, f), TN_FAIL);
        assert_non_null(strstr(tn_error(), "-fold"));
        assert_int_equal(fclose(f), 0);
    }
    compare_ours(s->name, net, true, want, n);
    tn_net_free(net);
    if (tn_peer_has_darknet()) {
        tn_peer_darknet(got, n);
        tn_peer_compare("Debian's darknet", want, got, n, 1e-5);
    } else {
        print_message("skip: %s in Debian's darknet: not installed\n", s->name);
    }
    if (tn_peer_has_opencv()) {
        tn_peer_opencv(s->size, s->size, got, n);
        tn_peer_compare("OpenCV's dnn", want, got, n, 1e-5);
    } else {
        print_message("skip: %s in OpenCV's dnn: not installed\n", s->name);
    }
}

/* ---- every kind of section ---- */

static tn_net *from_text(const char *text) {
    tn_cfg cfg;
    tn_net *net;
    tn_must(tn_cfg_parse(text, strlen(text), "case.cfg", &cfg));
    tn_must(tn_net_create(&cfg, NULL, &net));
    return net;
}

static void sections_keep_their_meaning(void **state) {
    (void)state;
    static const char *const cases[] = {
        /* a residual block first: it reads the net's input twice */
        "[expansion_residual]\nfilters=3\nexpansion=1\ngroups=3\n[avgpool]\n[softmax]\n",
        "[expansion_residual]\nfilters=4\ngroups=2\nstride=2\nsize=1\n"
        "[expansion_residual]\nfilters=4\ngroups=2\nactivation=leaky\n"
        "[expansion_residual]\nfilters=2\nbatch_normalize=0\n[avgpool]\n[softmax]\n",
        /* dropped sections shift what others name */
        "[convolutional]\nfilters=4\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"
        "[dropout]\n[convolutional]\nfilters=4\nsize=1\nstride=2\nactivation=relu\n[dropout]\n"
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n[batchnorm]\n"
        "[shortcut]\nfrom=3,-3\nactivation=leaky\n[route]\nlayers=-2,3\n"
        "[grouped_conv]\nfilters=6\ngroups=2\nsize=3\npad=1\nbatch_normalize=1\n"
        "[connected]\noutput=3\nactivation=linear\nbatch_normalize=1\n[softmax]\n[cost]\n",
        /* a training-only head in the middle */
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=relu\n[avgpool]\noutput=4\n"
        "[connected]\noutput=2\nactivation=linear\n[softmax]\nloss_weight=.3\n[route]\nlayers=0\n"
        "[maxpool]\nsize=3\nstride=2\n[local_avgpool]\nsize=2\nstride=2\npadding=0\n"
        "[activation]\nactivation=tanh\n[connected]\noutput=4\nactivation=linear\n"
        "[softmax]\ngroups=2\ntemperature=2\n",
        /* squeeze and excitation, a strided shortcut of fewer channels */
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=relu\n[avgpool]\n"
        "[convolutional]\nfilters=4\nactivation=logistic\n[scale_channels]\nfrom=0\n"
        "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=linear\n"
        "[shortcut]\nfrom=-2\nalpha=.5\nbeta=2\nactivation=relu\n[avgpool]\n[softmax]\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048], name[16];
        snprintf(text, sizeof text, "[net]\nwidth=16\nheight=16\nchannels=3\n%s", cases[i]);
        snprintf(name, sizeof name, "case %zu", i);
        tn_net *net = from_text(text);
        tn_peer_image(16, 16);
        for (int narrow = 0; narrow < 2; narrow++) {
            double want[TN_PEER_OUTPUTS];
            tn_peer_fill(net, 1, narrow);
            const int n = tn_peer_here(net, want);
            compare_ours(name, net, false, want, n);
            compare_ours(name, net, true, want, n);
        }
        tn_net_free(net);
    }
}

#define SHIPPED(name, size, gain, expands)                                                         \
    {                                                                                              \
        "expand_" name, shipped_net, NULL, NULL, &(shipped) {                                      \
            name, size, gain, expands                                                              \
        }                                                                                          \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_keep_their_meaning),
        SHIPPED("thyronet", 32, 1.0, true),
        SHIPPED("thyronet-b", 32, 1.0, true),
        SHIPPED("thyronet-c", 32, 1.0, true),
        SHIPPED("thyronet-dense", 32, 1.0, true),
        SHIPPED("baseline", 32, 1.0, true),
        SHIPPED("baseline-block", 32, 1.0, true),
        SHIPPED("baseline-bottleneck", 32, 1.0, true),
        SHIPPED("vgg16", 32, 1.4, true),
        SHIPPED("alexnet", 64, 1.4, true),
        SHIPPED("googlenet", 96, 1.4, false),
        SHIPPED("mobilenet", 32, 1.4, true),
        SHIPPED("demo", 64, 1.0, true),
    };
    return cmocka_run_group_tests(tests, tn_peer_folder_make, tn_peer_folder_remove);
}
