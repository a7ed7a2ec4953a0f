/* AlexeyAB's Darknet as src/plugin/host_alexeyab*.c see it: for them alone. */
#ifndef TN_PLUGIN_HOST_ALEXEYAB_H
#define TN_PLUGIN_HOST_ALEXEYAB_H

#include "src/plugin/die.h"
#include "src/plugin/host.h"

#include <darknet.h>

#include <stdint.h>

/* Exported, but not in darknet.h. */
network parse_network_cfg(char *filename);
network parse_network_cfg_custom(char *filename, int batch, int time_steps);
void load_weights(network *net, char *filename);
void save_weights(network net, char *filename);
void forward_network(network net, network_state state);
void backward_network(network net, network_state state);
void update_network(network net);
float get_network_cost(network net);
float get_current_rate(network net);
void run_classifier(int argc, char **argv);
void run_detector(int argc, char **argv);
void gradient_array(const float *x, const int n, const ACTIVATION a, float *delta);
void gradient_array_swish(const float *x, const int n, const float *sigmoid, float *delta);
void gradient_array_mish(const int n, const float *activation_input, float *delta);
void gradient_array_hard_mish(const int n, const float *activation_input, float *delta);
void backward_bias(float *bias_updates, float *delta, int batch, int n, int size);
/* Only of a library built with GPU=1; ours stand before them. */
void *get_cuda_stream(void);
float *cuda_make_array(float *x, size_t n);
int *cuda_make_int_array(size_t n);
int *cuda_make_int_array_new_api(int *x, size_t n);
void **cuda_make_array_pointers(void **x, size_t n);
void cuda_free(float *there);
void create_convolutional_cudnn_tensors(layer *l);
void cudnn_convolutional_setup(layer *l, int preference, size_t workspace);
void update_network_gpu(network net);

/* host_alexeyab_gpu.c. Whether the library is built with GPU=1; whether nets compute there. */
bool tn_alexeyab_has_gpu(void);
bool tn_alexeyab_on_gpu(void);
/* Once the host has read a net on its GPU: refuses what does not go together; where parameters lie
 * there; and, the graft attached, layer i's functions and values there. */
tn_status tn_alexeyab_check_there(network *net);
tn_host_there tn_alexeyab_view_there(const layer *l);
void tn_alexeyab_take_there(network *net, tn_graft *g, int i);
/* Layers' parameters and gradients into the processor's memory. */
void tn_alexeyab_fetch_there(const network *net);
/* Forward and backward there, of a mini-batch in the processor's memory. */
void tn_alexeyab_step_there(network net, float *x, float *truth);

/* host_alexeyab_lacks.c. A net that a library built with GPU=1 has read for the processor. */
tn_status tn_alexeyab_complete(network *net);

#endif
