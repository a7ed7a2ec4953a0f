/* Who a run is, and how it goes on. */
#include "src/commands/device.h"
#include "src/commands/train.h"
#include "src/net/hash.h"
#include "src/version.h"

#include "layers/device/cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t data_hash(const tn_trainer *t) {
    char text[TN_PREPROCESS_TEXT] = "";
    tn_hash hash;
    tn_hash_start(&hash);
    if (tn_preprocess_write(&t->preprocess, text, sizeof text) == TN_OK) tn_hash_text(&hash, text);
    for (int i = 0; i < t->train_list.n; i++) {
        tn_hash_text(&hash, t->train_list.path[i]);
        tn_hash_add(&hash, &t->train_list.label[i], sizeof t->train_list.label[i]);
    }
    return tn_hash_value(&hash);
}

static uint64_t kernels_hash(const tn_run *run) {
    tn_hash hash;
    tn_hash_start(&hash);
    for (int i = 0; i < tn_run_ops(run); i++)
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            const tn_kernel *kernel = tn_run_op(run, i)->pass[p].kernel;
            tn_hash_text(&hash, kernel ? kernel->name : "-");
        }
    return tn_hash_value(&hash);
}

void tn_trainer_identify(tn_trainer *t) {
    tn_train_identity *id = &t->identity;
    *id = (tn_train_identity){.net = tn_train_net_hash(&t->net->cfg),
                              .data = data_hash(t),
                              .seed = t->seed,
                              .images = (uint64_t)t->train_list.n,
                              .batch = (uint64_t)t->batch,
                              .mini_batch = (uint64_t)t->mini_batch,
                              .threads = (uint64_t)t->threads,
                              .kernels = kernels_hash(t->run)};
    snprintf(id->version, sizeof id->version, "%s", TN_VERSION);
    if (t->n_gpus)
        snprintf(id->cpu, sizeof id->cpu, "%d x %s, %s", t->n_gpus, tn_gpu_describe(t->gpu[0]),
                 tn_precision_name(tn_device_precision()));
    else
        snprintf(id->cpu, sizeof id->cpu, "%s%s", tn_cpu_describe(),
                 tn_device_precision() == TN_PRECISION_BF16 ? ", bf16" : "");
}

tn_train_memory tn_trainer_memory(tn_trainer *t) {
    return (tn_train_memory){.net = t->net,
                             .optimizer = t->optimizer,
                             .average = t->average,
                             .position = &t->position,
                             .history = &t->history,
                             .scores = &t->scores,
                             .choices = t->choices};
}

tn_status tn_trainer_resume(tn_trainer *t) {
    char inexact[256];
    const tn_train_memory memory = tn_trainer_memory(t);
    if (t->options->model.weights)
        fprintf(stderr, "warning: %s is not read: -resume takes everything from %s\n",
                t->options->model.weights, t->paths.state);
    TN_TRY(tn_train_state_load(t->paths.state, &memory, &t->identity, inexact));
    TN_TRY(tn_replicas_moments_loaded(t->replicas));
    t->position.finished = 0;
    if (t->schedule.total && t->position.updates >= t->schedule.total)
        return tn_fail("%s: this run has ended after %" PRIu64 " updates. More epochs (-epochs N) "
                       "let it go on",
                       t->paths.state, t->position.updates);
    fprintf(stderr, "resuming at iteration %" PRIu64 ", epoch %.3f\n", t->position.updates,
            tn_schedule_epochs(&t->schedule, t->position.updates));
    if (inexact[0])
        fprintf(stderr, "warning: the run goes on, but not bit for bit: other %s\n", inexact);
    return TN_OK;
}

tn_status tn_trainer_keep_unfinished(const tn_trainer *t) {
    tn_train_position there;
    uint64_t seed;
    if (access(t->paths.state, F_OK) != 0) return TN_OK;
    if (tn_train_state_peek(t->paths.state, &there, &seed) != TN_OK || there.finished) return TN_OK;
    size_t size = strlen(t->paths.state) + sizeof ".old";
    char *old = malloc(size);
    if (!old) return tn_fail("out of memory");
    snprintf(old, size, "%s.old", t->paths.state);
    tn_status status = TN_OK;
    if (rename(t->paths.state, old) != 0)
        status = tn_fail("%s cannot be renamed: %s", t->paths.state, strerror(errno));
    else
        fprintf(stderr,
                "note: an unfinished run (iteration %" PRIu64 ") was here; its state is now %s. "
                "-resume would have gone on with it\n",
                there.updates, old);
    free(old);
    return status;
}
