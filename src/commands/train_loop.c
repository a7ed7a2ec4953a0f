/* The loop: updates, epochs, validation, checkpoints, signals. */
#include "src/commands/clock.h"
#include "src/commands/train.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Darknet's distances between checkpoints, in updates. */
enum { LAST_EVERY = 100, NUMBERED_EVERY = 1000 };
/* Updates after which the length of the run is told; the first is slower than the rest. */
enum { WARM = 1, MEASURED = 4 };

/* ---- one update ---- */

static tn_status gather(tn_trainer *t, int rank) {
    tn_tensor out = tn_run_output(tn_replicas_run(t->replicas, rank));
    size_t stride = (size_t)out.h * (size_t)out.w * (size_t)out.pitch;
    const int *label = t->label + rank * t->mini_batch;
    for (int i = 0; i < t->step[rank].n_valid; i++)
        TN_TRY(tn_scores_add(&t->scores, tn_data(&out) + (size_t)i * stride, label[i]));
    return TN_OK;
}

static tn_status feed(tn_run *run, const tn_batch *batch) {
    if (batch->bytes) return tn_run_input_bytes(run, batch->bytes, batch->table);
    tn_tensor in = tn_run_input(run);
    memcpy(tn_data(&in), batch->x, tn_elements(&in) * sizeof *batch->x);
    return TN_OK;
}

/* The loader's next mini-batch becomes this rank's: what is needed of it once the loader goes on is
 * copied. */
static tn_status take_batch(tn_trainer *t, int rank, int index) {
    const tn_batch *batch;
    TN_TRY(tn_loader_next(t->loader, &batch));
    TN_TRY(feed(tn_replicas_run(t->replicas, rank), batch));
    const size_t count = (size_t)t->mini_batch * (size_t)t->classes;
    float *truth = t->truth + (size_t)rank * count;
    memcpy(truth, batch->truth, count * sizeof *truth);
    for (int i = 0; i < batch->n_valid; i++)
        t->label[rank * t->mini_batch + i] = t->train_list.label[batch->index[i]];
    t->step[rank] = (tn_step){.seed = t->seed,
                              .step = t->position.updates,
                              .first_sample = index * t->mini_batch,
                              .n_valid = batch->n_valid,
                              .grad_scale = 1.0 / t->batch,
                              .truth = truth};
    return TN_OK;
}

/* A mini-batch for each replica, the first of them `index`. */
static tn_status mini_batches(tn_trainer *t, int index, double *loss) {
    for (int k = 0; k < t->ranks; k++) TN_TRY(take_batch(t, k, index + k));
    TN_TRY(tn_replicas_forward(t->replicas, t->step));
    for (int k = 0; k < t->ranks; k++) {
        tn_run *run = tn_replicas_run(t->replicas, k);
        const double all = tn_run_loss(run);
        if (!isfinite(all)) {
            t->run = run;
            return tn_trainer_diagnose(t, &t->step[k], all);
        }
        *loss += tn_run_main_loss(run);
        TN_TRY(gather(t, k));
    }
    return tn_replicas_backward(t->replicas);
}

tn_status tn_trainer_update(tn_trainer *t, double *loss) {
    tn_train_position *p = &t->position;
    double sum = 0;
    const int parts = t->batch / t->mini_batch;
    for (int i = 0; i < parts; i += t->ranks) TN_TRY(mini_batches(t, i, &sum));
    TN_TRY(tn_replicas_reduce(t->replicas, &t->bad_param));
    if (t->bad_param >= 0) return tn_trainer_diagnose(t, &t->step[0], 0);
    TN_TRY(tn_replicas_update(t->replicas, tn_schedule_rate(&t->schedule, p->updates + 1)));
    if (t->average) {
        TN_TRY(tn_replicas_settle(t->replicas, false));
        tn_average_update(t->average, t->net->param);
    }
    *loss = sum / t->batch;
    p->loss_average = p->updates ? .9 * p->loss_average + .1 * *loss : *loss;
    p->epoch_loss += sum;
    p->epoch_images += (uint64_t)t->batch;
    p->images += (uint64_t)t->batch;
    p->updates++;
    return TN_OK;
}

/* ---- validation ---- */

tn_status tn_trainer_validate(tn_trainer *t, tn_metrics *metrics) {
    const tn_batch *batch;
    t->valid_scores.n = 0;
    TN_TRY(tn_loader_seek(t->valid_loader, 0));
    for (;;) {
        TN_TRY(tn_loader_next(t->valid_loader, &batch));
        if (!batch) break;
        TN_TRY(feed(t->check, batch));
        tn_step step = {.n_valid = batch->n_valid};
        TN_TRY(tn_run_forward(t->check, &step));
        tn_tensor out = tn_run_output(t->check);
        size_t stride = (size_t)out.h * (size_t)out.w * (size_t)out.pitch;
        for (int i = 0; i < batch->n_valid; i++)
            TN_TRY(tn_scores_add(&t->valid_scores, tn_data(&out) + (size_t)i * stride,
                                 t->valid_list.label[batch->index[i]]));
    }
    int top = t->data.top ? t->data.top : 5;
    return tn_metrics_compute(&t->valid_scores, t->positive, top < t->classes ? top : t->classes,
                              metrics);
}

/* What "best" means: the mean of AUC (are the sick ranked above the well?) and balanced accuracy
 * (is the line between them drawn where it should be?), of equals the lower loss. NaN where
 * undefined (a list of one class): then the loss alone decides. */
static double score_of(const tn_metrics *m) {
    return (m->auc + m->balanced_accuracy) / 2;
}

static bool is_best(const tn_train_position *p, const tn_metrics *m) {
    if (!isfinite(m->loss)) return false;
    if (p->best_step == 0) return true;
    double score = score_of(m);
    if (isnan(score) || isnan(p->best_score)) return m->loss < p->best_loss;
    return score > p->best_score || (score == p->best_score && m->loss < p->best_loss);
}

static tn_status validate(tn_trainer *t, tn_epoch_record *record) {
    tn_metrics m;
    tn_train_position *p = &t->position;
    TN_TRY(tn_trainer_validate(t, &m));
    record->valid = tn_summary_of(&m);
    record->best = is_best(p, &m);
    p->stale = record->best ? 0 : p->stale + 1;
    if (t->options->topk) {
        tn_trainer_end_line(t);
        fprintf(stderr, " accuracy top%d = %f\n", m.top, m.top_accuracy);
    }
    if (record->best) {
        p->best_score = score_of(&m);
        p->best_loss = m.loss;
        p->best_step = p->updates;
    }
    tn_metrics_free(&m);
    return record->best ? tn_trainer_save_weights(t, "best") : TN_OK;
}

/* ---- epochs ---- */

static tn_status score_training(tn_trainer *t, tn_epoch_record *record) {
    tn_metrics m;
    if (t->scores.n == 0) return TN_OK;
    TN_TRY(tn_metrics_compute(&t->scores, t->positive, 1, &m));
    record->train = tn_summary_of(&m);
    record->train.loss = t->position.epoch_loss / (double)t->position.epoch_images;
    tn_metrics_free(&m);
    return TN_OK;
}

static bool validates(const tn_trainer *t, uint64_t epoch) {
    if (!t->valid_list.n) return false;
    return epoch % (uint64_t)t->options->valid_every == 0 ||
           t->position.updates == t->schedule.total;
}

static tn_status end_epoch(tn_trainer *t) {
    tn_train_position *p = &t->position;
    const double epochs = tn_schedule_epochs(&t->schedule, p->updates);
    const double before = tn_schedule_epochs(&t->schedule, p->updates - 1);
    const bool crossed = floor(epochs) > floor(before);
    double trained = p->epoch_seconds + tn_clock() - t->epoch_started;
    tn_epoch_record record = {.epoch = crossed ? floor(epochs) : epochs,
                              .step = p->updates,
                              .images = p->images,
                              .rate = tn_schedule_rate(&t->schedule, p->updates),
                              .images_per_second = (double)p->epoch_images / trained,
                              .train = tn_summary_none,
                              .valid = tn_summary_none};
    TN_TRY(score_training(t, &record));
    if (validates(t, (uint64_t)epochs)) TN_TRY(validate(t, &record));
    record.seconds = p->epoch_seconds + tn_clock() - t->epoch_started;
    TN_TRY(tn_history_add(&t->history, &record));
    t->scores.n = 0;
    p->epoch_loss = p->epoch_seconds = 0;
    p->epoch_images = 0;
    t->epoch_started = tn_clock();
    tn_trainer_print_epoch(t, &record);
    return tn_trainer_save_reports(t, false);
}

/* ---- the run ---- */

static volatile sig_atomic_t signalled;
static volatile sig_atomic_t speak_to = STDERR_FILENO;

/* A second signal ends the program at once: the default is back. */
static void on_signal(int number) {
    static const char text[] = "\nfinishing this iteration, then saving (again: quit at once)\n";
    signalled = number;
    signal(number, SIG_DFL);
    if (write(speak_to, text, sizeof text - 1) < 0) signalled = number;
}

void tn_trainer_speak_to(int file) {
    speak_to = file;
}

int tn_trainer_release_signals(void) {
    const int last = signalled;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signalled = 0;
    return last;
}

static void catch_signals(void) {
    signalled = 0;
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error to report, not a death */
}

static bool over(const tn_trainer *t) {
    int patience = t->net->keys.patience;
    if (patience > 0 && t->position.stale >= (uint64_t)patience) return true;
    return t->schedule.total && t->position.updates >= t->schedule.total;
}

static tn_status checkpoint(tn_trainer *t, bool epoch_ended) {
    uint64_t n = t->position.updates;
    if (n % NUMBERED_EVERY == 0) {
        char name[24];
        snprintf(name, sizeof name, "%llu", (unsigned long long)n);
        TN_TRY(tn_trainer_save_weights(t, name));
    }
    if (!epoch_ended && n % LAST_EVERY != 0) return TN_OK;
    if (tn_clock() - t->last_save < t->save_cost / TN_SAVE_SHARE) return TN_OK;
    return tn_trainer_save(t);
}

static tn_status step_once(tn_trainer *t) {
    double start = tn_clock(), loss = 0;
    uint64_t first = t->measured_images;
    TN_TRY(tn_trainer_update(t, &loss));
    double seconds = tn_clock() - start;
    uint64_t count = ++t->done;
    if (count > WARM || count == t->schedule.total) {
        t->measured_images = first + (uint64_t)t->batch;
        t->measured_seconds += seconds;
    }
    if (count == MEASURED) tn_trainer_print_length(t);
    tn_trainer_print_update(t, loss, tn_schedule_rate(&t->schedule, t->position.updates), seconds);
    bool ended = tn_schedule_ends_epoch(&t->schedule, t->position.updates);
    if (ended) TN_TRY(end_epoch(t));
    return over(t) ? TN_OK : checkpoint(t, ended);
}

static tn_status finish(tn_trainer *t) {
    if (t->position.epoch_images) TN_TRY(end_epoch(t));
    t->position.finished = 1;
    TN_TRY(tn_trainer_save_weights(t, "final"));
    TN_TRY(tn_trainer_save_reports(t, true));
    return tn_trainer_save(t);
}

tn_status tn_trainer_run(tn_trainer *t, int *interrupted) {
    catch_signals();
    *interrupted = 0;
    t->started = t->epoch_started = tn_clock();
    const uint64_t most = t->options->stop_after ? (uint64_t)t->options->stop_after : UINT64_MAX;
    while (!over(t) && !signalled && t->done < most) TN_TRY(step_once(t));
    tn_trainer_end_line(t);
    if (over(t)) return finish(t);
    *interrupted = signalled ? signalled : -1;
    TN_TRY(tn_trainer_save(t));
    return tn_trainer_save_reports(t, true);
}

tn_status tn_trainer_benchmark_loader(tn_trainer *t) {
    enum { MOST_SECONDS = 10 };
    const tn_batch *batch;
    uint64_t images = 0, epoch = tn_loader_epoch_size(t->loader);
    double start = tn_clock(), warm = start;
    /* one epoch fills the cache, as in a run; then two are measured */
    for (; images < epoch && tn_clock() - start < MOST_SECONDS; images += (uint64_t)batch->n_valid)
        TN_TRY(tn_loader_next(t->loader, &batch));
    double first = (double)images / (tn_clock() - start);
    warm = tn_clock();
    for (images = 0; images < 2 * epoch && tn_clock() - warm < MOST_SECONDS;
         images += (uint64_t)batch->n_valid)
        TN_TRY(tn_loader_next(t->loader, &batch));
    printf("loader alone: %.1f images/s in the first epoch, %.1f images/s after it\n", first,
           (double)images / (tn_clock() - warm));
    return TN_OK;
}
