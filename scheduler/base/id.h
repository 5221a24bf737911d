// Names of things: an index, and for what is made and ended at run time a generation, so that a late message about the
// former tenant of a slot is recognised as late.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace yard {

// A thing that exists from start to end: a device, a pool, a model, a class.
template <class Tag>
struct Index {
  std::uint32_t value = kNone;
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  constexpr bool some() const { return value != kNone; }
  constexpr auto operator<=>(const Index&) const = default;
};

// A thing that comes and goes: a sequence, a request, a run.
template <class Tag>
struct Handle {
  std::uint32_t index = 0xffff'ffff;
  std::uint32_t generation = 0;
  constexpr std::uint64_t bits() const { return std::uint64_t{generation} << 32 | index; }
  static constexpr Handle of_bits(std::uint64_t bits) {
    return {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)};
  }
  constexpr auto operator<=>(const Handle&) const = default;
};

using DeviceId = Index<struct DeviceTag>;  // numbered pool by pool, in the fleet's order
using PoolId = Index<struct PoolTag>;
using ModelId = Index<struct ModelTag>;
using SloClassId = Index<struct SloClassTag>;
using TenantId = Index<struct TenantTag>;
using RegionId = Index<struct RegionTag>;
using ProviderId = Index<struct ProviderTag>;
using DomainId = Index<struct DomainTag>;    // a power domain
using LinkId = Index<struct LinkTag>;        // over which KV moves from one pool to another
using ShardId = Index<struct ShardTag>;      // of a cell
using AdapterId = Index<struct AdapterTag>;  // a LoRA adapter; none: the model itself
using CostRow = Index<struct CostRowTag>;    // of CostTables

using RequestId = Handle<struct RequestTag>;    // given by the loop: a slot of its slab
using SequenceId = Handle<struct SequenceTag>;  // given by Core
using RunId = Handle<struct RunTag>;            // index: the device, generation: its runs counted

// Where a request may run; bit i is Id{i}. All ones: anywhere.
template <class Id>
struct Mask {
  std::uint64_t bits = ~std::uint64_t{0};
  constexpr bool has(Id id) const { return bits >> (id.value & 63) & 1; }
  constexpr bool anywhere() const { return bits == ~std::uint64_t{0}; }
  constexpr auto operator<=>(const Mask&) const = default;
};
using RegionMask = Mask<RegionId>;
using ProviderMask = Mask<ProviderId>;

}  // namespace yard
