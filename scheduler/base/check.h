// CHECK: a bug of ours ends the process, in release builds too.
//
// An expected end is a value (Outcome, Reason); a wrong input throws InputError. What is left is a broken invariant,
// and going on would turn one wrong decision into many.
#pragma once

namespace yard {

[[noreturn]] void check_failed(const char* expression, const char* file, int line, const char* why) noexcept;

}  // namespace yard

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::yard::check_failed(#condition, __FILE__, __LINE__, nullptr))
#define CHECK_WHY(condition, why) \
  ((condition) ? static_cast<void>(0) : ::yard::check_failed(#condition, __FILE__, __LINE__, why))
