#include "layers/ops/norm_act_backward.h"
