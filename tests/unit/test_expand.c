/* Expanded and folded nets give the net's own probabilities: here, in Debian's Darknet and in
 * OpenCV's dnn module, the real programs. */
#include "src/net/expand.h"
#include "src/net/run.h"
#include "src/net/weights.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_OUTPUTS = 16 };

static char folder[64];

static const char *at(const char *name) {
    static char path[4][128];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static uint32_t random_state;
static double uniform(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return (double)(random_state >> 8) * 0x1p-24;
}

/* Weights whose logits stay moderate; variances near 1, where no program's epsilon matters, unless
 * `narrow`: then they are small and only folding helps. */
static void fill(tn_net *net, double gain, bool narrow) {
    random_state = 12345;
    for (int i = 0; i < net->plan.n_params; i++) {
        tn_param *p = &net->param[i];
        const double spread = gain * sqrt(3.0 / (p->spec->fan_in > 0 ? p->spec->fan_in : 1));
        for (size_t j = 0; j < p->spec->count; j++) {
            const double u = uniform();
            const double v[] = {[TN_PARAM_BIAS] = 0.2 * (2 * u - 1),
                                [TN_PARAM_SCALE] = (0.75 + 0.5 * u) * (narrow ? 0.1 : 1),
                                [TN_PARAM_MEAN] = 0.2 * (2 * u - 1),
                                [TN_PARAM_VARIANCE] = narrow ? 1e-2 : 0.75 + 0.5 * u,
                                [TN_PARAM_WEIGHTS] = spread * (2 * u - 1)};
            p->value[j] = (tn_real)v[p->spec->kind];
        }
        p->version++;
    }
}

/* An 8-bit image: what every program reads alike. */
static unsigned char pixels[256 * 256 * 3];
static void write_image(int w, int h) {
    random_state = 99;
    for (int i = 0; i < w * h * 3; i++) pixels[i] = (unsigned char)(256 * uniform());
    FILE *f = fopen(at("image_one.ppm"), "wb");
    assert_non_null(f);
    fprintf(f, "P6\n%d %d\n255\n", w, h);
    assert_int_equal(fwrite(pixels, 1, (size_t)(w * h * 3), f), (size_t)(w * h * 3));
    assert_int_equal(fclose(f), 0);
}

static int run(tn_net *net, double out[MOST_OUTPUTS]) {
    const tn_run_options options = {.mode = TN_INFER, .batch = 1, .output = -1};
    tn_run *replica;
    must(tn_run_create(&net->plan, net->param, &options, &replica));
    const tn_tensor in = tn_run_input(replica);
    for (size_t i = 0; i < tn_elements(&in); i++)
        tn_data(&in)[i] = (tn_real)pixels[i] / (tn_real)255;
    const tn_step step = {.n_valid = 1, .grad_scale = 1};
    must(tn_run_forward(replica, &step));
    const tn_tensor result = tn_run_output(replica);
    const int n = (int)tn_elements(&result);
    assert_in_range(n, 1, MOST_OUTPUTS);
    for (int i = 0; i < n; i++) out[i] = (double)tn_data(&result)[i];
    tn_run_free(replica);
    return n;
}

static void write_expanded(const tn_net *net, bool fold, const char *cfg, const char *weights) {
    FILE *f = fopen(cfg, "w");
    assert_non_null(f);
    must(tn_expand_cfg(net, fold, NULL, f));
    assert_int_equal(fclose(f), 0);
    must(tn_expand_weights(net, fold, weights));
}

static void compare(const char *what, const double *a, const double *b, int n, double most) {
    for (int i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= most))
            fail_msg("%s: output %d is %.7f, expected %.7f", what, i, b[i], a[i]);
}

static void compare_ours(const char *name, const tn_net *net, bool fold, const double *want,
                         int n) {
    write_expanded(net, fold, at("out.cfg"), at("out.weights"));
    tn_net *other;
    must(tn_net_load(at("out.cfg"), NULL, 0, NULL, &other));
    must(tn_weights_load(other, at("out.weights"), false, NULL));
    for (int l = 0; l < other->plan.n_layers; l++) {
        const char *type = other->plan.layer[l].section->name;
        assert_null(strstr(type, "residual"));
        assert_null(strstr(type, "grouped"));
        if (fold) assert_null(tn_section_find(other->plan.layer[l].section, "batch_normalize"));
    }
    double got[MOST_OUTPUTS];
    assert_int_equal(run(other, got), n);
    char what[96];
    snprintf(what, sizeof what, "%s%s here", name, fold ? " folded" : " expanded");
    compare(what, want, got, n, 1e-5);
    tn_net_free(other);
}

/* ---- other programs ---- */

static bool have(const char *command) {
    return system(command) == 0;
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* The line of the answer that holds `mark`, numbers behind it read into out. */
static void ask(const char *command, const char *mark, double *out, int n) {
    FILE *f = popen(command, "r");
    assert_non_null(f);
    char line[1024];
    int found = 0;
    while (fgets(line, sizeof line, f)) {
        char *p = strstr(line, mark);
        if (!p || found) continue;
        p += strlen(mark);
        while (found < n) {
            char *end;
            const double v = strtod(p, &end);
            if (end == p) break;
            out[found++] = v;
            for (p = end; *p == ',' || *p == ' '; p++) continue;
        }
    }
    pclose(f);
    if (found != n) fail_msg("%s: %d numbers after \"%s\", expected %d", command, found, mark, n);
}

static void ask_darknet(double *out, int n) {
    char text[512];
    snprintf(text, sizeof text, "classes=%d\nvalid=%s\nlabels=%s\nnames=%s\n", n, at("list"),
             at("labels"), at("labels"));
    write_text(at("a.data"), text);
    write_text(at("labels"), "one\ntwo\nthree\nfour\n");
    snprintf(text, sizeof text, "%s\n", at("image_one.ppm"));
    write_text(at("list"), text);
    char command[512];
    snprintf(command, sizeof command, "/usr/bin/darknet classifier valid %s %s %s 2>/dev/null",
             at("a.data"), at("out.cfg"), at("out.weights"));
    ask(command, "image_one.ppm, 0, ", out, n < 2 ? n : 2);
}

static void ask_opencv(int w, int h, double *out, int n) {
    char command[1024];
    snprintf(
        command, sizeof command,
        "/usr/bin/python3 -c \"import cv2\nn = cv2.dnn.readNetFromDarknet('%s', '%s')\n"
        "n.setInput(cv2.dnn.blobFromImage(cv2.imread('%s'), 1 / 255., (%d, %d), swapRB=True))\n"
        "print('answer', ', '.join('%%.8f' %% v for v in n.forward().reshape(-1)))\" 2>&1",
        at("out.cfg"), at("out.weights"), at("image_one.ppm"), w, h);
    ask(command, "answer ", out, n);
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
    must(tn_net_load(path, overrides, 2, NULL, &net));
    write_image(s->size, s->size);
    double want[MOST_OUTPUTS], got[MOST_OUTPUTS];
    fill(net, s->gain, false);
    const int n = run(net, want);
    print_message("%s: %.6f %.6f\n", s->name, want[0], want[1]);
    /* Saturated probabilities would agree whatever the nets do. */
    assert_true(want[0] > 0.01 && want[0] < 0.99);
    if (s->expands) {
        compare_ours(s->name, net, false, want, n);
    } else {
        FILE *f = fopen(at("out.cfg"), "w");
        assert_non_null(f);
        assert_int_equal(tn_expand_cfg(net, false, NULL, f), TN_FAIL);
        assert_non_null(strstr(tn_error(), "-fold"));
        assert_int_equal(fclose(f), 0);
    }
    compare_ours(s->name, net, true, want, n);
    tn_net_free(net);
    if (have("test -x /usr/bin/darknet")) {
        ask_darknet(got, n);
        compare("Debian's darknet", want, got, n, 1e-5);
    } else {
        print_message("skip: %s in Debian's darknet: not installed\n", s->name);
    }
    if (have("/usr/bin/python3 -c 'import cv2' 2>/dev/null")) {
        ask_opencv(s->size, s->size, got, n);
        compare("OpenCV's dnn", want, got, n, 1e-5);
    } else {
        print_message("skip: %s in OpenCV's dnn: not installed\n", s->name);
    }
}

/* ---- every kind of section ---- */

static tn_net *from_text(const char *text) {
    tn_cfg cfg;
    tn_net *net;
    must(tn_cfg_parse(text, strlen(text), "case.cfg", &cfg));
    must(tn_net_create(&cfg, NULL, &net));
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
        write_image(16, 16);
        for (int narrow = 0; narrow < 2; narrow++) {
            double want[MOST_OUTPUTS];
            fill(net, 1, narrow);
            const int n = run(net, want);
            compare_ours(name, net, false, want, n);
            compare_ours(name, net, true, want, n);
        }
        tn_net_free(net);
    }
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tn_expand_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const files[] = {"out.cfg", "out.weights", "image_one.ppm",
                                        "a.data",  "labels",      "list"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(at(files[i]));
    return rmdir(folder);
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
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
