#include "src/commands/train_state.h"

#include "src/net/hash.h"
#include "src/net/state.h"

#include <stdlib.h>
#include <string.h>

enum { FIXED_FIELDS = 9 };

uint64_t tn_train_net_hash(const tn_cfg *cfg) {
    static const char *const length_keys[] = {"epochs", "max_batches", "patience", "data"};
    tn_hash hash;
    tn_hash_start(&hash);
    for (int i = 0; i < cfg->n_sections; i++) {
        const tn_section *s = &cfg->section[i];
        tn_hash_text(&hash, s->name);
        for (int k = 0; k < s->n_options; k++) {
            bool skip = false;
            for (int j = 0; i == 0 && j < 4; j++)
                skip |= strcmp(s->option[k].key, length_keys[j]) == 0;
            if (skip) continue;
            tn_hash_text(&hash, s->option[k].key);
            tn_hash_text(&hash, s->option[k].value);
        }
    }
    return tn_hash_value(&hash);
}

static size_t score_bytes(const tn_scores *scores) {
    return scores->n * (size_t)scores->classes * sizeof *scores->probability;
}

tn_status tn_train_state_save(const char *path, const tn_train_memory *m,
                              const tn_train_identity *identity) {
    const tn_net *net = m->net;
    int most = FIXED_FIELDS + net->plan.n_params, n = 0;
    tn_state_field *field = calloc((size_t)most, sizeof *field);
    if (!field) return tn_fail("%s: out of memory", path);
    field[n++] = (tn_state_field){"identity", identity, sizeof *identity};
    field[n++] = (tn_state_field){"position", m->position, sizeof *m->position};
    field[n++] =
        (tn_state_field){"history", m->history->record, m->history->n * sizeof *m->history->record};
    field[n++] =
        (tn_state_field){"scores.truth", m->scores->truth, m->scores->n * sizeof *m->scores->truth};
    field[n++] =
        (tn_state_field){"scores.probability", m->scores->probability, score_bytes(m->scores)};
    field[n++] =
        (tn_state_field){"optimizer.updates", &m->optimizer->updates, sizeof m->optimizer->updates};
    field[n++] = (tn_state_field){"optimizer.moments", m->optimizer->pages, m->optimizer->bytes};
    if (m->average)
        field[n++] = (tn_state_field){"average", m->average->value,
                                      m->average->count * sizeof *m->average->value};
    if (m->choices) {
        size_t bytes;
        const char *text = tn_choices_text(m->choices, &bytes);
        field[n++] = (tn_state_field){"choices", text, bytes};
    }
    for (int i = 0; i < net->plan.n_params; i++)
        field[n++] = (tn_state_field){net->param[i].spec->name, net->param[i].value,
                                      net->param[i].spec->count * sizeof *net->param[i].value};
    tn_status status = tn_state_save(path, field, n);
    free(field);
    return status;
}

/* ---- reading ---- */

static tn_status differs(const char *path, const char *what, uint64_t found, uint64_t here) {
    return tn_fail("%s: %s is %llu there and %llu here: this run cannot go on from it", path, what,
                   (unsigned long long)found, (unsigned long long)here);
}

static tn_status check_identity(const char *path, const tn_train_identity *there,
                                const tn_train_identity *here) {
    if (there->net != here->net)
        return tn_fail("%s: made with another cfg or other [net] keys; a run goes on only with "
                       "its own (epochs, max_batches and patience may change)",
                       path);
    if (there->data != here->data)
        return tn_fail("%s: made with another training list, labels or preprocessing", path);
    if (there->seed != here->seed) return differs(path, "the seed", there->seed, here->seed);
    if (there->images != here->images)
        return differs(path, "the number of images", there->images, here->images);
    if (there->batch != here->batch) return differs(path, "batch", there->batch, here->batch);
    if (there->mini_batch != here->mini_batch)
        return differs(path, "the mini-batch", there->mini_batch, here->mini_batch);
    return TN_OK;
}

static void note(char inexact[256], const char *what) {
    size_t used = strlen(inexact);
    snprintf(inexact + used, 256 - used, "%s%s", used ? ", " : "", what);
}

static void compare_surroundings(const tn_train_identity *there, const tn_train_identity *here,
                                 char inexact[256]) {
    inexact[0] = 0;
    if (there->threads != here->threads) note(inexact, "number of threads");
    if (there->kernels != here->kernels) note(inexact, "kernels");
    if (strncmp(there->version, here->version, sizeof here->version) != 0) note(inexact, "version");
    if (strncmp(there->cpu, here->cpu, sizeof here->cpu) != 0) note(inexact, "processor");
}

static tn_status load_history(const tn_state *state, const char *path, tn_history *history) {
    size_t size;
    const tn_epoch_record *record = tn_state_find(state, "history", &size);
    if (!record || size % sizeof *record) return tn_fail("%s: history is damaged", path);
    history->n = 0;
    for (size_t i = 0; i < size / sizeof *record; i++) TN_TRY(tn_history_add(history, &record[i]));
    return TN_OK;
}

static tn_status load_scores(const tn_state *state, const char *path, tn_scores *scores) {
    size_t size;
    if (!tn_state_find(state, "scores.truth", &size)) return tn_fail("%s: no scores", path);
    size_t n = size / sizeof *scores->truth;
    if (n > scores->capacity)
        return tn_fail("%s: %zu scores of one epoch, expected %zu at most", path, n,
                       scores->capacity);
    scores->n = n;
    TN_TRY(tn_state_get(state, "scores.truth", scores->truth, size));
    return tn_state_get(state, "scores.probability", scores->probability, score_bytes(scores));
}

static tn_status load_params(const tn_state *state, tn_param *param, int n) {
    for (int i = 0; i < n; i++) {
        TN_TRY(tn_state_get(state, param[i].spec->name, param[i].value,
                            param[i].spec->count * sizeof *param[i].value));
        param[i].version++;
    }
    return TN_OK;
}

static tn_status load_average(const tn_state *state, tn_average *average, uint64_t updates) {
    if (!average) return TN_OK;
    average->updates = updates;
    for (int i = 0; i < average->n_params; i++) average->param[i].version++;
    return tn_state_get(state, "average", average->value, average->count * sizeof *average->value);
}

static tn_status load(const tn_state *state, const char *path, const tn_train_memory *m,
                      const tn_train_identity *here, char inexact[256]) {
    tn_train_identity there;
    TN_TRY(tn_state_get(state, "identity", &there, sizeof there));
    TN_TRY(check_identity(path, &there, here));
    compare_surroundings(&there, here, inexact);
    TN_TRY(tn_state_get(state, "position", m->position, sizeof *m->position));
    TN_TRY(load_history(state, path, m->history));
    TN_TRY(load_scores(state, path, m->scores));
    tn_optimizer *o = m->optimizer;
    TN_TRY(tn_state_get(state, "optimizer.updates", &o->updates, sizeof o->updates));
    TN_TRY(tn_state_get(state, "optimizer.moments", o->pages, o->bytes));
    TN_TRY(load_average(state, m->average, o->updates));
    return load_params(state, m->net->param, m->net->plan.n_params);
}

tn_status tn_train_state_load(const char *path, const tn_train_memory *into,
                              const tn_train_identity *identity, char inexact[256]) {
    tn_state *state;
    TN_TRY(tn_state_open(path, &state));
    tn_status status = load(state, path, into, identity, inexact);
    tn_state_close(state);
    return status;
}

tn_status tn_train_state_choices(const char *path, tn_choices *choices) {
    tn_state *state;
    TN_TRY(tn_state_open(path, &state));
    size_t bytes;
    bool taken;
    const char *text = tn_state_find(state, "choices", &bytes);
    tn_status status = text ? tn_choices_read(choices, text, bytes, &taken) : TN_OK;
    tn_state_close(state);
    return status == TN_OK ? TN_OK : tn_fail_in("%s", path);
}

tn_status tn_train_state_peek(const char *path, tn_train_position *position, uint64_t *seed) {
    tn_state *state;
    tn_train_identity there;
    TN_TRY(tn_state_open(path, &state));
    tn_status status = tn_state_get(state, "identity", &there, sizeof there);
    if (status == TN_OK) status = tn_state_get(state, "position", position, sizeof *position);
    if (status == TN_OK) *seed = there.seed;
    tn_state_close(state);
    return status;
}
