/* A whole net against what torch computed for it in double (tests/fixtures/torch/<net>.txt).
 *
 * Weights, images and truths come from a hash that tests/fixtures/make_torch.py computes as well.
 */
#ifndef TN_TESTS_TORCH_PARITY_H
#define TN_TESTS_TORCH_PARITY_H

#include "src/net/net.h"

#include <stdbool.h>

typedef struct tn_parity {
    double outputs;  /* largest difference of a probability, inference and training */
    double loss;     /* relative */
    double gradient; /* largest relative L2 difference of a parameter's gradient */
    double step;     /* the same for what one SGD step (and the running statistics) changed */
    char worst[96];  /* the parameter with the largest gradient difference */
} tn_parity;

/* Runs cfg/<net>.cfg as the fixture says and compares. `smooth`: with mish in place of relu,
 * against <net>-smooth.txt: no rounding can flip it, so single precision can be held to its own. */
tn_status tn_parity_run(const char *net, bool smooth, tn_parity *out);

/* The weights that make_torch.py gives a net, and element i of its images (n,h,w,c). */
void tn_parity_fill(tn_net *net, double gain);
tn_real tn_parity_pixel(size_t i);

#endif
