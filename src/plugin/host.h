/* A real Darknet: what src/plugin asks of it. One file a host, host_<name>.c, implements this and
 * defines parse_network_cfg, through which every net of the host's passes. */
#ifndef TN_PLUGIN_HOST_H
#define TN_PLUGIN_HOST_H

#include "src/plugin/graft.h"

#ifdef __cplusplus
extern "C" {
#endif

const char *tn_host_name(void);

/* Symbols that the plugin needs of the library, ends with NULL; one that only the other host has;
 * whether its library holds `classifier` commands; whether it may be built with GPU=1. */
extern const char *const tn_host_symbols[];
extern const char *const tn_host_stranger;
extern const bool tn_host_has_commands;
extern const bool tn_host_takes_gpu_builds;

/* Where its nets can compute: "CPU". */
const char *tn_host_processor(void);
/* Nets shall compute on this GPU; -1: on the processor. `flag` is what asked for it. Fails where
 * the library has no GPU code. Unasked, a library built for GPUs takes the first. */
tn_status tn_host_want_gpu(int index, const char *flag);
/* Before any net: opens what is wanted, once, and tries it. Fails, with what to do instead, when it
 * is not there. */
tn_status tn_host_start(void);
/* Whether `detector` can run where nets compute: with tn_host_has_commands. */
tn_status tn_host_check_detector(void);

/* A key of [net] whose effect the host's loader does not have, as it stands in the cfg; NULL: none.
 */
const char *tn_host_unable(const tn_net_keys *keys);

/* How nets are grafted that the host reads from now on. */
extern tn_graft_options tn_host_graft_options;

typedef struct tn_host_net tn_host_net;

/* Lets the host read a net and, unless NULL, weights; `train`: with gradients. */
tn_status tn_host_open(const char *cfg, const char *weights, bool train, tn_host_net **out);
void tn_host_close(tn_host_net *net);
tn_graft *tn_host_graft(const tn_host_net *net);
int tn_host_batch(const tn_host_net *net); /* of one forward */
int tn_host_subdivisions(const tn_host_net *net);
int tn_host_inputs(const tn_host_net *net);
int tn_host_outputs(const tn_host_net *net);
uint64_t *tn_host_seen(const tn_host_net *net);

/* One image (c,h,w); the output is the host's and lasts until the next call. */
const float *tn_host_predict(tn_host_net *net, const float *x);
/* Forward and backward of a mini-batch; returns the loss, a mean over its images. */
double tn_host_gradients(tn_host_net *net, const float *x, const float *truth);
void tn_host_update(tn_host_net *net);
/* Where the host computes on a GPU: parameters and their gradients into the processor's memory. */
void tn_host_fetch(const tn_host_net *net);
double tn_host_rate(const tn_host_net *net);
/* The host ends the process when it cannot write. */
void tn_host_save(const tn_host_net *net, const char *path);

/* Whether layer i of the host is as the struct of its header says: of this type and shape, with
 * these many weights. The probe's questions. */
bool tn_host_layer_is_convolution(const tn_host_net *net, int i, int h, int w, int filters,
                                  int weights);
int tn_host_layers(const tn_host_net *net);
/* The net's width, height and channels as the struct of its header says. */
void tn_host_size(const tn_host_net *net, int size[3]);

/* The host's own way of writing its net. */
typedef void tn_host_writer(const void *net, char *path);

/* A training run, checked: every image is there and whole, every folder can be written to. */
typedef struct tn_host_training {
    const char *cfg, *weights, *folder, *base; /* weights may be NULL */
    const char *data;                          /* a .data file for the host */
    int clear, top;
    char **path, **label;
    int images, classes;
    /* Keeps what `write` makes of the net under this name in the folder. */
    tn_status (*save)(void *user, const char *name, tn_host_writer *write, const void *net);
    void *user;
} tn_host_training;
tn_status tn_host_train(const tn_host_training *training);

/* `classifier COMMAND DATA CFG WEIGHTS ...` as the library has it: with tn_host_has_commands. */
void tn_host_run_classifier(int argc, char **argv);
void tn_host_run_detector(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
