#include "layers/ops/pool_vector.h"
