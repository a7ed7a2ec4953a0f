/* darknet-plugin classifier train: everything is checked as ./darknet does, then the host trains.
 */
#include "layers/device/cpu.h"
#include "src/commands/train.h"
#include "src/data/files.h"
#include "src/net/atomic_file.h"
#include "src/net/weights.h"
#include "src/plugin/commands.h"
#include "src/plugin/host.h"
#include "src/plugin/memory_file.h"

#include <stdlib.h>
#include <string.h>

static const char differs[] =
    "\nIn the plugin the host trains: it writes NAME_last (every 100 updates, and at Ctrl-C) and\n"
    "NAME_final.weights, each with a .json beside it, and nothing else; a run goes on from\n"
    "NAME_last.weights. -resume, -partial, -stop-after, -valid-every, -show_imgs,\n"
    "-benchmark-loader and -kernels are ./darknet's alone.\n";

static int failed(void) {
    fprintf(stderr, "darknet-plugin classifier train: %s\n", tn_error());
    return 1;
}

/* What ./darknet can and a host cannot. */
static tn_status refuse_options(const tn_train_options *o) {
    const char *flag = o->resume             ? "-resume"
                       : o->partial          ? "-partial"
                       : o->stop_after       ? "-stop-after"
                       : o->show_images      ? "-show_imgs"
                       : o->benchmark_loader ? "-benchmark-loader"
                       : o->valid_every != 1 ? "-valid-every"
                       : o->kernels          ? "-kernels"
                                             : NULL;
    if (o->topk && !tn_host_has_commands) flag = "-topk";
    if (!flag) return TN_OK;
    return tn_fail("%s: the host trains, and cannot do this; ./darknet can", flag);
}

/* Keys of [net] that would be passed over in silence. */
static tn_status refuse_keys(const tn_trainer *t) {
    const tn_net_keys *k = &t->net->keys;
    const char *key = k->balanced        ? "balanced"
                      : k->ema_alpha > 0 ? "ema_alpha"
                      : k->patience      ? "patience"
                                         : tn_host_unable(k);
    if (!key) return TN_OK;
    return tn_fail("%s: %s: the host trains, and cannot do this; ./darknet can",
                   t->options->model.cfg, key);
}

/* A host writes over the weights of before, says nothing of a full disk, and goes on with what is
 * no number: what it wrote is read back before it counts. */
static tn_status save(void *user, const char *name, tn_host_writer *write, const void *net) {
    tn_trainer *t = user;
    tn_atomic_file file;
    const char *folder = t->paths.folder, *end = strrchr(folder, '/');
    char *path = tn_text("%s%s%s", folder, end && !end[1] ? "" : "/", name);
    if (!path) return tn_fail("out of memory");
    tn_status status = tn_atomic_open(&file, path);
    if (status == TN_OK) {
        write(net, file.part);
        status = tn_weights_load(t->net, file.part, false, NULL);
        if (status == TN_OK) status = tn_atomic_commit(&file);
        tn_atomic_abandon(&file);
    }
    t->position.updates = t->net->seen / (uint64_t)t->batch;
    if (status == TN_OK) status = tn_trainer_save_note(t, path);
    if (status == TN_OK) fprintf(stderr, "%s is written\n", path);
    free(path);
    return status;
}

/* The host takes labels from paths alone, and all that it finds there. */
static tn_status check_label(const tn_trainer *t, const tn_list *list, int i) {
    for (int c = 0; c < t->classes; c++) {
        const bool found = strstr(list->path[i], t->labels.name[c]), own = c == list->label[i];
        if (found != own)
            return tn_fail("%s:%d: the host takes labels from paths alone, and %s \"%s\" in '%s', "
                           "labelled \"%s\"",
                           list->path_of_list, list->line[i],
                           found ? "would also find" : "does not find", t->labels.name[c],
                           list->path[i], t->labels.name[list->label[i]]);
    }
    return TN_OK;
}

/* The host reads RGB in 0..1 and takes what it cannot read for a black picture. */
static tn_status check_images(const tn_trainer *t, const tn_list *list) {
    const tn_net_keys *k = &t->net->keys;
    const tn_preprocess *p = &t->preprocess;
    if (k->channels != 3)
        return tn_fail("%s: channels=%d, but the host's loader makes 3", t->options->model.cfg,
                       k->channels);
    for (int c = 0; c < 3; c++)
        if (p->input_mean[c] != 0 || p->input_std[c] != 1)
            return tn_fail("%s: input_mean and input_std are beyond the host's loader",
                           t->data_path);
    for (int i = 0; i < list->n; i++) {
        tn_image image;
        if (tn_image_load(list->path[i], 3, &image) != TN_OK)
            return tn_fail_in("%s:%d", list->path_of_list, list->line[i]);
        tn_image_free(&image);
        TN_TRY(check_label(t, list, i));
    }
    return TN_OK;
}

/* Lists and a .data file for the host. */
typedef struct handover {
    tn_memory_file data, train, valid, labels, names;
} handover;

static tn_status write_lines(tn_memory_file *file, const char *name, char *const *line, int n) {
    TN_TRY(tn_memory_file_open(file, name));
    for (int i = 0; i < n; i++) fprintf(file->to, "%s\n", line[i]);
    return tn_memory_file_finish(file);
}

/* The host takes white space out of what a .data file says: no path of the user's is in it. */
static tn_status hand_over(const tn_trainer *t, handover *h) {
    const tn_list *train = &t->train_list, *valid = t->valid_list.n ? &t->valid_list : train;
    TN_TRY(write_lines(&h->train, "train.list", train->path, train->n));
    TN_TRY(write_lines(&h->valid, "valid.list", valid->path, valid->n));
    TN_TRY(write_lines(&h->labels, "labels.list", t->labels.name, t->labels.n));
    TN_TRY(write_lines(&h->names, "net.names", t->names.name, t->names.n));
    TN_TRY(tn_memory_file_open(&h->data, "net.data"));
    FILE *to = h->data.to;
    fprintf(to, "classes=%d\ntrain=%s\nvalid=%s\nlabels=%s\nnames=%s\nbackup=.\n", t->classes,
            h->train.path, h->valid.path, h->labels.path, h->names.path);
    if (t->data.top) fprintf(to, "top=%d\n", t->data.top);
    return tn_memory_file_finish(&h->data);
}

static void clear_away(handover *h) {
    tn_memory_file_close(&h->data);
    tn_memory_file_close(&h->train);
    tn_memory_file_close(&h->valid);
    tn_memory_file_close(&h->labels);
    tn_memory_file_close(&h->names);
}

static tn_status run(tn_trainer *t) {
    const tn_train_options *o = t->options;
    handover h = {0};
    TN_TRY(refuse_keys(t));
    TN_TRY(tn_host_start());
    t->preprocess = t->data.preprocess;
    t->threads = tn_cpu_use_threads(o->threads);
    TN_TRY(check_images(t, &t->train_list));
    if (t->valid_list.n) TN_TRY(check_images(t, &t->valid_list));
    tn_host_graft_options.overrides = o->net.items;
    tn_host_graft_options.n_overrides = o->net.count;
    tn_host_graft_options.seed = o->seed;
    tn_host_graft_options.images = (uint64_t)t->train_list.n;
    const tn_host_training training = {.cfg = o->model.cfg,
                                       .weights = o->model.weights,
                                       .folder = t->paths.folder,
                                       .base = t->paths.base,
                                       .data = h.data.path,
                                       .clear = o->clear,
                                       .top = o->topk,
                                       .path = t->train_list.path,
                                       .label = t->labels.name,
                                       .images = t->train_list.n,
                                       .classes = t->classes,
                                       .save = save,
                                       .user = t};
    tn_status status = hand_over(t, &h);
    if (status == TN_OK) status = tn_host_train(&training);
    clear_away(&h);
    return status;
}

int tn_plugin_train(int argc, char **argv) {
    tn_train_options options;
    int help = 0;
    if (tn_train_options_parse(argc, argv, &options, &help) != TN_OK) return failed();
    tn_trainer t = {0};
    tn_status status = help ? TN_OK : refuse_options(&options);
    if (help) fputs(differs, stdout);
    if (!help && status == TN_OK) status = tn_trainer_check(&t, &options);
    if (!help && status == TN_OK) status = run(&t);
    tn_trainer_close(&t);
    tn_train_options_free(&options);
    return status == TN_OK ? 0 : failed();
}
