#define TN_VECTOR_BF16
#include "layers/ops/pool_vector.h"
