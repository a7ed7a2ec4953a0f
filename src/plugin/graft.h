/* A net of ours grafted into a host's: the host holds the layers, in stock sections; runs of them
 * are computed by blocks of ours, on the host's memory.
 *
 * Knows no host: what it needs of a host's layers comes as tn_host_layer. */
#ifndef TN_PLUGIN_GRAFT_H
#define TN_PLUGIN_GRAFT_H

#include "layers/device/gpu.h"
#include "src/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The same parameters on the host's GPU. */
typedef struct tn_host_there {
    float *bias, *bias_grad, *scale, *scale_grad, *mean, *variance, *weights, *weight_grad;
} tn_host_there;

/* A host's layer as far as its parameters go; all memory is the host's. */
typedef struct tn_host_layer {
    bool has_params, is_connected;
    bool updates_itself;        /* has weights that are none of the below */
    bool frozen;                /* in a net that trains, keeps its weights */
    double rate;                /* multiplies the learning rate */
    int h, w, c;                /* of its input */
    size_t n_biases, n_weights; /* 0 weights: [batchnorm] */
    float *bias, *bias_grad, *scale, *scale_grad, *mean, *variance, *weights, *weight_grad;
    tn_host_there there; /* with tn_graft_options.gpu */
} tn_host_layer;

typedef struct tn_graft_options {
    const char *const *overrides; /* "KEY=VALUE" of [net] */
    int n_overrides;
    uint64_t seed;        /* of fresh weights */
    uint64_t images;      /* of an epoch: what epochs= is turned into updates with; 0: unknown */
    bool strided_1x1;     /* the host ignores the stride of 1x1 convolutions (for tests to know) */
    bool connected_stays; /* the host never updates [connected] */
    bool equal_shortcuts; /* the host ends the process at a [shortcut] of other width or height */
    /* that the host computes right, and in its convolutions besides: words between spaces */
    const char *activations, *convolution_activations;
    bool whole_weights; /* foreign: a .weights file must be the net's to the byte */
    bool foreign;       /* the cfg has sections that only the host knows: a detector */
    /* The host computes there, in this GPU's stream: so do blocks and updates, on its memory there,
     * and what the processor's memory holds is the host's to copy. NULL: on the processor. */
    tn_gpu *gpu;
} tn_graft_options;

typedef struct tn_graft tn_graft;

/* Reads and checks `cfg`, writes it for the host into a file in memory, in stock sections. */
tn_status tn_graft_create(const char *cfg, const tn_graft_options *options, tn_graft **out);
void tn_graft_free(tn_graft *graft);

const char *tn_graft_cfg(const tn_graft *graft);
/* Its parameters lie in the host's memory once attached. NULL for a foreign cfg. */
tn_net *tn_graft_net(const tn_graft *graft);

/* The host has read the file: n layers. Fails when they are not those that were written. */
tn_status tn_graft_attach(tn_graft *graft, const tn_host_layer *layer, int n);

/* From now on the graft is found by the host's array of layers, or by a layer's biases; `seen` is
 * the host's count of images. */
void tn_graft_register(tn_graft *graft, const void *layers, const uint64_t *seen);
tn_graft *tn_graft_find(const void *layers);
tn_graft *tn_graft_find_bias(const float *bias, int *i);

/* How layer i of the host is computed. */
typedef enum tn_graft_role {
    TN_ROLE_HOST,  /* by the host */
    TN_ROLE_FIRST, /* by a block that reads this layer's input and writes the output of `last` */
    TN_ROLE_INSIDE,
} tn_graft_role;
tn_graft_role tn_graft_role_of(const tn_graft *graft, int i);
/* The layers of the block that computes layer i. */
int tn_graft_first(const tn_graft *graft, int i);
int tn_graft_last(const tn_graft *graft, int i);

/* Parameters may have changed: update, load. */
void tn_graft_touch_all(void);

/* The block that starts at layer i: x (n,c,h,w) to y; then dy to parameter gradients and, unless
 * NULL, dx. All of them on the GPU where options.gpu is one. */
tn_status tn_graft_forward(tn_graft *graft, int i, bool train, int n, const float *x, float *y);
tn_status tn_graft_backward(tn_graft *graft, int i, const float *dy, float *dx);

/* The weight of layer i's loss among those of the net; *losses: how many there are. */
double tn_graft_loss_weight(const tn_graft *graft, int i, int *losses);

/* The rate of the update at hand, of `batch` images: ours where the schedule is, else the host's
 * `rate`. */
double tn_graft_rate(const tn_graft *graft, int batch, double rate);

/* Updates layer i's parameters as [net] says and returns true, or returns false: the host is right
 * in what it does. Its gradients are negative sums over `batch` images. */
bool tn_graft_update(tn_graft *graft, int i, double rate, int batch);

#ifdef __cplusplus
}
#endif
#endif
