/* Everything is read, checked and laid out before the first image is trained on. */
#include "src/commands/device.h"
#include "src/commands/leak_check.h"
#include "src/commands/train.h"
#include "src/net/weights.h"

#include "layers/device/cpu.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_TOP = 5, CHECK_BATCH = 16 };

static void warn_line(void *user, const char *text) {
    (void)user;
    fprintf(stderr, "warning: %s\n", text);
}

static const tn_warner warner = {warn_line, NULL};

/* ---- data ---- */

static tn_status find_positive(tn_trainer *t) {
    t->positive = -1;
    if (!t->data.positive) return TN_OK;
    t->positive = tn_labels_find(&t->labels, t->data.positive);
    if (t->positive < 0) t->positive = tn_labels_find(&t->names, t->data.positive);
    if (t->positive >= 0) return TN_OK;
    return tn_fail("%s: positive=%s is no label of %s", t->data_path, t->data.positive,
                   t->data.labels);
}

static tn_status warn_of_leaks(const tn_trainer *t) {
    tn_leaks leaks;
    TN_TRY(tn_leak_check(&t->train_list, &t->valid_list, 0, t->threads, &leaks));
    tn_leak_warn(&t->train_list, &t->valid_list, "validation", &leaks);
    tn_leaks_free(&leaks);
    return TN_OK;
}

static tn_status read_data(tn_trainer *t) {
    TN_TRY(tn_model_args_data(t->options->model.data, t->options->model.cfg, &t->net->keys,
                              &t->data_path));
    TN_TRY(tn_data_config_load(t->data_path, &t->data));
    tn_data_config *d = &t->data;
    for (int i = 0; i < d->n_warnings; i++) warn_line(NULL, d->warning[i]);
    if (!d->train) return tn_fail("%s: names no train= list", t->data_path);
    if (!d->labels) return tn_fail("%s: names no labels= file", t->data_path);
    t->classes = d->classes;
    int outputs = tn_net_outputs(t->net);
    if (outputs != t->classes)
        return tn_fail("%s has %d outputs, but %s has classes=%d: set the last layer's size to the "
                       "number of classes",
                       t->options->model.cfg, outputs, t->data_path, t->classes);
    TN_TRY(tn_labels_load(d->labels, t->classes, &t->labels));
    TN_TRY(tn_names_load(d->names ? d->names : d->labels, t->classes, &t->names));
    TN_TRY(find_positive(t));
    TN_TRY(tn_list_load(d->train, &t->labels, &t->train_list));
    if (d->valid) {
        TN_TRY(tn_list_load(d->valid, &t->labels, &t->valid_list));
        return warn_of_leaks(t);
    }
    fprintf(stderr,
            "warning: %s names no valid= list: nothing is validated, and there will be no "
            "best weights\n",
            t->data_path);
    return TN_OK;
}

/* ---- loaders ---- */

static tn_augment augment_of(const tn_net_keys *k) {
    tn_augment a = tn_augment_none(k->width);
    a.min_crop = k->min_crop ? k->min_crop : k->width;
    a.max_crop = k->max_crop ? k->max_crop : 2 * k->width;
    a.angle = (float)k->angle;
    a.aspect = (float)k->aspect;
    a.flip = k->flip;
    a.hue = (float)k->hue;
    a.saturation = (float)k->saturation;
    a.exposure = (float)k->exposure;
    a.mixup = k->mixup == 1;
    a.cutmix = k->cutmix || k->mixup == 2;
    a.label_smooth_eps = (float)k->label_smooth_eps;
    return a;
}

/* `augment` is what the configuration points to. */
static tn_loader_config loader_of(const tn_trainer *t, tn_augment *augment) {
    *augment = augment_of(&t->net->keys);
    return (tn_loader_config){.list = &t->train_list,
                              .classes = t->classes,
                              .batch = t->mini_batch,
                              .augment = augment,
                              .seed = t->seed,
                              .balanced = t->net->keys.balanced,
                              .fit = TN_FIT_CENTRE,
                              .threads = t->threads < 8 ? (t->threads + 1) / 2 : 4};
}

static tn_status open_loaders(tn_trainer *t) {
    const tn_net_keys *k = &t->net->keys;
    tn_augment augment;
    tn_loader_config config = loader_of(t, &augment);
    t->preprocess = t->data.preprocess;
    TN_TRY(
        tn_input_format_create(&t->preprocess, k->height, k->width, k->channels, &config.format));
    TN_TRY(tn_loader_open(&config, &t->loader));
    if (!t->valid_list.n) return TN_OK;
    config.list = &t->valid_list;
    config.augment = NULL;
    config.balanced = false;
    config.bytes = t->n_gpus > 0;
    config.batch = t->mini_batch < CHECK_BATCH ? t->mini_batch : CHECK_BATCH;
    return tn_loader_open(&config, &t->valid_loader);
}

/* ---- the net ---- */

static tn_optimizer_options optimizer_of(const tn_trainer *t) {
    const tn_net_keys *k = &t->net->keys;
    return (tn_optimizer_options){.kind = k->adamw  ? TN_ADAMW
                                          : k->adam ? TN_ADAM
                                                    : TN_SGD,
                                  .momentum = k->momentum,
                                  .decay = k->decay,
                                  .b1 = k->b1,
                                  .b2 = k->b2,
                                  .eps = k->eps,
                                  .threads = t->threads};
}

static tn_status make_replicas(tn_trainer *t) {
    tn_net *net = t->net;
    tn_run_options options = {.mode = TN_TRAIN,
                              .batch = t->mini_batch,
                              .threads = t->threads,
                              .kernels = t->options->kernels,
                              .output = -1,
                              .precision = tn_device_precision(),
                              .choices = t->choices,
                              .update_batch = t->batch / t->ranks};
    const tn_replicas_options replicas = {.run = options,
                                          .ranks = t->ranks,
                                          .gpu = t->n_gpus ? t->gpu : NULL,
                                          .optimizer = optimizer_of(t)};
    TN_TRY(tn_replicas_create(net, &replicas, &t->replicas));
    t->run = tn_replicas_run(t->replicas, 0);
    t->optimizer = tn_replicas_optimizer(t->replicas);
    const size_t samples = (size_t)t->ranks * (size_t)t->mini_batch;
    t->step = calloc((size_t)t->ranks, sizeof *t->step);
    t->truth = calloc(samples * (size_t)t->classes, sizeof *t->truth);
    t->label = calloc(samples, sizeof *t->label);
    if (!t->step || !t->truth || !t->label) return tn_fail("out of memory");
    if (net->keys.ema_alpha > 0)
        TN_TRY(tn_average_create(net->param, net->plan.n_params, net->keys.ema_alpha, &t->average));
    if (!t->valid_list.n) return TN_OK;
    options.mode = TN_INFER;
    options.mirror = t->average ? NULL : tn_replicas_mirror(t->replicas);
    options.gpu = t->n_gpus ? t->gpu[0] : NULL;
    options.batch = t->mini_batch < CHECK_BATCH ? t->mini_batch : CHECK_BATCH;
    tn_param *param = t->average ? t->average->param : net->param;
    return tn_run_create(&net->plan, param, &options, &t->check);
}

/* Fresh weights, or those of a file. Without -clear its counter goes on, as in Darknet. */
static tn_status start_weights(tn_trainer *t) {
    const char *weights = t->options->model.weights;
    tn_net_init(t->net, t->seed);
    if (!weights) return TN_OK;
    tn_weights_report report;
    TN_TRY(tn_weights_load(t->net, weights, t->options->partial, &report));
    fprintf(stderr, "%s: %d of %d layers loaded\n", weights, report.layers, report.all_layers);
    /* first layers of another net are a start, not a position */
    if (t->options->clear || report.layers < report.all_layers) t->net->seen = 0;
    return TN_OK;
}

static tn_status start_position(tn_trainer *t) {
    uint64_t seen = t->net->seen / (uint64_t)t->batch, total = t->schedule.total;
    if (total && seen >= total)
        return tn_fail("%s has seen %" PRIu64 " images = %" PRIu64 " iterations of %d, and this "
                       "run ends after %" PRIu64 ": nothing is left to train. -clear starts at "
                       "iteration 0 with these weights",
                       t->options->model.weights, t->net->seen, seen, t->batch, total);
    t->position.updates = seen;
    t->position.images = seen * (uint64_t)t->batch;
    if (seen)
        fprintf(stderr,
                "%s has seen %" PRIu64 " images: going on at iteration %" PRIu64
                " (-clear starts at 0)\n",
                t->options->model.weights, t->net->seen, seen);
    return TN_OK;
}

/* The seed of a run that goes on is its own. */
static tn_status choose_seed(tn_trainer *t) {
    t->seed = t->options->seed;
    if (!t->options->resume) return TN_OK;
    tn_train_position there;
    uint64_t seed;
    if (access(t->paths.state, F_OK) != 0)
        return tn_fail("%s: no such file: there is no run to resume", t->paths.state);
    TN_TRY(tn_train_state_peek(t->paths.state, &there, &seed));
    if (!t->options->seed_given) t->seed = seed;
    return TN_OK;
}

static tn_status make_scores(tn_trainer *t) {
    size_t epoch = tn_loader_epoch_size(t->loader) + (size_t)t->batch;
    TN_TRY(tn_scores_create(&t->scores, t->classes, epoch));
    if (!t->valid_list.n) return TN_OK;
    return tn_scores_create(&t->valid_scores, t->classes, (size_t)t->valid_list.n);
}

static tn_status read_all(tn_trainer *t) {
    const tn_train_options *o = t->options;
    TN_TRY(tn_net_load(o->model.cfg, o->net.items, o->net.count, &warner, &t->net));
    t->batch = t->net->keys.batch;
    t->mini_batch = t->batch / t->net->keys.subdivisions;
    TN_TRY(read_data(t));
    return tn_trainer_make_folder(t);
}

/* One replica a GPU: batch stays that of an update, of all of them together. */
static tn_status choose_devices(tn_trainer *t) {
    const int subdivisions = t->net->keys.subdivisions;
    TN_TRY(tn_device_use(&t->gpu, &t->n_gpus));
    t->ranks = t->n_gpus ? t->n_gpus : 1;
    if (t->mini_batch % t->ranks != 0)
        return tn_fail("batch=%d in subdivisions=%d does not divide among %d GPUs", t->batch,
                       subdivisions, t->ranks);
    t->mini_batch /= t->ranks;
    if (!t->n_gpus) return TN_OK;
    char device[320];
    snprintf(device, sizeof device, "%s, %s", tn_gpu_describe(t->gpu[0]),
             tn_precision_name(tn_device_precision()));
    TN_TRY(tn_choices_create(device, &t->choices));
    return t->options->resume ? tn_train_state_choices(t->paths.state, t->choices) : TN_OK;
}

static tn_status open_all(tn_trainer *t) {
    const tn_train_options *o = t->options;
    TN_TRY(read_all(t));
    const tn_net_keys *k = &t->net->keys;
    TN_TRY(choose_seed(t));
    TN_TRY(choose_devices(t));
    TN_TRY(start_weights(t));
    TN_TRY(open_loaders(t));
    TN_TRY(tn_schedule_init(&t->schedule, k, tn_loader_epoch_size(t->loader), (uint64_t)t->batch,
                            t->seed));
    if (!o->resume) TN_TRY(start_position(t));
    TN_TRY(make_scores(t));
    TN_TRY(make_replicas(t));
    tn_trainer_identify(t);
    tn_trainer_print_setup(t);
    if (o->benchmark_loader) return TN_OK;
    TN_TRY(o->resume ? tn_trainer_resume(t) : tn_trainer_keep_unfinished(t));
    TN_TRY(tn_loader_seek(t->loader, t->position.images));
    if (!o->show_images) return TN_OK;
    TN_TRY(tn_trainer_show_images(t));
    return tn_loader_seek(t->loader, t->position.images);
}

tn_status tn_trainer_open(tn_trainer *t, const tn_train_options *options) {
    *t = (tn_trainer){.options = options};
    t->terminal = isatty(STDERR_FILENO);
    t->threads = tn_cpu_use_threads(options->threads);
    tn_status status = open_all(t);
    if (status != TN_OK) tn_trainer_close(t);
    return status;
}

static tn_status check_all(tn_trainer *t) {
    tn_augment augment;
    TN_TRY(read_all(t));
    TN_TRY(start_weights(t));
    const tn_loader_config loader = loader_of(t, &augment);
    TN_TRY(tn_loader_check(&loader));
    TN_TRY(tn_schedule_init(&t->schedule, &t->net->keys, (uint64_t)t->train_list.n,
                            (uint64_t)t->batch, t->seed));
    return start_position(t);
}

tn_status tn_trainer_check(tn_trainer *t, const tn_train_options *options) {
    *t = (tn_trainer){.options = options, .seed = options->seed};
    const tn_status status = check_all(t);
    if (status != TN_OK) tn_trainer_close(t);
    return status;
}

void tn_trainer_close(tn_trainer *t) {
    if (t->loader) tn_loader_close(t->loader);
    if (t->valid_loader) tn_loader_close(t->valid_loader);
    tn_run_free(t->check);
    tn_replicas_free(t->replicas);
    tn_choices_free(t->choices);
    free(t->step);
    free(t->truth);
    free(t->label);
    tn_average_free(t->average);
    tn_net_free(t->net);
    tn_scores_free(&t->scores);
    tn_scores_free(&t->valid_scores);
    tn_history_free(&t->history);
    tn_list_free(&t->train_list);
    tn_list_free(&t->valid_list);
    tn_labels_free(&t->labels);
    tn_labels_free(&t->names);
    tn_data_config_free(&t->data);
    free(t->paths.folder);
    free(t->paths.base);
    free(t->paths.state);
    free(t->paths.metrics);
    free(t->paths.chart);
    free(t->paths.chart_last);
    *t = (tn_trainer){0};
}
