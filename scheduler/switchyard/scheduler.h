// Switchyard: put every request on the accelerator where it costs least and still arrives in time.
//
//   switchyard::Scheduler scheduler({.devices = {switchyard::host_device("cpu", my_step)}});
//   for (switchyard::Token token : scheduler.submit({.prompt = tokens, .max_tokens = 16})) print(token);
//
// Threads:  every function may be called from any thread unless it says otherwise; submit() never blocks.
// Errors:   wrong options throw ConfigError from the constructor, or come back from Scheduler::open() where exceptions
//           are off. After that nothing throws: a request's end is its Outcome.
// Process:  no globals, so several may live in one process. No thread is pinned to a core unless Options::pin asks.
//           Make it after fork(): a Scheduler does not survive into the child, where any call, and any destructor,
//           ends the process with a message on standard error; a child that execs or leaves by _exit() meets neither.
// Doors:    submit() gives tokens, from devices that we step (host_device). place() gives the name of an endpoint and
//           is told how it went; sockets are the caller's. lane() gives a device's runs (pulled_device) to a loop that
//           owns its thread and stream; who submits sees no difference.
// This header includes the standard library only.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace yard {
class PulledDevice;
class RequestSlab;
}  // namespace yard

namespace switchyard {

using Token = std::int32_t;

// ---- what to run on ------------------------------------------------------------------------------------------------

struct StepView;  // step.h: the slots of one step, each with tokens in, emit(), stop()
class PulledRun;  // step.h: steps that follow each other

// What a host device can hold and do at once. What its steps take is learnt from its runs (Options::learn_costs), each
// device's by itself: weights, sequences, context and prompt tokens apart. Before some ten runs have ended, to
// placement each step costs 1 ms, 10 us per prompt token read and 10 ns per token of context.
struct HostOptions {
  std::string model = "default";      // requests name it; devices of one model share its requests
  std::uint32_t slots = 64;           // sequences in one step, at most; 1 .. 65,536
  std::uint32_t token_budget = 2048;  // tokens read in one step, at least `slots`; a longer prompt comes in chunks
  std::uint32_t kv_blocks = 65536;    // together they bound the context on the device
  std::uint32_t block_tokens = 16;    // tokens per KV block
  std::uint32_t max_context = 0;      // prompt and answer of one sequence; 0: as many as the KV blocks hold
  std::string region = "local", provider = "embedder";  // where it stands, and whose it is: requests may say where
  double idle_w = 0, busy_w = 0;                        // that it draws; for a power domain that it lies in
  bool only_embeds = false;  // makes no tokens: requests that ask for any are rejected ("only_embeds")
  // LoRA adapters of its model that requests may name, how many of them it holds at a time (0: it serves none), and
  // what loading one takes, so that requests of one name gather where it is. All devices of a model know all names.
  std::vector<std::string> adapters{};
  std::uint32_t adapter_slots = 0;
  std::chrono::nanoseconds adapter_load{};
  // Only "both": a device whose step or loop is yours cannot give its KV away, as "prefill" would, nor take another's.
  std::string role = "both";
  // A step's slots in parts, on so many threads at once, 1 to 256: the function is called with some of the slots, from
  // several threads, and must bear that. 1: all slots in one call; 0: as many as this process may keep busy (cores,
  // affinity mask, cgroup quota). The threads beside the device's own are shared by all devices that want some.
  std::uint32_t threads = 1;
  // The memory it is near, for Options::pin: "node 1" (the system's number), the PCI address of an accelerator
  // ("0000:3b:00.0") or what the system calls it ("mlx5_0"); empty: anywhere.
  std::string place{};
};

// A description, cheap to copy; the scheduler makes the thing.
class Device {
 public:
  struct Facts;
  explicit Device(std::shared_ptr<const Facts> facts) : facts_(std::move(facts)) {}
  const Facts& facts() const { return *facts_; }

 private:
  std::shared_ptr<const Facts> facts_;
};

// A device whose step is your function: one forward pass over the slots, called on the device's own thread, from one
// thread at a time. What it throws fails the sequences of that step and nothing else.
Device host_device(std::string name, std::function<void(StepView&)> step, HostOptions options = {});

// A device whose loop is yours: you own the thread, the CUDA context and the stream, and pull runs from its lane().
// Requests wait until there is a lane.
Device pulled_device(std::string name, HostOptions options = {});

// What an engine behind a wire can hold and do at once, as it was started: with vLLM its --max-num-seqs, the KV blocks
// that it logs, --block-size and --max-model-len. To placement it costs what a host device does (above).
struct EndpointOptions {
  std::string model = "default";       // requests name it; endpoints of one model share its requests
  std::uint32_t concurrency = 256;     // sequences in flight, at most; 1 .. 65,536
  std::uint32_t unread_tokens = 4096;  // it is sent no more while so many prompt tokens have brought no first token
  std::uint32_t kv_blocks = 65536;     // prompts and expected answers in flight fill at most 97 % of them
  std::uint32_t block_tokens = 16;
  std::uint32_t max_context = 0;  // prompt and answer of one sequence; 0: as many as the KV blocks hold
  std::string region = "local", provider = "embedder";  // where it stands, and whose it is: requests may say where
  double idle_w = 0, busy_w = 0;                        // that it draws; for a power domain that it lies in
  std::chrono::nanoseconds start_timeout = std::chrono::seconds(60);  // to the first token; then it goes elsewhere
  bool only_embeds = false;  // makes no tokens: requests that ask for any are rejected ("only_embeds")
  std::chrono::nanoseconds use_by = std::chrono::seconds(3);  // a report() older than that counts half, and so on
  // LoRA adapters of its model that requests may name, how many of them it holds at a time (0: it serves none), and
  // what loading one takes, so that requests of one name gather where it is. All devices of a model know all names.
  std::vector<std::string> adapters{};
  std::uint32_t adapter_slots = 0;
  std::chrono::nanoseconds adapter_load{};
};

// An engine behind a wire, that batches by itself and that you talk to: place() says when and to whom. A model is
// served by endpoints only, or by none.
Device endpoint(std::string name, EndpointOptions options = {});

// ---- what to ask ---------------------------------------------------------------------------------------------------

// A promise, by which requests are ordered; zero: none. Classes of a lower rank go first.
struct SloClass {
  std::string name{};
  std::uint32_t rank = 0;
  std::chrono::nanoseconds ttft{}, ttft_per_token{};  // to the first token: a part, and a part per prompt token
  std::chrono::nanoseconds tpot{}, e2e{};             // between tokens; to the last
  std::chrono::nanoseconds patience{};                // rejected ("shed") when it has waited so long; zero: never
  // 50, 90 or 99: rejected ("overloaded") where no device is expected to keep its ttft and e2e with that probability,
  // by what costs and answers were so far. Zero: it may come late.
  int sure_percent = 0;
};

// Who asks and pays. Zero: no such limit.
struct Tenant {
  std::string name{};
  // Its share while more is wanted than there is, in proportion to the others'. One weight makes shares: then a tenant
  // without one has 1.
  std::uint32_t weight = 0;
  std::int32_t rank_offset = 0;                 // added to the rank of its requests' classes, -255 to 255
  double requests_per_s = 0, tokens_per_s = 0;  // quotas; beyond them a request is rejected ("quota", with retry_after)
  std::uint64_t requests_burst = 0, tokens_burst = 0;  // that a quota saves up; 0: what a minute brings
  double usd_per_day = 0;                              // a budget, spent at these prices
  double usd_per_million_prompt_tokens = 0, usd_per_million_output_tokens = 0;
  std::vector<std::string> regions{};  // of devices, where its requests may run; empty: anywhere
};

// Devices that share watts: together they draw no more than the cap, idle ones included. Work that would is kept
// waiting; a cap that falls ends runs at their next step.
struct PowerDomain {
  std::string name{};
  double cap_w = 0;
  std::vector<std::string> devices{};  // a device lies in one domain at most
  std::string parent{};                // a domain named before, that this one lies in; empty: none
};

// Where a request may run, by the names that devices have. Empty: anywhere. Where no device has any of the names it is
// rejected ("no_region", "no_provider").
using Names = std::span<const std::string_view>;

struct Request {
  std::span<const Token> prompt{};  // copied before submit() returns
  // 2^30 and more: as many as the device can hold. 0: none, a score or an embedding is asked for; done when the prompt
  // is read, and TTFT and E2E objectives count to there.
  std::uint32_t max_tokens = 256;
  std::string_view model{}, slo{};  // empty: the only one, the first class
  std::string_view adapter{};       // of the model; empty: none; one that no device knows: "no_such_adapter"
  std::uint64_t tag = 0;            // comes back as StepSlot::tag: where a result that is no token goes
  std::string_view tenant{};        // unknown or empty: the first one
  Names regions{}, providers{};
  // Answers to it, 1 to 64 (beyond it: rejected, "too_many_answers"; 0 counts as 1), each a sequence of its own with
  // max_tokens. Its end is that of all: done when all are, and where one fails or is cancelled none goes on.
  std::uint32_t n = 1;
};

// A prompt as it is there: tokens, or text. Text counts as a token per four bytes, rounded up: about right for English,
// too few for other scripts and code (which run at two to three bytes a token).
using Prompt = std::variant<std::span<const Token>, std::string_view>;

struct PlaceRequest {
  Prompt prompt{};                  // only its length is read, and before place() returns
  std::uint32_t max_tokens = 256;   // 2^30 and more: as many as the endpoint can hold; 0: none, as in Request
  std::string_view model{}, slo{};  // empty: the only one, the first class
  std::string_view tenant{};        // unknown or empty: the first one
  Names regions{}, providers{};
  std::string_view adapter{};  // as in Request
};

enum class End : std::uint8_t { done, cancelled, rejected, failed };
struct Outcome {
  End end = End::done;
  std::string_view why{};                  // static text; empty when done or cancelled
  std::chrono::nanoseconds retry_after{};  // set when rejected and known
  std::chrono::nanoseconds ttft{}, e2e{};  // to the first token, zero where there was none; to the last one or the end
  std::uint32_t tokens = 0;                // of all answers
};

// A token and which answer of its request it belongs to, from 0.
struct AnswerToken {
  Token token = 0;
  std::uint32_t answer = 0;
};

// The answer as it comes. Dropping it cancels. Movable; one thread at a time reads it, and cancel() and outcome() may
// come from any other. It may outlive its Scheduler.
class [[nodiscard]] Reply {
 public:
  class Iterator {
   public:
    using value_type = Token;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    Token operator*() const { return token_->token; }
    std::uint32_t answer() const { return token_->answer; }  // which of several it belongs to, from 0
    Iterator& operator++();                                  // blocks until a token or the end
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !token_; }

   private:
    friend class Reply;
    explicit Iterator(Reply* reply) : reply_(reply) { ++*this; }
    Reply* reply_;
    std::optional<AnswerToken> token_;
  };

  Reply(Reply&&) noexcept;
  Reply& operator=(Reply&&) noexcept;
  ~Reply();

  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

  // Without blocking: Returns how many tokens were written to `out`; 0 means none yet, or the end when outcome() is
  // set.
  std::size_t take(std::span<Token> out) noexcept;
  std::size_t take(std::span<AnswerToken> out) noexcept;  // the same, of requests of several answers

  // Calls `wake` after each news (tokens, the end) from a device's or the shard's thread; an empty function ends that.
  // Once notify() or the destructor has returned, the former function is not being called nor will be. News from before
  // are not announced: take() once afterwards. `wake` must not block, throw, call notify() nor destroy a Reply.
  void notify(std::function<void()> wake);

  void cancel() noexcept;                           // the outcome says whether it came in time
  std::optional<Outcome> outcome() const noexcept;  // set once all tokens are there

 private:
  friend class Scheduler;
  friend class Submitter;
  explicit Reply(const Outcome& at_the_door) : at_the_door_(at_the_door) {}
  Reply(std::shared_ptr<yard::RequestSlab> slab, std::uint32_t index, std::uint32_t generation) noexcept
      : slab_(std::move(slab)), index_(index), generation_(generation) {}

  std::shared_ptr<yard::RequestSlab> slab_;  // null: refused at the door
  std::uint32_t index_ = 0, generation_ = 0;
  Outcome at_the_door_;
};

// Where to send a request now, or how it ended: then `end` is set and nothing follows.
struct Placement {
  std::string_view device{};  // an endpoint's name; as long-lived as its Scheduler
  std::uint32_t attempt = 0;  // of this request, from 1; those before it are over
  std::optional<Outcome> end{};
};

// What became of a request that place() placed. Each call speaks of the attempt it names, 0 the latest: name it where a
// connection that was given up may still speak. What comes late (the attempt or the request is over) or twice changes
// nothing and is counted (`switchyard_late_calls_total`). Calls return at once, from any thread, also from the
// callback. Dropping it cancels. Movable. It may outlive its Scheduler.
class [[nodiscard]] Ticket {
 public:
  Ticket() = default;  // of nothing: all calls are late
  Ticket(Ticket&&) noexcept;
  Ticket& operator=(Ticket&&) noexcept;
  ~Ticket();

  // The first token came. From now on a failure is the request's end: what a client has read, nobody can take back.
  // Returns: false where that attempt is over: nothing of its answer may go on to the client.
  bool first_token(std::uint32_t attempt = 0) noexcept;

  // The answer is complete, and has so many tokens, whether or not first_token() was told. `cached`: of its prompt,
  // found in the engine's prefix cache; counted only.
  void ended(std::uint32_t completion_tokens, std::uint32_t cached_tokens = 0, std::uint32_t attempt = 0) noexcept;

  // The endpoint answered with an error, or not at all (`http_status` 0). Another Placement follows, or the end.
  //   429           it is sent nothing until `retry_after` has passed; does not count against its health
  //   408, 0, < 400 unreachable
  //   other 4xx     the request is at fault: it ends as failed, "bad_request"
  //   5xx           refused; `retry_after` counts here too
  // Five failures in a row eject an endpoint for 30 s and longer; then one attempt at a time tries it.
  void failed(int http_status, std::chrono::nanoseconds retry_after = {}, std::uint32_t attempt = 0) noexcept;

  void cancel() noexcept;  // the end says whether it came in time

 private:
  friend class Scheduler;
  Ticket(std::shared_ptr<yard::RequestSlab> slab, std::uint32_t index, std::uint32_t generation) noexcept
      : slab_(std::move(slab)), index_(index), generation_(generation) {}

  std::shared_ptr<yard::RequestSlab> slab_;  // null: of nothing
  std::uint32_t index_ = 0, generation_ = 0;
};

// The runs of a pulled device, for its loop. Movable; one thread at a time. It may outlive its Scheduler.
//
//   while (!lane.closing())
//     if (switchyard::PulledRun* run = lane.wait(100ms)) {
//       while (run->more()) forward(run->next());
//       lane.ended(run);
//     }
//
// Dropping it says that the loop is gone for good: the device is down, its sequences fail, those that wait go
// elsewhere. Whoever starts a loop anew keeps the Lane. ~Scheduler waits for a run in hand, which must thus go on on
// another thread.
class [[nodiscard]] Lane {
 public:
  Lane() = default;  // of nothing: closing
  Lane(Lane&&) noexcept = default;
  Lane& operator=(Lane&&) noexcept;
  ~Lane();
  explicit operator bool() const noexcept { return device_ != nullptr; }

  // Returns: the run in hand, or the next one; null: none within `timeout`, or closing.
  PulledRun* wait(std::chrono::nanoseconds timeout) noexcept;

  // Hands the run back, after its last step; also before, even before its first: what goes on comes again in another
  // run. What is no run in hand changes nothing.
  void ended(PulledRun*) noexcept;

  // The step that was shown last, or the whole run, could not be computed: all its sequences fail ("device_failed").
  void failed(PulledRun*) noexcept;

  bool closing() const noexcept;  // the Scheduler ends, or has ended

 private:
  friend class Scheduler;
  explicit Lane(std::shared_ptr<yard::PulledDevice> device) noexcept : device_(std::move(device)) {}
  std::shared_ptr<yard::PulledDevice> device_;
};

// ---- the scheduler -------------------------------------------------------------------------------------------------

// Where the Scheduler's own threads run (the shard's, host devices', those that HostOptions::threads adds). near: on
// any core near the memory of their device's place; core: each on a core of its own there. Never outside the affinity
// mask and the cgroup that the process was started with. A thread that cannot be bound (more threads than cores, a
// machine that does not say what is near what, a kernel that forbids it) runs anywhere, which the log says once, and
// switchyard_threads_unbound counts.
enum class Pin : std::uint8_t { none, near, core };

struct Options {
  std::vector<Device> devices{};
  std::string policy =
      "expected_seconds";           // which device: names by `switchyard policies`; no refusals on costs not known
  std::string order = "edf";        // which request first: the same
  std::string bind = "arrival";     // or "room": a device is chosen when one has room
  std::vector<SloClass> classes{};  // empty: standard, interactive, batch
  std::vector<Tenant> tenants{};    // empty: one, without limits
  std::vector<PowerDomain> power_domains{};  // empty: nothing limits what devices draw
  std::uint32_t max_waiting = 65536;  // beyond it submit() answers rejected; replies held after their end may count
  std::uint64_t seed = 1;             // of policies that draw
  // Threads that decide, each with its part of the devices, in equal parts in the order listed: list those side by side
  // that stand together. At most 64, and at most as many as devices. What one cannot start in time another takes, if
  // `steal`. One decides for thousands of devices; more are for devices that are apart (NUMA nodes), or when one thread
  // is too busy. A quota or budget is shared out among them by devices; a power domain's devices are of one.
  std::uint32_t shards = 1;
  bool steal = true;
  // What steps cost is learnt from what runs take. Without, what HostOptions says before any is believed for good, but
  // for a common factor of each device, between 1/4 and 4.
  bool learn_costs = true;
  std::string learnt_costs{};  // by a Scheduler before, of devices of the same names and models: begin with that
  Pin pin = Pin::none;         // whether threads are bound to cores, and how
  std::string record_to{};     // a recording of everything the shard was told (FILE.shard0, ... of several);
                               // empty: none
  std::function<void(std::string_view)> log{};  // from any thread; empty: silent
};

// What an engine says of its load, all of its callers together: a scrape. With vLLM its num_requests_running,
// num_requests_waiting and kv_cache_usage_perc.
struct LoadReport {
  std::uint32_t running = 0, waiting = 0;  // sequences in its batches; in its own queue
  double kv_used = 0;                      // of its KV blocks, 0 to 1
  std::chrono::nanoseconds age{};          // since it was measured; negative counts as zero
};

struct ConfigError : std::exception {
  ConfigError(std::string file, int line, std::string key, std::string found, std::string accepted);
  const char* what() const noexcept override { return message.c_str(); }

  std::string file;  // empty where there is none
  int line;          // from 1; 0 where there is none
  std::string key, found, accepted;
  std::string message;  // all of it in one line
};

// serve: takes requests again. drain: those that run go on, those that wait go elsewhere, nothing new starts. remove:
// as drain, and those that run fail.
enum class Wish : std::uint8_t { serve, drain, remove };

// submitted == done + cancelled + rejected + failed + in_flight, always.
struct Counts {
  std::uint64_t submitted = 0, done = 0, cancelled = 0, rejected = 0, failed = 0, in_flight = 0;
};

class Submitter;

class Scheduler {
 public:
  explicit Scheduler(Options);  // Errors: throws ConfigError
  static std::variant<Scheduler, ConfigError> open(Options) noexcept;
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;
  ~Scheduler();  // cancels what is in flight, waits for the steps that run, and joins

  Reply submit(const Request&) noexcept;

  // A registered submitter, for a thread that submits much: 64 may be at once. Errors: beyond that, and where there is
  // no memory, it shares the others' way in, as submit() does.
  Submitter submitter() noexcept;

  // Calls `placed` with a Placement each time the request is to be sent to an endpoint, and once with its end, whatever
  // happens; then `placed` is destroyed. After a Placement the former attempts are over: hang up. It is called on the
  // shard's thread, perhaps before place() has returned; where place() itself refuses (queue_full, draining, no_memory,
  // no_such_class, no_endpoint: the model has stepped devices), on the caller's, before it returns, and the Ticket is
  // of nothing. It must not block, nor destroy the Scheduler; what it throws is said in the log.
  // Errors: an empty function places nothing.
  Ticket place(const PlaceRequest&, std::function<void(const Placement&)> placed) noexcept;

  // The lane of a pulled device: one over its life. An unknown name, another kind of device and a second lane are said
  // in the log and give the Lane of nothing, whose loop ends at once.
  Lane lane(std::string_view device) noexcept;

  // An unknown name is said in the log, and so is a device whose lane is gone. May wait while many changes are on the
  // way.
  void set(std::string_view device, Wish) noexcept;

  // The cap of a power domain, from now on. An unknown name is said in the log, and so is a cap below what its devices
  // draw idle, which changes nothing. May wait while many changes are on the way.
  void set_cap(std::string_view power_domain, double watts) noexcept;

  // What an endpoint said of its load, scraped by you as often as you like. Own requests are counted without it, at
  // once; what it holds of others' counts besides, until the report's use-by and then ever less. No report is a reason
  // to send nothing, and none is needed. What is older than another, or twice its use-by, is ignored. An unknown name,
  // and a device that is no endpoint, are said in the log. May wait while many changes are on the way.
  void report(std::string_view device, const LoadReport&) noexcept;

  // Nothing is taken any more (rejected, "draining"), for good; what is in flight goes on.
  // Returns: whether all of it ended within `patience`.
  bool drain(std::chrono::nanoseconds patience) noexcept;

  // A request whose outcome() is set is counted as ended.
  Counts counts() const noexcept;

  // Prometheus' text exposition (0.0.4): what ended and why, what is in flight, each device's load and state, TTFT and
  // E2E by class in buckets from 1 ms to 5 min. Of one moment; a few microseconds of the shard's time. Empty where
  // there is no memory, or no shard.
  std::string metrics() const noexcept;

  // What was learnt of the devices' steps, to be given to another Scheduler: some 20 KiB of text for each device that
  // has stepped. Empty where nothing is learnt, or there is no memory.
  std::string learnt_costs() const noexcept;

 private:
  friend class Submitter;
  struct State;
  explicit Scheduler(std::unique_ptr<State>) noexcept;
  std::unique_ptr<State> state_;
};

// A way in of one's own: a queue to each shard that no other thread writes, of 1,024 requests; they are in it until the
// shard's next look. Full, the reply is rejected ("queue_full"), though others may still be let in.
//
// Threads: one at a time submits. Movable. It must go before its Scheduler does, which ends the process otherwise; its
// replies need not.
// Order: a request that is cancelled, whoever does it, was heard of before. Requests of two submitters have no order.
// Progress: its push is wait-free, and hides nobody else's request wherever its thread is stopped. What submit() does
// besides (a slot, the prompt's copy, several shards' door) takes locks that others hold for some hundred nanoseconds.
class [[nodiscard]] Submitter {
 public:
  Submitter() = default;  // of nothing: its replies are rejected ("moved_from")
  Submitter(Submitter&&) noexcept;
  Submitter& operator=(Submitter&&) noexcept;
  ~Submitter();

  Reply submit(const Request&) noexcept;

 private:
  friend class Scheduler;
  Submitter(Scheduler::State* state, std::optional<std::uint32_t> lane) noexcept : state_(state), lane_(lane) {}

  Scheduler::State* state_ = nullptr;
  std::optional<std::uint32_t> lane_;  // none: the shared way
};

}  // namespace switchyard
