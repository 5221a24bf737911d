// The system that tests of learning learn from is that of `cost validate`.
#pragma once
#include "scheduler/validate/learning_system.h"
