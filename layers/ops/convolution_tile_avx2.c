#include "layers/ops/convolution_tile_make.h"
