#include "layers/ops/norm_act_forward.h"
