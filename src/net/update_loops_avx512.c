#include "src/net/update_loops.h"

const tn_update_loops tn_update_loops_avx512 = {tn_update_sgd, tn_update_adam};
