/* A training run: what it is made of, and its stages, a file each. For cmd_train.c and train_*.c.
 */
#ifndef TN_COMMANDS_TRAIN_H
#define TN_COMMANDS_TRAIN_H

#include "src/commands/train_options.h"
#include "src/commands/train_state.h"
#include "src/data/datafile.h"
#include "src/data/lists.h"
#include "src/data/loader.h"
#include "src/net/replicas.h"
#include "src/net/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When updates are fast, checkpoints, and charts, may take this part of the time each. */
#define TN_SAVE_SHARE 0.1

/* Where things are written; all owned. */
typedef struct tn_train_paths {
    char *folder, *base; /* "weights", "thyronet" */
    char *state, *metrics, *chart, *chart_last;
} tn_train_paths;

typedef struct tn_trainer {
    const tn_train_options *options;
    const char *data_path;
    uint64_t seed;
    int threads;
    int batch, mini_batch; /* images of an update, of a replica's forward */
    int classes, positive; /* -1: no positive class */

    tn_data_config data;
    tn_labels labels, names;        /* names: the labels where DATA names none */
    tn_list train_list, valid_list; /* valid_list.n is 0 when DATA names none */
    tn_preprocess preprocess;

    tn_net *net;
    tn_gpu *const *gpu;  /* n_gpus of them; 0: on the processor */
    int n_gpus, ranks;   /* replicas: one a GPU, one on the processor */
    tn_choices *choices; /* on a GPU: what was chosen by measurement */
    tn_replicas *replicas;
    tn_step *step; /* one a rank */
    float *truth;  /* of every rank's mini-batch */
    int *label;    /* likewise */
    int bad_param; /* whose gradient is not finite */
    tn_run *run;   /* rank 0's; of the one that failed, once it has */
    tn_run *check; /* validation, on the average where one is kept */
    tn_loader *loader, *valid_loader;
    tn_optimizer *optimizer; /* the replicas' */
    tn_average *average;
    tn_schedule schedule;
    tn_scores scores, valid_scores;

    tn_train_paths paths;
    tn_train_identity identity;
    tn_train_position position;
    tn_history history;

    /* of this process */
    double started, epoch_started, measured_seconds;
    uint64_t done; /* updates */
    uint64_t measured_images;
    double last_save, save_cost, last_chart, chart_cost; /* seconds */
    bool terminal, line_open;
} tn_trainer;

/* train_setup.c: reads and checks everything, prints what will be done; on failure nothing of an
 * older run has been touched. */
tn_status tn_trainer_open(tn_trainer *t, const tn_train_options *options);
/* Only reads and checks net, data, lists, backup folder and weights: for a host that trains. */
tn_status tn_trainer_check(tn_trainer *t, const tn_train_options *options);
void tn_trainer_close(tn_trainer *t);

/* train_resume.c: what a run that goes on must have in common with this one. */
void tn_trainer_identify(tn_trainer *t);
/* What a .state file is written from and read into. */
tn_train_memory tn_trainer_memory(tn_trainer *t);
/* Takes everything from the .state file, which must be of an unfinished or lengthened run. */
tn_status tn_trainer_resume(tn_trainer *t);
/* An unfinished run of the same name is put aside, not overwritten. */
tn_status tn_trainer_keep_unfinished(const tn_trainer *t);

/* train_loop.c: trains to the end or until a signal or -stop-after. *interrupted is that signal, -1
 * for -stop-after, 0 at the end. */
tn_status tn_trainer_run(tn_trainer *t, int *interrupted);
/* For who trains several nets. Signals that a run catches are answered on this file descriptor (2:
 * stderr). After a run they are the program's own again: returns one that came too late for the run
 * to stop by, 0 for none. */
void tn_trainer_speak_to(int file);
int tn_trainer_release_signals(void);
/* One update: `subdivisions` mini-batches forward and backward, then the optimizer. */
tn_status tn_trainer_update(tn_trainer *t, double *loss);
/* Scores the validation list. */
tn_status tn_trainer_validate(tn_trainer *t, tn_metrics *metrics);
/* Loads images as fast as can be without the net; prints images/s. */
tn_status tn_trainer_benchmark_loader(tn_trainer *t);

/* train_diagnose.c: says which layer went wrong in the mini-batch just run, as an error. */
tn_status tn_trainer_diagnose(tn_trainer *t, const tn_step *step, double loss);

/* train_files.c */
tn_status tn_trainer_make_folder(tn_trainer *t);
tn_status tn_trainer_save_weights(tn_trainer *t, const char *suffix);
/* WEIGHTS.json beside them: what net, data and position this run has. */
tn_status tn_trainer_save_note(const tn_trainer *t, const char *weights);
/* <base>.state and <base>_last.weights. */
tn_status tn_trainer_save(tn_trainer *t);
/* metrics.jsonl, and the chart: always with `must`, else when it is worth its time. */
tn_status tn_trainer_save_reports(tn_trainer *t, bool must);
/* NAME_suffix.weights; the caller frees it. */
char *tn_trainer_weights_path(const tn_trainer *t, const char *suffix);

/* Writes the loader's next mini-batch as aug_<i>.png; the caller seeks back. */
tn_status tn_trainer_show_images(tn_trainer *t);

/* train_report.c: all to stderr, but for the result. */
void tn_trainer_print_setup(const tn_trainer *t);
void tn_trainer_print_update(tn_trainer *t, double loss, double rate, double seconds);
void tn_trainer_print_epoch(tn_trainer *t, const tn_epoch_record *record);
void tn_trainer_print_length(tn_trainer *t);
void tn_trainer_print_result(tn_trainer *t);
/* Ends an open progress line, so that what follows begins on its own. */
void tn_trainer_end_line(tn_trainer *t);

#ifdef __cplusplus
}
#endif
#endif
