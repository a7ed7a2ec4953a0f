#include "layers/ops/convolution_dense.h"
