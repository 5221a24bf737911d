#include "topology/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <optional>

#include "scheduler/base/sanitized.h"

namespace yard {
namespace {

constexpr std::size_t kMaxText = 500;
constexpr rlim_t kCpuSeconds = 10, kBytes = rlim_t{4} << 30;
constexpr int kPatienceMs = 30'000;

void limit(decltype(RLIMIT_CPU) what, rlim_t soft) {
  rlimit now{};
  if (getrlimit(what, &now) != 0) return;
  now.rlim_cur = std::min(now.rlim_max, soft);
  setrlimit(what, &now);
}

[[noreturn]] void child(int out, const std::function<std::string()>& work) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU}) std::signal(signal, SIG_DFL);
  const int null = open("/dev/null", O_RDWR);
  if (null >= 0) dup2(null, 1), dup2(null, 2);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, kCpuSeconds);
  if (!kSanitized) limit(RLIMIT_AS, kBytes);  // their shadow alone is larger
  std::string text;
  try {
    text = work();
  } catch (const std::exception& e) {
    text = e.what();
  }
  text = "." + text.substr(0, kMaxText);  // the dot tells an empty answer from none
  const ssize_t written = write(out, text.data(), text.size());
  _exit(written < 0 ? 1 : 0);
}

// Returns: what the child wrote, "" when it ended without a word, nothing when its time is up. It writes once, so a
// loop of few turns.
std::optional<std::string> answer(int in) {
  std::string text;
  char buffer[kMaxText + 1];
  while (text.size() <= kMaxText) {
    pollfd ready{in, POLLIN, 0};
    const int n = poll(&ready, 1, kPatienceMs);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    const ssize_t got = read(in, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

std::string trial(const std::function<std::string()>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::string("no pipe: ") + std::strerror(errno);
  const pid_t pid = fork();
  if (pid < 0) {
    close(ends[0]), close(ends[1]);
    return std::string("no child process: ") + std::strerror(errno);
  }
  if (pid == 0) child(ends[1], work);
  close(ends[1]);
  const auto text = answer(ends[0]);
  close(ends[0]);
  if (!text) kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
  if (!text) return "reading it takes too long";
  return text->empty() ? "the reader did not survive it" : text->substr(1);
}

}  // namespace yard
