#include "layers/ops/convolution_dense_weights.h"
