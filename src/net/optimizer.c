#include "src/net/optimizer.h"

#include "layers/device/memory.h"
#include "src/net/update_loops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* Slices begin at multiples of this many elements, so that threads share no cache line. */
enum { GRAIN = 64 };

typedef tn_update_constants coefficients;

typedef struct slice {
    size_t begin, end;
} slice;

const char *tn_optimizer_name(tn_optimizer_kind kind) {
    switch (kind) {
    case TN_SGD:
        return "SGD";
    case TN_ADAM:
        return "Adam";
    case TN_ADAMW:
        return "AdamW";
    }
    return "unknown";
}

static tn_status layout(tn_optimizer *o, const tn_param *param) {
    for (int i = 0; i < o->n_params; i++) {
        o->offset[i] = o->count;
        if (!tn_param_learns(param[i].spec)) continue;
        o->count += (param[i].spec->count + GRAIN - 1) / GRAIN * GRAIN;
    }
    size_t arrays = o->options.kind == TN_SGD ? 1 : 2;
    if (o->count > SIZE_MAX / sizeof(tn_real) / arrays)
        return tn_fail("optimizer: %zu parameters are too many", o->count);
    o->bytes = (o->count ? o->count : 1) * sizeof(tn_real) * arrays;
    o->pages = tn_pages_alloc(o->bytes);
    if (!o->pages) return tn_fail_in("optimizer");
    o->first = o->pages;
    o->second = arrays == 2 ? o->first + o->count : NULL;
    return TN_OK;
}

tn_status tn_optimizer_create(const tn_optimizer_options *options, const tn_param *param, int n,
                              tn_optimizer **out) {
    *out = NULL;
    tn_optimizer *o = calloc(1, sizeof *o);
    if (!o) return tn_fail("optimizer: out of memory");
    o->options = *options;
    o->n_params = n;
    o->offset = calloc((size_t)n + 1, sizeof *o->offset);
    tn_status status = o->offset ? layout(o, param) : tn_fail("optimizer: out of memory");
    if (status != TN_OK) {
        tn_optimizer_free(o);
        return status;
    }
    *out = o;
    return TN_OK;
}

void tn_optimizer_free(tn_optimizer *optimizer) {
    if (!optimizer) return;
    if (optimizer->pages) tn_pages_free(optimizer->pages, optimizer->bytes);
    free(optimizer->offset);
    free(optimizer);
}

static const tn_update_loops *loops(void) {
    static const tn_update_loops plain = {tn_update_sgd, tn_update_adam};
#if TN_UPDATE_AVX
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return &tn_update_loops_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &tn_update_loops_avx2;
#endif
    return &plain;
}

/* What does not change within one parameter's update. */
static coefficients of_param(const tn_optimizer *o, const tn_param_spec *spec, double rate) {
    const tn_optimizer_options *p = &o->options;
    double own = rate * spec->rate;
    double decay = tn_param_decays(spec) ? p->decay : 0;
    double t = (double)(o->updates + 1);
    coefficients c = {.rate = (tn_real)own,
                      .momentum = (tn_real)p->momentum,
                      .l2 = (tn_real)(p->kind == TN_ADAMW ? 0 : decay),
                      .shrink = (tn_real)(p->kind == TN_ADAMW ? own * decay : 0)};
    if (p->kind == TN_SGD) return c;
    c.rate = (tn_real)(own / (1 - pow(p->b1, t)));
    c.root_correction = (tn_real)(1 / sqrt(1 - pow(p->b2, t)));
    c.b1 = (tn_real)p->b1;
    c.b2 = (tn_real)p->b2;
    c.one_b1 = (tn_real)(1 - p->b1);
    c.one_b2 = (tn_real)(1 - p->b2);
    c.eps = (tn_real)p->eps;
    return c;
}

tn_update_rates tn_optimizer_rates(const tn_optimizer *optimizer, const tn_param_spec *spec,
                                   double rate) {
    const coefficients c = of_param(optimizer, spec, rate);
    return (tn_update_rates){.rate = (float)c.rate,
                             .momentum = (float)c.momentum,
                             .l2 = (float)c.l2,
                             .shrink = (float)c.shrink,
                             .b1 = (float)c.b1,
                             .b2 = (float)c.b2,
                             .one_b1 = (float)c.one_b1,
                             .one_b2 = (float)c.one_b2,
                             .eps = (float)c.eps,
                             .root_correction = (float)c.root_correction};
}

static slice slice_of(size_t count, int thread, int threads) {
    size_t grains = (count + GRAIN - 1) / GRAIN;
    size_t begin = grains * (size_t)thread / (size_t)threads * GRAIN;
    size_t end = grains * (size_t)(thread + 1) / (size_t)threads * GRAIN;
    return (slice){begin < count ? begin : count, end < count ? end : count};
}

static void update_slices(tn_optimizer *o, tn_param *param, double rate, int thread, int threads) {
    for (int i = 0; i < o->n_params; i++) {
        const tn_param_spec *spec = param[i].spec;
        if (!param[i].grad || !tn_param_learns(spec)) continue;
        slice s = slice_of(spec->count, thread, threads);
        if (spec->frozen) {
            memset(param[i].grad + s.begin, 0, (s.end - s.begin) * sizeof(tn_real));
            continue;
        }
        coefficients c = of_param(o, spec, rate);
        const size_t at = o->offset[i] + s.begin, count = s.end - s.begin;
        tn_real *w = param[i].value + s.begin, *g = param[i].grad + s.begin;
        if (o->options.kind == TN_SGD)
            loops()->sgd(count, &c, w, g, o->first + at);
        else
            loops()->adam(count, &c, w, g, o->first + at, o->second + at);
    }
}

static int team(int threads) {
#ifdef _OPENMP
    return threads > 0 ? threads : omp_get_max_threads();
#else
    (void)threads;
    return 1;
#endif
}

void tn_optimizer_update(tn_optimizer *optimizer, tn_param *param, double rate) {
    int threads = team(optimizer->options.threads);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; t++) update_slices(optimizer, param, rate, t, threads);
    optimizer->updates++;
    for (int i = 0; i < optimizer->n_params; i++)
        if (param[i].grad && tn_param_learns(param[i].spec) && !param[i].spec->frozen)
            param[i].version++;
}

/* x - x is 0 for every finite x and NaN for all others; counting mismatches keeps the loop free of
 * branches. */
static bool is_finite(const tn_real *x, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count; i++) bad |= !(x[i] - x[i] == 0);
    return !bad;
}

static int first_bad(const tn_param *param, int n, int threads, bool grad) {
    int found = n;
    threads = team(threads);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) reduction(min : found)
    for (int i = 0; i < n; i++) {
        const tn_real *x = grad ? param[i].grad : param[i].value;
        if (x && i < found && !is_finite(x, param[i].spec->count)) found = i;
    }
    return found < n ? found : -1;
}

int tn_params_non_finite_grad(const tn_param *param, int n, int threads) {
    return first_bad(param, n, threads, true);
}

int tn_params_non_finite_value(const tn_param *param, int n, int threads) {
    return first_bad(param, n, threads, false);
}
