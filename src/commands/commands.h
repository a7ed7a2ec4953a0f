/* The commands of ./darknet, one a file: argv[0] is the command's name, the return value the exit
 * status. Results go to stdout, everything else to stderr. */
#ifndef TN_COMMANDS_COMMANDS_H
#define TN_COMMANDS_COMMANDS_H

#ifdef __cplusplus
extern "C" {
#endif

int tn_cmd_ddti(int argc, char **argv);  /* ddti convert | synth */
int tn_cmd_list(int argc, char **argv);  /* lists from a folder of class folders */
int tn_cmd_bench(int argc, char **argv); /* time of training steps and forward passes */
int tn_cmd_train(int argc, char **argv); /* classifier train */

int tn_cmd_predict(int argc, char **argv);  /* classifier predict */
int tn_cmd_classify(int argc, char **argv); /* classify */
int tn_cmd_valid(int argc, char **argv);    /* classifier valid, and so on */
int tn_cmd_valid10(int argc, char **argv);
int tn_cmd_validcrop(int argc, char **argv);
int tn_cmd_validfull(int argc, char **argv);
int tn_cmd_validmulti(int argc, char **argv);
int tn_cmd_calibrate(int argc, char **argv); /* classifier calibrate */
int tn_cmd_quantize(int argc, char **argv);  /* classifier quantize */
int tn_cmd_compare(int argc, char **argv);   /* classifier compare */
int tn_cmd_crossval(int argc, char **argv);  /* classifier crossval */
int tn_cmd_test(int argc, char **argv);
int tn_cmd_label(int argc, char **argv);
int tn_cmd_csv(int argc, char **argv);
int tn_cmd_try(int argc, char **argv);
int tn_cmd_gradcam(int argc, char **argv); /* classifier gradcam: heat maps */
int tn_cmd_demo(int argc, char **argv);
int tn_cmd_report(int argc, char **argv);  /* classifier report: run folders as a page */
int tn_cmd_summary(int argc, char **argv); /* classifier summary */
int tn_cmd_cfg(int argc, char **argv);     /* cfg check | help | expand */
int tn_cmd_version(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
