#include "scheduler/base/fork_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace yard {
namespace {

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

ForkGuard::ForkGuard() noexcept : process_(::getpid()) {
#ifdef MADV_WIPEONFORK
  void* page = ::mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, page_size(), MADV_WIPEONFORK) != 0) {
    ::munmap(page, page_size());
    return;
  }
  page_ = static_cast<std::uint8_t*>(page);
  *page_ = 1;
#endif
}

ForkGuard::~ForkGuard() {
  if (page_) ::munmap(const_cast<std::uint8_t*>(page_), page_size());
}

bool ForkGuard::is_child() const noexcept { return process_ != ::getpid(); }

void ForkGuard::end_child() noexcept {
  std::fputs("switchyard: used in a forked child, where none of its threads are: make the Scheduler after fork()\n",
             stderr);
  std::abort();
}

}  // namespace yard
