#include "scheduler/policy/least_times.h"

#include <algorithm>
#include <array>

// A copy for each of three sets of instructions; the loader takes one. Sanitizers cannot follow it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define YARD_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define YARD_SANITIZED
#endif
#endif
#if defined(__x86_64__) && defined(__ELF__) && !defined(YARD_SANITIZED)
#define YARD_CLONES [[gnu::target_clones("default", "arch=haswell", "arch=skylake-avx512")]]
#else
#define YARD_CLONES
#endif

namespace yard::policy::kept_promises {
namespace {

// Of what terms_on cuts off, in 1,024 ps: of a step or a time per token three times less than a nanosecond.
constexpr std::int64_t kCut = 3;
constexpr std::int64_t kDay = kLongest / kGrain * 1000;

struct Rates {
  const Picoseconds* c0;  // by sequences
  std::int64_t most;      // sequences
  std::int64_t c1, c2, c4;
  std::int64_t prompt, answers, waited;  // tokens, tokens, 1,024 ps
};

YARD_CLONES void bound(const Rates r, const std::uint32_t* __restrict running, const std::uint32_t* __restrict waiting,
                       const std::int64_t* __restrict queued, const std::int64_t* __restrict kv,
                       const std::int64_t* __restrict line, const std::int32_t* __restrict hit,
                       const std::int64_t* __restrict load, const std::uint32_t* __restrict pace,
                       std::int64_t* __restrict least, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    const std::int64_t here = running[k], next = here + waiting[k] + 1, reads = r.prompt - hit[k];
    const std::int64_t pairs = reads * hit[k] + reads * (reads + 1) / 2;
    const auto in_grains = [](std::int64_t ps) { return ps >> 10; };
    const auto paced = [&](std::int64_t grains) { return grains * pace[k] >> 10; };
    const std::int64_t step = paced(in_grains(r.c0[std::min(here, r.most)].count() + r.c2 * kv[k]));
    const std::int64_t held = kv[k] + line[k] + r.prompt + r.answers / 2;
    const std::int64_t token = paced(in_grains(r.c0[std::min(next, r.most)].count() + r.c2 * held)) - kCut;
    const std::int64_t reading =
        paced(in_grains(r.c1 * queued[k]) + in_grains(r.c1 * reads) + (in_grains(r.c4 * pairs) >> 10));
    const std::int64_t steps = (here > 0 ? step >> 1 : 0) + (queued[k] + reads > 0 ? step : 0);
    const std::int64_t first = r.waited + reading + in_grains(load[k] * 1000) + steps - 4 * kCut;
    least[k] = std::min(first, kDay) + std::min(r.answers * token, kDay);
  }
}

}  // namespace

void least_times(const PoolView& pool, const StepCost& cost, const DeviceColumns& devices, std::uint32_t first,
                 const Request& q, std::span<std::int64_t> least) noexcept {
  const Rates rates{.c0 = cost.c0_by_sequences().data(),
                    .most = pool.max_sequences,
                    .c1 = cost.c1().count(),
                    .c2 = cost.c2().count(),
                    .c4 = cost.c4().count(),
                    .prompt = q.prompt,
                    .answers = q.answers,
                    .waited = q.waited * 1000 / kGrain};
  static constexpr auto kAsSaid = [] {
    std::array<std::uint32_t, kMostAtOnce> pace;
    pace.fill(kPaceAsSaid);
    return pace;
  }();
  const std::uint32_t* pace = devices.pace.empty() ? kAsSaid.data() : &devices.pace[first];
  bound(rates, &devices.running[first], &devices.waiting[first], &devices.prefill_tokens[first],
        &devices.kv_tokens[first], &devices.waiting_tokens[first], &devices.hit_tokens[first],
        &devices.adapter_load[first], pace, least.data(), least.size());
}

}  // namespace yard::policy::kept_promises
