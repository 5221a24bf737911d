// What a thread that waits wants to know of its own time: how long it waited, and whether others want its core.
#pragma once
#include <cstdint>

namespace yard {

std::uint64_t thread_now_ns() noexcept;  // of a clock that never goes back
// How often the kernel took the core from this thread while it could have gone on (ru_nivcsw); 0 where it does not say.
// Cost: a system call.
std::uint64_t thread_preemptions() noexcept;

}  // namespace yard
