/* An op with all that it reads and writes, filled from a seed: what the harness works on. */
#ifndef TN_TESTS_OP_WORLD_H
#define TN_TESTS_OP_WORLD_H

#include "tests/support/op_harness.h"

enum { TN_WORLD_BLOCKS = 32 };

/* Memory between guards. */
typedef struct tn_world_block {
    unsigned char *raw;
    size_t bytes; /* without guards */
} tn_world_block;

typedef struct tn_world {
    const tn_harness_case *c;
    uint64_t seed;
    bool integers, accumulate;
    tn_op op;
    tn_op_run run;
    tn_tensor in[TN_HARNESS_INPUTS], din[TN_HARNESS_INPUTS];
    bool add[TN_HARNESS_INPUTS];
    tn_param_spec spec[TN_HARNESS_PARAMS];
    tn_param param[TN_HARNESS_PARAMS], *params[TN_HARNESS_PARAMS];
    tn_step step;
    tn_world_block blocks[TN_WORLD_BLOCKS];
    int n_blocks;
} tn_world;

/* A world with equal data for equal (case, seed, integers, accumulate). */
void tn_world_open(tn_world *w, const tn_harness_case *c, uint64_t seed, bool integers,
                   bool accumulate);
void tn_world_close(tn_world *w);

/* Memory of the world's between guards, all NaN; the program ends when there is none. */
void *tn_world_guarded(tn_world *w, size_t bytes);
bool tn_world_guards_hold(const tn_world *w);
/* The gaps between a view's pixels are as they were. */
bool tn_world_gaps_hold(const tn_tensor *t);
/* Elements before a view's first pixel: as in a concatenation, data do not start at the block. */
size_t tn_world_lead(const tn_tensor *t);

/* Values of all parameters; `sign` -1 gives others, to see that a new version is noticed. */
void tn_world_fill_params(tn_world *w, int sign);
/* What passes write into, as it is before they run. */
void tn_world_reset_targets(tn_world *w);

/* "<what>: seed=7 convolution in=1x5x5x4/4 out=... <attr>"; valid until the next call. */
const char *tn_world_describe(const tn_world *w, const char *what);

#endif
