// Roles and links of a fleet file: what is wrong in one line each, and what the right ones become.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/cost/compile_handoff.h"
#include "topology/fleet.h"

namespace yard {
namespace {

std::string pool(const std::string& name, const std::string& more) {
  return "  - {name: " + name + ", model: llama-3.1-8b, accelerator: h100-sxm, replicas: 3, " + more + "}\n";
}
const std::string kGood = "pools:\n" + pool("p", "role: prefill") + pool("d", "role: decode") + pool("b", "role: both");

std::string links(const std::string& entry) { return kGood + "handoff:\n  links:\n    - {" + entry + "}\n"; }

std::string answer(const std::string& text) {
  try {
    compile_fleet(read_fleet("f", text));
    return "";
  } catch (const InputError& e) {
    return e.what();
  }
}

struct Wrong {
  const char* rule;
  std::string text, message;
};

TEST(HandoffInput, EveryMistakeHasItsOneLine) {
  const std::string two = "pools:\n" + pool("p", "role: prefill");
  const std::string link = "handoff:\n  links:\n    - {from: p, to: d, latency_ms: 0}\n";
  const std::vector<Wrong> wrongs = {
      {"UnknownRole", "pools:\n" + pool("p", "role: reads"),
       "f:2: pools[0].role: found 'reads'; accepted: both, prefill, decode"},
      {"PrefillWithoutLink", "pools:\n" + pool("p", "role: prefill"),
       "f:2: pools[0].role: found role prefill and no link from it; add an entry to handoff.links, to a decode pool"},
      {"DecodeWithoutLink", "pools:\n" + pool("d", "role: decode"),
       "f:2: pools[0].role: found role decode and no link to it; add an entry to handoff.links, or role both"},
      {"ServedWithRole", "pools:\n" + pool("p", "role: prefill, served: {preset: vllm}"),
       "f:2: pools[0].role: found a role beside served: such an engine keeps its KV to itself; accepted: role both"},
      {"LinkToAnUnknownPool", links("from: p, to: dd, latency_ms: 0"),
       "f:7: handoff.links[0].to: found 'dd'; accepted: a pool, nearest is 'd'"},
      {"LinkFromADecodePool", links("from: d, to: b, latency_ms: 0"),
       "f:7: handoff.links[0].from: found 'd', whose role is decode; accepted: from a pool of role prefill"},
      {"LinkToAPrefillPool", links("from: p, to: p, latency_ms: 0"),
       "f:7: handoff.links[0].to: found 'p', whose role is prefill; accepted: to a pool of role decode or both"},
      {"NoLatency", links("from: p, to: d"), "f:7: handoff.links[0]: lacks a key; add latency_ms"},
      {"LinkTwice", links("from: p, to: d, latency_ms: 0}\n    - {from: p, to: d, latency_ms: 1"),
       "f:8: handoff.links[1]: found a second link from p to d; accepted: one of each"},
      {"ZeroBandwidth", links("from: p, to: d, latency_ms: 0, bandwidth: [{transfer_kib: 64, gb_s: 0}]"),
       "f:7: handoff.links[0].bandwidth[0].gb_s: found '0'; accepted: a plain decimal number from 0.001 to 1000000, at "
       "most 3 digits after the point"},
      {"NoBandwidth", links("from: p, to: d, latency_ms: 0, bandwidth: []"),
       "f:7: handoff.links[0].bandwidth: found an empty list; accepted: at least one {transfer_kib, gb_s}, or no "
       "bandwidth"},
      {"SizesThatFall",
       links("from: p, to: d, latency_ms: 0, bandwidth: [{transfer_kib: 64, gb_s: 1}, {transfer_kib: 64, gb_s: 2}]"),
       "f:7: handoff.links[0].bandwidth[1].transfer_kib: found '64'; accepted: sizes that rise"},
      {"NothingAtOnce", links("from: p, to: d, latency_ms: 0, at_once: 0"),
       "f:7: handoff.links[0].at_once: found '0'; accepted: a whole number from 1 to 65536"},
      {"OtherModel", two + "  - {name: d, model: llama-3.1-70b, accelerator: h100-sxm, tp: 4, role: decode}\n" + link,
       "f:6: handoff.links[0]: found llama-3.1-8b at one end and llama-3.1-70b at the other; accepted: ends that serve "
       "one model"},
      {"OtherKv", two + pool("d", "role: decode, kv_precision: fp8") + link,
       "f:6: handoff.links[0]: found KV in bf16 at one end and in fp8 at the other; accepted: one kv_precision at both "
       "ends"},
      {"OtherSizeOfKv", two + pool("d", "role: decode, kv_bytes_per_token: 7") + link,
       "f:6: handoff.links[0]: found 131072 bytes of KV a token at one end and 7 at the other; accepted: KV of one "
       "size "
       "at both ends"},
      {"BesideCells", "cells: 2\n" + links("from: p, to: d, latency_ms: 0"),
       "f:6: handoff: found it beside cells; accepted: one of the two; a cell decides alone what moves in it"},
      {"UnknownKey", kGood + "handoff: {stay: 3}\n",
       "f:5: handoff.stay: unknown key; nearest is 'links'; accepted: stay_tokens, links"},
  };
  for (const Wrong& wrong : wrongs) EXPECT_EQ(answer(wrong.text), wrong.message) << wrong.rule;
}

// 8 KV heads x 128 x K and V x 2 bytes x 32 layers a token; 16 tokens of one layer are 64 KiB.
TEST(HandoffInput, ALinksRateIsThatOfTheSizeOfALayersBlock) {
  const FleetView view = compile_fleet(read_fleet("f", links("from: p, to: d, latency_ms: 0.5"))).view;
  EXPECT_EQ(view.pools[0].role, PoolRole::prefill);
  EXPECT_EQ(view.pools[0].kv_token_bytes, 131'072);
  ASSERT_EQ(view.links.size(), 1u);
  EXPECT_EQ(view.links[0].at_once, 3u);
  EXPECT_EQ(view.links[0].latency, microseconds(500));
  EXPECT_EQ(view.links[0].bytes_per_s, 12'138'750'000) << "97.11 GB/s by 8 accelerators";
  EXPECT_EQ(view.links[0].time(12'138'750), milliseconds(1) + microseconds(500));
}

TEST(HandoffInput, ASizeBetweenTwoIsInterpolated) {
  const std::vector<FleetHandoffLink::Bandwidth> points = {{100, 1000}, {200, 3000}, {300, 2000}};
  for (const auto& [bytes, rate] :
       std::vector<std::pair<int, int>>{{1, 1000}, {100, 1000}, {150, 2000}, {200, 3000}, {250, 2500}, {900, 2000}})
    EXPECT_EQ(bandwidth_at(points, bytes), rate) << bytes;
}

TEST(HandoffInput, LargerTransfersAndMoreAcceleratorsAreFaster) {
  const auto rate = [](const std::string& pools, const std::string& more) {
    return compile_fleet(read_fleet("f", "pools:\n" + pools +
                                             "handoff:\n  links:\n    - {from: p, to: d, latency_ms: 0" + more + "}\n"))
        .view.links[0]
        .bytes_per_s;
  };
  const std::string small = pool("p", "role: prefill") + pool("d", "role: decode");
  EXPECT_EQ(rate(small, ", transfer_kib: 512"), 44'702'500'000);
  EXPECT_EQ(rate(small, ", bandwidth: [{transfer_kib: 1, gb_s: 2.5}]"), 2'500'000'000);
  // Each of two ranks sends half of a block: 32 KiB, at what 64 KiB come to.
  const std::string wide = pool("p", "role: prefill, tp: 2") + pool("d", "role: decode, tp: 4");
  EXPECT_EQ(rate(wide, ""), 2 * 12'138'750'000);
}

TEST(HandoffInput, TheBuiltInFleetIsRight) {
  const CompiledFleet fleet = compile_fleet(load_fleet("builtin:handoff"));
  EXPECT_EQ(fleet.view.links.size(), 1u);
  EXPECT_EQ(fleet.view.devices(), 16u);
}

}  // namespace
}  // namespace yard
