#include "scheduler/backend/sim_served.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "scheduler/core/core.h"
#include "scheduler/core/policy.h"

namespace yard {
namespace {

// An engine has one device and serves in the order of arrival.
std::uint32_t the_only_one(std::span<const std::uint32_t>, const DeviceColumns&, const FleetView&, const CostTables&,
                           const Ask&, PolicyState&) noexcept {
  return 0;
}
std::uint64_t as_they_came(const Waiting&) noexcept { return 0; }

// Adapters keep their numbers.
FleetView engine_view(const PoolView& pool, Tokens prefix_block, const std::vector<AdapterView>& adapters) {
  FleetView view;
  PoolView one = pool;
  one.kind = PoolKind::stepped;
  one.first_device = 0, one.devices = 1;
  one.model = ModelId{0}, one.region = RegionId{0};
  view.pools = {one};
  view.models = {{"the model", prefix_block}};
  view.adapters = adapters;
  for (AdapterView& adapter : view.adapters) adapter.model = adapter.model == pool.model ? ModelId{0} : ModelId{};
  view.classes.emplace_back().name = "all";
  view.tenants = {{.name = "all"}};
  view.regions = {"here"};
  return view;
}

// What an engine may hold: what runs, and the line that its senders' windows may make.
Bounds engine_bounds(const PoolView& pool, Tokens prefix_block) {
  const std::int64_t keeps = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count() / prefix_block.count();
  return {.sequences = 2 * pool.max_sequences + 1024,
          .events_per_tick = 1024,
          .prefix_blocks = static_cast<std::uint32_t>(std::clamp<std::int64_t>(keeps, 1, 1 << 24))};
}

}  // namespace

class SimServed::Engine final : private BlockWatcher {
 public:
  // `id`: as its senders name it; `index`: in its pool.
  Engine(const FleetView& view, const CostTables& tables, const PoolView& pool, DeviceId id, std::uint32_t index,
         Exact exact)
      : id_(id),
        delay_(pool.wire_delay),
        scrape_(pool.scrape),
        lag_(pool.scrape_lag),
        background_(pool.background),
        rng_(Rng::stream(kBackgroundStream, id.value)),
        device_block_(pool.block_tokens),
        ahead_(pool.admission.ahead),
        bounds_(engine_bounds(view.pools[0], view.models[0].prefix_block)),
        policies_{.scorer_name = "",
                  .order_name = "",
                  .scorer = the_only_one,
                  .order = as_they_came,
                  .bind = Bind::arrival,
                  .blocks = pool.block_events ? this : nullptr},
        core_(bounds_, view, tables, policies_, 0),
        device_(view, tables, bounds_, exact) {
    if (scrape_.count() > 0) next_scrape_ = Time() + Duration(scrape_.count() * (index + 1) / pool.devices);
    if (background_.per_s_thousandths > 0) next_background_ = Time() + gap();
  }

  Time send(const Send& s, std::int32_t output, std::span<const BlockHash> prefix, Time now) {
    in_.push_back({.at = now + delay_, .send = s, .output = output, .prefix = {prefix.begin(), prefix.end()}});
    return next();
  }
  Time abort(const Abort& a, Time now) {
    in_.push_back({.at = now + delay_, .abort = a});
    return next();
  }

  Time fire(Time now, std::vector<Event>& said) {
    // What one step of this brings about at the same instant is done in the next one.
    while (std::min({run_, first_of(in_), first_of(held_), next_background_}) <= now) {
      while (run_ <= now) end_run(now);  // all boundaries of this instant come before what arrives at it
      for (; first_of(in_) <= now; in_.pop_front()) take(in_.front(), now);
      for (; first_of(held_) <= now; held_.pop_front()) submit(held_.front(), now);
      for (; next_background_ <= now; next_background_ += gap()) submit_background(now);
      poll(now);
    }
    for (; next_scrape_ <= now; next_scrape_ += scrape_) measure(now);
    for (; first_of(reports_) <= now; reports_.pop_front()) said.push_back(reports_.front().event);
    told_blocks_.clear();
    for (; first_of(block_news_) <= now; block_news_.pop_front()) {
      told_blocks_.push_back(std::move(block_news_.front().blocks));  // they live until the next call
      block_news_.front().event.blocks = told_blocks_.back();
      said.push_back(block_news_.front().event);
    }
    while (!out_.empty() && out_.front().at <= now) {
      said.push_back(out_.front().event);
      out_.pop_front();
    }
    return next();
  }

  // Returns: when it does something next by itself.
  Time next() const {
    return std::min({run_, first_of(in_), first_of(held_), first_of(out_), first_of(reports_), first_of(block_news_),
                     next_scrape_, next_background_});
  }
  // Whether it does nothing that its sender asked for, nor has anything to say of it.
  bool quiet() const { return ours_ == 0 && in_.empty() && held_.empty() && out_.empty() && block_news_.empty(); }
  bool alone() const { return scrape_.count() == 0 && background_.per_s_thousandths == 0; }

  EngineFault fault = EngineFault::none;
  const Histogram& gaps() const { return device_.gaps(); }

 private:
  struct In {
    Time at;
    std::optional<Send> send = {};
    std::optional<Abort> abort = {};
    std::int32_t output = 0;
    std::vector<BlockHash> prefix = {};  // its own copy: the sender may be done with the request before the engine is
  };
  struct Out {
    Time at;
    Event event;
  };
  struct BlockNews {
    Time at;
    BlocksChanged event;
    std::vector<BlockHash> blocks;
  };
  struct Tenant {  // of a request slot of the engine
    SequenceId sequence;
    std::uint32_t attempt = 0, generation = 0;
    bool busy = false, launched = false, began = false;
    bool ours = true;      // its sender's; else others'
    bool unheard = false;  // a word of it was not said: its stream is broken, and no later one comes
    std::vector<BlockHash> prefix = {};
    std::int32_t cached = 0;  // tokens of its prompt that the engine had
  };

  template <class Queue>
  static Time first_of(const Queue& queue) {
    return queue.empty() ? Time::never() : queue.front().at;
  }

  // Until the next request of others: evenly between none and twice the mean.
  Duration gap() {
    const std::int64_t mean = 1'000'000'000'000 / background_.per_s_thousandths;
    return Duration(1 + static_cast<std::int64_t>(rng_.below(2 * static_cast<std::uint64_t>(mean))));
  }

  void submit_background(Time now) {
    const std::uint32_t r = take_slot();
    tenants_[r] = {.sequence = {}, .generation = tenants_[r].generation + 1, .busy = true, .ours = false};
    const RequestId id{r, tenants_[r].generation};
    device_.arrives(id, background_.output, {});
    core_.apply(Submitted{.request = id,
                          .model = {0},
                          .tenant = {0},
                          .slo = {0},
                          .prompt = background_.prompt,
                          .max_output = background_.output,
                          .regions = {},
                          .arrival = now},
                now);
  }

  // What its cache does, as vLLM's KV events say it.
  void keeps(DeviceId, std::span<const BlockHash> chain, Time now) noexcept override {
    tell({id_, BlocksFate::stored, {}, {}, now}, {chain.begin(), chain.end()});
  }
  void lets_go(DeviceId, BlockHash block, Time now) noexcept override {
    tell({id_, BlocksFate::removed, {}, {}, now}, {block});
  }
  void tell(BlocksChanged event, std::vector<BlockHash> blocks) {
    if (fault == EngineFault::silent) return;
    block_news_.push_back({event.measured + delay_, event, std::move(blocks)});
  }

  // What it says of its load, as vLLM's num_requests_running, num_requests_waiting and kv_cache_usage_perc do.
  void measure(Time now) {
    if (fault == EngineFault::silent) return;
    const DeviceLoad load = core_.load({0}, now);
    const std::int64_t block = device_block_.count();
    const Load is{load.running, load.waiting, Blocks((load.kv_tokens + block - 1) / block)};
    reports_.push_back({now + lag_, LoadReport{.device = id_, .load = is, .measured = now}});
  }

  std::uint32_t take_slot() {
    const std::uint32_t r = free_.empty() ? static_cast<std::uint32_t>(tenants_.size()) : free_.back();
    free_.empty() ? static_cast<void>(tenants_.emplace_back()) : free_.pop_back();
    return r;
  }

  template <class E>
  void say(const E& event, Time now) {
    if (fault != EngineFault::silent) out_.push_back({now + delay_, event});
  }
  template <class E>
  void say(Tenant& of, const E& event, Time now) {
    of.unheard |= fault == EngineFault::silent;
    if (!of.unheard) say(event, now);
  }

  void take(In& in, Time now) {
    if (in.abort) {
      std::erase_if(held_, [&](const In& held) {
        return held.send->sequence == in.abort->sequence && held.send->attempt == in.abort->attempt;
      });
      for (std::uint32_t r = 0; r < tenants_.size(); ++r)
        if (tenants_[r].busy && tenants_[r].ours && tenants_[r].sequence == in.abort->sequence &&
            tenants_[r].attempt == in.abort->attempt)
          core_.apply(CancelAsked{{r, tenants_[r].generation}}, now);
      return;
    }
    const Send& s = *in.send;
    if (fault == EngineFault::refuses || fault == EngineFault::throttles) {
      const bool throttles = fault == EngineFault::throttles;
      say(Failed{.sequence = s.sequence,
                 .attempt = s.attempt,
                 .why = throttles ? Failure::throttled : Failure::refused,
                 .retry_after = throttles ? seconds(1) : Duration()},
          now);
      return;
    }
    // The next step is planned already: it joins the one after, once this one is over and that one has begun.
    if (ahead_ && run_ != Time::never()) {
      in.at = device_.step_end(0, now) + nanoseconds(1);
      held_.push_back(std::move(in));
    } else {
      submit(in, now);
    }
  }

  void submit(In& in, Time now) {
    const Send& s = *in.send;
    const std::uint32_t r = take_slot();
    ++ours_;
    Tenant& tenant = tenants_[r];
    tenant = {.sequence = s.sequence,
              .attempt = s.attempt,
              .generation = tenant.generation + 1,
              .busy = true,
              .began = false,
              .prefix = std::move(in.prefix)};
    const RequestId id{r, tenant.generation};
    device_.arrives(id, Tokens(in.output), {});
    say(tenant, Accepted{s.sequence, s.attempt}, now);
    core_.apply(Submitted{.request = id,
                          .model = {0},
                          .tenant = {0},
                          .slo = {0},
                          .prompt = s.prompt,
                          .max_output = s.output_limit,
                          .regions = {},
                          .arrival = now,
                          .adapter = s.adapter,
                          .prefix = tenant.prefix},
                now);
  }

  void end_run(Time now) {
    heard_.clear();
    run_ = device_.fire(0, now, heard_);
    for (const Event& event : heard_) {
      for (const SlotEnd& slot : std::get<RunEnded>(event).slots) {
        if (slot.generated.count() == 0) continue;
        Tenant& tenant = tenants_[request_of_[slot.sequence.index]];
        if (std::exchange(tenant.began, true) || !tenant.ours) continue;
        say(tenant, FirstToken{tenant.sequence, tenant.attempt, Tokens(tenant.cached), slot.first_token + delay_}, now);
      }
      core_.apply(event, now);
    }
  }

  void poll(Time now) {
    for (const Command& command : core_.poll(now)) {
      if (const auto* launch = std::get_if<Launch>(&command)) {
        for (const Slot& slot : launch->slots) {
          if (request_of_.size() <= slot.sequence.index) request_of_.resize(slot.sequence.index + 1);
          request_of_[slot.sequence.index] = slot.request.index;
          Tenant& tenant = tenants_[slot.request.index];
          if (!std::exchange(tenant.launched, true)) tenant.cached = slot.context.count();
        }
        run_ = device_.launch(*launch, now);
      } else if (const auto* interrupt = std::get_if<Interrupt>(&command)) {
        run_ = device_.interrupt(*interrupt, now);
      } else {
        answer(std::get<Finish>(command), now);
      }
    }
  }

  void answer(const Finish& finish, Time now) {
    Tenant& tenant = tenants_[finish.request.index];
    tenant.busy = false;
    free_.push_back(finish.request.index);
    if (!tenant.ours) return;
    --ours_;
    const Account& a = finish.account;
    if (finish.outcome == Outcome::done)
      say(tenant,
          Ended{.sequence = tenant.sequence,
                .attempt = tenant.attempt,
                .fate = SlotFate::stopped,
                .generated = a.output,
                .last_token = a.last_token == Time::never() ? a.last_token : a.last_token + delay_,
                .cached = Tokens(tenant.cached)},
          now);
    else if (finish.outcome != Outcome::cancelled)
      say(tenant,
          Failed{.sequence = tenant.sequence,
                 .attempt = tenant.attempt,
                 .why = finish.why == Reason::queue_full ? Failure::throttled : Failure::bad_request,
                 .retry_after = Duration()},
          now);
  }

  static constexpr Seed kBackgroundStream = 0x6f7468657273;  // a number like any other

  const DeviceId id_;
  const Duration delay_, scrape_, lag_;
  const Background background_;
  Rng rng_;
  const Tokens device_block_;
  const bool ahead_;
  const Bounds bounds_;
  const PolicySet policies_;
  Core core_;
  SimStepped device_;
  Time run_ = Time::never();
  std::deque<In> in_;    // what is on its way to the engine, in order
  std::deque<In> held_;  // what is there and waits for the step to end
  std::deque<Out> out_;  // what is on its way from it
  std::deque<Out> reports_;
  std::deque<BlockNews> block_news_;
  std::vector<std::vector<BlockHash>> told_blocks_;
  Time next_scrape_ = Time::never(), next_background_ = Time::never();
  std::uint32_t ours_ = 0;  // requests in it
  std::vector<Tenant> tenants_;
  std::vector<std::uint32_t> free_, request_of_;
  std::vector<Event> heard_;
};

SimServed::SimServed(const FleetView& fleet, const CostTables& tables, const Bounds& bounds, Exact exact)
    : truth_(std::size_t{bounds.sequences} + bounds.events_per_tick), engines_(fleet.devices()) {
  for (const PoolView& pool : fleet.pools) {
    if (pool.kind != PoolKind::served) continue;
    views_.push_back(
        std::make_unique<FleetView>(engine_view(pool, fleet.models[pool.model.value].prefix_block, fleet.adapters)));
    for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d)
      engines_[d] = std::make_unique<Engine>(*views_.back(), tables, pool, DeviceId{d}, d - pool.first_device, exact);
  }
}
SimServed::~SimServed() = default;

Time SimServed::send(const Send& s, Time now) {
  const Truth& truth = truth_[s.request.index];
  return engine(s.device.value).send(s, truth.output, {truth.prefix, truth.prefix_blocks}, now);
}
Time SimServed::abort(const Abort& a, Time now) { return engine(a.device.value).abort(a, now); }
Time SimServed::fire(std::uint32_t device, Time now, std::vector<Event>& said) {
  return engine(device).fire(now, said);
}
Time SimServed::starts(std::uint32_t device) { return engines_[device] ? engine(device).next() : Time::never(); }
bool SimServed::nothing_asked() const {
  const auto quiet = [](const auto& e) { return !e || e->quiet(); };
  const auto alone = [](const auto& e) { return !e || e->alone(); };
  return !std::ranges::all_of(engines_, alone) && std::ranges::all_of(engines_, quiet);
}
void SimServed::set_fault(std::uint32_t device, EngineFault fault) { engine(device).fault = fault; }

Histogram SimServed::gaps() const {
  Histogram all;
  for (const auto& e : engines_)
    if (e) all.merge(e->gaps());
  return all;
}

SimFleet::SimFleet(const FleetView& fleet, const CostTables& tables, const Bounds& bounds, Exact exact)
    : stepped_(fleet, tables, bounds, exact), served_(fleet, tables, bounds, exact), is_served_(fleet.devices()) {
  for (const PoolView& pool : fleet.pools)
    for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d)
      is_served_[d] = pool.kind == PoolKind::served;
  any_served_ = std::find(is_served_.begin(), is_served_.end(), true) != is_served_.end();
}

Histogram SimFleet::gaps() const {
  Histogram all = stepped_.gaps();
  all.merge(served_.gaps());
  return all;
}

}  // namespace yard
