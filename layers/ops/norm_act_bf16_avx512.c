#define TN_VECTOR_BF16
#include "layers/ops/norm_act_forward.h"
