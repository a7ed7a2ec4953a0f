#include "tests/device/device_nets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PRECISIONS = TN_PRECISION_BF16 + 1, MOST_ROWS = 128 };

typedef struct measure {
    const char *name, *words;
    double bound[PRECISIONS]; /* fp32, tf32, bf16 */
    double smooth;            /* in fp32, of nets without kinks; 0: the same */
} measure;

/* What rounding makes of a net: factors have 24 bits in fp32, 11 in tf32, 8 in bf16. Answers and
 * statistics take it as it comes. Gradients of nets at random weights enlarge it by far, for they
 * jump: in fp32 both are 2e-5 from those reckoned in double, until rounding puts one unit on the
 * other side of its activation's corner, here or there, which moves some tensors by up to 7e-2
 * (seen); nets without kinks are held to far less. In double, MobileNet's move by a third when its
 * weights are rounded to 11 bits, and by 4/5 at 8 bits. So fp32 alone holds gradients to their
 * values; tf32 and bf16 to their size, the kernels' own tests to more. Adam's first steps go by a
 * gradient's sign, whatever its size: all of them turned round would be 2. */
static const measure measures[DEVICE_MEASURES] = {
    [DEVICE_FORWARD] = {"forward", "scores, relative to the largest", {1e-4, 1e-2, 5e-2}},
    [DEVICE_LOSS] = {"loss", "losses of restarted steps", {1e-3, 5e-2, 0.5}},
    [DEVICE_GRADIENTS] = {"gradients", "gradients, tensor by tensor", {0.2, 1, 3}, 5e-4},
    [DEVICE_WEIGHTS] = {"weights", "what a step changed", {0.5, 1, 1.5}, 0.02},
    [DEVICE_MOMENTS] = {"moments", "Adam's moments", {0.2, 1, 3}, 5e-4},
    [DEVICE_STATISTICS] = {"statistics", "running statistics", {1e-4, 1e-2, 0.1}},
    [DEVICE_UPDATE] = {"update", "an update, given the gradients", {1e-6, 1e-6, 1e-6}},
    [DEVICE_FILES] = {"files", "bits that .weights files do not carry", {0, 0, 0}},
    [DEVICE_RESUMED] = {"resumed", "bits that differ after resuming", {0, 0, 0}},
};

typedef struct worst {
    bool tried;
    double found;
    char where[64];
} worst;

typedef struct row {
    char net[32];
    tn_precision precision;
    bool smooth;
    worst worst[DEVICE_MEASURES];
    double begin, seconds;
} row;

static row rows[MOST_ROWS];
static int n_rows;

double device_bound(device_measure m, tn_precision precision, bool smooth) {
    const double bound = measures[m].bound[precision];
    return smooth && measures[m].smooth > 0 && precision == TN_PRECISION_FP32 ? measures[m].smooth
                                                                              : bound;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* NaN is above every bound. */
static bool passes(const row *r, int m) {
    return !r->worst[m].tried || r->worst[m].found <= device_bound(m, r->precision, r->smooth);
}

void device_begin(const char *net, tn_precision precision) {
    if (n_rows == MOST_ROWS) device_must(tn_fail("more than %d nets", MOST_ROWS));
    row *r = &rows[n_rows];
    *r = (row){.precision = precision, .smooth = device_is_smooth(net), .begin = now()};
    snprintf(r->net, sizeof r->net, "%s", net);
}

void device_record(device_measure m, double found, const char *where) {
    worst *w = &rows[n_rows].worst[m];
    if (w->tried && !(found > w->found) && !isnan(found)) return;
    w->tried = true;
    w->found = found;
    snprintf(w->where, sizeof w->where, "%s", where);
}

void device_end(void) {
    row *r = &rows[n_rows++];
    r->seconds = now() - r->begin;
    for (int m = 0; m < DEVICE_MEASURES; m++) {
        const worst *w = &r->worst[m];
        if (!w->tried) continue;
        const bool at = w->where[0] && w->found != 0;
        printf("%sok - %s (%s): %s: %.3g%s%s, at most %g\n", passes(r, m) ? "" : "not ", r->net,
               tn_precision_name(r->precision), measures[m].words, w->found, at ? " at " : "",
               at ? w->where : "", device_bound(m, r->precision, r->smooth));
    }
    fflush(stdout);
}

static void print_bounds(tn_precision precision, bool smooth) {
    printf("%-28s %-5s", smooth ? "at most, without kinks" : "at most",
           tn_precision_name(precision));
    for (int m = 0; m < DEVICE_MEASURES; m++) printf(" %10.3g", device_bound(m, precision, smooth));
    printf("\n");
}

static int print_row(const row *r) {
    int failed = 0;
    printf("%-28s %-5s", r->net, tn_precision_name(r->precision));
    for (int m = 0; m < DEVICE_MEASURES; m++) {
        const worst *w = &r->worst[m];
        if (!w->tried)
            printf(" %10s", "-");
        else
            printf(" %9.2g%c", w->found, passes(r, m) ? ' ' : '!');
        failed += !passes(r, m);
    }
    printf(" %8.1f  %s\n", r->seconds, failed ? "NOT OK" : "ok");
    return failed;
}

int device_table(void) {
    int failed = 0;
    if (n_rows == 0) return 0;
    printf("\nWorst differences from the processor in fp32 (above the bound: !)\n%-28s %-5s", "net",
           "");
    for (int m = 0; m < DEVICE_MEASURES; m++) printf(" %10s", measures[m].name);
    printf(" %8s\n", "seconds");
    for (int i = 0; i < n_rows; i++) {
        if (i == 0 || rows[i].precision != rows[i - 1].precision ||
            rows[i].smooth != rows[i - 1].smooth)
            print_bounds(rows[i].precision, rows[i].smooth);
        failed += print_row(&rows[i]);
    }
    return failed;
}
