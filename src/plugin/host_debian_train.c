/* pjreddie's Darknet as Debian packages it: training. The library has its parts, not the command.
 */
#include "src/plugin/host.h"

#include <darknet.h>

#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SAVE_EVERY = 100, LOADERS = 4 };

static volatile sig_atomic_t stopped;

static void stop(int number) {
    stopped = number;
}

static load_args loading(network *net, const tn_host_training *t, data *into) {
    return (load_args){.w = net->w,
                       .h = net->h,
                       .threads = LOADERS,
                       .hierarchy = net->hierarchy,
                       .min = net->min_ratio * net->w,
                       .max = net->max_ratio * net->w,
                       .center = net->center,
                       .angle = net->angle,
                       .aspect = net->aspect,
                       .exposure = net->exposure,
                       .saturation = net->saturation,
                       .hue = net->hue,
                       .size = net->w,
                       .paths = t->path,
                       .classes = t->classes,
                       .n = net->batch * net->subdivisions,
                       .m = t->images,
                       .labels = t->label,
                       .type = CLASSIFICATION_DATA,
                       .d = into};
}

static void write_weights(const void *net, char *path) {
    save_weights((network *)(uintptr_t)net, path);
}

static tn_status save_as(const network *net, const tn_host_training *t, const char *what) {
    char name[NAME_MAX + 1];
    if (snprintf(name, sizeof name, "%s_%s.weights", t->base, what) > NAME_MAX)
        return tn_fail("%s: a file cannot have so long a name as %s.weights", t->cfg, t->base);
    return t->save(t->user, name, write_weights, net);
}

tn_status tn_host_train(const tn_host_training *t) {
    tn_host_net *host;
    TN_TRY(tn_host_open(t->cfg, t->weights, true, &host));
    network *net = (network *)host;
    if (net->w != net->h)
        return tn_fail("%s: the host trains square nets only, this one is %d x %d", t->cfg, net->w,
                       net->h);
    if (t->clear) *net->seen = 0;
    const size_t images = (size_t)net->batch * (size_t)net->subdivisions;
    data batch, next;
    load_args args = loading(net, t, &next);
    pthread_t loader = load_data(args);
    float average = -1;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    while (stopped == 0 &&
           (net->max_batches == 0 || *net->seen / images < (size_t)net->max_batches)) {
        pthread_join(loader, 0);
        batch = next;
        loader = load_data(args);
        const float loss = train_network(net, batch);
        const double rate = tn_host_rate(host); /* of the update just done: its images count */
        free_data(batch);
        if (!(loss - loss == 0)) return tn_fail("the loss is %g: training stops", (double)loss);
        average = average < 0 ? loss : average * 0.9f + loss * 0.1f;
        const size_t n = *net->seen / images;
        printf("%zu, %.3f: %f, %f avg, %f rate, %zu images\n", n, (double)*net->seen / t->images,
               (double)loss, (double)average, rate, *net->seen);
        fflush(stdout);
        if (n % SAVE_EVERY == 0) TN_TRY(save_as(net, t, "last"));
    }
    pthread_join(loader, 0);
    free_data(next);
    TN_TRY(save_as(net, t, stopped ? "last" : "final"));
    tn_host_close(host);
    if (!stopped) return TN_OK;
    return tn_fail(
        "stopped by signal %d; %s/%s_last.weights is written, and training goes on from it",
        (int)stopped, t->folder, t->base);
}

void tn_host_run_detector(int argc, char **argv) {
    (void)argc;
    (void)argv;
}

void tn_host_run_classifier(int argc, char **argv) {
    (void)argc;
    (void)argv;
}
