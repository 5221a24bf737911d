// The second way in, on real threads: place() names an endpoint, a Ticket tells how it went. The endpoints are the
// tests' own; a test waits for what it is told, and never sleeps.
#include <switchyard/scheduler.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/gate.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;

// What a callback was told: taken one by one by the test's thread. The callback may outlive it, as it does its ticket.
class Told {
 public:
  struct News {
    std::string device;
    std::uint32_t attempt;
    std::optional<Outcome> end;
  };

  auto callback() {
    return [heard = heard_](const Placement& to) {
      const std::lock_guard lock(heard->mutex);
      heard->news.push_back({std::string(to.device), to.attempt, to.end});
      heard->changed.notify_all();
    };
  }
  News next() {
    std::unique_lock lock(heard_->mutex);
    heard_->changed.wait(lock, [this] { return !heard_->news.empty(); });
    News news = heard_->news.front();
    heard_->news.pop_front();
    return news;
  }
  std::string device() {
    const News news = next();
    EXPECT_FALSE(news.end) << news.end->why;
    return news.device;
  }
  Outcome end() {
    const News news = next();
    EXPECT_TRUE(news.end) << "a placement on " << news.device;
    return news.end.value_or(Outcome{});
  }
  bool nothing_more() {
    const std::lock_guard lock(heard_->mutex);
    return heard_->news.empty();
  }

 private:
  struct Heard {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<News> news;
  };
  std::shared_ptr<Heard> heard_ = std::make_shared<Heard>();
};

Options of(std::vector<Device> devices) { return {.devices = std::move(devices), .policy = "least_loaded"}; }

constexpr Token kPrompt[] = {1, 2, 3};
constexpr PlaceRequest kAsk{.prompt = kPrompt, .max_tokens = 8};

// ---- one attempt ---------------------------------------------------------------------------------------------------

TEST(Place, NamesTheEndpointAndEndsWithWhatTheTicketTold) {
  Scheduler scheduler(of({endpoint("a")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  const Told::News first = told.next();
  EXPECT_EQ(first.device, "a");
  EXPECT_EQ(first.attempt, 1u);
  EXPECT_FALSE(first.end);
  EXPECT_TRUE(ticket.first_token());
  ticket.ended(5);
  const Outcome end = told.end();
  EXPECT_EQ(end.end, End::done);
  EXPECT_EQ(end.tokens, 5u);
  EXPECT_GT(end.ttft, 0ns);
  EXPECT_GE(end.e2e, end.ttft);
}

TEST(Place, AnAnswerThatCameWholeNeedsNoFirstToken) {
  Scheduler scheduler(of({endpoint("a")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  ticket.ended(5, 2);
  const Outcome end = told.end();
  EXPECT_EQ(end.end, End::done);
  EXPECT_EQ(end.tokens, 5u);
  EXPECT_GT(end.ttft, 0ns);
}

TEST(Place, CountsAnAnswerFromItsFirstTokenToWhatWasAsked) {
  Scheduler scheduler(of({endpoint("a")}));
  const auto tokens = [&](std::uint32_t max_tokens, bool begins, std::uint32_t told_tokens) {
    Told told;
    Ticket ticket = scheduler.place({.prompt = kPrompt, .max_tokens = max_tokens}, told.callback());
    told.device();
    if (begins) ticket.first_token();
    ticket.ended(told_tokens);
    return told.end().tokens;
  };
  EXPECT_EQ(tokens(8, false, 0), 0u);
  EXPECT_EQ(tokens(8, true, 0), 1u);
  EXPECT_EQ(tokens(8, true, 1'000'000'000), 8u);
  EXPECT_EQ(tokens(8, false, 0xffff'ffff), 8u);
  EXPECT_EQ(tokens(0, true, 3), 0u);
}

TEST(Place, TheCallbackGoesOnceTheEndWasTold) {
  Scheduler scheduler(of({endpoint("a")}));
  auto alive = std::make_shared<int>();
  Told told;
  Ticket ticket = scheduler.place(kAsk, [alive, tell = told.callback()](const Placement& to) { tell(to); });
  told.device();
  ticket.ended(1);
  told.end();
  EXPECT_TRUE(scheduler.drain(1h));
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Place, WhatACallbackThrowsIsSaidInTheLog) {
  yard::Gate said;
  said.open();
  std::string line;
  Options options = of({endpoint("a")});
  options.log = [&](std::string_view text) {
    line = text;
    said.pass();
  };
  Scheduler scheduler(std::move(options));
  Ticket ticket = scheduler.place(kAsk, [](const Placement&) { throw std::runtime_error("full"); });
  said.wait_for(1);
  EXPECT_EQ(line, "place: what a callback threw: full");
  ticket.ended(1);
  EXPECT_TRUE(scheduler.drain(1h));
  EXPECT_EQ(scheduler.counts().done, 1u);
}

// ---- prompts -------------------------------------------------------------------------------------------------------

TEST(Place, TextCountsAsATokenPerFourBytesRoundedUp) {
  Scheduler scheduler(of({endpoint("a", {.max_context = 4})}));
  const auto why = [&](std::string_view text) {
    Told told;
    Ticket ticket = scheduler.place({.prompt = text, .max_tokens = 1}, told.callback());
    const Told::News news = told.next();
    return std::string(news.end ? news.end->why : "placed");
  };
  EXPECT_EQ(why(""), "empty_prompt");
  EXPECT_EQ(why("1"), "placed");
  EXPECT_EQ(why("123456789012"), "placed");  // three tokens, and one to come
  EXPECT_EQ(why("1234567890123"), "too_long");
}

// ---- attempts ------------------------------------------------------------------------------------------------------

TEST(Place, AFailureBringsAnotherEndpoint) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  EXPECT_EQ(told.device(), "a");
  ticket.failed(503);
  const Told::News second = told.next();
  EXPECT_EQ(second.device, "b");
  EXPECT_EQ(second.attempt, 2u);
  ticket.first_token();
  ticket.ended(2);
  EXPECT_EQ(told.end().end, End::done);
}

TEST(Place, FailsWhenItsRetriesAreSpent) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  for (int attempt = 0; attempt < 3; ++attempt) {
    told.device();
    ticket.failed(0);
  }
  const Outcome end = told.end();
  EXPECT_EQ(end.end, End::failed);
  EXPECT_EQ(end.why, "retries_spent");
}

TEST(Place, ABadRequestIsNotTriedElsewhere) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  ticket.failed(422);
  EXPECT_EQ(told.end().why, "bad_request");
}

TEST(Place, ARequestTimeoutIsTriedElsewhere) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  ticket.failed(408);
  EXPECT_EQ(told.device(), "b");
}

TEST(Place, AfterTheFirstTokenAFailureIsTheEnd) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  ticket.first_token();
  ticket.failed(502);
  EXPECT_EQ(told.end().why, "broken_stream");
}

TEST(Place, AThrottledEndpointIsLeftAloneForAsLongAsItAsked) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  scheduler.set("b", Wish::drain);
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  EXPECT_EQ(told.device(), "a");
  const auto asked = std::chrono::steady_clock::now();
  ticket.failed(429, 30ms);
  EXPECT_EQ(told.device(), "a");  // there is no other
  EXPECT_GE(std::chrono::steady_clock::now() - asked, 30ms);
  ticket.ended(1);
  EXPECT_EQ(told.end().end, End::done);
}

TEST(Place, ARetryAfterBeyondAllReasonIsADay) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  ticket.failed(429, std::chrono::nanoseconds::max());
  EXPECT_EQ(told.device(), "b");
  ticket.ended(1);
  EXPECT_EQ(told.end().end, End::done);
}

TEST(Place, AnAttemptThatDoesNotBeginInTimeGoesElsewhereAndIsOver) {
  const EndpointOptions hasty{.start_timeout = 20ms};
  Scheduler scheduler(of({endpoint("a", hasty), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  EXPECT_EQ(told.device(), "a");
  EXPECT_EQ(told.device(), "b");
  ticket.failed(500, {}, 1);  // what the first attempt says now is late
  EXPECT_FALSE(ticket.first_token(1));
  ticket.ended(7, 0, 1);
  EXPECT_TRUE(ticket.first_token(2));
  ticket.ended(3, 0, 2);
  const Outcome end = told.end();
  EXPECT_EQ(end.end, End::done);
  EXPECT_EQ(end.tokens, 3u);
}

TEST(Place, FiveFailuresInARowEjectAnEndpoint) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  const auto where = [&](bool a_fails) {
    Told told;
    Ticket ticket = scheduler.place(kAsk, told.callback());
    std::string device = told.device();
    if (device == "a" && a_fails) {
      ticket.failed(500);
      EXPECT_EQ(told.device(), "b");
    }
    ticket.ended(1);
    told.end();
    return device;
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(where(true), "a");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(where(true), "b");
}

// ---- what is late, twice, cancelled --------------------------------------------------------------------------------

TEST(Ticket, CallsThatComeTwiceOrLateChangeNothing) {
  Scheduler scheduler(of({endpoint("a")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  EXPECT_TRUE(ticket.first_token());
  EXPECT_FALSE(ticket.first_token());
  ticket.ended(2);
  ticket.ended(3);
  ticket.failed(500);
  EXPECT_EQ(told.end().tokens, 2u);
  ticket.cancel();
  ticket.failed(500);
  EXPECT_FALSE(ticket.first_token());
  EXPECT_TRUE(scheduler.drain(1h));
  EXPECT_TRUE(told.nothing_more());
  EXPECT_EQ(scheduler.counts().done, 1u);
}

TEST(Ticket, OfNothingTakesEveryCall) {
  Ticket ticket;
  EXPECT_FALSE(ticket.first_token());
  ticket.ended(1);
  ticket.failed(500);
  ticket.cancel();
}

TEST(Ticket, CancelEndsAnAttempt) {
  Scheduler scheduler(of({endpoint("a")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  told.device();
  ticket.first_token();
  ticket.cancel();
  EXPECT_EQ(told.end().end, End::cancelled);
}

TEST(Ticket, DroppingItCancelsAndTheEndIsStillTold) {
  Scheduler scheduler(of({endpoint("a", {.concurrency = 1})}));
  Told running, waiting;
  Ticket first = scheduler.place(kAsk, running.callback());
  running.device();
  { const Ticket second = scheduler.place(kAsk, waiting.callback()); }
  EXPECT_EQ(waiting.end().end, End::cancelled);
  first.ended(1);
  EXPECT_EQ(running.end().end, End::done);
}

TEST(Ticket, MayBeUsedAndDroppedInItsCallback) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  yard::Gate ready;
  std::optional<Ticket> ticket;
  Told told;
  ticket = scheduler.place(kAsk, [&, tell = told.callback()](const Placement& to) {
    ready.pass();
    if (!to.end && to.attempt == 1) ticket->failed(500);
    if (!to.end && to.attempt == 2) ticket->ended(4);
    if (to.end) ticket.reset();
    tell(to);
  });
  ready.open();
  EXPECT_EQ(told.device(), "a");
  EXPECT_EQ(told.device(), "b");
  EXPECT_EQ(told.end().tokens, 4u);
}

TEST(Ticket, MovesAndGoesOn) {
  Scheduler scheduler(of({endpoint("a")}));
  Told one, two;
  Ticket first = scheduler.place(kAsk, one.callback());
  Ticket other = scheduler.place(kAsk, two.callback());
  one.device(), two.device();
  Ticket moved = std::move(first);
  moved = std::move(other);  // drops the first request
  EXPECT_EQ(one.end().end, End::cancelled);
  moved.ended(1);
  EXPECT_EQ(two.end().end, End::done);
}

TEST(Ticket, MayOutliveItsScheduler) {
  Ticket ticket;
  Told told;
  {
    Scheduler scheduler(of({endpoint("a")}));
    ticket = scheduler.place(kAsk, told.callback());
    told.device();
  }
  EXPECT_EQ(told.end().end, End::cancelled);
  EXPECT_FALSE(ticket.first_token());
  ticket.ended(1);
  ticket.cancel();
}

// ---- refusals ------------------------------------------------------------------------------------------------------

TEST(Place, RefusalsAreToldAsEnds) {
  const auto step = [](StepView&) {};
  Scheduler scheduler(of({endpoint("a", {.model = "placed"}), host_device("h", step, {.model = "stepped"})}));
  const auto why = [&](const PlaceRequest& request) {
    Told told;
    Ticket ticket = scheduler.place(request, told.callback());
    const Outcome end = told.end();
    EXPECT_EQ(end.end, End::rejected);
    EXPECT_TRUE(told.nothing_more());
    return std::string(end.why);
  };
  EXPECT_EQ(why({.prompt = kPrompt}), "no_such_model");
  EXPECT_EQ(why({.prompt = kPrompt, .model = "stepped"}), "no_endpoint");
  EXPECT_EQ(why({.prompt = kPrompt, .model = "placed", .slo = "platinum"}), "no_such_class");
  EXPECT_EQ(why({.prompt = kPrompt, .max_tokens = 1u << 21, .model = "placed"}), "too_long");
  Reply reply = scheduler.submit({.prompt = kPrompt, .model = "placed"});
  EXPECT_EQ(reply.outcome()->why, "only_endpoints");
  EXPECT_TRUE(scheduler.drain(0ns));
  EXPECT_EQ(why({.prompt = kPrompt, .model = "placed"}), "draining");
  const Counts counts = scheduler.counts();
  EXPECT_EQ(counts.submitted, 6u);
  EXPECT_EQ(counts.rejected, 6u);
}

TEST(Place, WithoutACallbackNothingIsPlaced) {
  Scheduler scheduler(of({endpoint("a")}));
  Ticket ticket = scheduler.place(kAsk, {});
  EXPECT_FALSE(ticket.first_token());
  EXPECT_EQ(scheduler.counts().submitted, 0u);
}

TEST(Place, OnAMovedFromSchedulerIsRejected) {
  Scheduler scheduler(of({endpoint("a")}));
  const Scheduler other = std::move(scheduler);
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  EXPECT_EQ(told.end().why, "moved_from");
}

TEST(Place, WrongEndpointsAreNamed) {
  const auto key_of = [](std::vector<Device> devices) {
    auto opened = Scheduler::open({.devices = std::move(devices)});
    const auto* error = std::get_if<ConfigError>(&opened);
    return error ? error->key : "";
  };
  EXPECT_EQ(key_of({endpoint("")}), "devices[0].name");
  EXPECT_EQ(key_of({endpoint("a"), endpoint("a")}), "devices[1].name");
  EXPECT_EQ(key_of({endpoint("a", {.concurrency = 0})}), "devices[0].concurrency");
  EXPECT_EQ(key_of({endpoint("a", {.unread_tokens = 0})}), "devices[0].unread_tokens");
  EXPECT_EQ(key_of({endpoint("a", {.kv_blocks = 0})}), "devices[0].kv_blocks");
  EXPECT_EQ(key_of({endpoint("a", {.start_timeout = 0ns})}), "devices[0].start_timeout");
  EXPECT_EQ(key_of({endpoint("a"), host_device("b", [](StepView&) {})}), "devices[1].model");
  EXPECT_EQ(key_of({endpoint("a", {.concurrency = 65536})}), "");
}

// ---- the window ----------------------------------------------------------------------------------------------------

TEST(Place, WhatAnEndpointCannotStartSoonWaitsHere) {
  Scheduler scheduler(of({endpoint("a", {.unread_tokens = 6})}));
  Told told[3];
  std::vector<Ticket> tickets;
  for (Told& t : told) tickets.push_back(scheduler.place(kAsk, t.callback()));
  told[0].device(), told[1].device();
  Told marker;  // its end is told in a tick after the three were looked at
  Ticket none = scheduler.place({.prompt = std::string_view()}, marker.callback());
  marker.end();
  EXPECT_TRUE(told[2].nothing_more());
  tickets[0].first_token();
  told[2].device();
}

// ---- many at once --------------------------------------------------------------------------------------------------

// Each of four threads plays its part of an endpoint, and of a client that goes, badly: fails, answers late, twice.
TEST(Place, CountsBalanceWhileManyThreadsPlace) {
  Options options = of({endpoint("a", {.concurrency = 8}), endpoint("b", {.concurrency = 8}),
                        endpoint("c", {.concurrency = 8, .start_timeout = 1ms})});
  options.max_waiting = 64;
  Scheduler scheduler(std::move(options));
  constexpr int kThreads = 4, kEach = 300;
  std::vector<std::thread> callers;
  std::vector<std::uint64_t> ends(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Told told;
        Ticket ticket = scheduler.place({.prompt = std::string_view("a prompt"), .max_tokens = 9}, told.callback());
        if (i % 7 == 6) ticket.cancel();
        for (int n = 0;; ++n) {
          const Told::News news = told.next();
          if (news.end) break;
          if (news.device == "c" && i % 2 == 0) continue;  // silent, until its time is up
          if (i % 5 == n) ticket.failed(i % 3 == 0 ? 503 : 0, {}, news.attempt);
          if (i % 11 == 10) ticket = Ticket();
          ticket.first_token(news.attempt);
          ticket.ended(static_cast<std::uint32_t>(i % 9), 0, news.attempt);
          ticket.failed(500, {}, news.attempt);
        }
        EXPECT_TRUE(told.nothing_more());
        ++ends[static_cast<std::size_t>(t)];
      }
    });
  }
  for (std::thread& t : callers) t.join();
  EXPECT_TRUE(scheduler.drain(1h));
  const Counts c = scheduler.counts();
  for (const std::uint64_t n : ends) EXPECT_EQ(n, std::uint64_t{kEach});
  EXPECT_EQ(c.submitted, std::uint64_t{kThreads * kEach});
  EXPECT_EQ(c.in_flight, 0u);
  EXPECT_EQ(c.done + c.cancelled + c.rejected + c.failed, c.submitted);
  EXPECT_GT(c.done, 0u);
  EXPECT_GT(c.cancelled, 0u);
}

// ---- what endpoints say of their load -------------------------------------------------------------------------------

TEST(Place, GoesWhereNobodyElsesRequestsAreAsTheEndpointsReport) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  scheduler.report("a", {.running = 5, .waiting = 2, .kv_used = 0.5, .age = 10ms});
  scheduler.report("b", {.running = 1});
  for (int k = 0; k < 6; ++k) {
    Told told;
    Ticket ticket = scheduler.place(kAsk, told.callback());
    EXPECT_EQ(told.device(), "b") << k;
    ticket.ended(1);
    EXPECT_EQ(told.end().end, End::done);
  }
  EXPECT_NE(scheduler.metrics().find("switchyard_device_others{device=\"a\"} 7\n"), std::string::npos);
  EXPECT_NE(scheduler.metrics().find("switchyard_device_others{device=\"b\"} 1\n"), std::string::npos);
}

TEST(Place, WhatAnEndpointHoldsOfOursIsNotTakenForOthers) {
  Scheduler scheduler(of({endpoint("a"), endpoint("b")}));
  Told told;
  Ticket ticket = scheduler.place(kAsk, told.callback());
  const std::string first = told.device();
  scheduler.report(first, {.running = 1});
  scheduler.report(first, {.running = 1, .age = -1h});  // nothing is of a time to come
  Told other;
  Ticket second = scheduler.place(kAsk, other.callback());
  EXPECT_NE(other.device(), first);
  EXPECT_NE(scheduler.metrics().find("switchyard_device_others{device=\"" + first + "\"} 0\n"), std::string::npos);
  ticket.ended(1), second.ended(1);
  told.end(), other.end();
}

TEST(Place, AReportOfNoEndpointIsSaidInTheLog) {
  std::string line;
  Options options = of({endpoint("a")});
  options.log = [&](std::string_view text) { line = text; };
  Scheduler scheduler(std::move(options));
  scheduler.report("z", {});
  EXPECT_EQ(line, "report: there is no device 'z'");
}

TEST(Place, AReportsUseByIsOfOneMillisecondToAnHour) {
  const auto opened = Scheduler::open(of({endpoint("a", {.use_by = 0ms})}));
  ASSERT_TRUE(std::holds_alternative<ConfigError>(opened));
  EXPECT_EQ(std::get<ConfigError>(opened).message, "devices[0].use_by: 0 ns; 1 ms to 1 h");
}

}  // namespace
}  // namespace switchyard
