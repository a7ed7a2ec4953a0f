/* [DATA] CFG [WEIGHTS] [...]: which word of a classifier command is which. */
#ifndef TN_COMMANDS_MODEL_ARGS_H
#define TN_COMMANDS_MODEL_ARGS_H

#include "src/commands/options.h"
#include "src/net/net_keys.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_model_args {
    const char *data, *cfg, *weights; /* NULL: not given */
    int used;                         /* words taken; what follows is the command's own */
} tn_model_args;

/* Sorts the words. A name that ends in .cfg is a CFG; else what is in the file decides (a cfg
 * begins with a [section]), or the name's end where there is no such file. Fails, naming the word,
 * when there is no CFG. */
tn_status tn_model_args_split(const tn_texts *words, tn_model_args *out);

/* How many words from args->used on name further members of an ensemble: those that end in
 * .weights, up to the first that does not. */
int tn_model_args_members(const tn_texts *words, const tn_model_args *args);

/* The .data file to use: `given`, else [net] data=. Fails when neither names one or when it is not
 * there; the message then gives the commands that make it. */
tn_status tn_model_args_data(const char *given, const char *cfg, const tn_net_keys *keys,
                             const char **out);

/* The cfg's file name up to its first dot, without folders, as Darknet names its weights: "a" for
 * "cfg/a.b.cfg". The caller frees it; NULL when memory is out. */
char *tn_model_base(const char *cfg);

#ifdef __cplusplus
}
#endif
#endif
