/* Tries every kernel of an op kind against the plain C reference (the last of each table), and
 * checks gradients by finite differences.
 *
 * Every buffer lies between guards of NaN; gaps of pitch, scratch and memory to be overwritten are
 * filled with NaN as well, so reading or writing what is not one's own shows. Data are drawn from
 * the seed: a message names seed and shapes, which is all it takes to see a failure again. */
#ifndef TN_TESTS_OP_HARNESS_H
#define TN_TESTS_OP_HARNESS_H

#include "layers/op.h"

enum { TN_HARNESS_INPUTS = 4, TN_HARNESS_PARAMS = 4 };

typedef struct tn_harness_case {
    const tn_op_kind *kind;
    const void *attr;
    const char *text; /* what attr says, for messages; may be NULL */
    tn_mode mode; /* TN_INFER: forward only, which must give the same bits for 1 and 2 threads */
    int threads;  /* 0: 1 or 2, by the seed */
    int n_in;
    tn_tensor in[TN_HARNESS_INPUTS]; /* shapes; pitch 0: dense */
    tn_tensor out;
    int n_param;
    tn_param_spec param[TN_HARNESS_PARAMS]; /* kind, dim and n_dim; the rest is filled in */
    bool frozen;                            /* parameters want no gradient */
    unsigned unwanted;                      /* bit i: in[i] wants no gradient */
    bool no_dout;                           /* nothing reads the output: dout.data is NULL */
    bool truth;   /* step->truth is set: rows of out's elements that sum to 1 */
    int n_valid;  /* 0: all samples */
    double reach; /* inputs lie in -reach..reach; 0: 1 */
    /* Sums of products: with small whole numbers every kernel must be exact. */
    bool exact_for_integers;
    /* An emulated GPU's kernels are tried at every so manieth seed; 0: at each. */
    int emulated_every;
    double tolerance; /* of real data, relative to the reference's largest magnitude; 0: 1e-5 */
} tn_harness_case;

/* Runs every pass with every kernel that does not refuse, overwriting and accumulating. NULL when
 * all agree with the reference, else one line that says where not (valid until the next call). */
const char *tn_harness_check(const tn_harness_case *c, uint64_t seed);

/* Compares the gradients of sum(out * random) + loss * grad_scale with central differences, at up
 * to 40 places of each input and parameter. Relative error: 1e-5 in double, 1e-3 in float. */
const char *tn_harness_gradcheck(const tn_harness_case *c, uint64_t seed);

/* How often a kernel served a check since the program started: no kernel may pass by refusing. */
int tn_harness_served(const tn_kernel *kernel);

#endif
