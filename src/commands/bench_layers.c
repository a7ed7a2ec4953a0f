#include "src/commands/bench_layers.h"

#include "src/commands/clock.h"

#include <stdio.h>
#include <stdlib.h>

static double tensor_bytes(const tn_tensor *t) {
    return t->data ? (double)tn_elements(t) * (double)tn_element_bytes(t) : 0;
}

static double param_bytes(const tn_op_run *r) {
    double sum = 0;
    for (int i = 0; i < r->op->n_param; i++)
        sum += (double)r->param[i]->spec->count * sizeof(tn_real);
    return sum;
}

/* What a pass cannot do without. Whatever backward reads beyond that (what forward kept) is the
 * kernel's own choice and counts against it. */
static double least_bytes(const tn_op_run *r, tn_pass pass) {
    double sum = param_bytes(r);
    for (int i = 0; i < r->op->n_in; i++) {
        if (pass != TN_BACKWARD_DATA) sum += tensor_bytes(&r->in[i]);
        if (pass == TN_BACKWARD_DATA) sum += tensor_bytes(&r->din[i]) * (r->accumulate[i] ? 2 : 1);
    }
    return sum + tensor_bytes(pass == TN_FORWARD ? &r->out : &r->dout);
}

static tn_status time_pass(tn_op_run *r, tn_pass pass, double *seconds) {
    const double start = tn_clock();
    const tn_status status = tn_op_run_pass(r, pass);
    *seconds = tn_clock() - start;
    return status;
}

/* One step; seconds[(op, pass)][step]. */
static tn_status time_step(tn_run *run, bool backward, int step, int steps, double *seconds) {
    const int n = tn_run_ops(run);
    for (int i = 0; i < n; i++) {
        double *to = seconds + (size_t)i * TN_PASSES * steps + step;
        TN_TRY(time_pass(tn_run_op(run, i), TN_FORWARD, to));
    }
    for (int i = n - 1; i >= 0 && backward; i--)
        for (tn_pass p = TN_PASSES - 1; p > TN_FORWARD; p--) {
            double *to = seconds + ((size_t)i * TN_PASSES + p) * steps + step;
            TN_TRY(time_pass(tn_run_op(run, i), p, to));
        }
    return TN_OK;
}

static void fill(const tn_net *net, tn_run *run, int batch, bool backward, int steps,
                 const double *seconds, tn_bench_pass *pass) {
    for (int i = 0; i < tn_run_ops(run); i++) {
        const tn_op_run *r = tn_run_op(run, i);
        const double work = 2 * tn_plan_op_multiply_adds(&net->plan, r->op) * batch;
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            const size_t at = (size_t)i * TN_PASSES + p;
            pass[at] = (tn_bench_pass){0};
            if (!r->pass[p].kernel || (p != TN_FORWARD && !backward)) continue;
            double fastest = seconds[at * steps];
            for (int t = 1; t < steps; t++)
                if (seconds[at * steps + t] < fastest) fastest = seconds[at * steps + t];
            pass[at] = (tn_bench_pass){.kernel = r->pass[p].kernel->name,
                                       .seconds = fastest,
                                       .flops = work,
                                       .bytes = least_bytes(r, p)};
        }
    }
}

tn_status tn_bench_layers(const tn_net *net, tn_run *run, int batch, bool backward, int steps,
                          tn_bench_pass *pass) {
    double *seconds = calloc((size_t)tn_run_ops(run) * TN_PASSES * steps, sizeof *seconds);
    if (!seconds) return tn_fail("out of memory");
    tn_status status = TN_OK;
    for (int s = 0; s < steps && status == TN_OK; s++)
        status = time_step(run, backward, s, steps, seconds);
    if (status == TN_OK) fill(net, run, batch, backward, steps, seconds, pass);
    free(seconds);
    return status;
}

static void shape_text(const tn_op_run *r, char *text, size_t size) {
    snprintf(text, size, "%dx%dx%d", r->out.w, r->out.h, r->out.c);
}

static void print_pass(const tn_bench_pass *p, double whole) {
    const double ms = p->seconds * 1e3;
    printf("  %-9s %7.2f", p->kernel ? p->kernel : "-", ms);
    if (p->flops > 0 && p->seconds > 0)
        printf(" %5.0f", p->flops / p->seconds / 1e9);
    else
        printf("      ");
    if (p->seconds > 0)
        printf(" %4.0f %4.1f", p->bytes / p->seconds / 1e9, 100 * p->seconds / whole);
    else
        printf("          ");
}

void tn_bench_layers_print(const tn_run *run, const tn_bench_pass *pass) {
    const int n = tn_run_ops(run);
    double whole = 0, of_pass[TN_PASSES] = {0};
    for (int i = 0; i < n * TN_PASSES; i++) {
        whole += pass[i].seconds;
        of_pass[i % TN_PASSES] += pass[i].seconds;
    }
    printf("%-14s %-14s %-12s %8s", "op", "kind", "output", "GMAC");
    for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) printf("  %-33s", tn_pass_name(p));
    printf("\n%-51s", "");
    for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++)
        printf("  %-9s %7s %5s %4s %4s ", "kernel", "ms", "GF/s", "GB/s", "%");
    printf("\n");
    for (int i = 0; i < n; i++) {
        const tn_op_run *r = tn_run_op(run, i);
        const tn_bench_pass *p = pass + (size_t)i * TN_PASSES;
        char shape[32];
        shape_text(r, shape, sizeof shape);
        printf("%-14s %-14s %-12s %8.3f", r->op->name, r->op->kind->name, shape, p->flops / 2e9);
        for (int j = 0; j < TN_PASSES; j++) print_pass(&p[j], whole);
        printf("\n");
    }
    printf("%-51s", "all ops");
    for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++)
        printf("  %-9s %7.2f %10s %4.1f", "", of_pass[p] * 1e3, "", 100 * of_pass[p] / whole);
    printf("\n");
}

void tn_bench_layers_json(const tn_run *run, const tn_bench_pass *pass) {
    const char *between = "";
    printf("[");
    for (int i = 0; i < tn_run_ops(run); i++) {
        const tn_op_run *r = tn_run_op(run, i);
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            const tn_bench_pass *one = &pass[(size_t)i * TN_PASSES + p];
            if (!one->kernel) continue;
            printf("%s{\"op\":\"%s\",\"kind\":\"%s\",\"output\":[%d,%d,%d],\"pass\":\"%s\","
                   "\"kernel\":\"%s\",\"seconds\":%.7f,\"gflop\":%.4f,\"bytes\":%.0f}",
                   between, r->op->name, r->op->kind->name, r->out.h, r->out.w, r->out.c,
                   tn_pass_name(p), one->kernel, one->seconds, one->flops / 1e9, one->bytes);
            between = ",";
        }
    }
    printf("]");
}
