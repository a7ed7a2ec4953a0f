#include "src/commands/limits_fma.h"
