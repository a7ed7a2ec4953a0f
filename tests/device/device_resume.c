/* A run there that is interrupted half way and goes on in fresh objects, against one that is not:
 * the same bits. What is measured (choices of kernels) is kept in the .state file with the rest. */
#include "src/net/state.h"
#include "tests/device/device_nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void train(device_training *t, const device_trial *trial, int from, int to, double *loss) {
    for (int s = from; s < to; s++) {
        device_pass(t, trial, s);
        loss[s] = t->loss;
        device_must(tn_replicas_update(t->replicas, device_rate));
    }
    device_must(tn_replicas_settle(t->replicas, true));
}

static void save(const device_training *t, const char *path) {
    const tn_optimizer *o = tn_replicas_optimizer(t->replicas);
    const int n_params = t->net->plan.n_params;
    tn_state_field *field = calloc((size_t)n_params + 3, sizeof *field);
    if (!field) device_must(tn_fail("out of memory"));
    size_t bytes;
    const char *text = tn_choices_text(t->choices, &bytes);
    int n = 0;
    field[n++] = (tn_state_field){"optimizer.updates", &o->updates, sizeof o->updates};
    field[n++] = (tn_state_field){"optimizer.moments", o->pages, o->bytes};
    field[n++] = (tn_state_field){"choices", text, bytes};
    for (int i = 0; i < n_params; i++) {
        const tn_param *p = &t->net->param[i];
        field[n++] = (tn_state_field){p->spec->name, p->value, p->spec->count * sizeof *p->value};
    }
    device_must(tn_state_save(path, field, n));
    free(field);
}

/* Choices come first: they decide what the replica is made of. */
static void load(device_training *t, const device_trial *trial, const char *name,
                 const char *path) {
    tn_state *state;
    size_t bytes = 0;
    bool taken = false;
    device_must(tn_state_open(path, &state));
    const char *text = tn_state_find(state, "choices", &bytes);
    tn_choices *choices = device_choices(trial);
    device_must(text ? tn_choices_read(choices, text, bytes, &taken) : tn_fail("no choices kept"));
    if (!taken) device_must(tn_fail("choices made on this GPU are not taken up on it"));
    device_open(t, trial, name, 99, choices);
    tn_optimizer *o = tn_replicas_optimizer(t->replicas);
    device_must(tn_state_get(state, "optimizer.updates", &o->updates, sizeof o->updates));
    device_must(tn_state_get(state, "optimizer.moments", o->pages, o->bytes));
    for (int i = 0; i < t->net->plan.n_params; i++) {
        tn_param *p = &t->net->param[i];
        device_must(
            tn_state_get(state, p->spec->name, p->value, p->spec->count * sizeof *p->value));
    }
    device_written(t);
    tn_state_close(state);
}

static void compare(const device_training *a, const device_training *b) {
    int differ = 0;
    const char *where = "";
    for (int i = 0; i < a->net->plan.n_params; i++) {
        const tn_param *p = &a->net->param[i];
        const bool same =
            memcmp(p->value, b->net->param[i].value, p->spec->count * sizeof *p->value) == 0;
        if (!same && differ == 0) where = p->spec->name;
        differ += !same;
    }
    device_record(DEVICE_RESUMED, differ, where);
    const tn_optimizer *o = tn_replicas_optimizer(a->replicas);
    const tn_optimizer *q = tn_replicas_optimizer(b->replicas);
    device_record(DEVICE_RESUMED, o->updates != q->updates, "number of updates");
    device_record(DEVICE_RESUMED, memcmp(o->pages, q->pages, o->bytes) != 0, "moments");
}

void device_try_resumed(const device_trial *trial, const char *name) {
    const int steps = trial->resumed, half = steps / 2;
    char path[] = "/tmp/tn-device-XXXXXX";
    const int file = mkstemp(path);
    double *loss = calloc(2 * (size_t)steps, sizeof *loss), *again = loss + steps;
    if (file < 0 || !loss) device_must(tn_fail("no temporary file"));
    (void)close(file);
    device_training whole, second;
    device_open(&whole, trial, name, 3, device_choices(trial));
    train(&whole, trial, 0, half, loss);
    save(&whole, path);
    load(&second, trial, name, path);
    train(&whole, trial, half, steps, loss);
    train(&second, trial, half, steps, again);
    compare(&whole, &second);
    device_record(DEVICE_RESUMED,
                  memcmp(loss + half, again + half, (size_t)(steps - half) * sizeof *loss) != 0,
                  "losses");
    device_close(&whole);
    device_close(&second);
    (void)remove(path);
    free(loss);
}
