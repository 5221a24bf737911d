// Binds a Scheduler's own threads where Options::pin wants them: the shards', its host devices', its crew's.
//
// Threads: each binds itself as it starts; the rest by whoever opens the Scheduler.
// A thread that cannot be bound, for whatever reason, runs anywhere: that is counted, and the first one is said in the
// log.
#pragma once
#include <switchyard/scheduler.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/sync/counter.h"
#include "topology/host.h"
#include "topology/pin_plan.h"

namespace yard {

class Binder {
 public:
  using Log = std::function<void(std::string_view)>;

  // `members`: of the crew. Reads the machine, unless nobody is to be bound. Errors: std::bad_alloc.
  Binder(switchyard::Pin, const std::vector<switchyard::Device>&, std::uint32_t shards, std::uint32_t members, Log);

  // What such a thread calls as it starts; empty where nobody is to be bound.
  std::function<void()> of_shard(std::uint32_t shard);
  std::function<void()> of_device(std::size_t device);  // index into the devices; one that we step
  std::function<void(std::uint32_t)> of_members();

  // The order in which each of the crew's members looks at other places (members, then a seat for each of those
  // devices), nearest first; empty where nobody is bound.
  std::vector<std::vector<std::uint32_t>> victims(const std::vector<std::size_t>& seated) const;

  // How near the shards' threads are to each other, row by row; empty where nobody is bound.
  std::vector<std::vector<HostLevel>> levels_between_shards() const;

  bool asked() const noexcept { return pin_ != switchyard::Pin::none; }
  std::uint64_t unbound() const noexcept { return unbound_.count(); }  // threads, so far

 private:
  void bind(std::size_t thread) noexcept;
  void runs_anywhere(std::size_t thread, std::string_view why) noexcept;
  void say(std::string_view) const noexcept;
  std::string name_of_thread(std::size_t thread) const;

  // constant after construction
  const switchyard::Pin pin_;
  const Log log_;
  Host host_;
  std::string unread_;  // why the machine could not be read; empty: it was
  const std::uint32_t shards_;
  std::vector<std::string> names_;  // of devices
  std::vector<PinPlace> places_;    // of each shard, of each device, of each member

  Counter unbound_;
};

}  // namespace yard
