// A door that tests hold shut: whoever passes waits until it is opened.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace yard {

class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void shut() {
    const std::lock_guard lock(mutex_);
    open_ = false;
    arrived_ = let_ = 0;
  }
  // Lets the next `n` through, those that wait first.
  void let(std::uint64_t n) {
    const std::lock_guard lock(mutex_);
    let_ += n;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_ || let_ > 0; });
    if (!open_) --let_;
  }
  // Waits until `n` have come to the door since it was made or last shut.
  void wait_for(std::uint64_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= n; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  std::uint64_t arrived_ = 0, let_ = 0;
};

}  // namespace yard
