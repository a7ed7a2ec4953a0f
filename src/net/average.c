#include "src/net/average.h"

#include "layers/device/memory.h"

#include <stdlib.h>
#include <string.h>

static tn_status take_memory(tn_average *a, const tn_param *param) {
    for (int i = 0; i < a->n_params; i++) a->count += param[i].spec->count;
    a->bytes = (a->count + 1) * sizeof(tn_real);
    a->param = calloc((size_t)a->n_params + 1, sizeof *a->param);
    a->pages = tn_pages_alloc(a->bytes);
    if (!a->param || !a->pages) return tn_fail("average: out of memory for %zu values", a->count);
    a->value = a->pages;
    tn_real *at = a->value;
    for (int i = 0; i < a->n_params; i++) {
        a->param[i] = (tn_param){.spec = param[i].spec, .value = at, .version = 1};
        memcpy(at, param[i].value, param[i].spec->count * sizeof *at);
        at += param[i].spec->count;
    }
    return TN_OK;
}

tn_status tn_average_create(const tn_param *param, int n, double alpha, tn_average **out) {
    *out = NULL;
    tn_average *a = calloc(1, sizeof *a);
    if (!a) return tn_fail("average: out of memory");
    a->n_params = n;
    a->alpha = alpha;
    tn_status status = take_memory(a, param);
    if (status != TN_OK) {
        tn_average_free(a);
        return status;
    }
    *out = a;
    return TN_OK;
}

void tn_average_free(tn_average *average) {
    if (!average) return;
    if (average->pages) tn_pages_free(average->pages, average->bytes);
    free(average->param);
    free(average);
}

void tn_average_update(tn_average *average, const tn_param *param) {
    double t = (double)++average->updates, warm = (1 + t) / (10 + t);
    const tn_real keep = (tn_real)(warm < average->alpha ? warm : average->alpha);
    for (int i = 0; i < average->n_params; i++) {
        tn_real *restrict a = average->param[i].value;
        const tn_real *restrict x = param[i].value;
        long long count = (long long)param[i].spec->count;
#pragma omp parallel for simd schedule(static) if (count > 65536)
        for (long long k = 0; k < count; k++) a[k] = keep * a[k] + (1 - keep) * x[k];
        average->param[i].version++;
    }
}
