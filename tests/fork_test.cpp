// A forked child has none of a Scheduler's threads: whatever it calls ends it with a message, and never hangs.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/gate.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;

constexpr Token kPrompt[] = {1, 2, 3};

struct Ended {
  bool aborted;
  std::string said;  // on standard error
};

// What becomes of a child that makes this call.
Ended in_child(const std::function<void()>& call) {
  int pipe[2];
  if (::pipe(pipe) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[1], STDERR_FILENO);
    ::alarm(60);  // hangs no longer
    call();
    ::_exit(0);
  }
  ::close(pipe[1]);
  Ended ended{};
  char buffer[512];
  for (ssize_t n; (n = ::read(pipe[0], buffer, sizeof buffer)) > 0;)
    ended.said.append(buffer, static_cast<std::size_t>(n));
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ended.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  return ended;
}

void expect_ends(const char* what, const std::function<void()>& call) {
  const Ended ended = in_child(call);
  EXPECT_TRUE(ended.aborted) << what;
  EXPECT_TRUE(ended.said.starts_with("switchyard: used in a forked child")) << what << ": " << ended.said;
}

Device host() {
  return host_device("h", [](StepView& step) {
    for (StepSlot& slot : step)
      if (slot.samples) slot.emit(1);
  });
}

TEST(Fork, AnyCallInTheChildEndsIt) {
  std::optional<Scheduler> scheduler(
      std::in_place, Options{.devices = {host(), pulled_device("p", {.model = "p"}), endpoint("e", {.model = "e"})}});
  std::optional<Lane> lane = scheduler->lane("p");
  std::optional<Reply> reply = scheduler->submit({.prompt = kPrompt, .max_tokens = 2, .model = "p"});
  PulledRun* run = lane->wait(1h);
  ASSERT_NE(run, nullptr);
  yard::Gate placed;
  placed.open();
  std::optional<Ticket> ticket =
      scheduler->place({.prompt = kPrompt, .model = "e"}, [&](const Placement&) { placed.pass(); });
  placed.wait_for(1);

  const Scheduler& s = *scheduler;
  expect_ends("submit", [&] { static_cast<void>(scheduler->submit({.prompt = kPrompt, .model = "default"})); });
  expect_ends("place",
              [&] { static_cast<void>(scheduler->place({.prompt = kPrompt, .model = "e"}, [](const Placement&) {})); });
  expect_ends("lane", [&] { static_cast<void>(scheduler->lane("p")); });
  expect_ends("set", [&] { scheduler->set("h", Wish::drain); });
  expect_ends("drain", [&] { scheduler->drain(1h); });
  expect_ends("counts", [&] { static_cast<void>(s.counts()); });
  expect_ends("metrics", [&] { static_cast<void>(s.metrics()); });
  expect_ends("~Scheduler", [&] { scheduler.reset(); });

  Token out[4];
  expect_ends("take", [&] { reply->take(out); });
  expect_ends("begin", [&] { reply->begin(); });
  expect_ends("notify", [&] { reply->notify([] {}); });
  expect_ends("cancel", [&] { reply->cancel(); });
  expect_ends("outcome", [&] { static_cast<void>(reply->outcome()); });
  expect_ends("~Reply", [&] { reply.reset(); });

  expect_ends("first_token", [&] { ticket->first_token(); });
  expect_ends("ended", [&] { ticket->ended(1); });
  expect_ends("failed", [&] { ticket->failed(500); });
  expect_ends("cancel", [&] { ticket->cancel(); });
  expect_ends("~Ticket", [&] { ticket.reset(); });

  expect_ends("wait", [&] { lane->wait(1h); });
  expect_ends("more", [&] { run->more(); });
  expect_ends("next", [&] { run->next(); });
  expect_ends("ended", [&] { lane->ended(run); });
  expect_ends("failed", [&] { lane->failed(run); });
  expect_ends("closing", [&] { static_cast<void>(lane->closing()); });
  expect_ends("~Lane", [&] { lane.reset(); });

  lane.reset();  // here all of it goes on
  ticket->ended(1);
  EXPECT_TRUE(scheduler->drain(1h));
  EXPECT_EQ(scheduler->counts().done, 1u);
}

#if defined(__has_feature)
constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool kThreadSanitizer = false;
#endif

TEST(Fork, AChildMayMakeItsOwn) {
  if (kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer ends a forked child that starts a thread";
  const Scheduler here({.devices = {host()}});
  const Ended ended = in_child([] {
    Scheduler scheduler({.devices = {host()}});
    Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
    int tokens = 0;
    for ([[maybe_unused]] const Token token : reply) ++tokens;
    if (tokens != 2) std::abort();
  });
  EXPECT_FALSE(ended.aborted) << ended.said;
}

}  // namespace
}  // namespace switchyard
