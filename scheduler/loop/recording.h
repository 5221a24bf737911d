// What a recording is: everything that a shard was told, and with which fleet, tables, policies, bounds and seed it was
// made, so that a Core of the same build says the same commands again (I6, E4).
//
// A file is `kMagic`, then frames. A frame is five 32-bit words (kind, raw bytes, packed bytes, CRC-32C of the packed
// bytes, CRC-32C of the four words before) and then the packed bytes, which zstd turns into the raw ones:
//
//   head   1, first:   RecordingHead
//   ticks  2, any:     number of the first tick (u64), ticks (u32), then each: now, events (u32), the events;
//                      at the end the decision hash after the frame's last tick
//   end    3, last:    ticks, events (u64), decision hash: the recording was closed, not cut
//
// All integers are little endian and of fixed width; an event is its index in `Event` (one byte) and its fields.
//
// R1  a tick lies wholly in one frame, so that whole frames are whole ticks.
// R2  a reader never holds more than one frame: at most kMaxRaw raw and as many packed bytes, and one tick's events.
// R3  another format has another magic.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "scheduler/core/core.h"
#include "scheduler/core/policy.h"
#include "scheduler/cost/step_cost.h"
#include "scheduler/loop/wire.h"
#include "topology/fleet_view.h"

namespace yard {

struct RecordingHead {
  FleetView fleet;
  CostTables tables;
  std::string scorer, order;
  Bind bind = Bind::arrival;
  Bounds bounds;
  Seed seed = 0;
};

namespace recording {

inline constexpr std::string_view kMagic = "switchyard recording 5\n";
enum class Frame : std::uint32_t { head = 1, ticks = 2, end = 3 };
inline constexpr std::size_t kFrameHead = 5 * sizeof(std::uint32_t);

inline constexpr std::size_t kFrameBytes = 256u << 10;    // raw bytes at which a frame is closed
inline constexpr std::size_t kMaxRaw = 64u << 20;         // of a frame, and so of a tick
inline constexpr std::uint32_t kMaxTickEvents = 1 << 20;  // of one tick
inline constexpr std::uint64_t kMaxSlots = 1 << 26;  // devices x sequences on each: memory of a Core made from a head
inline constexpr std::uint32_t kMaxSequences = 1 << 24;  // Bounds::sequences, and each of the other bounds

// CRC-32C (Castagnoli), of `bytes` after `before`.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

std::string encode(const FleetView&, const CostTables&, const PolicySet&, const Bounds&, Seed);

// Errors: wire::Malformed, also where a value could not be a shard's (V1-V3, the bounds above).
RecordingHead decode_head(std::string_view raw);

void encode(wire::Writer&, const Event&);

// The slots of a RunEnded are appended to `slots`, the prefix of a Submitted to `hashes`; its span is set by the caller
// once these grow no more, from `of_it`: their number, or 0. Errors: wire::Malformed.
Event decode_event(wire::Reader&, std::vector<SlotEnd>& slots, std::vector<BlockHash>& hashes, std::uint32_t& of_it);

// Errors: wire::Malformed where an event names a device, class or tenant that the fleet has not.
void check_event(const Event&, const FleetView&);

}  // namespace recording
}  // namespace yard
