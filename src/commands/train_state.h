/* What a run must remember to go on as if it had never stopped, and its .state file. */
#ifndef TN_COMMANDS_TRAIN_STATE_H
#define TN_COMMANDS_TRAIN_STATE_H

#include "layers/device/choices.h"
#include "src/eval/history.h"
#include "src/eval/metrics.h"
#include "src/net/average.h"
#include "src/net/net.h"
#include "src/net/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a run stands. Plain data: it is stored byte for byte. */
typedef struct tn_train_position {
    uint64_t updates; /* done; Darknet's iteration */
    uint64_t images;  /* trained on */
    uint64_t epoch_images;
    double epoch_loss;    /* sum over the images of this epoch */
    double epoch_seconds; /* spent on this epoch before this process */
    double loss_average;  /* Darknet's running one: .9 old + .1 new */
    double best_score, best_loss;
    uint64_t best_step; /* 0: none yet */
    uint64_t stale;     /* epochs validated since the best one */
    uint64_t finished;  /* 1: the run came to its end */
} tn_train_position;

/* What must be the same for a run to go on, and what should be for it to go on bit for bit. */
typedef struct tn_train_identity {
    uint64_t net;  /* sections and keys of the cfg, length of the run left out */
    uint64_t data; /* the training list with its labels, and the preprocessing */
    uint64_t seed;
    uint64_t images, batch, mini_batch;
    uint64_t threads; /* from here on: only the bits depend on it */
    uint64_t kernels;
    char version[32], cpu[160];
} tn_train_identity;

/* What a .state file is made from and restored into. */
typedef struct tn_train_memory {
    tn_net *net;
    tn_optimizer *optimizer;
    tn_average *average; /* NULL: none kept */
    tn_train_position *position;
    tn_history *history;
    tn_scores *scores;   /* predictions of the epoch so far */
    tn_choices *choices; /* of kernels, by measurement on a GPU; NULL: none */
} tn_train_memory;

tn_status tn_train_state_save(const char *path, const tn_train_memory *from,
                              const tn_train_identity *identity);

/* Restores everything. Fails, changing nothing that matters, when the file is damaged or of another
 * net, data set or seed. *inexact names what differs without preventing to go on (threads,
 * processor, version, kernels), or is "". */
tn_status tn_train_state_load(const char *path, const tn_train_memory *into,
                              const tn_train_identity *identity, char inexact[256]);

/* Takes up what a run on the same device chose by measurement, before its kernels are prepared;
 * nothing where the file holds none or those of another device. */
tn_status tn_train_state_choices(const char *path, tn_choices *choices);

/* Reads seed and position alone, to know what lies there. */
tn_status tn_train_state_peek(const char *path, tn_train_position *position, uint64_t *seed);

/* Checksum of a net's sections. Keys that only say how long to train, when to stop and where data
 * lies are left out: a run may be made longer. */
uint64_t tn_train_net_hash(const tn_cfg *cfg);

#ifdef __cplusplus
}
#endif
#endif
