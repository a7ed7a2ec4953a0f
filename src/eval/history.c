#include "src/eval/history.h"

#include "src/net/atomic_file.h"

#include <math.h>
#include <stdlib.h>

const tn_summary tn_summary_none = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};

tn_summary tn_summary_of(const tn_metrics *m) {
    return (tn_summary){.loss = m->loss,
                        .accuracy = m->accuracy,
                        .f1 = m->f1,
                        .auc = m->auc,
                        .balanced_accuracy = m->balanced_accuracy,
                        .sensitivity = m->sensitivity,
                        .specificity = m->specificity};
}

tn_status tn_history_add(tn_history *history, const tn_epoch_record *record) {
    if (history->n == history->capacity) {
        size_t capacity = history->capacity ? 2 * history->capacity : 64;
        tn_epoch_record *grown = realloc(history->record, capacity * sizeof *grown);
        if (!grown) return tn_fail("history: out of memory for %zu epochs", capacity);
        history->record = grown;
        history->capacity = capacity;
    }
    history->record[history->n++] = *record;
    return TN_OK;
}

void tn_history_free(tn_history *history) {
    free(history->record);
    *history = (tn_history){0};
}

static void put(FILE *to, const char *name, double value) {
    char text[32];
    fprintf(to, ",\"%s\":%s", name, tn_metric_text(value, text));
}

static void put_summary(FILE *to, const char *name, const tn_summary *s) {
    char text[32];
    fprintf(to, ",\"%s\":{\"loss\":%s", name, tn_metric_text(s->loss, text));
    put(to, "accuracy", s->accuracy);
    put(to, "f1", s->f1);
    put(to, "auc", s->auc);
    put(to, "balanced_accuracy", s->balanced_accuracy);
    put(to, "sensitivity", s->sensitivity);
    put(to, "specificity", s->specificity);
    fprintf(to, "}");
}

static void put_record(FILE *to, const tn_epoch_record *r) {
    char text[32];
    fprintf(to, "{\"epoch\":%s,\"step\":%llu,\"images\":%llu", tn_metric_text(r->epoch, text),
            (unsigned long long)r->step, (unsigned long long)r->images);
    put(to, "rate", r->rate);
    put_summary(to, "train", &r->train);
    put_summary(to, "valid", &r->valid);
    put(to, "seconds", r->seconds);
    put(to, "images_per_second", r->images_per_second);
    fprintf(to, ",\"best\":%s}\n", r->best ? "true" : "false");
}

tn_status tn_history_save(const tn_history *history, const char *path) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, path));
    for (size_t i = 0; i < history->n; i++) put_record(file.to, &history->record[i]);
    return tn_atomic_commit(&file);
}
