/* What a run says while it goes. */
#include "src/commands/device.h"
#include "src/commands/notice.h"
#include "src/commands/train.h"
#include "src/version.h"

#include "layers/device/cpu.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* "47 s", "12 min", "3 h 05 min" */
static const char *duration(double seconds, char text[32]) {
    long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
    if (s < 100)
        snprintf(text, 32, "%ld s", s);
    else if (s < 100 * 60)
        snprintf(text, 32, "%ld min", (s + 30) / 60);
    else
        snprintf(text, 32, "%ld h %02ld min", s / 3600, s / 60 % 60);
    return text;
}

static void print_list(const tn_trainer *t, const char *what, const tn_list *list) {
    fprintf(stderr, "  %-10s %d images:", what, list->n);
    int *counts = calloc((size_t)t->classes, sizeof *counts);
    if (counts) {
        tn_list_count(list, t->classes, counts);
        for (int c = 0; c < t->classes && c < 8; c++)
            fprintf(stderr, " %s %d%s", t->names.name[c], counts[c],
                    c == t->positive ? " (positive)" : "");
        if (t->classes > 8) fprintf(stderr, " ... (%d classes)", t->classes);
    }
    free(counts);
    fprintf(stderr, "\n");
}

static void print_optimizer(const tn_trainer *t) {
    const tn_optimizer_options *o = &t->optimizer->options;
    fprintf(stderr, "  optimizer  %s", tn_optimizer_name(o->kind));
    if (o->kind == TN_SGD)
        fprintf(stderr, ", momentum %g", o->momentum);
    else
        fprintf(stderr, ", B1 %g, B2 %g, eps %g (moments and eps: *)", o->b1, o->b2, o->eps);
    fprintf(stderr, "; %s %g, weights only *\n", o->kind == TN_ADAMW ? "decay" : "L2", o->decay);
}

static void print_rate(const tn_trainer *t) {
    const tn_net_keys *k = &t->net->keys;
    fprintf(stderr, "  rate       %g, policy %s *", k->learning_rate, tn_policy_name(k->policy));
    if (k->policy == TN_POLICY_COSINE || k->policy == TN_POLICY_SGDR)
        fprintf(stderr, " down to %g", k->learning_rate_min);
    if (k->policy == TN_POLICY_STEP) fprintf(stderr, " times %g every %d", k->scale, k->step);
    for (int i = 0; k->policy == TN_POLICY_STEPS && i < k->steps.n; i++)
        fprintf(stderr, "%s times %g from %d", i ? "," : "", k->scales.v[i], k->steps.v[i]);
    if (k->policy == TN_POLICY_EXP || k->policy == TN_POLICY_SIGMOID)
        fprintf(stderr, " gamma %g", k->gamma);
    if (k->policy == TN_POLICY_POLY) fprintf(stderr, " power %g", k->power);
    if (k->burn_in) fprintf(stderr, ", burn_in %d", k->burn_in);
    fprintf(stderr, "\n");
}

static void print_augmentation(const tn_trainer *t) {
    const tn_net_keys *k = &t->net->keys;
    int low = k->min_crop ? k->min_crop : k->width, high = k->max_crop ? k->max_crop : 2 * k->width;
    fprintf(stderr,
            "  augment    mirror %s, turn +-%g degrees *, short side %d to %d *, aspect %g *,\n"
            "             hue %g, saturation %g, exposure %g",
            k->flip ? "left-right" : "off", k->angle, low, high, k->aspect, k->hue, k->saturation,
            k->exposure);
    if (k->mixup || k->cutmix) fprintf(stderr, ", %s", k->mixup == 1 ? "mixup" : "cutmix");
    if (k->label_smooth_eps > 0) fprintf(stderr, ", label smoothing %g", k->label_smooth_eps);
    if (k->balanced) fprintf(stderr, ", classes drawn equally often");
    fprintf(stderr, "\n");
}

static void print_length(const tn_trainer *t) {
    const tn_schedule *s = &t->schedule;
    fprintf(stderr, "  length     ");
    if (s->total)
        fprintf(stderr, "%" PRIu64 " updates = %.6g epochs of %" PRIu64 " images", s->total,
                tn_schedule_epochs(s, s->total), s->images);
    else
        fprintf(stderr, "no end (max_batches=0, epochs=0): Ctrl-C saves and leaves");
    if (t->net->keys.patience)
        fprintf(stderr, "; ends after %d epochs without a better score on the validation list",
                t->net->keys.patience);
    fprintf(stderr, "\n");
}

void tn_trainer_print_setup(const tn_trainer *t) {
    const tn_net *net = t->net;
    const tn_net_keys *k = &net->keys;
    fprintf(stderr, "%s\n%s\n", t->paths.base, TN_NOTICE);
    fprintf(stderr, "net: %s, %dx%dx%d, %zu parameters, %.2f G multiply-adds an image\n",
            t->options->model.cfg, k->width, k->height, k->channels, tn_net_parameters(net),
            tn_net_multiply_adds(net) / 1e9);
    fprintf(stderr, "data: %s\n", t->data_path);
    print_list(t, "train", &t->train_list);
    if (t->valid_list.n) print_list(t, "valid", &t->valid_list);
    fprintf(stderr, "recipe (*: a value that the ThyroNet-X4 paper does not state)\n");
    print_optimizer(t);
    print_rate(t);
    fprintf(stderr, "  batch      %d images an update, in %d mini-batches of %d\n", t->batch,
            t->batch / t->mini_batch, t->mini_batch);
    print_length(t);
    print_augmentation(t);
    fprintf(stderr, "  loss       cross-entropy, mean over images\n");
    if (t->average) fprintf(stderr, "  average    of weights, alpha %g\n", t->average->alpha);
    fprintf(stderr, "Learning Rate: %g, Momentum: %g, Decay: %g\n", k->learning_rate, k->momentum,
            k->decay);
    fprintf(stderr, "seed %" PRIu64 ", %d threads, %s, version %s, %s\n", t->seed, t->threads,
            tn_precision_name(tn_device_precision()), TN_VERSION, t->identity.cpu);
    fprintf(stderr, "memory: %.2f GiB for training buffers\n",
            (double)tn_run_bytes(t->run) / (1 << 30));
    fprintf(stderr,
            "writing to %s: %s_last, _best, _final.weights, %s.state, metrics.jsonl, chart.png\n",
            t->paths.folder, t->paths.base, t->paths.base);
}

static double seconds_left(const tn_trainer *t) {
    if (!t->schedule.total || !t->measured_images) return NAN;
    double images = ((double)t->schedule.total - (double)t->position.updates) * t->batch;
    return images * t->measured_seconds / (double)t->measured_images;
}

/* After the first updates, once. */
void tn_trainer_print_length(tn_trainer *t) {
    char text[32];
    double left = seconds_left(t);
    if (isnan(left)) return;
    tn_trainer_end_line(t);
    fprintf(stderr, "at %.1f images/s this run takes about %s, validation aside\n",
            (double)t->measured_images / t->measured_seconds, duration(left, text));
}

void tn_trainer_end_line(tn_trainer *t) {
    if (t->line_open) fprintf(stderr, "\n");
    t->line_open = false;
}

/* Darknet's line, and on a terminal a shorter one in place. */
void tn_trainer_print_update(tn_trainer *t, double loss, double rate, double seconds) {
    const tn_train_position *p = &t->position;
    double epoch = tn_schedule_epochs(&t->schedule, p->updates);
    double left = seconds_left(t), speed = (double)t->measured_images / t->measured_seconds;
    if (!t->terminal) {
        fprintf(stderr,
                "%" PRIu64 ", %.3f: %f, %f avg, %f rate, %f seconds, %" PRIu64
                " images, %f hours left\n",
                p->updates, epoch, loss, p->loss_average, rate, seconds, p->images,
                isnan(left) ? 0 : left / 3600);
        return;
    }
    char text[32];
    double accuracy = 0;
    for (size_t i = 0; i < t->scores.n; i++)
        accuracy += tn_argmax(t->scores.probability + i * (size_t)t->classes, t->classes) ==
                    t->scores.truth[i];
    fprintf(stderr, "\r\033[Kepoch %.2f  loss %.4f  accuracy %.3f  rate %.2g  %.1f images/s  %s%s",
            epoch, p->epoch_images ? p->epoch_loss / (double)p->epoch_images : loss,
            t->scores.n ? accuracy / (double)t->scores.n : 0, rate, speed,
            isnan(left) ? "" : duration(left, text), isnan(left) ? "" : " left");
    fflush(stderr);
    t->line_open = true;
}

void tn_trainer_print_epoch(tn_trainer *t, const tn_epoch_record *r) {
    if (t->line_open) fprintf(stderr, "\r\033[K");
    t->line_open = false;
    fprintf(stderr, "epoch %g: train loss %.4f accuracy %.4f F1 %.4f", r->epoch, r->train.loss,
            r->train.accuracy, r->train.f1);
    if (!isnan(r->valid.loss))
        fprintf(stderr, " | valid loss %.4f accuracy %.4f F1 %.4f AUC %.4f balanced %.4f%s",
                r->valid.loss, r->valid.accuracy, r->valid.f1, r->valid.auc,
                r->valid.balanced_accuracy, r->best ? " (best)" : "");
    fprintf(stderr, " | %.1f images/s\n", r->images_per_second);
}

void tn_trainer_print_result(tn_trainer *t) {
    const tn_train_position *p = &t->position;
    char *final = tn_trainer_weights_path(t, "final"), *best = tn_trainer_weights_path(t, "best");
    if (final) printf("final: %s (iteration %" PRIu64 ")\n", final, p->updates);
    for (size_t i = 0; best && i < t->history.n; i++) {
        const tn_epoch_record *r = &t->history.record[i];
        if (r->step != p->best_step || !p->best_step) continue;
        printf("best of the validation list: %s (epoch %g, AUC %.4f, balanced accuracy %.4f, "
               "loss %.4f)\n",
               best, r->epoch, r->valid.auc, r->valid.balanced_accuracy, r->valid.loss);
        printf("chosen on these %d images, so its figures on them are too good: report another "
               "list\n",
               t->valid_list.n);
    }
    printf("%s\n", TN_NOTICE);
    free(final);
    free(best);
}
