// Knows a forked child from the process that it was made in.
//
// One page that the system gives to a child as zeros (Linux, MADV_WIPEONFORK): to ask costs a load, where getpid() is a
// system call. Where the system has no such page it is getpid().
//
// Threads: any. Owns: the page.
#pragma once
#include <cstdint>

namespace yard {

class ForkGuard {
 public:
  ForkGuard() noexcept;
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  // In a forked child: ends it, with a message on standard error. There the threads are missing, and locks may be held
  // for ever.
  void check() const noexcept {
    if (page_ ? *page_ == 0 : is_child()) end_child();
  }

 private:
  bool is_child() const noexcept;
  [[noreturn]] static void end_child() noexcept;

  volatile std::uint8_t* page_ = nullptr;  // read each time: a fork changes it behind the compiler's back
  std::int64_t process_;
};

}  // namespace yard
