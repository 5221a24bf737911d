// A proxy of somebody else before two engines that it talks to itself: Switchyard chooses and keeps the queue, the
// proxy keeps its sockets and its loop. The engines are played here: one request meets a failure, one a 429, one client
// goes.
#include <switchyard/scheduler.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

// The proxy's own event loop: one thread, to which others post.
class Loop {
 public:
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    posted_.notify_one();
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    posted_.wait(lock, [this] { return !work_.empty(); });
    const std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
};

// One client's connection. What it says of its engine is what a real one would hear from a socket.
struct Connection {
  Loop& loop;
  std::string body, fate;  // what becomes of its first attempt
  switchyard::Ticket ticket{};
  std::vector<std::string> engines{};  // that it was sent to
  std::vector<switchyard::Outcome> replies{};

  void connect(const std::string& engine, unsigned attempt) {
    engines.push_back(engine);
    if (attempt == 1 && fate == "fails") return ticket.failed(503, {}, attempt);
    if (attempt == 1 && fate == "throttled") return ticket.failed(429, 20ms, attempt);
    if (!ticket.first_token(attempt)) return;
    if (fate == "leaves") return ticket.cancel();
    ticket.ended(40, 8, attempt);
  }
  void reply(const switchyard::Outcome& outcome) { replies.push_back(outcome); }
};

// README begins
void serve(switchyard::Scheduler& scheduler, const std::shared_ptr<Connection>& client) {
  client->ticket =
      scheduler.place({.prompt = std::string_view(client->body), .max_tokens = 512, .model = "llama-70b"},
                      [client](const switchyard::Placement& to) {  // on the shard's thread: hop to our own
                        client->loop.post([client, to] {
                          to.end ? client->reply(*to.end) : client->connect(std::string(to.device), to.attempt);
                        });
                      });
}
// README ends

bool expect(bool holds, const char* what) {
  if (!holds) std::printf("not so: %s\n", what);
  return holds;
}

}  // namespace

int main() {
  switchyard::Scheduler scheduler({.devices = {switchyard::endpoint("vllm-a", {.model = "llama-70b"}),
                                               switchyard::endpoint("vllm-b", {.model = "llama-70b"})}});
  Loop loop;
  std::vector<std::shared_ptr<Connection>> clients;
  for (const char* fate : {"", "fails", "", "throttled", "leaves", ""})
    clients.push_back(
        std::make_shared<Connection>(Connection{.loop = loop, .body = "Tell me of yards.", .fate = fate}));
  for (const auto& client : clients) serve(scheduler, client);
  const auto answered = [&] {
    std::size_t n = 0;
    for (const auto& client : clients) n += client->replies.size();
    return n;
  };
  while (answered() < clients.size()) loop.run_one();

  bool good = true;
  for (const auto& client : clients) {
    const bool again = client->fate == "fails" || client->fate == "throttled";
    good &= expect(client->replies.size() == 1, "each client hears of one end");
    good &= expect(client->engines.size() == (again ? 2 : 1), "a failure and a 429 bring another placement");
    good &= expect(!again || client->engines[0] != client->engines[1], "on the other engine");
    const auto end = client->fate == "leaves" ? switchyard::End::cancelled : switchyard::End::done;
    good &= expect(client->replies[0].end == end, "each end is its own");
  }
  const switchyard::Counts counts = scheduler.counts();
  good &= expect(counts.submitted == 6 && counts.done == 5 && counts.cancelled == 1, "six came, five are done");
  good &= expect(counts.rejected == 0 && counts.failed == 0 && counts.in_flight == 0, "and nothing else");
  const std::string metrics = scheduler.metrics();
  good &= expect(metrics.find("\nswitchyard_retries_total 2\n") != std::string::npos, "two retries are counted");
  good &=
      expect(metrics.find("\nswitchyard_cached_prompt_tokens_total 40\n") != std::string::npos, "cached tokens too");
  if (good) std::printf("proxied\n");
  return good ? 0 : 1;
}
