#include "src/net/replicas.h"

#include "layers/device/memory.h"
#include "layers/device/reduce.h"
#include "src/net/optimizer_gpu.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct rank {
    tn_run *run;
    tn_param *param;         /* on the processor, ranks from 1: own gradients and statistics */
    tn_mirror *mirror;       /* on a GPU */
    tn_optimizer_gpu *there; /* on a GPU */
    const tn_step *step;
    bool backward; /* what its thread is to do */
    tn_status status;
    char *error;
} rank;

struct tn_replicas {
    tn_net *net;
    int ranks;
    bool on_gpus;
    rank *rank;
    tn_optimizer *optimizer;
    tn_optimizer_gpu **there; /* of all ranks */
    tn_reduce *reduce;
    tn_real **buffer; /* one a rank, for tn_reduce_sum */
    void *pages;      /* gradients and statistics of the ranks from 1 on */
    size_t page_bytes;
};

/* ---- creating ---- */

static size_t own_elements(const tn_param *p) {
    return (p->spec->count + 15) & ~(size_t)15;
}

/* Learned values are shared with the net, which rank 0 runs on itself. */
static tn_status make_params(tn_replicas *r) {
    const int n = r->net->plan.n_params;
    size_t each = 0;
    for (int i = 0; i < n; i++) each += own_elements(&r->net->param[i]);
    r->page_bytes = (size_t)(r->ranks - 1) * each * sizeof(tn_real) + 1;
    r->pages = tn_pages_alloc(r->page_bytes);
    if (!r->pages) return tn_fail_in("replicas");
    tn_real *at = r->pages;
    for (int k = 1; k < r->ranks; k++) {
        tn_param *own = calloc((size_t)n + 1, sizeof *own);
        r->rank[k].param = own;
        if (!own) return tn_fail("replicas: out of memory");
        for (int i = 0; i < n; i++) {
            own[i] = r->net->param[i];
            if (own[i].grad) {
                own[i].grad = at;
            } else {
                own[i].value = at;
                memcpy(at, r->net->param[i].value, own[i].spec->count * sizeof *at);
            }
            at += own_elements(&own[i]);
        }
    }
    return TN_OK;
}

static tn_status make_rank(tn_replicas *r, int k, const tn_replicas_options *options) {
    rank *own = &r->rank[k];
    tn_net *net = r->net;
    tn_run_options run = options->run;
    if (r->on_gpus) {
        TN_TRY(
            tn_mirror_create(options->gpu[k], net->param, net->plan.n_params, true, &own->mirror));
        TN_TRY(tn_optimizer_gpu_create(r->optimizer, own->mirror, &own->there));
        r->there[k] = own->there;
        run.mirror = own->mirror;
    }
    return tn_run_create(&net->plan, own->param ? own->param : net->param, &run, &own->run);
}

static tn_status make_reduce(tn_replicas *r, const tn_replicas_options *options) {
    if (r->ranks == 1) return TN_OK;
    if (!r->on_gpus) return tn_reduce_memory(r->ranks, &r->reduce);
    size_t count;
    (void)tn_mirror_gradients(r->rank[0].mirror, &count);
    return tn_reduce_gpus(options->gpu, r->ranks, count, &r->reduce);
}

static tn_status make_all(tn_replicas *r, const tn_replicas_options *options) {
    const size_t n = (size_t)r->ranks;
    r->rank = calloc(n, sizeof *r->rank);
    r->there = calloc(n, sizeof(tn_optimizer_gpu *));
    r->buffer = calloc(n, sizeof *r->buffer);
    if (!r->rank || !r->there || !r->buffer) return tn_fail("replicas: out of memory");
    TN_TRY(tn_optimizer_create(&options->optimizer, r->net->param, r->net->plan.n_params,
                               &r->optimizer));
    if (!r->on_gpus && r->ranks > 1) TN_TRY(make_params(r));
    for (int k = 0; k < r->ranks; k++) TN_TRY(make_rank(r, k, options));
    return make_reduce(r, options);
}

tn_status tn_replicas_create(tn_net *net, const tn_replicas_options *options, tn_replicas **out) {
    *out = NULL;
    tn_replicas *r = calloc(1, sizeof *r);
    if (!r) return tn_fail("replicas: out of memory");
    r->net = net;
    r->ranks = options->ranks;
    r->on_gpus = options->gpu != NULL;
    const tn_status status = make_all(r, options);
    if (status != TN_OK) {
        tn_replicas_free(r);
        return status;
    }
    *out = r;
    return TN_OK;
}

void tn_replicas_free(tn_replicas *r) {
    if (!r) return;
    tn_reduce_free(r->reduce);
    for (int k = 0; r->rank && k < r->ranks; k++) {
        tn_run_free(r->rank[k].run);
        tn_optimizer_gpu_free(r->rank[k].there);
        tn_mirror_free(r->rank[k].mirror);
        free(r->rank[k].param);
        free(r->rank[k].error);
    }
    tn_optimizer_free(r->optimizer);
    if (r->pages) tn_pages_free(r->pages, r->page_bytes);
    free(r->rank);
    free(r->there);
    free(r->buffer);
    free(r);
}

int tn_replicas_ranks(const tn_replicas *r) {
    return r->ranks;
}

tn_run *tn_replicas_run(const tn_replicas *r, int rank_) {
    return r->rank[rank_].run;
}

tn_mirror *tn_replicas_mirror(const tn_replicas *r) {
    return r->rank[0].mirror;
}

tn_optimizer *tn_replicas_optimizer(const tn_replicas *r) {
    return r->optimizer;
}

const char *tn_replicas_reduce_name(const tn_replicas *r) {
    return r->reduce ? tn_reduce_name(r->reduce) : "";
}

/* ---- running ---- */

/* What the net's values changed to, kernels that pack them see by the version. */
static void follow_versions(const tn_replicas *r, rank *own) {
    for (int i = 0; own->param && i < r->net->plan.n_params; i++)
        if (own->param[i].grad) own->param[i].version = r->net->param[i].version;
}

static tn_status pass(rank *own) {
    return own->backward ? tn_run_backward(own->run) : tn_run_forward(own->run, own->step);
}

static void *pass_in_thread(void *argument) {
    rank *own = argument;
    own->status = pass(own);
    if (own->status != TN_OK) own->error = strdup(tn_error());
    return NULL;
}

/* The first rank's failure, in this thread. */
static tn_status gather_failures(tn_replicas *r) {
    tn_status status = TN_OK;
    for (int k = 0; k < r->ranks; k++) {
        rank *own = &r->rank[k];
        if (own->status != TN_OK && status == TN_OK) {
            (void)tn_fail_with(own->error ? own->error : "out of memory");
            status = tn_fail_in("replica %d", k);
        }
        free(own->error);
        own->error = NULL;
    }
    return status;
}

static tn_status pass_in_threads(tn_replicas *r) {
    pthread_t *thread = calloc((size_t)r->ranks, sizeof *thread);
    if (!thread) return tn_fail("replicas: out of memory");
    int started = 1; /* rank 0 is this thread's */
    for (; started < r->ranks; started++)
        if (pthread_create(&thread[started], NULL, pass_in_thread, &r->rank[started]) != 0) break;
    pass_in_thread(&r->rank[0]);
    for (int k = started; k < r->ranks; k++) pass_in_thread(&r->rank[k]);
    for (int k = 1; k < started; k++) (void)pthread_join(thread[k], NULL);
    free(thread);
    return gather_failures(r);
}

static tn_status pass_all(tn_replicas *r, const tn_step *steps) {
    for (int k = 0; k < r->ranks; k++) {
        rank *own = &r->rank[k];
        own->backward = !steps;
        if (steps) own->step = &steps[k];
        follow_versions(r, own);
    }
    if (r->on_gpus && r->ranks > 1) return pass_in_threads(r);
    for (int k = 0; k < r->ranks; k++) TN_TRY(pass(&r->rank[k]));
    return TN_OK;
}

tn_status tn_replicas_forward(tn_replicas *r, const tn_step *steps) {
    return pass_all(r, steps);
}

tn_status tn_replicas_backward(tn_replicas *r) {
    return pass_all(r, NULL);
}

static tn_status reduce_params(tn_replicas *r) {
    for (int i = 0; i < r->net->plan.n_params; i++) {
        const tn_param *p = &r->net->param[i];
        if (!p->grad) continue;
        r->buffer[0] = p->grad;
        for (int k = 1; k < r->ranks; k++) r->buffer[k] = r->rank[k].param[i].grad;
        TN_TRY(tn_reduce_sum(r->reduce, r->buffer, p->spec->count));
    }
    return TN_OK;
}

static tn_status reduce_mirrors(tn_replicas *r) {
    size_t count = 0;
    for (int k = 0; k < r->ranks; k++)
        r->buffer[k] = tn_mirror_gradients(r->rank[k].mirror, &count);
    return tn_reduce_sum(r->reduce, r->buffer, count);
}

tn_status tn_replicas_reduce(tn_replicas *r, int *param) {
    if (r->reduce) TN_TRY(r->on_gpus ? reduce_mirrors(r) : reduce_params(r));
    if (r->on_gpus) return tn_optimizer_gpu_non_finite(r->rank[0].there, param);
    *param = tn_params_non_finite_grad(r->net->param, r->net->plan.n_params,
                                       r->optimizer->options.threads);
    return TN_OK;
}

tn_status tn_replicas_update(tn_replicas *r, double rate) {
    if (r->on_gpus) return tn_optimizer_gpu_update(r->there, r->ranks, rate);
    tn_optimizer_update(r->optimizer, r->net->param, rate);
    for (int k = 1; k < r->ranks; k++) {
        for (int i = 0; i < r->net->plan.n_params; i++) {
            const tn_param *p = &r->rank[k].param[i];
            if (p->grad) memset(p->grad, 0, p->spec->count * sizeof *p->grad);
        }
    }
    return TN_OK;
}

tn_status tn_replicas_settle(tn_replicas *r, bool moments) {
    if (!r->on_gpus) return TN_OK;
    TN_TRY(tn_mirror_download(r->rank[0].mirror));
    return moments ? tn_optimizer_gpu_moments_out(r->rank[0].there) : TN_OK;
}

tn_status tn_replicas_moments_loaded(tn_replicas *r) {
    for (int k = 0; r->on_gpus && k < r->ranks; k++)
        TN_TRY(tn_optimizer_gpu_moments_in(r->rank[k].there));
    return TN_OK;
}
