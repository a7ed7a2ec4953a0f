#include "layers/device/reduce.h"

#include "layers/device/gpu_driver.h"
#include "layers/device/memory.h"
#include "layers/device/nccl.h"

#include <stdlib.h>
#include <string.h>

struct tn_reduce {
    const char *name;
    tn_status (*sum)(tn_reduce *r, tn_real *const *buffer, size_t count);
    int ranks;
    tn_gpu **gpu;
    const tn_nccl *nccl;
    void **communicator;
    tn_real **staged; /* host: a buffer a rank */
    void *pages;
    size_t page_bytes;
};

static tn_status sum_in_memory(tn_reduce *r, tn_real *const *buffer, size_t count) {
    const long long n = (long long)count;
#pragma omp parallel for schedule(static) if (n > 65536)
    for (long long i = 0; i < n; i++) {
        tn_real sum = buffer[0][i];
        for (int rank = 1; rank < r->ranks; rank++) sum += buffer[rank][i];
        for (int rank = 0; rank < r->ranks; rank++) buffer[rank][i] = sum;
    }
    return TN_OK;
}

static tn_status sum_through_host(tn_reduce *r, tn_real *const *buffer, size_t count) {
    const size_t bytes = count * sizeof(tn_real);
    for (int i = 0; i < r->ranks; i++)
        TN_TRY(tn_gpu_copy_out(r->gpu[i], r->staged[i], buffer[i], bytes, "gradients"));
    TN_TRY(sum_in_memory(r, r->staged, count));
    for (int i = 0; i < r->ranks; i++)
        TN_TRY(tn_gpu_copy_in(r->gpu[i], buffer[i], r->staged[i], bytes, "gradients"));
    return TN_OK;
}

static tn_status sum_by_nccl(tn_reduce *r, tn_real *const *buffer, size_t count) {
    TN_TRY(tn_nccl_check(r->nccl, r->nccl->GroupStart(), "ncclGroupStart"));
    for (int i = 0; i < r->ranks; i++) {
        TN_TRY(tn_gpu_make_current(r->gpu[i]));
        const int status =
            r->nccl->AllReduce(buffer[i], buffer[i], count, TN_NCCL_FLOAT, TN_NCCL_SUM,
                               r->communicator[i], tn_gpu_stream(r->gpu[i]));
        TN_TRY(tn_nccl_check(r->nccl, status, "ncclAllReduce"));
    }
    return tn_nccl_check(r->nccl, r->nccl->GroupEnd(), "ncclGroupEnd");
}

static tn_status create(const char *name, int ranks, tn_reduce **out) {
    *out = NULL;
    tn_reduce *r = calloc(1, sizeof *r);
    if (!r) return tn_fail("all-reduce: out of memory");
    *r = (tn_reduce){.name = name, .sum = sum_in_memory, .ranks = ranks};
    *out = r;
    return TN_OK;
}

tn_status tn_reduce_memory(int ranks, tn_reduce **out) {
    return create("memory", ranks, out);
}

static tn_status set_up_host(tn_reduce *r, size_t most) {
    r->page_bytes = (size_t)r->ranks * most * sizeof(tn_real) + 1;
    r->pages = tn_pages_alloc(r->page_bytes);
    r->staged = calloc((size_t)r->ranks, sizeof *r->staged);
    if (!r->pages || !r->staged) return tn_fail("all-reduce: out of memory");
    for (int i = 0; i < r->ranks; i++) r->staged[i] = (tn_real *)r->pages + (size_t)i * most;
    r->name = "host";
    r->sum = sum_through_host;
    return TN_OK;
}

static tn_status set_up_nccl(tn_reduce *r) {
    int *device = calloc((size_t)r->ranks, sizeof *device);
    r->communicator = calloc((size_t)r->ranks, sizeof(void *));
    tn_status status = tn_fail("all-reduce: out of memory");
    if (device && r->communicator) {
        for (int i = 0; i < r->ranks; i++) device[i] = tn_gpu_index(r->gpu[i]);
        status = tn_nccl_check(r->nccl, r->nccl->CommInitAll(r->communicator, r->ranks, device),
                               "ncclCommInitAll");
    }
    free(device);
    r->sum = sum_by_nccl;
    return status;
}

tn_status tn_reduce_gpus(tn_gpu *const *gpu, int ranks, size_t most, tn_reduce **out) {
    tn_reduce *r;
    TN_TRY(create("nccl", ranks, &r));
    const tn_gpu_driver *driver = tn_gpu_driver_of(gpu[0]);
    r->nccl = driver->nccl && sizeof(tn_real) == sizeof(float) ? driver->nccl() : NULL;
    r->gpu = calloc((size_t)ranks, sizeof(tn_gpu *));
    tn_status status = r->gpu ? TN_OK : tn_fail("all-reduce: out of memory");
    if (status == TN_OK) {
        memcpy(r->gpu, gpu, (size_t)ranks * sizeof(tn_gpu *));
        status = r->nccl ? set_up_nccl(r) : set_up_host(r, most);
    }
    if (status != TN_OK) {
        tn_reduce_free(r);
        return status;
    }
    *out = r;
    return TN_OK;
}

void tn_reduce_free(tn_reduce *r) {
    if (!r) return;
    for (int i = 0; r->communicator && i < r->ranks; i++)
        if (r->communicator[i]) (void)r->nccl->CommDestroy(r->communicator[i]);
    if (r->pages) tn_pages_free(r->pages, r->page_bytes);
    free(r->communicator);
    free(r->staged);
    free(r->gpu);
    free(r);
}

const char *tn_reduce_name(const tn_reduce *r) {
    return r->name;
}

tn_status tn_reduce_sum(tn_reduce *r, tn_real *const *buffer, size_t count) {
    return r->ranks > 1 ? r->sum(r, buffer, count) : TN_OK;
}
