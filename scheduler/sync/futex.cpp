#include "scheduler/sync/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <climits>

#include "scheduler/base/check.h"

namespace yard {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && sizeof(std::atomic<std::uint64_t>) == 8);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

const std::uint32_t* half(const std::atomic<std::uint64_t>& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word) + (std::endian::native == std::endian::little ? 1 : 0);
}
const std::uint32_t* whole(const std::atomic<std::uint32_t>& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word);
}

// FUTEX_WAIT_BITSET takes a moment of CLOCK_MONOTONIC, which is what steady_clock counts, where FUTEX_WAIT takes a
// span.
bool sleep_on(const std::uint32_t* word, std::uint32_t expected, Deadline deadline) noexcept {
  timespec until{};
  if (deadline != kForever) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count();
    if (ns <= 0) return false;
    until = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  }
  if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline == kForever ? nullptr : &until, nullptr,
              FUTEX_BITSET_MATCH_ANY) == 0)
    return true;
  CHECK_WHY(errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT, "a futex of our own is refused only to wait");
  return errno != ETIMEDOUT;
}

void wake(const std::uint32_t* word, int most) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, nullptr, nullptr, 0);
}

}  // namespace

bool futex_sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline) noexcept {
  return sleep_on(whole(word), expected, deadline);
}
bool futex_sleep(const std::atomic<std::uint64_t>& word, std::uint32_t expected, Deadline deadline) noexcept {
  return sleep_on(half(word), expected, deadline);
}
void futex_wake_one(const std::atomic<std::uint32_t>& word) noexcept { wake(whole(word), 1); }
void futex_wake_one(const std::atomic<std::uint64_t>& word) noexcept { wake(half(word), 1); }
void futex_wake_all(const std::atomic<std::uint64_t>& word) noexcept { wake(half(word), INT_MAX); }

}  // namespace yard
