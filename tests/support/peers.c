#include "tests/support/peers.h"

#include "src/net/run.h"

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

static char folder[64];
static unsigned char pixels[512 * 512 * 3];
static uint32_t random_state;

int tn_peer_folder_make(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tn_peers_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

int tn_peer_folder_remove(void **state) {
    (void)state;
    static const char *const files[] = {"out.cfg", "out.weights", "image_one.ppm", "a.data",
                                        "labels",  "list",        "table"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(tn_peer_path(files[i]));
    return rmdir(folder);
}

const char *tn_peer_path(const char *name) {
    static char path[8][128];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

void tn_must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static double uniform(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return (double)(random_state >> 8) * 0x1p-24;
}

void tn_peer_fill(tn_net *net, double gain, bool narrow) {
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

void tn_peer_image(int w, int h) {
    assert_true((size_t)w * (size_t)h * 3 <= sizeof pixels);
    random_state = 99;
    for (int i = 0; i < w * h * 3; i++) pixels[i] = (unsigned char)(256 * uniform());
    FILE *f = fopen(tn_peer_path("image_one.ppm"), "wb");
    assert_non_null(f);
    fprintf(f, "P6\n%d %d\n255\n", w, h);
    assert_int_equal(fwrite(pixels, 1, (size_t)(w * h * 3), f), (size_t)(w * h * 3));
    assert_int_equal(fclose(f), 0);
}

int tn_peer_here(tn_net *net, double *out) {
    const tn_run_options options = {.mode = TN_INFER, .batch = 1, .output = -1};
    tn_run *replica;
    tn_must(tn_run_create(&net->plan, net->param, &options, &replica));
    const tn_tensor in = tn_run_input(replica);
    for (size_t i = 0; i < tn_elements(&in); i++)
        tn_data(&in)[i] = (tn_real)pixels[i] / (tn_real)255;
    const tn_step step = {.n_valid = 1, .grad_scale = 1};
    tn_must(tn_run_forward(replica, &step));
    const tn_tensor result = tn_run_output(replica);
    const int n = (int)tn_elements(&result);
    assert_in_range(n, 1, TN_PEER_OUTPUTS);
    for (int i = 0; i < n; i++) out[i] = (double)tn_data(&result)[i];
    tn_run_free(replica);
    return n;
}

void tn_peer_compare(const char *what, const double *want, const double *got, int n, double most) {
    for (int i = 0; i < n; i++)
        if (!(fabs(want[i] - got[i]) <= most))
            fail_msg("%s: output %d is %.7f, expected %.7f", what, i, got[i], want[i]);
}

static bool works(const char *command) {
    return system(command) == 0;
}

bool tn_peer_has_darknet(void) {
    return access("/usr/bin/darknet", X_OK) == 0;
}

bool tn_peer_has_opencv(void) {
    return works("/usr/bin/python3 -c 'import cv2' 2>/dev/null");
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Runs a command; the numbers behind `mark`, on the first line that holds it, go to out. */
static void ask(const char *command, const char *mark, double *out, int n) {
    enum { LINE = 1 << 16 };
    FILE *f = popen(command, "r");
    char *line = malloc(LINE);
    assert_true(f && line);
    int found = 0;
    while (fgets(line, LINE, f)) {
        char *p = strstr(line, mark);
        if (!p || found) continue;
        p += strlen(mark);
        while (found < n) {
            char *end;
            const double v = strtod(p, &end);
            if (end == p) break;
            out[found++] = v;
            for (p = end; *p == ',' || *p == ' ' || *p == '\t'; p++) continue;
        }
    }
    pclose(f);
    free(line);
    if (found != n) fail_msg("%s: %d numbers after \"%s\", expected %d", command, found, mark, n);
}

void tn_peer_darknet(double *out, int n) {
    char text[512];
    snprintf(text, sizeof text, "classes=%d\nlabels=%s\nnames=%s\n", n, tn_peer_path("labels"),
             tn_peer_path("labels"));
    write_text(tn_peer_path("a.data"), text);
    write_text(tn_peer_path("labels"), "one\n");
    snprintf(text, sizeof text, "%s\n", tn_peer_path("image_one.ppm"));
    write_text(tn_peer_path("list"), text);
    char command[768];
    snprintf(command, sizeof command, "/usr/bin/darknet classifier fout %s %s %s %s 2>%s",
             tn_peer_path("a.data"), tn_peer_path("out.cfg"), tn_peer_path("out.weights"),
             tn_peer_path("list"), tn_peer_path("table"));
    ask(command, "image_one.ppm\t", out, n);
}

void tn_peer_opencv(int w, int h, double *out, int n) {
    char command[1024];
    snprintf(
        command, sizeof command,
        "/usr/bin/python3 -c \"import cv2\nn = cv2.dnn.readNetFromDarknet('%s', '%s')\n"
        "n.setInput(cv2.dnn.blobFromImage(cv2.imread('%s'), 1 / 255., (%d, %d), swapRB=True))\n"
        "print('answer', ', '.join('%%.8f' %% v for v in n.forward().reshape(-1)))\" 2>&1",
        tn_peer_path("out.cfg"), tn_peer_path("out.weights"), tn_peer_path("image_one.ppm"), w, h);
    ask(command, "answer ", out, n);
}
