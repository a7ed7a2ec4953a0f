#include "tests/support/torch_parity.h"
#include "tests/support/smooth.h"

#include "src/net/net.h"
#include "src/net/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROJECTIONS = 8, IMAGE_STREAM = 1, PARAM_STREAM = 1000, SIGN_STREAM = 500000, SEED = 7 };
static const double rate = 0.01, decay = 5e-4; /* one step from rest: momentum plays no part */

/* ---- the hash (splitmix64; Steele, Lea and Flood 2014) ---- */

static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static double uniform(uint64_t stream, size_t i) {
    return (double)(mix(mix(stream) + i) >> 40) * 0x1p-24;
}

/* ---- the fixture ---- */

typedef struct expected {
    FILE *file;
    char line[4096];
    int line_number;
    int size, batch;
    double gain;
} expected;

static tn_status next_row(expected *e, const char *tag, char **rest) {
    e->line_number++;
    const size_t n = strlen(tag);
    if (!fgets(e->line, sizeof e->line, e->file) || strncmp(e->line, tag, n) != 0) {
        return tn_fail("fixture line %d: expected \"%s\"", e->line_number, tag);
    }
    *rest = e->line + n;
    return TN_OK;
}

static tn_status numbers(expected *e, char **rest, double *v, int n) {
    for (int i = 0; i < n; i++) {
        char *end;
        v[i] = strtod(*rest, &end);
        if (end == *rest) return tn_fail("fixture line %d: %d numbers expected", e->line_number, n);
        *rest = end;
    }
    return TN_OK;
}

/* ---- the net ---- */

void tn_parity_fill(tn_net *net, double gain) {
    for (int i = 0; i < net->plan.n_params; i++) {
        tn_param *p = &net->param[i];
        const double bound = gain * sqrt(6.0 / (p->spec->fan_in > 0 ? p->spec->fan_in : 1));
        for (size_t j = 0; j < p->spec->count; j++) {
            const double u = uniform((uint64_t)(PARAM_STREAM + i), j);
            double v = 0.2 * (2 * u - 1);
            if (p->spec->kind == TN_PARAM_WEIGHTS) v = (2 * u - 1) * bound;
            if (p->spec->kind == TN_PARAM_SCALE || p->spec->kind == TN_PARAM_VARIANCE)
                v = 0.75 + 0.5 * u;
            p->value[j] = (tn_real)(float)v;
        }
        p->version++;
    }
}

tn_real tn_parity_pixel(size_t i) {
    return (tn_real)(float)uniform(IMAGE_STREAM, i);
}

static void fill_input(const tn_run *run) {
    const tn_tensor in = tn_run_input(run);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = tn_parity_pixel(i);
}

/* Relative L2 norm of what `delta` lacks of the fixture's summary (norm, then sums under random
 * signs): the mean square of the sums' differences is an unbiased estimate of the squared norm. */
static double missing(const double *delta, size_t n, int param, const double *want) {
    double sum[PROJECTIONS] = {0};
    const uint64_t start = mix((uint64_t)(SIGN_STREAM + param));
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = mix(start + i);
        for (int k = 0; k < PROJECTIONS; k++) sum[k] += (bits >> k & 1) ? -delta[i] : delta[i];
    }
    double square = 0;
    for (int k = 0; k < PROJECTIONS; k++) square += (sum[k] - want[1 + k]) * (sum[k] - want[1 + k]);
    return sqrt(square / PROJECTIONS) / (want[0] > 1e-12 ? want[0] : 1e-12);
}

static tn_status compare_outputs(expected *e, const char *tag, const tn_run *run, tn_parity *out) {
    char *rest = "";
    double want[64];
    const tn_tensor t = tn_run_output(run);
    const int n = (int)tn_elements(&t);
    if (n > 64) return tn_fail("%d outputs, expected at most 64", n);
    TN_TRY(next_row(e, tag, &rest));
    TN_TRY(numbers(e, &rest, want, n));
    for (int i = 0; i < n; i++) {
        const double d = fabs((double)tn_data(&t)[i] - want[i]);
        if (!(d <= out->outputs)) out->outputs = d;
    }
    return TN_OK;
}

static tn_status infer(tn_net *net, expected *e, tn_parity *out) {
    const tn_run_options options = {.mode = TN_INFER, .batch = e->batch, .output = -1};
    const tn_step step = {.n_valid = e->batch, .grad_scale = 1};
    tn_run *run;
    TN_TRY(tn_run_create(&net->plan, net->param, &options, &run));
    fill_input(run);
    tn_status status = tn_run_forward(run, &step);
    if (status == TN_OK) status = compare_outputs(e, "eval", run, out);
    tn_run_free(run);
    return status;
}

static tn_status compare_params(tn_net *net, expected *e, double **old, tn_parity *out) {
    for (int i = 0; i < net->plan.n_params; i++) {
        const tn_param *p = &net->param[i];
        char *rest = "", kind[32];
        int index, used;
        long count;
        double want[1 + PROJECTIONS];
        TN_TRY(next_row(e, "param", &rest));
        if (sscanf(rest, "%d %31s %ld%n", &index, kind, &count, &used) != 3 || index != i ||
            (size_t)count != p->spec->count) {
            return tn_fail("fixture line %d: %s of torch's net is not %s with %zu values",
                           e->line_number, kind, p->spec->name, p->spec->count);
        }
        rest += used;
        double *delta = malloc(p->spec->count * sizeof *delta);
        if (!delta) return tn_fail("out of memory");
        tn_status status = TN_OK;
        const bool learns = tn_param_learns(p->spec);
        if (learns) {
            status = numbers(e, &rest, want, 1 + PROJECTIONS);
            for (size_t j = 0; j < p->spec->count; j++) delta[j] = (double)p->grad[j];
            const double off = missing(delta, p->spec->count, i, want);
            if (!(off <= out->gradient)) {
                out->gradient = off;
                snprintf(out->worst, sizeof out->worst, "%s", p->spec->name);
            }
        }
        if (status == TN_OK) status = numbers(e, &rest, want, 1 + PROJECTIONS);
        for (size_t j = 0; j < p->spec->count; j++) {
            const double shrink = tn_param_decays(p->spec) ? decay * old[i][j] : 0;
            delta[j] =
                learns ? -rate * ((double)p->grad[j] + shrink) : (double)p->value[j] - old[i][j];
        }
        const double off = missing(delta, p->spec->count, i, want);
        if (!(off <= out->step)) out->step = off;
        free(delta);
        if (status != TN_OK) return status;
    }
    return TN_OK;
}

static tn_status train(tn_net *net, expected *e, double **old, tn_parity *out) {
    const tn_run_options options = {.mode = TN_TRAIN, .batch = e->batch, .output = -1};
    tn_real truth[64] = {0};
    for (int i = 0; i < e->batch; i++) truth[2 * i + i % 2] = 1;
    const tn_step step = {
        .seed = SEED, .n_valid = e->batch, .grad_scale = 1.0 / e->batch, .truth = truth};
    tn_run *run;
    TN_TRY(tn_run_create(&net->plan, net->param, &options, &run));
    fill_input(run);
    char *rest = "";
    double want;
    tn_status status = tn_run_forward(run, &step);
    if (status == TN_OK) status = tn_run_backward(run);
    if (status == TN_OK) status = compare_outputs(e, "train", run, out);
    if (status == TN_OK) status = next_row(e, "loss", &rest);
    if (status == TN_OK) status = numbers(e, &rest, &want, 1);
    if (status == TN_OK) out->loss = fabs(tn_run_loss(run) / e->batch - want) / want;
    if (status == TN_OK) status = compare_params(net, e, old, out);
    tn_run_free(run);
    return status;
}

static tn_status compare(tn_net *net, expected *e, tn_parity *out) {
    const int n = net->plan.n_params;
    double **old = calloc((size_t)n, sizeof *old);
    tn_status status = old ? TN_OK : tn_fail("out of memory");
    tn_parity_fill(net, e->gain);
    for (int i = 0; i < n && status == TN_OK; i++) {
        const size_t count = net->param[i].spec->count;
        old[i] = malloc(count * sizeof **old);
        if (!old[i]) status = tn_fail("out of memory");
        for (size_t j = 0; j < count && old[i]; j++) old[i][j] = (double)net->param[i].value[j];
    }
    if (status == TN_OK) status = infer(net, e, out);
    if (status == TN_OK) status = train(net, e, old, out);
    for (int i = 0; i < n && old; i++) free(old[i]);
    free(old);
    return status;
}

static tn_status load_net(const char *name, bool smooth, int size, tn_net **net) {
    char path[256], width[32], height[32];
    tn_cfg cfg;
    snprintf(path, sizeof path, "cfg/%s.cfg", name);
    snprintf(width, sizeof width, "width=%d", size);
    snprintf(height, sizeof height, "height=%d", size);
    TN_TRY(tn_cfg_load(path, &cfg));
    if (smooth) tn_test_smooth(&cfg);
    tn_status status = tn_cfg_override(&cfg, width);
    if (status == TN_OK) status = tn_cfg_override(&cfg, height);
    if (status == TN_OK) return tn_net_create(&cfg, NULL, net);
    tn_cfg_free(&cfg);
    return status;
}

tn_status tn_parity_run(const char *name, bool smooth, tn_parity *out) {
    *out = (tn_parity){0};
    char path[256], *rest = "";
    expected e = {0};
    snprintf(path, sizeof path, "tests/fixtures/torch/%s%s.txt", name, smooth ? "-smooth" : "");
    e.file = fopen(path, "r");
    if (!e.file) return tn_fail("%s: cannot be opened", path);
    tn_net *net = NULL;
    tn_status status = next_row(&e, "net", &rest);
    if (status == TN_OK && sscanf(rest, " %*s %d %d %lf", &e.size, &e.batch, &e.gain) != 3) {
        status = tn_fail("%s: line 1 is damaged", path);
    }
    if (status == TN_OK) status = load_net(name, smooth, e.size, &net);
    if (status == TN_OK) status = compare(net, &e, out);
    tn_net_free(net);
    fclose(e.file);
    return status;
}
