#include "layers/device/rng.h"

#include <math.h>

float tn_rng_uniform(tn_rng *rng, float lo, float hi) {
    return lo + (hi - lo) * tn_uniform01(tn_rng_u32(rng));
}

float tn_rng_normal(tn_rng *rng) {
    const double two_pi = 6.283185307179586476925;
    double u = ((double)tn_rng_u32(rng) + 1.0) / 4294967296.0; /* (0, 1]: its logarithm is finite */
    double v = (double)tn_rng_u32(rng) / 4294967296.0;
    return (float)(sqrt(-2.0 * log(u)) * cos(two_pi * v));
}
