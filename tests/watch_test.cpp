// What the watch holds against a Core that shares prefixes, told by hand: blocks that are found again count once.
#include "tests/watch.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;

// A device of three KV blocks of 16 tokens, each a prefix block. Two prompts begin alike with one block.
struct Watched {
  struct Part {
    RequestId request;
    std::int32_t context, prefill, generated, granted;
  };

  explicit Watched(Given the_setup = Given().pool({.kv_blocks = 3, .block_tokens = 16}))
      : setup([&] {
          for (ModelView& model : the_setup.fleet.models) model.prefix_block = Tokens(16);
          return the_setup;
        }()),
        watch(setup.fleet, setup.bounds) {
    submit(kShort, 17);
    submit(kLong, 20);
  }

  void submit(RequestId request, std::int32_t prompt) {
    prompts[request.index] = prompt;
    watch.applied(Submitted{.request = request,
                            .model = ModelId{0},
                            .tenant = TenantId{0},
                            .slo = SloClassId{0},
                            .prompt = Tokens(prompt),
                            .max_output = Tokens(8),
                            .regions = {},
                            .arrival = Time(0),
                            .prefix = names});
  }
  // One run of one step, launched and ended.
  void run(const std::vector<Part>& parts) {
    std::vector<Slot> slots;
    std::vector<SlotEnd> ends;
    for (const Part& p : parts) {
      const bool samples = p.prefill == 0 || p.context + p.prefill == prompts[p.request.index] + p.generated;
      const SequenceId sequence{p.request.index, 0};
      slots.push_back({.sequence = sequence,
                       .request = p.request,
                       .context = Tokens(p.context),
                       .prefill = Tokens(p.prefill),
                       .generated = Tokens(p.generated),
                       .output_limit = Tokens(8),
                       .granted = Blocks(p.granted),
                       .answer = 0,
                       .adapter = {},
                       .samples = samples});
      ends.push_back({sequence, Tokens(p.prefill), Tokens(samples), Time(runs + 1), Time(runs + 1), SlotFate::running});
    }
    const RunId id{0, ++runs};
    watch.said(Launch{.run = id, .device = {0}, .step_limit = 1, .bound_by = BoundBy::work, .slots = slots},
               Time(runs));
    watch.applied(
        RunEnded{.run = id, .device = {0}, .why = RunEnd::step_limit, .steps = 1, .energy = {}, .slots = ends});
  }

  static constexpr RequestId kShort{0, 0}, kLong{1, 0};
  const std::array<BlockHash, 1> names{BlockHash{7}};
  const Given setup;
  std::array<std::int32_t, 2> prompts{};
  std::uint32_t runs = 0;
  Watch watch;
};

TEST(Watch, CountsOnceWhatAPreemptedOneFindsAgainThoughItIsAsMuchAsItHadRead) {
  Watched w;
  w.run({{w.kShort, 0, 16, 0, 1}, {w.kLong, 0, 16, 0, 1}});
  w.run({{w.kShort, 16, 1, 0, 2}});                          // the long one is preempted
  w.run({{w.kShort, 17, 0, 1, 2}, {w.kLong, 16, 1, 0, 2}});  // and finds the block that the short one has read
  EXPECT_EQ(w.watch.fault(), "");
  w.run({{w.kShort, 18, 0, 2, 2}, {w.kLong, 17, 1, 0, 2}});
  EXPECT_EQ(w.watch.fault(), "") << "it holds on to what it found";
}

TEST(Watch, CountsTwiceWhatTwoReadEachForItself) {
  Watched w;
  w.run({{w.kShort, 0, 16, 0, 1}});
  w.run({{w.kShort, 16, 1, 0, 2}, {w.kLong, 0, 16, 0, 1}});
  EXPECT_EQ(w.watch.fault(), "");
  w.run({{w.kShort, 17, 0, 1, 2}, {w.kLong, 16, 1, 0, 2}});
  EXPECT_EQ(w.watch.fault(), "I4: no more KV is granted than there is, at 3 ns");
}

}  // namespace
}  // namespace yard
