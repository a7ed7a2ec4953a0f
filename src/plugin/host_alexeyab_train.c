/* AlexeyAB's fork, built with LIBSO=1: its own commands, with an eye on its training. */
#include "src/plugin/host_alexeyab.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_BASE = 80 }; /* the fork's own buffers end soon after */

/* The run at hand; NULL: none, or one of its detector's. */
static const tn_host_training *training;
static volatile sig_atomic_t stopped;

static void stop(int number) {
    stopped = number;
}

static void write_weights(const void *net, char *path) {
    void (*host)(network, char *) = (void (*)(network, char *))dlsym(RTLD_NEXT, "save_weights");
    host(*(const network *)net, path);
}

static tn_status save(const network *net, const char *name) {
    return training->save(training->user, name, write_weights, net);
}

/* Its threads go on loading images: nothing is torn down around them. */
static _Noreturn void leave(tn_status failure) {
    (void)failure;
    fflush(stdout);
    fprintf(stderr, "darknet-plugin classifier train: %s\n", tn_error());
    _exit(1);
}

static _Noreturn void leave_for_signal(const network *net) {
    char name[LONGEST_BASE + 32];
    snprintf(name, sizeof name, "%s_last.weights", training->base);
    if (save(net, name) != TN_OK) leave(TN_FAIL);
    leave(tn_fail("stopped by signal %d; %s/%s is written, and training goes on from it",
                  (int)stopped, training->folder, name));
}

#pragma GCC visibility push(default)

/* These stand before the library's own, as its classifier calls them. */
void save_weights(network net, char *filename) {
    const char *slash = strrchr(filename, '/');
    if (!training)
        write_weights(&net, filename);
    else if (save(&net, slash ? slash + 1 : filename) != TN_OK)
        leave(TN_FAIL);
}

/* Asked between two updates. */
int get_current_batch(network net) {
    int (*host)(network) = (int (*)(network))dlsym(RTLD_NEXT, "get_current_batch");
    if (!training) return host(net);
    const float loss = get_network_cost(net);
    if (!(loss - loss == 0)) leave(tn_fail("the loss is %g: training stops", (double)loss));
    if (stopped) leave_for_signal(&net);
    return host(net);
}

#pragma GCC visibility pop

tn_status tn_host_train(const tn_host_training *t) {
    char *argv[10] = {"darknet", "classifier", "train", (char *)t->data, (char *)t->cfg};
    int argc = 5;
    if (strlen(t->base) > LONGEST_BASE)
        return tn_fail("%s: the host has no room for a name of %zu letters, %d are the most",
                       t->cfg, strlen(t->base), LONGEST_BASE);
    if (t->weights) argv[argc++] = (char *)t->weights;
    if (t->clear) argv[argc++] = "-clear";
    if (t->top) argv[argc++] = "-topk";
    argv[argc++] = "-dont_show";
    training = t;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    run_classifier(argc, argv);
    training = NULL;
    return TN_OK;
}

void tn_host_run_classifier(int argc, char **argv) {
    run_classifier(argc, argv);
}

void tn_host_run_detector(int argc, char **argv) {
    run_detector(argc, argv);
}
