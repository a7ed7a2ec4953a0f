/* The commands of ./darknet-plugin that the host has a part in; the rest are ./darknet's own. */
#ifndef TN_PLUGIN_COMMANDS_H
#define TN_PLUGIN_COMMANDS_H

#ifdef __cplusplus
extern "C" {
#endif

int tn_plugin_train(int argc, char **argv);   /* classifier train */
int tn_plugin_valid(int argc, char **argv);   /* classifier valid */
int tn_plugin_predict(int argc, char **argv); /* classifier predict */
int tn_plugin_bench(int argc, char **argv);   /* bench */

int tn_plugin_detector(int argc, char **argv); /* detector ..., where the library has it */

#ifdef __cplusplus
}
#endif
#endif
