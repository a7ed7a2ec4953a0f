#include "tests/support/small_there.h"

#include <string.h>

enum { MOST = 32 };

/* An array of the op's: where its address is written, and the address here. */
typedef struct array {
    void **place, *here;
    size_t bytes;
} array;

typedef struct arrays {
    array list[MOST];
    int n;
} arrays;

static void add(arrays *a, void *place, size_t bytes) {
    void **at = place;
    if (*at && bytes) a->list[a->n++] = (array){at, *at, bytes};
}

static void add_view(arrays *a, tn_tensor *t) {
    add(a, &t->data, tn_pixels(t) * (size_t)t->pitch * sizeof(tn_real));
}

static arrays arrays_of(tn_small_op *s) {
    arrays a = {.n = 0};
    for (int i = 0; i < s->op.n_in; i++) {
        add_view(&a, &s->in[i]);
        add_view(&a, &s->din[i]);
    }
    add_view(&a, &s->r.out);
    add_view(&a, &s->r.dout);
    for (int i = 0; i < s->op.n_param; i++) {
        add(&a, &s->param[i].value, (size_t)s->r.out.c * sizeof(tn_real));
        add(&a, &s->param[i].grad, (size_t)s->r.out.c * sizeof(tn_real));
    }
    add(&a, &s->r.save, s->r.save_bytes);
    for (int p = 0; p < TN_PASSES; p++) add(&a, &s->r.pass[p].scratch, s->r.pass[p].scratch_bytes);
    return a;
}

static tn_status run(tn_small_op *s, tn_status (*pass)(tn_op_run *)) {
    if (!s->r.gpu) return pass(&s->r);
    arrays a = arrays_of(s);
    tn_status status = TN_OK;
    for (int i = 0; i < a.n && status == TN_OK; i++) {
        const array *t = &a.list[i];
        status = tn_gpu_alloc(s->r.gpu, t->bytes, "a test", t->place);
        if (status == TN_OK)
            status = tn_gpu_copy_in(s->r.gpu, *t->place, t->here, t->bytes, "a test");
    }
    if (status == TN_OK) status = pass(&s->r);
    for (int i = 0; i < a.n; i++) {
        const array *t = &a.list[i];
        if (*t->place == t->here) continue;
        if (status == TN_OK)
            status = tn_gpu_copy_out(s->r.gpu, t->here, *t->place, t->bytes, "a test");
        tn_gpu_free(s->r.gpu, *t->place);
        *t->place = t->here;
    }
    return status;
}

tn_status tn_small_choose(tn_small_op *s, const char *kernel) {
    s->r.gpu = strcmp(kernel, "cuda") == 0 ? tn_there_gpu() : NULL;
    return tn_small_prepare(s, kernel);
}

tn_status tn_small_forward(tn_small_op *s) {
    return run(s, tn_op_forward);
}

tn_status tn_small_backward(tn_small_op *s) {
    return run(s, tn_op_backward);
}
