/* The 16 classification cfgs of Debian's darknet package: the same shapes and amount of work as its
 * program prints, and the same outputs with the same weights. On small images, for time. */
#include "src/net/weights.h"
#include "tests/support/peers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct debian_cfg {
    const char *name;
    int size;    /* of image, and of the window of [crop] */
    double gain; /* of the weights: logits must neither vanish nor saturate */
} debian_cfg;

/* Copies the cfg with another input size. */
static void copy_cfg(const debian_cfg *c) {
    char path[128], line[512];
    snprintf(path, sizeof path, "/usr/share/darknet/cfg/%s.cfg", c->name);
    FILE *from = fopen(path, "r"), *to = fopen(tn_peer_path("out.cfg"), "w");
    assert_true(from && to);
    static const char *const keys[] = {"width", "height", "crop_width", "crop_height"};
    while (fgets(line, sizeof line, from)) {
        bool written = false;
        for (size_t i = 0; i < sizeof keys / sizeof *keys && !written; i++) {
            const size_t n = strlen(keys[i]);
            if (strncmp(line, keys[i], n) != 0 || line[n] != '=') continue;
            fprintf(to, "%s=%d\n", keys[i], c->size);
            written = true;
        }
        if (!written) fputs(line, to);
    }
    fclose(from);
    assert_int_equal(fclose(to), 0);
}

/* Compares "W x H x C" (or "N") behind the arrow of each line of darknet's table, and its BFLOPs,
 * with the plan. Returns the number of lines compared. */
static int compare_table(const tn_net *net) {
    FILE *f = fopen(tn_peer_path("table"), "r");
    assert_non_null(f);
    char line[1024];
    int compared = 0;
    while (fgets(line, sizeof line, f)) {
        char *arrow = strstr(line, "->"), *end;
        const long layer = strtol(line, &end, 10);
        if (!arrow || end == line || layer >= net->plan.n_layers) continue;
        const tn_shape s = tn_plan_shape(&net->plan, net->plan.layer[layer].out);
        int w = 0, h = 0, c = 0;
        double billions = -1;
        const int n = sscanf(arrow + 2, "%d x%d x%d %lf", &w, &h, &c, &billions);
        if (n >= 3 && (w != s.w || h != s.h || c != s.c))
            fail_msg("layer %ld: %dx%dx%d here, theirs: %s", layer, s.w, s.h, s.c, line);
        if (n == 1 && (size_t)w != tn_shape_count(s))
            fail_msg("layer %ld: %zu values here, theirs: %s", layer, tn_shape_count(s), line);
        if (n == 4) {
            const tn_plan_layer *l = &net->plan.layer[layer];
            double work = 0;
            for (int i = 0; i < l->n_ops; i++)
                work += tn_plan_op_multiply_adds(&net->plan, &net->plan.op[l->first_op + i]);
            if (fabs(2e-9 * work - billions) > 6e-4)
                fail_msg("layer %ld: %.4f GFLOP here, theirs: %s", layer, 2e-9 * work, line);
        }
        compared += n == 1 || n >= 3;
    }
    fclose(f);
    return compared;
}

static void one_cfg(void **state) {
    const debian_cfg *c = *state;
    if (!tn_peer_has_darknet()) {
        print_message("skip: Debian's darknet is not installed\n");
        skip();
    }
    static double want[TN_PEER_OUTPUTS], got[TN_PEER_OUTPUTS];
    copy_cfg(c);
    tn_net *net;
    tn_must(tn_net_load(tn_peer_path("out.cfg"), NULL, 0, NULL, &net));
    tn_peer_fill(net, c->gain, false);
    tn_must(tn_weights_save(net->param, net->plan.n_params, 0, tn_peer_path("out.weights")));
    tn_peer_image(c->size, c->size);
    const int n = tn_peer_here(net, want);
    tn_peer_darknet(got, n);
    const int lines = compare_table(net);
    double most = 0;
    for (int i = 0; i < n; i++) most = want[i] > most ? want[i] : most;
    print_message("%s: %d lines compared, %d outputs, the largest %.4f\n", c->name, lines, n, most);
    /* [route]s and [softmax] have no arrow in the table. */
    assert_true(lines >= net->plan.n_layers / 2);
    /* Far from 1/n, or nothing would be shown; far from 1, or agreement would mean nothing. */
    assert_true(most > 1.5 / n && most < 0.99);
    /* Their batch norm adds 1e-6 to the deviation, ours 1e-5 to the variance: 6e-6 a layer. */
    tn_peer_compare(c->name, want, got, n, 2e-4 * most);
    tn_net_free(net);
}

#define CFG(name, size, gain)                                                                      \
    {                                                                                              \
        "debian_" name, one_cfg, NULL, NULL, &(debian_cfg) {                                       \
            name, size, gain                                                                       \
        }                                                                                          \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        CFG("resnet18", 64, 1),         CFG("resnet34", 64, 1),         CFG("resnet50", 64, 1),
        CFG("resnet101", 64, 1),        CFG("resnet152", 64, 0.9),      CFG("resnext50", 64, 1),
        CFG("resnext101-32x4d", 64, 1), CFG("resnext152-32x4d", 64, 1), CFG("darknet19", 64, 1.4),
        CFG("darknet53", 64, 0.85),     CFG("densenet201", 64, 1.5),    CFG("alexnet", 67, 1.4),
        CFG("vgg-16", 64, 1.4),         CFG("extraction", 64, 1.4),     CFG("cifar", 28, 1.6),
        CFG("tiny", 64, 1.4),
    };
    return cmocka_run_group_tests(tests, tn_peer_folder_make, tn_peer_folder_remove);
}
