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

#endif
