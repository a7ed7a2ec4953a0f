/* A trained net with all that belongs to it: what valid, predict, test, ... have in common.
 *
 * Names of the classes and what was done to the images come from WEIGHTS.json, which training wrote
 * beside the weights, and from DATA. Where both speak they must agree: a swapped class or a net fed
 * with another kind of picture gives confident nonsense. */
#ifndef TN_COMMANDS_MODEL_H
#define TN_COMMANDS_MODEL_H

#include "src/commands/model_args.h"
#include "src/commands/options.h"
#include "src/data/datafile.h"
#include "src/data/lists.h"
#include "src/data/loader.h"
#include "src/data/preprocess.h"
#include "src/data/sidecar.h"
#include "src/net/net.h"
#include "src/net/run.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags that these commands share. */
typedef struct tn_model_options {
    tn_arguments arguments;
    tn_texts net; /* -net KEY=VALUE */
    int threads;  /* 0: all */
    int allow_mismatch, dont_show;
    const char *kernels;
} tn_model_options;

/* Rows for an option table, `o` a tn_model_options. */
#define TN_MODEL_OPTION_ROWS(o)                                                                    \
    {"net", TN_OPTION_TEXTS, &(o).net, "KEY=VALUE", "overrides a key of [net]; repeatable"},       \
        {"threads", TN_OPTION_INT, &(o).threads, "N", "compute threads (default: all)", 1, 1024},  \
        {"allow-mismatch", TN_OPTION_SWITCH, &(o).allow_mismatch, NULL,                            \
         "only warns where DATA and WEIGHTS.json disagree; WEIGHTS.json counts"},                  \
        {"kernels", TN_OPTION_TEXT, &(o).kernels, "NAME", "prefers kernels of this name (ref)"}, { \
        "dont_show", TN_OPTION_SWITCH, &(o).dont_show, NULL, NULL                                  \
    }

void tn_model_options_free(tn_model_options *options);

typedef enum tn_model_needs {
    TN_MODEL_PREDICTS = 0,
    TN_MODEL_NEEDS_DATA = 1, /* a .data file must be there */
} tn_model_needs;

typedef struct tn_model {
    tn_model_args args;
    const char *data_path; /* NULL: no .data file */
    tn_data_config data;
    tn_sidecar sidecar;
    bool has_data, has_sidecar;
    tn_net *net;
    tn_labels labels;      /* what DATA's paths are matched with; n is 0 where DATA names none */
    const char **names;    /* classes of them */
    int classes, positive; /* -1: no class is the positive one */
    int threads;
    tn_preprocess preprocess;
    tn_input_format format;
    const char *kernels;
    tn_gpu *gpu; /* where replicas run; NULL: on the processor */
    /* What is put on the net's probabilities (tn_temperature_apply); 1 when WEIGHTS.json holds no
     * calibration for these very weights and this precision: `calibrated` is false then, and
     * `calibration` NULL. */
    double temperature;
    bool calibrated;
    const tn_calibration *calibration;
    tn_quantisation *quantisation; /* [plan.n_ops] with -precision int8, else NULL */
    tn_labels names_file;          /* what `names` points into without a sidecar */
} tn_model;

/* Reads everything named in options->arguments ([DATA] CFG WEIGHTS), checks that it fits together
 * and loads the weights. With -precision int8, fails where WEIGHTS.json holds no scales for them.
 * Warnings go to stderr. Free with tn_model_close, after a failure too. */
tn_status tn_model_open(tn_model *model, const tn_model_options *options, tn_model_needs needs);
void tn_model_close(tn_model *model);

/* Who computes instead of a replica of ours: a foreign host. `open` is called once a model's net is
 * read and its weights are checked, `forward` as tn_model_forward. */
typedef struct tn_model_engine {
    tn_status (*open)(const tn_model *model, const tn_model_options *options);
    tn_status (*forward)(const tn_model *model, const float *x, int n_valid, float *probability);
} tn_model_engine;
void tn_model_use_engine(const tn_model_engine *engine);
bool tn_model_is_foreign(void); /* whether one is in use */

/* What WEIGHTS.json holds, to be written with additions; of weights from elsewhere, which have
 * none, what DATA and the cfg say. The model owns what it points to. */
tn_sidecar tn_model_note(const tn_model *model);

/* A replica for inference. */
tn_status tn_model_run_create(const tn_model *model, int batch, tn_run **out);

/* Runs the net on the `n_valid` first of the mini-batch's samples, dense (n,h,w,c) floats, and
 * gives their probabilities, calibrated where the model is, as dense (n_valid, classes). Fails,
 * naming sample and class, when they are no distribution: not finite, negative, or of another sum
 * than 1. */
tn_status tn_model_forward(const tn_model *model, tn_run *run, const float *x, int n_valid,
                           float *probability);

/* The same of a loader's batch, of floats or of bytes (config.bytes: for a model on a GPU alone).
 */
tn_status tn_model_forward_batch(const tn_model *model, tn_run *run, const tn_batch *batch,
                                 float *probability);

/* Classes from the most probable down, the first of equals first: order[classes]. */
void tn_model_rank(const float *probability, int classes, int *order);

/* The threshold that `calibrate` chose for the positive class; NaN: none. */
double tn_model_threshold(const tn_model *model);

/* One line, without its end: "uncalibrated" and what to do, or the temperature and the list. The
 * caller frees it; NULL when memory is out. */
char *tn_model_calibration_text(const tn_model *model);

/* What the answers are computed in: "fp32", "int8", ... */
const char *tn_model_precision(const tn_model *model);

/* tn_digest of a file. */
tn_status tn_file_digest(const char *path, uint64_t *digest);

/* How many classes to show: `asked`, else what DATA's top= says, else all of up to 5. */
int tn_model_top(const tn_model *model, int asked);

#ifdef __cplusplus
}
#endif
#endif
