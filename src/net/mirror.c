#include "src/net/mirror.h"

#include "layers/device/memory.h"

#include <stdlib.h>
#include <string.h>

/* Tensors begin at multiples of this many elements: 256 bytes in fp32. */
enum { GRAIN = 64 };

struct tn_mirror {
    tn_gpu *gpu;
    int n;
    bool over; /* `there` is the caller's, and there is no net */
    tn_param *net, *there, *staged;
    uint64_t *seen;           /* of each of the net's, the version that both sides agreed on last */
    uint64_t *sent;           /* and the GPU's at that time */
    void *block;              /* on the GPU: all values, then all gradients */
    size_t values, gradients; /* elements of each */
    void *pages;              /* of the staged copies */
    size_t page_bytes;
};

static size_t room(const tn_param *p) {
    return (p->spec->count + GRAIN - 1) / GRAIN * GRAIN;
}

static tn_status lay_out(tn_mirror *m, bool gradients) {
    for (int i = 0; i < m->n; i++) {
        m->values += room(&m->net[i]);
        if (gradients && m->net[i].grad) m->gradients += room(&m->net[i]);
    }
    const size_t count = m->values + m->gradients;
    m->page_bytes = (count + 1) * sizeof(tn_real);
    m->pages = tn_pages_alloc(m->page_bytes);
    if (!m->pages) return tn_fail_in("staging of parameters");
    TN_TRY(tn_gpu_alloc(m->gpu, count * sizeof(tn_real),
                        gradients ? "parameters and their gradients" : "parameters", &m->block));
    return tn_gpu_zero(m->gpu, m->block, count * sizeof(tn_real), "parameters");
}

static void hand_out(tn_mirror *m) {
    tn_real *const base[2] = {m->block, m->pages};
    size_t value = 0, gradient = m->values;
    for (int i = 0; i < m->n; i++) {
        const tn_param *p = &m->net[i];
        const bool learns = p->grad && m->gradients;
        m->there[i] = (tn_param){.spec = p->spec, .value = base[0] + value, .version = 1};
        m->staged[i] = (tn_param){.spec = p->spec, .value = base[1] + value};
        if (learns) {
            m->there[i].grad = base[0] + gradient;
            m->staged[i].grad = base[1] + gradient;
            gradient += room(p);
        }
        value += room(p);
        m->seen[i] = p->version - 1; /* the first upload takes all */
        m->sent[i] = 1;
    }
}

tn_status tn_mirror_create(tn_gpu *gpu, tn_param *param, int n, bool gradients, tn_mirror **out) {
    *out = NULL;
    tn_mirror *m = calloc(1, sizeof *m);
    if (!m) return tn_fail("parameters on the GPU: out of memory");
    m->gpu = gpu;
    m->n = n;
    m->net = param;
    const size_t count = (size_t)n + 1;
    m->there = calloc(count, sizeof *m->there);
    m->staged = calloc(count, sizeof *m->staged);
    m->seen = calloc(count, sizeof *m->seen);
    m->sent = calloc(count, sizeof *m->sent);
    tn_status status = m->there && m->staged && m->seen && m->sent
                           ? lay_out(m, gradients)
                           : tn_fail("parameters on the GPU: out of memory");
    if (status != TN_OK) {
        tn_mirror_free(m);
        return status;
    }
    hand_out(m);
    *out = m;
    return TN_OK;
}

/* Copies in the processor's memory for staged kernels, of gradients too where there are any. */
static tn_status stage_over(tn_mirror *m) {
    size_t count = 1;
    for (int i = 0; i < m->n; i++) count += (m->there[i].grad ? 2 : 1) * room(&m->there[i]);
    m->page_bytes = count * sizeof(tn_real);
    m->pages = tn_pages_alloc(m->page_bytes);
    m->staged = calloc((size_t)m->n + 1, sizeof *m->staged);
    if (!m->pages || !m->staged) return tn_fail_in("staging of parameters");
    tn_real *at = m->pages;
    for (int i = 0; i < m->n; i++) {
        const tn_param *p = &m->there[i];
        m->staged[i] = (tn_param){.spec = p->spec, .value = at};
        at += room(p);
        if (!p->grad) continue;
        m->staged[i].grad = at;
        at += room(p);
    }
    return TN_OK;
}

tn_status tn_mirror_create_over(tn_gpu *gpu, tn_param *there, int n, tn_mirror **out) {
    *out = NULL;
    tn_mirror *m = calloc(1, sizeof *m);
    if (!m) return tn_fail("parameters on the GPU: out of memory");
    m->gpu = gpu;
    m->n = n;
    m->over = true;
    m->there = there;
    if (stage_over(m) != TN_OK) {
        tn_mirror_free(m);
        return TN_FAIL;
    }
    *out = m;
    return TN_OK;
}

void tn_mirror_free(tn_mirror *m) {
    if (!m) return;
    tn_gpu_free(m->gpu, m->block);
    if (m->pages) tn_pages_free(m->pages, m->page_bytes);
    if (!m->over) free(m->there);
    free(m->staged);
    free(m->seen);
    free(m->sent);
    free(m);
}

tn_gpu *tn_mirror_gpu(const tn_mirror *m) {
    return m->gpu;
}

int tn_mirror_count(const tn_mirror *m) {
    return m->n;
}

tn_param *tn_mirror_net(const tn_mirror *m) {
    return m->net;
}

tn_param *tn_mirror_params(const tn_mirror *m) {
    return m->there;
}

tn_param *tn_mirror_staging(const tn_mirror *m) {
    return m->staged;
}

size_t tn_mirror_bytes(const tn_mirror *m) {
    return (m->values + m->gradients) * sizeof(tn_real);
}

static size_t bytes_of(const tn_param *p) {
    return p->spec->count * sizeof(tn_real);
}

tn_status tn_mirror_upload(tn_mirror *m) {
    for (int i = 0; !m->over && i < m->n; i++) {
        const tn_param *from = &m->net[i];
        tn_param *to = &m->there[i];
        if (from->version == m->seen[i]) continue;
        TN_TRY(tn_gpu_copy_in(m->gpu, to->value, from->value, bytes_of(from), from->spec->name));
        m->sent[i] = ++to->version;
        m->seen[i] = from->version;
    }
    return TN_OK;
}

tn_status tn_mirror_download(tn_mirror *m) {
    for (int i = 0; !m->over && i < m->n; i++) {
        tn_param *to = &m->net[i];
        const tn_param *from = &m->there[i];
        if (from->version == m->sent[i] || to->version != m->seen[i]) continue;
        TN_TRY(tn_gpu_copy_out(m->gpu, to->value, from->value, bytes_of(to), to->spec->name));
        m->sent[i] = from->version;
        m->seen[i] = ++to->version;
    }
    return TN_OK;
}

tn_status tn_mirror_gradients_out(tn_mirror *m) {
    for (int i = 0; !m->over && i < m->n; i++) {
        const tn_param *p = &m->there[i];
        if (!p->grad) continue;
        TN_TRY(tn_gpu_copy_out(m->gpu, m->net[i].grad, p->grad, bytes_of(p), p->spec->name));
    }
    return TN_OK;
}

tn_status tn_mirror_gradients_in(tn_mirror *m) {
    for (int i = 0; !m->over && i < m->n; i++) {
        const tn_param *p = &m->there[i];
        if (!p->grad) continue;
        TN_TRY(tn_gpu_copy_in(m->gpu, p->grad, m->net[i].grad, bytes_of(p), p->spec->name));
    }
    return TN_OK;
}

tn_status tn_mirror_gradients_zero(tn_mirror *m) {
    size_t count;
    tn_real *gradients = tn_mirror_gradients(m, &count);
    return gradients ? tn_gpu_zero(m->gpu, gradients, count * sizeof(tn_real), "gradients") : TN_OK;
}

tn_real *tn_mirror_gradients(const tn_mirror *m, size_t *count) {
    *count = m->gradients;
    return m->gradients ? (tn_real *)m->block + m->values : NULL;
}
