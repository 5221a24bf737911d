#include "scheduler/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace yard {

void check_failed(const char* expression, const char* file, int line, const char* why) noexcept {
  std::fprintf(stderr, "switchyard: bug at %s:%d: CHECK(%s) failed%s%s\n", file, line, expression, why ? ": " : "",
               why ? why : "");
  std::abort();
}

}  // namespace yard
