// The kernel's two acts that parking is made of: sleep while a word holds a value, wake who sleeps on it.
//
// Raw 32-bit futexes rather than std::atomic::wait: gcc 12 puts waits on other sizes behind a table of proxy words that
// it shares among addresses, spins on its own account, and cannot wait until a deadline.
//
// Order: none given. Who wakes has written the word before, and who was woken reads it again.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

namespace yard {

using Deadline = std::chrono::steady_clock::time_point;  // tidy: clock named, not read: a deadline is given
inline constexpr Deadline kForever = Deadline::max();

// Sleeps if the word holds `expected`, until woken, or for no reason at all. Returns: false when the deadline is over.
// A word of 64 bits: `expected` is compared with its high half.
bool futex_sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Deadline) noexcept;
bool futex_sleep(const std::atomic<std::uint64_t>& word, std::uint32_t expected, Deadline) noexcept;

// Wakes one, or all, who sleep on the word now.
void futex_wake_one(const std::atomic<std::uint32_t>& word) noexcept;
void futex_wake_one(const std::atomic<std::uint64_t>& word) noexcept;
void futex_wake_all(const std::atomic<std::uint64_t>& word) noexcept;

}  // namespace yard
